// SPDX-License-Identifier: Apache-2.0
//
// OffsetFetch (9), v0-9: how far a group has read. v0 reads the znode tree. From v1 the coordinator's memory answers:
// no topics (null, v2+) means all there are, an unknown partition is -1 without error, require_stable (v7, KIP-447)
// refuses what an open transaction may still change, and v8 asks for several groups (KIP-709). v1 has no place for an
// error of the group: the topics are left out, as Kafka does. The shape of v8 is filled for all versions, and older
// ones are answered out of it.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/api/group_request.h"
#include "broker/api/topic_job.h"

#define FETCH_TREE_VERSION         0
#define FETCH_FIRST_GROUPS_VERSION 8
#define TREE_WAIT_MS               10000

// One group being read, under its lock.
struct fetch {
    struct arena *arena;
    const struct offset_fetch_request_offset_fetch_request_group *in;
    struct offset_fetch_response_offset_fetch_response_group *out;
    bool require_stable;
    int32_t room; // in the partitions of the topic being filled
    bool no_memory;
};

static void partition_fill(struct fetch *f, const struct group_offset_view *v,
                           struct offset_fetch_response_offset_fetch_response_partitions *o)
{
    if (v->unstable && f->require_stable) {
        o->error_code = KAFKA_ERROR_UNSTABLE_OFFSET_COMMIT;
        return;
    }
    if (!v->committed) {
        return;
    }
    o->committed_offset = v->offset;
    o->committed_leader_epoch = v->leader_epoch;
    if (v->metadata.len > 0) {
        o->metadata = slice_of(arena_strndup(f->arena, v->metadata.data, v->metadata.len), v->metadata.len);
        f->no_memory = f->no_memory || o->metadata.data == NULL;
    }
}

static void partition_empty(struct offset_fetch_response_offset_fetch_response_partitions *o, int32_t index)
{
    offset_fetch_response_offset_fetch_response_partitions_init(o);
    o->partition_index = index;
    o->committed_offset = -1;
    o->committed_leader_epoch = -1;
    o->metadata = slice_str("");
}

// ---------------------------------------------------------------------------------------------------------------
// What was asked for by name

