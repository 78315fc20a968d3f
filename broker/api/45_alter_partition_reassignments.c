// SPDX-License-Identifier: Apache-2.0
//
// AlterPartitionReassignments (45), v0 (KIP-455): partitions get other replicas, or what is under way is called off.
// The answer comes when the reassignments have begun; ListPartitionReassignments tells how far they are.
#include "broker/api/apis.h"
#include "broker/api/topic_job.h"

#define REASSIGN_PARTITIONS_MAX 1000000

static bool move_fill(struct arena *a, const char *topic,
                      const struct alter_partition_reassignments_request_reassignable_partition *p,
                      struct controller_move *m)
{
    *m = (struct controller_move){.topic = topic, .partition = p->partition_index};
    if (p->replicas_count < 0) {
        return true;
    }
    int32_t *replicas = arena_array(a, (size_t)p->replicas_count, sizeof *replicas);
    if (replicas != NULL && p->replicas_count > 0) {
        memcpy(replicas, p->replicas, (size_t)p->replicas_count * sizeof *replicas);
    }
    m->replicas = replicas;
    m->replicas_count = p->replicas_count;
    return replicas != NULL;
}

static int32_t partitions_count(const struct alter_partition_reassignments_request *in)
{
    int32_t count = 0;
    for (int32_t t = 0; t < in->topics_count && count <= REASSIGN_PARTITIONS_MAX; t++) {
        count += in->topics[t].partitions_count;
    }
    return count;
}

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct alter_partition_reassignments_request *in = r->in;
    struct controller_request *q = &job->request;
    q->type = CONTROLLER_MOVE;
    q->moves = arena_array(&job->arena, (size_t)partitions_count(in), sizeof *q->moves);
    bool ok = q->moves != NULL;
    for (int32_t t = 0; ok && t < in->topics_count; t++) {
        const char *name = arena_strndup(&job->arena, in->topics[t].name.data, in->topics[t].name.len);
        ok = name != NULL;
        for (int32_t i = 0; ok && i < in->topics[t].partitions_count; i++) {
            ok = move_fill(&job->arena, name, &in->topics[t].partitions[i], &q->moves[q->moves_count++]);
        }
    }
    return ok;
}

static bool fill_topics(struct request *r, const struct controller_request *q)
{
    const struct alter_partition_reassignments_request *in = r->in;
    struct alter_partition_reassignments_response *out = r->out;
    const struct controller_move *next = q->moves;
    out->responses = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->responses);
    for (int32_t t = 0; out->responses != NULL && t < in->topics_count; t++) {
        struct alter_partition_reassignments_response_reassignable_topic_response *o =
            &out->responses[out->responses_count++];
        int32_t count = in->topics[t].partitions_count;
        alter_partition_reassignments_response_reassignable_topic_response_init(o);
        o->name = in->topics[t].name;
        o->partitions = arena_array(&r->arena, (size_t)count, sizeof *o->partitions);
        if (o->partitions == NULL) {
            return false;
        }
        for (int32_t i = 0; i < count; i++, next++) {
            struct alter_partition_reassignments_response_reassignable_partition_response *p =
                &o->partitions[o->partitions_count++];
            alter_partition_reassignments_response_reassignable_partition_response_init(p);
            p->partition_index = next->partition;
            p->error_code = next->error_code;
            p->error_message = next->error_message == NULL ? SLICE_NULL : slice_str(next->error_message);
        }
    }
    return out->responses != NULL;
}

static enum api_step answer(struct request *r)
{
    struct alter_partition_reassignments_response *out = r->out;
    const struct cluster_job *job = topic_job_of(r);
    r->release = topic_job_end; // messages stay in the job
    out->error_code = topic_job_error(r);
    if (out->error_code != KAFKA_ERROR_NONE) {
        return API_DONE;
    }
    return fill_topics(r, &job->request) ? API_DONE : API_CLOSE;
}

enum api_step api_alter_partition_reassignments(struct request *r)
{
    const struct alter_partition_reassignments_request *in = r->in;
    if (r->runs > 1) {
        return answer(r);
    }
    if (partitions_count(in) > REASSIGN_PARTITIONS_MAX) {
        return API_CLOSE;
    }
    enum err err = topic_job_begin(r, CLUSTER_ASK, job_fill, INT32_MAX); // as Kafka, whatever timeout_ms says
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
