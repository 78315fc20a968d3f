// SPDX-License-Identifier: Apache-2.0
//
// See the header. A directory that could not be opened keeps its place, so that its path can be told as offline.
#include "broker/replica/log_dirs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/logging.h"

struct log_dirs_place {
    char *path;
    char *real; // symbolic links followed; NULL when it cannot be told
    struct log_dir *dir;
};

struct log_dirs {
    struct log_dirs_place *places;
    int32_t count;
};

// As Java's absolute paths are: the working directory before a relative one, slashes not doubled and none at the end.
static char *path_absolute(const char *path)
{
    char from[PATH_MAX] = "";
    if (path[0] != '/' && getcwd(from, sizeof from) == NULL) {
        return NULL;
    }
    char *out = malloc(strlen(from) + 1 + strlen(path) + 1);
    if (out == NULL) {
        return NULL;
    }
    size_t len = strlen(from);
    memcpy(out, from, len);
    out[len++] = '/';
    for (const char *p = path; *p != '\0'; p++) {
        if (*p != '/' || out[len - 1] != '/') {
            out[len++] = *p;
        }
    }
    len -= len > 1 && out[len - 1] == '/';
    out[len] = '\0';
    return out;
}

static enum err place_open(struct log_dirs *s, const struct os *os, const char *path)
{
    struct log_dirs_place *place = &s->places[s->count];
    place->path = path_absolute(path);
    if (place->path == NULL) {
        return ERR_NO_MEMORY;
    }
    s->count++;
    enum err err = log_dir_open(os, place->path, &place->dir); // says what is wrong itself
    if (err == ERR_NO_MEMORY || err == ERR_LOCKED || err == ERR_UNSUPPORTED) {
        return err;
    }
    place->real = realpath(place->path, NULL);
    for (int32_t i = 0; i + 1 < s->count; i++) {
        if (place->real != NULL && s->places[i].real != NULL && strcmp(place->real, s->places[i].real) == 0) {
            log_error("replica", "log.dirs names the directory %s twice", place->real);
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

enum err log_dirs_open(const struct os *os, const char *const *paths, int32_t count, struct log_dirs **out)
{
    *out = NULL;
    struct log_dirs *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return ERR_NO_MEMORY;
    }
    s->places = calloc((size_t)count, sizeof *s->places);
    enum err err = s->places == NULL ? ERR_NO_MEMORY : ERR_OK;
    for (int32_t i = 0; i < count && err == ERR_OK; i++) {
        err = place_open(s, os, paths[i]);
    }
    if (err == ERR_OK && log_dirs_online_count(s) == 0) {
        if (count > 1) {
            log_error("replica", "none of the log directories can be used");
        }
        err = ERR_FAILED;
    }
    if (err != ERR_OK) {
        log_dirs_close(s, log_dirs_were_clean(s));
        return err;
    }
    *out = s;
    return ERR_OK;
}

void log_dirs_close(struct log_dirs *s, bool clean)
{
    for (int32_t i = 0; i < s->count; i++) {
        struct log_dirs_place *place = &s->places[i];
        if (place->dir != NULL) {
            log_dir_close(place->dir, clean);
        }
        free(place->path);
        free(place->real);
    }
    free(s->places);
    free(s);
}

int32_t log_dirs_count(const struct log_dirs *s)
{
    return s->count;
}

const char *log_dirs_path(const struct log_dirs *s, int32_t i)
{
    return s->places[i].path;
}

struct log_dir *log_dirs_at(const struct log_dirs *s, int32_t i)
{
    return s->places[i].dir;
}

bool log_dirs_online(const struct log_dirs *s, int32_t i)
{
    const struct log_dir *d = s->places[i].dir;
    return d != NULL && log_dir_state(d) != LOG_DIR_OFFLINE;
}

int32_t log_dirs_online_count(const struct log_dirs *s)
{
    int32_t n = 0;
    for (int32_t i = 0; i < s->count; i++) {
        n += log_dirs_online(s, i);
    }
    return n;
}

// Room first, then fewer logs.
static bool place_is_better(const struct log_dir *d, const struct log_dir *best)
{
    if (best == NULL || log_dir_is_full(d) != log_dir_is_full(best)) {
        return best == NULL || log_dir_is_full(best);
    }
    return log_dir_logs_count(d) < log_dir_logs_count(best);
}

struct log_dir *log_dirs_place(const struct log_dirs *s)
{
    struct log_dir *best = NULL;
    for (int32_t i = 0; i < s->count; i++) {
        if (log_dirs_online(s, i) && place_is_better(s->places[i].dir, best)) {
            best = s->places[i].dir;
        }
    }
    return best;
}

bool log_dirs_were_clean(const struct log_dirs *s)
{
    bool clean = true;
    for (int32_t i = 0; i < s->count; i++) {
        const struct log_dir *d = s->places[i].dir;
        clean = clean && (d == NULL || log_dir_was_clean(d));
    }
    return clean;
}

enum err log_dirs_meta(const struct log_dirs *s, struct log_dir_meta *out)
{
    *out = (struct log_dir_meta){.broker_id = -1};
    for (int32_t i = 0; i < s->count; i++) {
        if (s->places[i].dir == NULL) {
            continue;
        }
        const struct log_dir_meta *m = log_dir_meta(s->places[i].dir);
        if (out->broker_id >= 0 && m->broker_id >= 0 && m->broker_id != out->broker_id) {
            log_error("replica", "%s/meta.properties says broker.id=%d, that of another log directory %d",
                      s->places[i].path, (int)m->broker_id, (int)out->broker_id);
            return ERR_INVALID;
        }
        if (*out->cluster_id != '\0' && *m->cluster_id != '\0' && strcmp(m->cluster_id, out->cluster_id) != 0) {
            log_error("replica", "%s/meta.properties says cluster.id=%s, that of another log directory %s",
                      s->places[i].path, m->cluster_id, out->cluster_id);
            return ERR_INVALID;
        }
        out->present = out->present || m->present;
        out->broker_id = m->broker_id >= 0 ? m->broker_id : out->broker_id;
        if (*m->cluster_id != '\0') {
            memcpy(out->cluster_id, m->cluster_id, sizeof out->cluster_id);
        }
    }
    return ERR_OK;
}

void log_dirs_set_meta(struct log_dirs *s, int32_t broker_id, const char *cluster_id)
{
    for (int32_t i = 0; i < s->count; i++) {
        if (!log_dirs_online(s, i)) {
            continue;
        }
        struct log_dir *d = s->places[i].dir;
        const struct log_dir_meta *m = log_dir_meta(d);
        if (m->present && m->broker_id == broker_id && strcmp(m->cluster_id, cluster_id) == 0) {
            continue;
        }
        enum err err = log_dir_set_meta(d, broker_id, cluster_id);
        if (err != ERR_OK) {
            log_dir_fail(d, err, "meta.properties", "writing");
        }
    }
}