static void named_fetch(struct fetch *f, const struct group *g)
{
    f->out->topics = arena_array(f->arena, (size_t)f->in->topics_count, sizeof *f->out->topics);
    f->no_memory = f->out->topics == NULL;
    for (int32_t i = 0; !f->no_memory && i < f->in->topics_count; i++) {
        const struct offset_fetch_request_offset_fetch_request_topics *asked = &f->in->topics[i];
        struct offset_fetch_response_offset_fetch_response_topics *t = &f->out->topics[f->out->topics_count++];
        offset_fetch_response_offset_fetch_response_topics_init(t);
        t->name = asked->name;
        t->partitions = arena_array(f->arena, (size_t)asked->partition_indexes_count, sizeof *t->partitions);
        f->no_memory = t->partitions == NULL;
        for (int32_t k = 0; !f->no_memory && k < asked->partition_indexes_count; k++) {
            struct group_offset_view v;
            int32_t index = asked->partition_indexes[k];
            partition_empty(&t->partitions[t->partitions_count], index);
            if (g != NULL && group_offset_find(g, asked->name, index, &v)) {
                partition_fill(f, &v, &t->partitions[t->partitions_count]);
            }
            t->partitions_count++;
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Everything

static void next_topic(struct fetch *f, struct slice name)
{
    struct offset_fetch_response_offset_fetch_response_topics *t = &f->out->topics[f->out->topics_count];
    // Partitions of a topic come in a row, so what the topics before have left is enough.
    struct offset_fetch_response_offset_fetch_response_partitions *rest =
        f->out->topics_count == 0 ? f->out->topics[0].partitions : t[-1].partitions + t[-1].partitions_count;
    offset_fetch_response_offset_fetch_response_topics_init(t);
    t->partitions = rest;
    t->name = slice_of(arena_strndup(f->arena, name.data, name.len), name.len);
    f->no_memory = f->no_memory || t->name.data == NULL;
    f->out->topics_count++;
}

static void each_offset(void *ctx, const struct group_offset_view *v)
{
    struct fetch *f = ctx;
    int32_t n = f->out->topics_count;
    if (f->no_memory || f->room-- == 0) {
        return;
    }
    if (n == 0 || !slice_equal(f->out->topics[n - 1].name, v->topic)) {
        next_topic(f, v->topic);
    }
    struct offset_fetch_response_offset_fetch_response_topics *t = &f->out->topics[f->out->topics_count - 1];
    partition_empty(&t->partitions[t->partitions_count], v->partition);
    partition_fill(f, v, &t->partitions[t->partitions_count]);
    t->partitions_count++;
}

static void all_fetch(struct fetch *f, const struct group *g)
{
    int32_t count = g == NULL ? 0 : group_offsets_count(g);
    if (count == 0) {
        return;
    }
    f->room = count;
    f->out->topics = arena_array(f->arena, (size_t)count, sizeof *f->out->topics);
    struct offset_fetch_response_offset_fetch_response_partitions *partitions =
        arena_array(f->arena, (size_t)count, sizeof *partitions);
    if (f->out->topics == NULL || partitions == NULL) {
        f->no_memory = true;
        return;
    }
    f->out->topics[0].partitions = partitions;
    group_offsets_each(g, each_offset, f);
}

static void group_fetch(void *ctx, const struct group *g)
{
    struct fetch *f = ctx;
    if (f->in->topics_count < 0) {
        all_fetch(f, g);
    } else {
        named_fetch(f, g);
    }
}

static bool fetch_run(struct request *r, const struct offset_fetch_request_offset_fetch_request_group *in,
                      struct offset_fetch_response_offset_fetch_response_group *out)
{
    const struct offset_fetch_request *request = r->in;
    struct fetch f = {.arena = group_request_arena(r), .in = in, .out = out, .require_stable = request->require_stable};
    offset_fetch_response_offset_fetch_response_group_init(out);
    out->group_id = in->group_id;
    out->error_code = coordinator_look(r->ctx->groups, r->metadata, in->group_id, group_fetch, &f);
    return !f.no_memory;
}

// ---------------------------------------------------------------------------------------------------------------
// v1 to v7: one group

static bool old_request(struct request *r, struct offset_fetch_request_offset_fetch_request_group *out)
{
    const struct offset_fetch_request *in = r->in;
    offset_fetch_request_offset_fetch_request_group_init(out);
    out->group_id = in->group_id;
    out->topics_count = in->topics_count;
    if (in->topics_count < 0) {
        return true;
    }
    out->topics = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->topics);
    for (int32_t i = 0; out->topics != NULL && i < in->topics_count; i++) {
        offset_fetch_request_offset_fetch_request_topics_init(&out->topics[i]);
        out->topics[i].name = in->topics[i].name;
        out->topics[i].partition_indexes = in->topics[i].partition_indexes;
        out->topics[i].partition_indexes_count = in->topics[i].partition_indexes_count;
    }
    return out->topics != NULL;
}

static bool old_topic(struct arena *a, const struct offset_fetch_response_offset_fetch_response_topics *from,
                      struct offset_fetch_response_offset_fetch_response_topic *to)
{
    offset_fetch_response_offset_fetch_response_topic_init(to);
    to->name = from->name;
    to->partitions = arena_array(a, (size_t)from->partitions_count, sizeof *to->partitions);
    if (to->partitions == NULL) {
        return false;
    }
    to->partitions_count = from->partitions_count;
    for (int32_t k = 0; k < from->partitions_count; k++) {
        offset_fetch_response_offset_fetch_response_partition_init(&to->partitions[k]);
        to->partitions[k].partition_index = from->partitions[k].partition_index;
        to->partitions[k].committed_offset = from->partitions[k].committed_offset;
        to->partitions[k].committed_leader_epoch = from->partitions[k].committed_leader_epoch;
        to->partitions[k].metadata = from->partitions[k].metadata;
        to->partitions[k].error_code = from->partitions[k].error_code;
    }
    return true;
}

static bool old_response(struct request *r, const struct offset_fetch_response_offset_fetch_response_group *from)
{
    struct offset_fetch_response *out = r->out;
    struct arena *a = group_request_arena(r);
    out->error_code = from->error_code;
    out->topics = arena_array(a, (size_t)from->topics_count, sizeof *out->topics);
    bool ok = out->topics != NULL;
    for (int32_t i = 0; ok && i < from->topics_count; i++) {
        ok = old_topic(a, &from->topics[i], &out->topics[out->topics_count++]);
    }
    return ok;
}

static enum api_step fetch_one(struct request *r)
{
    struct offset_fetch_request_offset_fetch_request_group in;
    struct offset_fetch_response_offset_fetch_response_group out;
    return old_request(r, &in) && fetch_run(r, &in, &out) && old_response(r, &out) ? API_DONE : API_CLOSE;
}

// ---------------------------------------------------------------------------------------------------------------
// v0

static bool tree_fill(struct request *r, struct cluster_job *job)
{
    const struct offset_fetch_request *in = r->in;
    const char *group = topic_job_name(job, in->group_id);
    size_t total = 0;
    for (int32_t i = 0; i < in->topics_count; i++) {
        total += (size_t)in->topics[i].partition_indexes_count;
    }
    job->consumer_offsets = arena_array(&job->arena, total, sizeof *job->consumer_offsets);
    for (int32_t i = 0; job->consumer_offsets != NULL && i < in->topics_count; i++) {
        const char *topic = topic_job_name(job, in->topics[i].name);
        for (int32_t k = 0; k < in->topics[i].partition_indexes_count; k++) {
            job->consumer_offsets[job->consumer_offsets_count++] = (struct consumer_offset){
                .group = group, .topic = topic, .partition = in->topics[i].partition_indexes[k]};
            if (topic == NULL) {
                return false;
            }
        }
    }
    return job->consumer_offsets != NULL && group != NULL;
}

static int16_t tree_error(const struct request *r, const struct cluster_job *job, const struct consumer_offset *o)
{
    if (!topic_job_finished(r)) {
        return KAFKA_ERROR_REQUEST_TIMED_OUT;
    }
    enum err err = job->err != ERR_OK ? job->err : o->err;
    return err == ERR_INVALID ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                              : errmap_code(err); // of no name there is nothing
}

static enum api_step tree_answer(struct request *r)
{
    const struct offset_fetch_request *in = r->in;
    struct offset_fetch_response *out = r->out;
    const struct cluster_job *job = topic_job_of(r);
    bool ok = true;
    int32_t n = 0;
    out->topics = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->topics);
    ok = out->topics != NULL;
    for (int32_t i = 0; ok && i < in->topics_count; i++) {
        struct offset_fetch_response_offset_fetch_response_topic *t = &out->topics[out->topics_count++];
        offset_fetch_response_offset_fetch_response_topic_init(t);
        t->name = in->topics[i].name;
        t->partitions = arena_array(&r->arena, (size_t)in->topics[i].partition_indexes_count, sizeof *t->partitions);
        ok = t->partitions != NULL;
        for (int32_t k = 0; ok && k < in->topics[i].partition_indexes_count; k++) {
            const struct consumer_offset *o = &job->consumer_offsets[n++];
            struct offset_fetch_response_offset_fetch_response_partition *p = &t->partitions[t->partitions_count++];
            offset_fetch_response_offset_fetch_response_partition_init(p);
            p->partition_index = o->partition;
            p->metadata = slice_str("");
            p->error_code = tree_error(r, job, o);
            p->committed_offset = p->error_code == KAFKA_ERROR_NONE ? o->offset : -1;
        }
    }
    topic_job_end(r);
    return ok ? API_DONE : API_CLOSE;
}

static enum api_step tree_fetch(struct request *r)
{
    enum err err = topic_job_begin(r, CLUSTER_CONSUMER_OFFSETS_READ, tree_fill, TREE_WAIT_MS);
    if (err == ERR_AGAIN) {
        return API_WAIT;
    }
    return err == ERR_OK ? tree_answer(r) : API_CLOSE;
}

// ---------------------------------------------------------------------------------------------------------------

enum api_step api_offset_fetch(struct request *r)
{
    const struct offset_fetch_request *in = r->in;
    struct offset_fetch_response *out = r->out;
    if (r->version == FETCH_TREE_VERSION) {
        return r->runs == 1 ? tree_fetch(r) : tree_answer(r);
    }
    if (r->version < FETCH_FIRST_GROUPS_VERSION) {
        return fetch_one(r);
    }
    out->groups = arena_array(group_request_arena(r), (size_t)in->groups_count, sizeof *out->groups);
    bool ok = out->groups != NULL;
    for (int32_t i = 0; ok && i < in->groups_count; i++) {
        ok = fetch_run(r, &in->groups[i], &out->groups[out->groups_count++]);
    }
    return ok ? API_DONE : API_CLOSE;
}
