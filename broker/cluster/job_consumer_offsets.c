// SPDX-License-Identifier: Apache-2.0
//
// Offsets of consumers that are older than groups (OffsetCommit and OffsetFetch v0): the number as text in the node
// /consumers/<group>/offsets/<topic>/<partition>, as Kafka keeps them. Each entry succeeds or fails on its own.
#include "broker/cluster/cluster_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "zk/zk.h"

#define OFFSET_TEXT_MAX 24

enum level {
    LEVEL_GROUP,
    LEVEL_OFFSETS,
    LEVEL_TOPIC,
    LEVEL_PARTITION,
    LEVEL_COUNT,
};

static struct znode_path path_of(const struct consumer_offset *o, enum level deepest)
{
    char partition[16];
    snprintf(partition, sizeof partition, "%" PRId32, o->partition);
    const char *const names[LEVEL_COUNT] = {o->group, "offsets", o->topic, partition};
    struct znode_path p = znode_path_child(ZNODE_CONSUMERS, names[LEVEL_GROUP]);
    for (int i = LEVEL_OFFSETS; i <= (int)deepest && p.s[0] != '\0'; i++) {
        p = znode_path_child(p.s, names[i]);
    }
    return p;
}

static void job_end(struct cluster *c, struct cluster_job *j)
{
    job_finish(c, j, ERR_OK);
    jobs_next(c);
}

// ---------------------------------------------------------------------------------------------------------------
// Reading

static void offset_read(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    struct consumer_offset *o = &j->consumer_offsets[i];
    char text[OFFSET_TEXT_MAX];
    char *end = text;
    o->err = r->err;
    if (r->err != ERR_OK) {
        return;
    }
    if (r->data.data == NULL || r->data.len == 0 || r->data.len >= sizeof text) {
        o->err = ERR_CORRUPT;
        return;
    }
    memcpy(text, r->data.data, r->data.len);
    text[r->data.len] = '\0';
    errno = 0;
    o->offset = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0') {
        o->err = ERR_CORRUPT;
    }
}

static void offsets_read(struct cluster *c, struct cluster_job *j)
{
    job_batch_begin(j, offset_read, job_end);
    for (int32_t i = 0; i < j->consumer_offsets_count; i++) {
        j->consumer_offsets[i].offset = -1;
        zk_get(c->zk, path_of(&j->consumer_offsets[i], LEVEL_PARTITION).s, false, cluster_call_done, job_call(c, j, i));
    }
    job_batch_end(c, j);
}

// ---------------------------------------------------------------------------------------------------------------
// Writing: a set, and where there is no node yet, the nodes from the group down. Nodes that are there already on the
// way are fine; the last one's outcome is the entry's, as it comes last.

static struct slice offset_text(const struct consumer_offset *o, char text[OFFSET_TEXT_MAX])
{
    int n = snprintf(text, OFFSET_TEXT_MAX, "%" PRId64, o->offset);
    return slice_of(text, (size_t)n);
}

static void node_created(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    j->consumer_offsets[i].err = r->err;
}

static void missing_create(struct cluster *c, struct cluster_job *j)
{
    char text[OFFSET_TEXT_MAX];
    job_batch_begin(j, node_created, job_end);
    for (int32_t i = 0; i < j->consumer_offsets_count; i++) {
        struct consumer_offset *o = &j->consumer_offsets[i];
        if (o->err != ERR_NOT_FOUND) {
            continue;
        }
        for (int level = LEVEL_GROUP; level < LEVEL_PARTITION; level++) {
            zk_create(c->zk, path_of(o, (enum level)level).s, SLICE_NULL, ZK_PERSISTENT, cluster_call_done,
                      job_call(c, j, i));
        }
        zk_create(c->zk, path_of(o, LEVEL_PARTITION).s, offset_text(o, text), ZK_PERSISTENT, cluster_call_done,
                  job_call(c, j, i));
    }
    job_batch_end(c, j);
}

static void offset_set(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    j->consumer_offsets[i].err = r->err;
}

static void offsets_write(struct cluster *c, struct cluster_job *j)
{
    char text[OFFSET_TEXT_MAX];
    job_batch_begin(j, offset_set, missing_create);
    for (int32_t i = 0; i < j->consumer_offsets_count; i++) {
        struct consumer_offset *o = &j->consumer_offsets[i];
        zk_set(c->zk, path_of(o, LEVEL_PARTITION).s, offset_text(o, text), ZK_VERSION_ANY, cluster_call_done,
               job_call(c, j, i));
    }
    job_batch_end(c, j);
}

void consumer_offsets_job_begin(struct cluster *c, struct cluster_job *j)
{
    if (!job_work_new(c, j, 0)) {
        return;
    }
    if (j->type == CLUSTER_CONSUMER_OFFSETS_READ) {
        offsets_read(c, j);
    } else {
        offsets_write(c, j);
    }
}
