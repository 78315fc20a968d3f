// SPDX-License-Identifier: Apache-2.0
//
// The lists below are Kafka 3.9's (KIP-226 and what came after it). Of what Kafka changes while it runs, the defaults
// of topics and the limits on connections are changed here as well; what else the broker acts on is read at start only.
#include "broker/key_table.h"

#include <stdlib.h>
#include <string.h>

#include "broker/cluster/topic_config.h"
#include "broker/config_keys.h"
#include "broker/config_overrides.h"

// Changed for one broker or for all.
static const char *const cluster_wide[] = {
    "background.threads",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.delete.retention.ms",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.buffer.size",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.max.compaction.lag.ms",
    "log.cleaner.min.cleanable.ratio",
    "log.cleaner.min.compaction.lag.ms",
    "log.cleaner.threads",
    "log.cleanup.policy",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "log.index.interval.bytes",
    "log.index.size.max.bytes",
    "log.local.retention.bytes",
    "log.local.retention.ms",
    "log.message.downconversion.enable",
    "log.message.timestamp.after.max.ms",
    "log.message.timestamp.before.max.ms",
    "log.message.timestamp.difference.max.ms",
    "log.message.timestamp.type",
    "log.preallocate",
    "log.retention.bytes",
    "log.retention.ms",
    "log.roll.jitter.ms",
    "log.roll.ms",
    "log.segment.bytes",
    "log.segment.delete.delay.ms",
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "message.max.bytes",
    "metric.reporters",
    "min.insync.replicas",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "producer.id.expiration.ms",
    "remote.fetch.max.wait.ms",
    "remote.log.index.file.cache.total.size.bytes",
    "remote.log.manager.copy.max.bytes.per.second",
    "remote.log.manager.fetch.max.bytes.per.second",
    "replica.alter.log.dirs.io.max.bytes.per.second",
    "transaction.partition.verification.enable",
    "unclean.leader.election.enable",
};

// Changed for one broker only.
static const char *const per_broker[] = {
    "advertised.listeners",
    "listener.security.protocol.map",
    "listeners",
    "principal.builder.class",
    "sasl.enabled.mechanisms",
    "sasl.jaas.config",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal.to.local.rules",
    "sasl.kerberos.service.name",
    "sasl.kerberos.ticket.renew.jitter",
    "sasl.kerberos.ticket.renew.window.factor",
    "sasl.login.refresh.buffer.seconds",
    "sasl.login.refresh.min.period.seconds",
    "sasl.login.refresh.window.factor",
    "sasl.login.refresh.window.jitter",
    "sasl.mechanism.inter.broker.protocol",
    "ssl.cipher.suites",
    "ssl.client.auth",
    "ssl.enabled.protocols",
    "ssl.endpoint.identification.algorithm",
    "ssl.engine.factory.class",
    "ssl.keymanager.algorithm",
    "ssl.protocol",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
};

// Changed for one listener only.
static const char *const per_listener[] = {
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
};

// Not listed unless somebody has set them.
static const char *const hidden[] = {
    "follower.replication.throttled.rate",
    "group.consumer.migration.policy",
    "group.coordinator.new.enable",
    "leader.replication.throttled.rate",
    "log.initial.task.delay.ms",
    "producer.id.expiration.check.interval.ms",
    "replica.alter.log.dirs.io.max.bytes.per.second",
    "unclean.leader.election.interval.ms",
    "unstable.api.versions.enable",
    "unstable.feature.versions.enable",
};

// Of plug-ins, so Kafka itself does not know what they are.
static const char *const plugged[] = {
    "allow.everyone.if.no.acl.found",
    "super.users",
};

// Sizes of thread pools, which change in small steps.
static const char *const threads[] = {
    "background.threads",
    "log.cleaner.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
};

// Limits on connections (connections.h).
static const char *const connections[] = {
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
};

#define LISTED(name, list) (is_listed((name), (list), sizeof(list) / sizeof((list)[0])))

