// SPDX-License-Identifier: Apache-2.0
//
// ElectLeaders (43), v0-2 (KIP-460): the preferred replica leads again, or any that lives where nobody leads (unclean).
// Without a list it is about all partitions, and those that need no election are left out of the answer. A partition
// that never had a leader gets an error, where Kafka does not answer at all.
#include "broker/api/apis.h"
#include "broker/api/topic_job.h"

#define ELECTION_PREFERRED 0
#define ELECTION_UNCLEAN   1
#define ELECT_TARGETS_MAX  1000000

static bool targets_fill(struct request *r, struct cluster_job *job)
{
    const struct elect_leaders_request *in = r->in;
    struct controller_request *q = &job->request;
    int32_t count = 0;
    for (int32_t t = 0; t < in->topic_partitions_count; t++) {
        count += in->topic_partitions[t].partitions_count;
    }
    q->targets = arena_array(&job->arena, (size_t)count, sizeof *q->targets);
    for (int32_t t = 0; q->targets != NULL && t < in->topic_partitions_count; t++) {
        const struct elect_leaders_request_topic_partitions *topic = &in->topic_partitions[t];
        const char *name = arena_strndup(&job->arena, topic->topic.data, topic->topic.len);
        for (int32_t i = 0; name != NULL && i < topic->partitions_count; i++) {
            q->targets[q->targets_count++] =
                (struct controller_target){.topic = name, .partition = topic->partitions[i]};
        }
        if (name == NULL) {
            return false;
        }
    }
    return q->targets != NULL;
}

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct elect_leaders_request *in = r->in;
    job->request.type = CONTROLLER_ELECT;
    job->request.unclean = in->election_type == ELECTION_UNCLEAN;
    if (in->topic_partitions_count < 0) {
        job->request.targets_count = -1;
        return true;
    }
    return targets_fill(r, job);
}

// The results of one topic stand together, as they did in the request. whole: what is wrong with all of them.
static bool fill_results(struct request *r, const struct controller_request *q, int16_t whole)
{
    struct elect_leaders_response *out = r->out;
    int32_t count = q->targets_count > 0 ? q->targets_count : 0;
    struct elect_leaders_response_partition_result *list = arena_array(&r->arena, (size_t)count, sizeof *list);
    out->replica_election_results = arena_array(&r->arena, (size_t)count, sizeof *out->replica_election_results);
    if (list == NULL || out->replica_election_results == NULL) {
        return false;
    }
    struct elect_leaders_response_replica_election_result *topic = NULL;
    for (int32_t i = 0; i < count; i++) {
        const struct controller_target *target = &q->targets[i];
        if (i == 0 || strcmp(q->targets[i - 1].topic, target->topic) != 0) {
            topic = &out->replica_election_results[out->replica_election_results_count++];
            elect_leaders_response_replica_election_result_init(topic);
            topic->topic = slice_str(target->topic);
            topic->partition_result = &list[i];
        }
        elect_leaders_response_partition_result_init(&list[i]);
        topic->partition_result_count++;
        list[i].partition_id = target->partition;
        list[i].error_code = whole != KAFKA_ERROR_NONE ? whole : target->error_code;
        if (whole == KAFKA_ERROR_NONE && target->error_message != NULL) {
            list[i].error_message = slice_str(target->error_message);
        }
    }
    return true;
}

static enum api_step answer(struct request *r)
{
    const struct cluster_job *job = topic_job_of(r);
    r->release = topic_job_end; // names and messages stay in the job
    int16_t whole = topic_job_error(r);
    return fill_results(r, &job->request, whole) ? API_DONE : API_CLOSE;
}

enum api_step api_elect_leaders(struct request *r)
{
    const struct elect_leaders_request *in = r->in;
    struct elect_leaders_response *out = r->out;
    if (r->runs > 1) {
        return answer(r);
    }
    if (in->election_type != ELECTION_PREFERRED && in->election_type != ELECTION_UNCLEAN) {
        out->error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
        return API_DONE;
    }
    for (int32_t t = 0, count = 0; t < in->topic_partitions_count; t++) {
        count += in->topic_partitions[t].partitions_count;
        if (count > ELECT_TARGETS_MAX) {
            return API_CLOSE;
        }
    }
    enum err err = topic_job_begin(r, CLUSTER_ASK, job_fill, in->timeout_ms);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
