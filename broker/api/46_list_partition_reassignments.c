// SPDX-License-Identifier: Apache-2.0
//
// ListPartitionReassignments (46), v0 (KIP-455): what is under way, of all partitions or of those that are named.
#include "broker/api/apis.h"
#include "broker/api/topic_job.h"

#define LIST_TARGETS_MAX 1000000

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct list_partition_reassignments_request *in = r->in;
    struct controller_request *q = &job->request;
    q->type = CONTROLLER_LIST_MOVES;
    q->targets_count = in->topics_count < 0 ? -1 : 0;
    size_t count = 0;
    for (int32_t t = 0; t < in->topics_count; t++) {
        count += (size_t)in->topics[t].partition_indexes_count;
    }
    if (count > LIST_TARGETS_MAX) {
        return false;
    }
    q->targets = arena_array(&job->arena, count, sizeof *q->targets);
    bool ok = q->targets != NULL;
    for (int32_t t = 0; ok && t < in->topics_count; t++) {
        const char *name = arena_strndup(&job->arena, in->topics[t].name.data, in->topics[t].name.len);
        ok = name != NULL;
        for (int32_t i = 0; ok && i < in->topics[t].partition_indexes_count; i++) {
            q->targets[q->targets_count++] =
                (struct controller_target){.topic = name, .partition = in->topics[t].partition_indexes[i]};
        }
    }
    return ok;
}

static int32_t *ids(const int32_t *list)
{
    return (int32_t *)(uintptr_t)list; // only read by who encodes it
}

// Partitions of one topic stand together.
static bool fill_topics(struct request *r, const struct controller_request *q)
{
    struct list_partition_reassignments_response *out = r->out;
    struct list_partition_reassignments_response_ongoing_partition_reassignment *list =
        arena_array(&r->arena, (size_t)q->moves_count, sizeof *list);
    out->topics = arena_array(&r->arena, (size_t)q->moves_count, sizeof *out->topics);
    if (list == NULL || out->topics == NULL) {
        return false;
    }
    struct list_partition_reassignments_response_ongoing_topic_reassignment *topic = NULL;
    for (int32_t i = 0; i < q->moves_count; i++) {
        const struct controller_move *m = &q->moves[i];
        if (i == 0 || strcmp(q->moves[i - 1].topic, m->topic) != 0) {
            topic = &out->topics[out->topics_count++];
            list_partition_reassignments_response_ongoing_topic_reassignment_init(topic);
            topic->name = slice_str(m->topic);
            topic->partitions = &list[i];
        }
        list_partition_reassignments_response_ongoing_partition_reassignment_init(&list[i]);
        topic->partitions_count++;
        list[i].partition_index = m->partition;
        list[i].replicas = ids(m->replicas);
        list[i].replicas_count = m->replicas_count;
        list[i].adding_replicas = ids(m->adding);
        list[i].adding_replicas_count = m->adding_count;
        list[i].removing_replicas = ids(m->removing);
        list[i].removing_replicas_count = m->removing_count;
    }
    return true;
}

static enum api_step answer(struct request *r)
{
    struct list_partition_reassignments_response *out = r->out;
    const struct cluster_job *job = topic_job_of(r);
    r->release = topic_job_end; // names and lists stay in the job
    out->error_code = topic_job_error(r);
    if (out->error_code != KAFKA_ERROR_NONE) {
        return API_DONE;
    }
    return fill_topics(r, &job->request) ? API_DONE : API_CLOSE;
}

enum api_step api_list_partition_reassignments(struct request *r)
{
    const struct list_partition_reassignments_request *in = r->in;
    if (r->runs > 1) {
        return answer(r);
    }
    enum err err = topic_job_begin(r, CLUSTER_ASK, job_fill, in->timeout_ms);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
