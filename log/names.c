// SPDX-License-Identifier: Apache-2.0
//
// Formatting and parsing of Kafka's file and folder names. What one function writes the other reads.
#include "log/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_text[] = {
    [NAME_LOG] = ".log",
    [NAME_INDEX] = ".index",
    [NAME_TIME_INDEX] = ".timeindex",
    [NAME_TXN_INDEX] = ".txnindex",
    [NAME_SNAPSHOT] = ".snapshot",
};

static const char *const state_text[] = {
    [NAME_LIVE] = "",
    [NAME_DELETED] = ".deleted",
    [NAME_CLEANED] = ".cleaned",
    [NAME_SWAP] = ".swap",
};

static const char *const folder_text[] = {
    [FOLDER_LIVE] = "",
    [FOLDER_DELETE] = "-delete",
    [FOLDER_FUTURE] = "-future",
    [FOLDER_STRAY] = "-stray",
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

void file_name_format(char out[NAME_FILE_MAX], int64_t offset, enum name_kind kind, enum name_state state)
{
    snprintf(out, NAME_FILE_MAX, "%020" PRId64 "%s%s", offset, kind_text[kind], state_text[state]);
}

// Decimal digits only; false when there are none, other bytes follow before `end`, or it is more than max.
static bool number_parse(const char *text, const char *end, int64_t max, int64_t *out)
{
    int64_t value = 0;
    if (text == end) {
        return false;
    }
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        int digit = *text - '0';
        if (value > (max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool file_name_parse(const char *name, struct file_name *out)
{
    const char *dot = strchr(name, '.');
    if (dot == NULL || !number_parse(name, dot, INT64_MAX, &out->offset)) {
        return false;
    }
    for (size_t kind = 0; kind < COUNT_OF(kind_text); kind++) {
        size_t len = strlen(kind_text[kind]);
        if (strncmp(dot, kind_text[kind], len) != 0) {
            continue;
        }
        for (size_t state = 0; state < COUNT_OF(state_text); state++) {
            if (strcmp(dot + len, state_text[state]) == 0) {
                out->kind = (enum name_kind)kind;
                out->state = (enum name_state)state;
                return true;
            }
        }
    }
    return false;
}

enum err folder_name_format(char out[NAME_FOLDER_MAX], const char *topic, int32_t partition)
{
    int n = snprintf(out, NAME_FOLDER_MAX, "%s-%" PRId32, topic, partition);
    return n < 0 || n >= NAME_FOLDER_MAX ? ERR_TOO_LARGE : ERR_OK;
}

enum err folder_name_format_future(char out[NAME_FOLDER_MAX], const char *topic, int32_t partition, const char *unique)
{
    int n = snprintf(out, NAME_FOLDER_MAX, "%s-%" PRId32 ".%s%s", topic, partition, unique, folder_text[FOLDER_FUTURE]);
    return n < 0 || n >= NAME_FOLDER_MAX ? ERR_TOO_LARGE : ERR_OK;
}

void folder_name_format_delete(char out[NAME_FOLDER_MAX], const char *topic, int32_t partition, const char *unique)
{
    char suffix[64];
    int len = snprintf(suffix, sizeof suffix, "-%" PRId32 ".%s%s", partition, unique, folder_text[FOLDER_DELETE]);
    snprintf(out, NAME_FOLDER_MAX, "%.*s%s", NAME_FOLDER_MAX - 1 - len, topic, suffix);
}

bool folder_name_parse(const char *name, struct folder_name *out)
{
    size_t len = strlen(name);
    if (len >= NAME_FOLDER_MAX) {
        return false;
    }
    out->state = FOLDER_LIVE;
    for (size_t state = FOLDER_DELETE; state < COUNT_OF(folder_text); state++) {
        size_t suffix_len = strlen(folder_text[state]);
        const char *dot = strrchr(name, '.');
        if (dot != NULL && len > suffix_len && strcmp(name + len - suffix_len, folder_text[state]) == 0) {
            out->state = (enum folder_state)state;
            len = (size_t)(dot - name);
            break;
        }
    }
    const char *dash = memrchr(name, '-', len);
    int64_t partition;
    if (dash == NULL || dash == name || !number_parse(dash + 1, name + len, INT32_MAX, &partition)) {
        return false;
    }
    out->partition = (int32_t)partition;
    memcpy(out->topic, name, (size_t)(dash - name));
    out->topic[dash - name] = '\0';
    return true;
}
