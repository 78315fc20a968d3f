// SPDX-License-Identifier: Apache-2.0
//
// partition.metadata.
#include "log/partition_metadata.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METADATA_FILE      "partition.metadata"
#define METADATA_BYTES_MAX 4096
#define METADATA_PATH_MAX  4096

// Copies the value of the line "<key>: <value>"; false when there is no such line or it is too long.
static bool line_value(const char *text, const char *key, char *out, size_t cap)
{
    size_t key_len = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, key_len) == 0 && line[key_len] == ':') {
            const char *value = line + key_len + 1;
            value += strspn(value, " \t");
            size_t len = strcspn(value, " \t\r\n");
            if (len >= cap) {
                return false;
            }
            memcpy(out, value, len);
            out[len] = '\0';
            return true;
        }
    }
    return false;
}

static enum err metadata_parse(const char *text, struct uuid *topic_id)
{
    char version[12];
    char id[UUID_TEXT_LEN + 1];
    if (!line_value(text, "version", version, sizeof version) || !isdigit((unsigned char)version[0]) ||
        !line_value(text, "topic_id", id, sizeof id)) {
        return ERR_CORRUPT;
    }
    return uuid_parse(id, topic_id) || uuid_is_zero(topic_id) ? ERR_CORRUPT : ERR_OK;
}

enum err partition_metadata_read(const struct os *os, const char *dir, struct uuid *topic_id)
{
    char path[METADATA_PATH_MAX];
    char *text = NULL;
    size_t len;
    memset(topic_id, 0, sizeof *topic_id);
    snprintf(path, sizeof path, "%s/%s", dir, METADATA_FILE);
    enum err err = os_read_file(os, path, METADATA_BYTES_MAX, &text, &len);
    if (!err) {
        err = metadata_parse(text, topic_id);
    }
    free(text);
    if (err == ERR_TOO_LARGE) {
        err = ERR_CORRUPT;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err partition_metadata_write(const struct os *os, const char *dir, const struct uuid *topic_id)
{
    char path[METADATA_PATH_MAX];
    char id[UUID_TEXT_LEN + 1];
    char text[64];
    uuid_format(topic_id, id);
    snprintf(path, sizeof path, "%s/%s", dir, METADATA_FILE);
    int len = snprintf(text, sizeof text, "version: 0\ntopic_id: %s", id);
    return os_replace_file(os, path, text, (size_t)len);
}
