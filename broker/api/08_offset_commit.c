// SPDX-License-Identifier: Apache-2.0
//
// OffsetCommit (8), v0-9: keeps how far a group has read. v0 knows no groups: the offset goes into the znode tree and
// its metadata is dropped. From v1 the group's coordinator decides; v1 carries a commit time per partition, v2-4 a
// retention time, v6 leader epochs, v7 the static instance (KIP-345). A partition that does not exist is refused here,
// and where none is left nobody is asked.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/api/group_request.h"
#include "broker/api/topic_job.h"
#include "broker/cluster/java_hash.h"

#define COMMIT_TREE_VERSION 0
#define TREE_WAIT_MS        10000

// Who has been told of no topic yet coordinates no group either, which is all it says then.
static bool partition_known(const struct request *r, struct slice topic, int32_t index)
{
    if (r->version != COMMIT_TREE_VERSION && metadata_is_untold(r->metadata)) {
        return true;
    }
    const struct metadata_topic *t = metadata_topic_find(r->metadata, topic);
    return t != NULL && metadata_partition_find(t, index) != NULL;
}

// The response in the shape of the request; unknown partitions have their error already. *left: how many have none.
static bool response_shape(struct request *r, int32_t *left)
{
    const struct offset_commit_request *in = r->in;
    struct offset_commit_response *out = r->out;
    *left = 0;
    out->topics = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->topics);
    for (int32_t i = 0; out->topics != NULL && i < in->topics_count; i++) {
        struct offset_commit_response_offset_commit_response_topic *t = &out->topics[out->topics_count++];
        offset_commit_response_offset_commit_response_topic_init(t);
        t->name = in->topics[i].name;
        t->partitions_count = in->topics[i].partitions_count;
        t->partitions = arena_array(&r->arena, (size_t)t->partitions_count, sizeof *t->partitions);
        if (t->partitions == NULL) {
            return false;
        }
        for (int32_t k = 0; k < t->partitions_count; k++) {
            int32_t index = in->topics[i].partitions[k].partition_index;
            offset_commit_response_offset_commit_response_partition_init(&t->partitions[k]);
            t->partitions[k].partition_index = index;
            if (partition_known(r, t->name, index)) {
                (*left)++;
            } else {
                t->partitions[k].error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            }
        }
    }
    return out->topics != NULL;
}

