// SPDX-License-Identifier: Apache-2.0
//
// AlterPartition (56), v0-3 (KIP-497, KIP-841, KIP-903): leaders tell the controller who is in sync. Topics go by name
// up to v1, by id from v2 on. The broker epochs that v3 gives with each replica are not compared: Kafka's controller
// with ZooKeeper takes the ids alone, too, and asks only that all of them live (its KRaft controller compares).
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/api/topic_job.h"

#define FIRST_ID_VERSION     2
#define FIRST_EPOCHS_VERSION 3

static bool change_fill(struct request *r, struct arena *a, const struct alter_partition_request_topic_data *t,
                        const struct alter_partition_request_partition_data *p, struct controller_isr_change *out)
{
    bool epochs = r->version >= FIRST_EPOCHS_VERSION;
    int32_t count = epochs ? p->new_isr_with_epochs_count : p->new_isr_count;
    int32_t *isr = arena_array(a, (size_t)count, sizeof *isr);
    const char *name = r->version >= FIRST_ID_VERSION ? NULL : arena_strndup(a, t->topic_name.data, t->topic_name.len);
    for (int32_t i = 0; isr != NULL && i < count; i++) {
        isr[i] = epochs ? p->new_isr_with_epochs[i].broker_id : p->new_isr[i];
    }
    *out = (struct controller_isr_change){.topic = name,
                                          .topic_id = t->topic_id,
                                          .partition = p->partition_index,
                                          .leader_epoch = p->leader_epoch,
                                          .partition_epoch = p->partition_epoch,
                                          .isr = isr,
                                          .isr_count = count,
                                          .recovery_state = p->leader_recovery_state};
    return isr != NULL && (name != NULL || r->version >= FIRST_ID_VERSION);
}

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct alter_partition_request *in = r->in;
    struct controller_request *q = &job->request;
    q->type = CONTROLLER_ALTER_PARTITIONS;
    q->broker = in->broker_id;
    q->broker_epoch = in->broker_epoch;
    q->ineligible_known = r->version >= FIRST_ID_VERSION;
    int32_t count = 0;
    for (int32_t t = 0; t < in->topics_count; t++) {
        count += in->topics[t].partitions_count;
    }
    q->changes = arena_array(&job->arena, (size_t)count, sizeof *q->changes);
    bool ok = q->changes != NULL;
    for (int32_t t = 0; ok && t < in->topics_count; t++) {
        for (int32_t i = 0; ok && i < in->topics[t].partitions_count; i++) {
            ok = change_fill(r, &job->arena, &in->topics[t], &in->topics[t].partitions[i],
                             &q->changes[q->changes_count++]);
        }
    }
    return ok;
}

static void fill_partition(const struct controller_isr_change *c, struct alter_partition_response_partition_data *o)
{
    alter_partition_response_partition_data_init(o);
    o->partition_index = c->partition;
    o->error_code = c->error_code;
    if (c->error_code != KAFKA_ERROR_NONE) {
        return;
    }
    o->leader_id = c->leader;
    o->leader_epoch = c->new_leader_epoch;
    o->isr = (int32_t *)(uintptr_t)c->new_isr; // only read by who encodes it
    o->isr_count = c->new_isr_count;
    o->leader_recovery_state = (int8_t)c->new_recovery_state;
    o->partition_epoch = c->new_partition_epoch;
}

// In the order of the request.
static bool fill_topics(struct request *r, const struct controller_request *q)
{
    const struct alter_partition_request *in = r->in;
    struct alter_partition_response *out = r->out;
    const struct controller_isr_change *next = q->changes;
    out->topics = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->topics);
    for (int32_t t = 0; out->topics != NULL && t < in->topics_count; t++) {
        struct alter_partition_response_topic_data *o = &out->topics[out->topics_count++];
        int32_t count = in->topics[t].partitions_count;
        alter_partition_response_topic_data_init(o);
        o->topic_name = in->topics[t].topic_name;
        o->topic_id = in->topics[t].topic_id;
        o->partitions = arena_array(&r->arena, (size_t)count, sizeof *o->partitions);
        if (o->partitions == NULL) {
            return false;
        }
        for (int32_t i = 0; i < count; i++) {
            fill_partition(next++, &o->partitions[o->partitions_count++]);
        }
    }
    return out->topics != NULL;
}

static enum api_step answer(struct request *r)
{
    struct alter_partition_response *out = r->out;
    const struct cluster_job *job = topic_job_of(r);
    r->release = topic_job_end; // lists stay in the job
    if (!topic_job_finished(r)) {
        return API_CLOSE;
    }
    out->error_code = job->err != ERR_OK ? errmap_code(job->err) : job->request.error_code;
    if (out->error_code != KAFKA_ERROR_NONE) {
        return API_DONE;
    }
    return fill_topics(r, &job->request) ? API_DONE : API_CLOSE;
}

enum api_step api_alter_partition(struct request *r)
{
    if (r->runs > 1) {
        return answer(r);
    }
    enum err err = topic_job_begin(r, CLUSTER_ASK, job_fill, INT32_MAX);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
