// SPDX-License-Identifier: Apache-2.0
//
// Growth of topics: reads each topic's node and which are marked for deletion, checks (topic_grow.h), sets the node
// with the new partitions in it; the controller sees that and does the rest.
#include "broker/cluster/cluster_internal.h"

#include "base/logging.h"
#include "broker/cluster/topic_grow.h"
#include "protocol/protocol.h"
#include "zk/zk.h"

#define MARKED (-1) // in place of a topic's place: the list of marks

// The picture shows every partition with a leader it has had, or the topic is gone again.
bool grow_job_settled(const struct cluster *c, const struct cluster_job *j)
{
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        const struct job_entry *e = &j->work->entries[i];
        const struct metadata_topic *t = e->accepted ? metadata_topic_find_id(c->picture, &e->id) : NULL;
        if (t == NULL) {
            continue;
        }
        if (t->partitions_count < j->grows[i].count) {
            return false;
        }
        for (int32_t p = 0; p < t->partitions_count; p++) {
            if (t->partitions[p].leader_epoch < 0) {
                return false;
            }
        }
    }
    return true;
}

static void write_result(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    struct job_entry *e = &j->work->entries[i];
    if (r->err == ERR_OK) {
        log_info("cluster", "topic %s grows to %d partitions", e->name, j->grows[i].count);
    } else if (r->err == ERR_NOT_FOUND) { // deleted meanwhile
        e->accepted = false;
        j->grows[i].error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    } else {
        job_fail(j, r->err);
    }
}

static bool is_marked(const struct job_work *work, const char *name)
{
    for (int32_t i = 0; i < work->marked_count; i++) {
        if (strcmp(work->marked[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static enum err entry_plan(struct cluster *c, struct cluster_job *j, int32_t i)
{
    struct job_entry *e = &j->work->entries[i];
    struct topic_grow *t = &j->grows[i];
    struct znode_topic now, next;
    bool exists = e->topic_data.data != NULL;
    enum err err = exists ? znode_topic_decode(e->topic_data, &j->arena, &now) : ERR_OK;
    if (err == ERR_OK) {
        err = topic_grow_plan(c->picture, exists ? &now : NULL, is_marked(j->work, e->name), t, &j->arena, &next);
    }
    if (err != ERR_OK || t->error_code != KAFKA_ERROR_NONE || j->validate_only) {
        return err;
    }
    err = znode_topic_encode(&next, &j->arena, &e->topic_data);
    if (err == ERR_OK && e->topic_data.len > ZK_DATA_MAX_BYTES) {
        t->error_code = KAFKA_ERROR_INVALID_PARTITIONS;
        t->error_message = "The topic is too large for its znode.";
        return ERR_OK;
    }
    e->id = next.topic_id;
    e->accepted = err == ERR_OK;
    return err;
}

static void topics_read(struct cluster *c, struct cluster_job *j)
{
    job_batch_begin(j, write_result, job_written);
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        struct job_entry *e = &j->work->entries[i];
        enum err err = e->name == NULL ? ERR_OK : entry_plan(c, j, i);
        if (err != ERR_OK) {
            job_fail(j, err);
        } else if (e->accepted) {
            zk_set(c->zk, znode_path_topic(e->name).s, e->topic_data, e->version, cluster_call_done, job_call(c, j, i));
        }
    }
    job_batch_end(c, j);
}

static void marks_take(struct cluster_job *j, const struct zk_result *r)
{
    char **names = arena_array(&j->arena, (size_t)r->n_children, sizeof *names);
    for (int i = 0; names != NULL && i < r->n_children; i++) {
        names[i] = arena_strdup(&j->arena, r->children[i]);
        if (names[i] == NULL) {
            names = NULL;
        }
    }
    if (names == NULL) {
        job_fail(j, ERR_NO_MEMORY);
        return;
    }
    j->work->marked = names;
    j->work->marked_count = r->n_children;
}

static void read_result(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND && r->err != ERR_INVALID) { // invalid: no topic has such a name
        job_fail(j, r->err);
    } else if (i == MARKED) {
        marks_take(j, r);
    } else if (r->err == ERR_OK) {
        struct job_entry *e = &j->work->entries[i];
        const char *copy = arena_strndup(&j->arena, r->data.data, r->data.len);
        e->topic_data = slice_of(copy, copy == NULL ? 0 : r->data.len);
        e->version = r->stat.version;
        if (copy == NULL) {
            job_fail(j, ERR_NO_MEMORY);
        }
    }
}

void grow_job_begin(struct cluster *c, struct cluster_job *j)
{
    if (!job_work_new(c, j, j->grows_count)) {
        return;
    }
    job_batch_begin(j, read_result, topics_read);
    for (int32_t i = 0; i < j->grows_count; i++) {
        struct topic_grow *t = &j->grows[i];
        struct job_entry *e = &j->work->entries[i];
        if (t->duplicate) {
            t->error_code = KAFKA_ERROR_INVALID_REQUEST;
            t->error_message = "Duplicate topic in request.";
            continue;
        }
        e->name = t->name;
        if (strlen(t->name) == t->name_len) { // else it is nobody's
            zk_get(c->zk, znode_path_topic(t->name).s, false, cluster_call_done, job_call(c, j, i));
        }
    }
    zk_children(c->zk, ZNODE_DELETE_TOPICS, false, cluster_call_done, job_call(c, j, MARKED));
    job_batch_end(c, j);
}