// Gives the partitions that have no error yet theirs: from the list, in order, or all the same.
static void errors_fill(struct request *r, const int16_t *errors, int16_t all)
{
    struct offset_commit_response *out = r->out;
    int32_t n = 0;
    for (int32_t i = 0; i < out->topics_count; i++) {
        for (int32_t k = 0; k < out->topics[i].partitions_count; k++) {
            int16_t *code = &out->topics[i].partitions[k].error_code;
            if (*code == KAFKA_ERROR_NONE) {
                *code = errors == NULL ? all : errors[n++];
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// v0

static bool tree_fill(struct request *r, struct cluster_job *job)
{
    const struct offset_commit_request *in = r->in;
    const struct offset_commit_response *out = r->out;
    const char *group = topic_job_name(job, in->group_id);
    size_t total = 0;
    for (int32_t i = 0; i < in->topics_count; i++) {
        total += (size_t)in->topics[i].partitions_count;
    }
    job->consumer_offsets = arena_array(&job->arena, total, sizeof *job->consumer_offsets);
    for (int32_t i = 0; job->consumer_offsets != NULL && i < in->topics_count; i++) {
        const char *topic = topic_job_name(job, in->topics[i].name);
        for (int32_t k = 0; k < in->topics[i].partitions_count; k++) {
            if (out->topics[i].partitions[k].error_code != KAFKA_ERROR_NONE) {
                continue;
            }
            job->consumer_offsets[job->consumer_offsets_count++] =
                (struct consumer_offset){.group = group,
                                         .topic = topic,
                                         .partition = in->topics[i].partitions[k].partition_index,
                                         .offset = in->topics[i].partitions[k].committed_offset};
            if (topic == NULL) {
                return false;
            }
        }
    }
    return job->consumer_offsets != NULL && group != NULL;
}

static enum api_step tree_answer(struct request *r)
{
    const struct cluster_job *job = topic_job_of(r);
    if (!topic_job_finished(r) || job->err != ERR_OK) {
        errors_fill(r, NULL, topic_job_finished(r) ? errmap_code(job->err) : KAFKA_ERROR_REQUEST_TIMED_OUT);
    } else {
        int16_t *errors = arena_array(&r->arena, (size_t)job->consumer_offsets_count, sizeof *errors);
        for (int32_t i = 0; errors != NULL && i < job->consumer_offsets_count; i++) {
            errors[i] = errmap_code(job->consumer_offsets[i].err);
        }
        errors_fill(r, errors, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    }
    topic_job_end(r);
    return API_DONE;
}

static void tree_check_metadata(struct request *r)
{
    const struct offset_commit_request *in = r->in;
    struct offset_commit_response *out = r->out;
    for (int32_t i = 0; i < in->topics_count; i++) {
        for (int32_t k = 0; k < in->topics[i].partitions_count; k++) {
            struct slice metadata = in->topics[i].partitions[k].committed_metadata;
            if ((int64_t)java_string_length(metadata) > r->ctx->options->group.offset_metadata_max &&
                out->topics[i].partitions[k].error_code == KAFKA_ERROR_NONE) {
                out->topics[i].partitions[k].error_code = KAFKA_ERROR_OFFSET_METADATA_TOO_LARGE;
            }
        }
    }
}

static enum api_step tree_commit(struct request *r)
{
    tree_check_metadata(r);
    enum err err = topic_job_begin(r, CLUSTER_CONSUMER_OFFSETS_WRITE, tree_fill, TREE_WAIT_MS);
    if (err == ERR_AGAIN) {
        return API_WAIT;
    }
    return err == ERR_OK ? tree_answer(r) : API_CLOSE;
}

// ---------------------------------------------------------------------------------------------------------------
// v1 and later

static enum api_step commit_answer(struct request *r, const struct group_answer *a, int16_t error)
{
    bool each = a != NULL && a->errors.count > 0;
    errors_fill(r, each ? a->errors.list : NULL, error);
    return API_DONE;
}

// When offsets with a retention time of their own expire; -1: as the broker's configuration says. A time that ends
// after all time there is never ends.
static int64_t commit_expires_ms(const struct request *r)
{
    int64_t retention_ms = ((const struct offset_commit_request *)r->in)->retention_time_ms;
    int64_t expires_ms;
    if (retention_ms == -1) {
        return -1;
    }
    return __builtin_add_overflow(os_wall_ms(r->ctx->os), retention_ms, &expires_ms) ? INT64_MAX : expires_ms;
}

static bool commit_event(struct request *r, int32_t count, struct group_event *e)
{
    const struct offset_commit_request *in = r->in;
    const struct offset_commit_response *out = r->out;
    struct group_commit_partition *list = arena_array(&r->arena, (size_t)count, sizeof *list);
    int64_t expires_ms = commit_expires_ms(r);
    int32_t n = 0;
    for (int32_t i = 0; list != NULL && i < in->topics_count; i++) {
        for (int32_t k = 0; k < in->topics[i].partitions_count; k++) {
            const struct offset_commit_request_offset_commit_request_partition *p = &in->topics[i].partitions[k];
            if (out->topics[i].partitions[k].error_code == KAFKA_ERROR_NONE) {
                list[n++] = (struct group_commit_partition){.topic = in->topics[i].name,
                                                            .partition = p->partition_index,
                                                            .offset = p->committed_offset,
                                                            .leader_epoch = p->committed_leader_epoch,
                                                            .metadata = p->committed_metadata,
                                                            .commit_timestamp_ms = p->commit_timestamp,
                                                            .expire_timestamp_ms = expires_ms};
            }
        }
    }
    *e = (struct group_event){.type = GROUP_COMMIT,
                              .commit = {.member_id = in->member_id,
                                         .instance_id = in->group_instance_id,
                                         .generation = in->generation_id_or_member_epoch,
                                         .producer_id = -1,
                                         .producer_epoch = -1,
                                         .partitions = list,
                                         .partitions_count = n}};
    return list != NULL;
}

void api_offset_commit_abort(struct request *r)
{
    if (r->version == COMMIT_TREE_VERSION) {
        topic_job_end(r);
    } else {
        group_request_abort(r);
    }
}

enum api_step api_offset_commit(struct request *r)
{
    const struct offset_commit_request *in = r->in;
    struct group_event e;
    int32_t left;
    if (r->runs > 1) {
        return r->version == COMMIT_TREE_VERSION ? tree_answer(r) : group_request_again(r, commit_answer);
    }
    if (!response_shape(r, &left)) {
        return API_CLOSE;
    }
    if (left == 0) {
        return API_DONE;
    }
    if (r->version == COMMIT_TREE_VERSION) {
        return tree_commit(r);
    }
    if (!commit_event(r, left, &e)) {
        return API_CLOSE;
    }
    return group_request_begin(r, in->group_id, &e, KAFKA_ERROR_ILLEGAL_GENERATION, commit_answer);
}