static bool is_listed(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static enum broker_key_type type_of(const struct config_key *k)
{
    static const enum broker_key_type types[] = {
        [CONFIG_BOOLEAN] = BROKER_KEY_BOOLEAN,   [CONFIG_STRING] = BROKER_KEY_STRING,
        [CONFIG_INT] = BROKER_KEY_INT,           [CONFIG_SHORT] = BROKER_KEY_SHORT,
        [CONFIG_LONG] = BROKER_KEY_LONG,         [CONFIG_DOUBLE] = BROKER_KEY_DOUBLE,
        [CONFIG_LIST] = BROKER_KEY_LIST,         [CONFIG_CLASS] = BROKER_KEY_CLASS,
        [CONFIG_PASSWORD] = BROKER_KEY_PASSWORD,
    };
    return types[k->type];
}

static const char *documentation_of(const char *name)
{
    static const struct {
        const char *name;
        const char *text;
    } docs[] = {
#define CONFIG_DOC(key, text) {key, text},
#include "broker/config_docs.def"
#undef CONFIG_DOC
    };
    for (size_t i = 0; i < sizeof docs / sizeof docs[0]; i++) {
        if (strcmp(docs[i].name, name) == 0) {
            return docs[i].text;
        }
    }
    return NULL;
}

static enum broker_key_scope scope_of(const char *name)
{
    if (LISTED(name, cluster_wide) || LISTED(name, plugged)) {
        return BROKER_KEY_CLUSTER_WIDE;
    }
    return LISTED(name, per_broker)     ? BROKER_KEY_PER_BROKER
           : LISTED(name, per_listener) ? BROKER_KEY_PER_LISTENER
                                        : BROKER_KEY_READ_ONLY;
}

static bool is_topic_default(const char *name)
{
    for (int32_t i = 0; i < topic_config_count(); i++) {
        const char *synonym = topic_config_synonym(i);
        if (synonym != NULL && strcmp(synonym, name) == 0) {
            return true;
        }
    }
    return false;
}

static struct broker_key row_of(const struct broker_config *c, const struct config_key *k)
{
    bool plug_in = LISTED(k->name, plugged);
    struct broker_key row = {
        .name = k->name,
        .type = plug_in ? BROKER_KEY_UNKNOWN : type_of(k),
        .scope = scope_of(k->name),
        .documentation = documentation_of(k->name),
        .default_value = plug_in ? NULL : k->default_value,
        .given = broker_config_is_given(c, k->name) ? broker_config_value(c, k->name) : NULL,
        .hidden = plug_in || LISTED(k->name, hidden),
        .threads = LISTED(k->name, threads),
        .version = k->version,
        .has_min = k->has_min,
        .has_max = k->has_max,
        .min = k->min,
        .max = k->max,
        .or_minus_one = k->or_minus_one,
        .one_of = k->one_of,
    };
    row.fixed = k->use == CONFIG_ACTED && !plug_in && row.scope != BROKER_KEY_READ_ONLY && !is_topic_default(k->name) &&
                !LISTED(k->name, connections);
    if (strcmp(k->name, "max.connections.per.ip.overrides") == 0) {
        row.refusal = config_overrides_refusal;
    }
    return row;
}

static int row_order(const void *a, const void *b)
{
    return strcmp(((const struct broker_key *)a)->name, ((const struct broker_key *)b)->name);
}

enum err key_table_build(const struct broker_config *c, struct arena *a, struct broker_keys *out)
{
    int32_t known = config_key_count();
    size_t most = (size_t)known + (size_t)c->unknown_count + (size_t)c->listener_keys_count;
    struct broker_key *rows = arena_array(a, most, sizeof *rows);
    if (rows == NULL) {
        return ERR_NO_MEMORY;
    }
    for (int32_t i = 0; i < known; i++) {
        rows[i] = row_of(c, config_key_at(i));
        // broker.id and node.id are one key under two names.
        if (strcmp(rows[i].name, "node.id") == 0 && rows[i].given == NULL && broker_config_is_given(c, "broker.id")) {
            rows[i].given = broker_config_value(c, "broker.id");
        } else if (strcmp(rows[i].name, "broker.id") == 0 && rows[i].given == NULL &&
                   broker_config_is_given(c, "node.id")) {
            rows[i].given = broker_config_value(c, "node.id");
        }
    }
    for (int32_t i = 0; i < c->unknown_count; i++) { // for plug-ins, which nobody else understands
        rows[known + i] =
            (struct broker_key){.name = c->unknown[i], .scope = BROKER_KEY_CLUSTER_WIDE, .given = "", .hidden = true};
    }
    out->count = known + c->unknown_count;
    for (int32_t i = 0; i < c->listener_keys_count; i++) { // as the key without its prefix
        const struct config_listener_key *k = &c->listener_keys[i];
        rows[out->count] = row_of(c, config_key_at(config_key_find(config_key_of_listener(k->name))));
        rows[out->count].name = k->name;
        rows[out->count].given = k->value;
        rows[out->count++].default_value = NULL;
    }
    out->list = rows;
    qsort(rows, (size_t)out->count, sizeof *rows, row_order);
    return ERR_OK;
}

enum err key_table_check(const struct broker_keys *k, struct arena *a, const char **why)
{
    enum err err = ERR_OK;
    for (int32_t i = 0; err == ERR_OK && i < k->count; i++) {
        if (k->list[i].given != NULL) {
            err = broker_key_check(&k->list[i], k->list[i].given, a, why);
        }
    }
    return err;
}
