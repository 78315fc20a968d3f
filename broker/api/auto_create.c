// SPDX-License-Identifier: Apache-2.0
//
// A job that finds the topic there already changes nothing, so asking twice does no harm.
#include "broker/api/auto_create.h"

#include "base/logging.h"

#define INTERNAL_CONFIGS_MAX 5

static const struct internal_topic *internal_find(const struct request *r, struct slice name)
{
    const struct api_options *o = r->ctx->options;
    if (slice_equal(name, slice_str(TOPIC_CONSUMER_OFFSETS))) {
        return &o->offsets_topic;
    }
    return slice_equal(name, slice_str(TOPIC_TRANSACTION_STATE)) ? &o->transactions_topic : NULL;
}

// Kafka counts before it asks for the topic; a topic with fewer replicas than wanted is never made.
static bool brokers_suffice(struct request *r, const struct internal_topic *t, struct slice name)
{
    int dropped;
    int32_t brokers = metadata_brokers_count(r->metadata);
    if (brokers >= t->replication_factor) {
        return true;
    }
    if (log_limit_pass(r->ctx->refusals, loop_now_ms(request_loop(r)), &dropped)) {
        log_warn("api", "%.*s cannot be created: it is to have %d replicas, and %d broker%s alive; set %s",
                 (int)name.len, (const char *)name.data, (int)t->replication_factor, (int)brokers,
                 brokers == 1 ? " is" : "s are", t->replication_factor_key);
    }
    return false;
}

static bool config_add(struct topic_create *t, const char *key, const char *value)
{
    t->configs[t->configs_count++] = (struct topic_config_entry){.key = key, .value = value};
    return value != NULL;
}

static bool internal_fill(struct cluster_job *job, struct topic_create *t, const struct internal_topic *internal)
{
    t->num_partitions = internal->partitions;
    t->replication_factor = internal->replication_factor;
    t->configs = arena_array(&job->arena, INTERNAL_CONFIGS_MAX, sizeof *t->configs);
    if (t->configs == NULL) {
        return false;
    }
    bool ok = config_add(t, "compression.type", internal->uncompressed ? "uncompressed" : "producer") &&
              config_add(t, "cleanup.policy", "compact") &&
              config_add(t, "segment.bytes", arena_printf(&job->arena, "%d", (int)internal->segment_bytes));
    if (ok && internal->min_insync_replicas > 0) {
        const char *min_isr = arena_printf(&job->arena, "%d", (int)internal->min_insync_replicas);
        ok = config_add(t, "min.insync.replicas", min_isr) && config_add(t, "unclean.leader.election.enable", "false");
    }
    return ok;
}

static bool job_fill(struct cluster_job *job, struct slice name, const struct internal_topic *internal)
{
    job->auto_create = true;
    job->creates = arena_array(&job->arena, 1, sizeof *job->creates);
    if (job->creates == NULL) {
        return false;
    }
    struct topic_create *t = &job->creates[0];
    job->creates_count = 1;
    t->name = arena_strndup(&job->arena, name.data, name.len);
    t->name_len = name.len;
    t->num_partitions = -1;
    t->replication_factor = -1;
    return t->name != NULL && (internal == NULL || internal_fill(job, t, internal));
}

void auto_create_topic(struct request *r, struct slice name)
{
    const struct internal_topic *internal = internal_find(r, name);
    struct cluster_job *job;
    if ((internal != NULL && !brokers_suffice(r, internal, name)) ||
        cluster_job_new(CLUSTER_CREATE_TOPICS, &job) != ERR_OK) {
        return;
    }
    // A full queue is not told to the client: its retry asks again.
    if (!job_fill(job, name, internal) || cluster_job_submit(r->ctx->cluster, job) != ERR_OK) {
        log_debug("api", "the creation of a topic that a client asked for was not queued");
    }
    cluster_job_unref(job);
}
