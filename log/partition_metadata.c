// SPDX-License-Identifier: Apache-2.0
//
// partition.metadata.
#include "log/partition_metadata.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/file.h"

#define METADATA_FILE      "partition.metadata"
#define BEGUN_FILE         METADATA_FILE ".tmp"
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

static enum err metadata_read_file(const struct os *os, const char *dir, const char *name, struct uuid *topic_id)
{
    char path[METADATA_PATH_MAX];
    char *text = NULL;
    size_t len;
    memset(topic_id, 0, sizeof *topic_id);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    enum err err = os_read_file(os, path, METADATA_BYTES_MAX, &text, &len);
    if (!err) {
        err = metadata_parse(text, topic_id);
    }
    free(text);
    return err == ERR_TOO_LARGE ? ERR_CORRUPT : err;
}

enum err partition_metadata_read(const struct os *os, const char *dir, struct uuid *topic_id, bool *begun)
{
    *begun = false;
    enum err err = metadata_read_file(os, dir, METADATA_FILE, topic_id);
    if (err == ERR_NOT_FOUND) {
        err = metadata_read_file(os, dir, BEGUN_FILE, topic_id);
        *begun = !err;
        err = err == ERR_NOT_FOUND || err == ERR_CORRUPT ? ERR_OK : err; // cut off while it was written: there is none
    }
    return err;
}

enum err partition_metadata_begin(const struct os *os, const char *dir, const struct uuid *topic_id)
{
    char path[METADATA_PATH_MAX];
    char id[UUID_TEXT_LEN + 1];
    char text[64];
    uuid_format(topic_id, id);
    snprintf(path, sizeof path, "%s/%s", dir, BEGUN_FILE);
    int len = snprintf(text, sizeof text, "version: 0\ntopic_id: %s", id);
    return os_write_file(os, path, text, (size_t)len);
}

enum err partition_metadata_finish(const struct os *os, const char *dir)
{
    char from[METADATA_PATH_MAX];
    char to[METADATA_PATH_MAX];
    snprintf(from, sizeof from, "%s/%s", dir, BEGUN_FILE);
    snprintf(to, sizeof to, "%s/%s", dir, METADATA_FILE);
    enum err err = file_sync(os, from);
    if (!err && os->rename(os, from, to) != 0) {
        err = err_from_errno(errno);
    }
    return err;
}

enum err partition_metadata_write(const struct os *os, const char *dir, const struct uuid *topic_id)
{
    enum err err = partition_metadata_begin(os, dir, topic_id);
    if (!err) {
        err = partition_metadata_finish(os, dir);
    }
    return err ? err : os_fsync_dir(os, dir);
}
