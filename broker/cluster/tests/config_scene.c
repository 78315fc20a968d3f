// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "broker/cluster/tests/config_scene.h"

#include "base/tests/cmocka_all.h"
#include "broker/cluster/metadata_builder.h"

static const struct metadata *picture(void)
{
    struct metadata_endpoint endpoint = {"PLAINTEXT", "h", 1};
    struct metadata_broker brokers[] = {{.id = 1, .endpoints = &endpoint, .endpoints_count = 1}};
    struct metadata_topic t = {.name = "t"};
    struct metadata_builder *b = metadata_builder_new(NULL, "c");
    metadata_builder_set_brokers(b, brokers, 1);
    metadata_builder_put_topic(b, &t);
    return metadata_builder_finish(b);
}

void config_scene_init(struct config_scene *s)
{
    static const struct broker_key rows[] = {
        {.name = "log.cleaner.dedupe.buffer.size",
         .type = BROKER_KEY_LONG,
         .scope = BROKER_KEY_CLUSTER_WIDE,
         .default_value = "134217728"},
        {.name = "log.cleaner.threads",
         .type = BROKER_KEY_INT,
         .scope = BROKER_KEY_CLUSTER_WIDE,
         .default_value = "1",
         .threads = true},
        {.name = "log.cleanup.policy",
         .type = BROKER_KEY_LIST,
         .scope = BROKER_KEY_CLUSTER_WIDE,
         .default_value = "delete",
         .one_of = "compact,delete"},
        {.name = "log.retention.hours", .type = BROKER_KEY_INT, .default_value = "168", .given = "24"},
        {.name = "log.retention.minutes", .type = BROKER_KEY_INT},
        {.name = "log.retention.ms", .type = BROKER_KEY_LONG, .scope = BROKER_KEY_CLUSTER_WIDE},
        {.name = "message.max.bytes",
         .type = BROKER_KEY_INT,
         .scope = BROKER_KEY_CLUSTER_WIDE,
         .default_value = "1048588",
         .given = "2000000",
         .has_min = true},
        {.name = "num.io.threads",
         .type = BROKER_KEY_INT,
         .scope = BROKER_KEY_CLUSTER_WIDE,
         .default_value = "8",
         .threads = true,
         .fixed = true},
        {.name = "num.partitions", .type = BROKER_KEY_INT, .default_value = "1"},
        {.name = "plug.in", .given = "", .scope = BROKER_KEY_CLUSTER_WIDE, .hidden = true},
        {.name = "ssl.client.auth", .type = BROKER_KEY_STRING, .scope = BROKER_KEY_PER_BROKER, .default_value = "none"},
        {.name = "ssl.keystore.password",
         .type = BROKER_KEY_PASSWORD,
         .scope = BROKER_KEY_PER_LISTENER,
         .given = "secret"},
        {.name = "throttle.rate",
         .type = BROKER_KEY_LONG,
         .scope = BROKER_KEY_CLUSTER_WIDE,
         .default_value = "9",
         .hidden = true},
    };
    static const struct broker_keys keys = {rows, sizeof rows / sizeof rows[0]};
    *s = (struct config_scene){.broker = {NULL, 0}};
    topic_config_init(&s->defaults);
    s->x = (struct config_context){
        .broker_id = 1,
        .metadata = picture(),
        .view = {.keys = &keys, .broker = &s->broker, .cluster = &s->cluster, .topic_defaults = &s->defaults},
    };
    arena_init(&s->a, 16 * 1024 * 1024);
}

void config_scene_release(struct config_scene *s)
{
    metadata_unref(s->x.metadata);
    arena_release(&s->a);
}

struct znode_config config_scene_entry(struct config_scene *s, const char *key, const char *value)
{
    struct znode_config_entry *e = arena_array(&s->a, 1, sizeof *e);
    assert_non_null(e);
    *e = (struct znode_config_entry){.key = key, .value = value};
    return (struct znode_config){e, 1};
}

const char *synonyms_text(const struct config_shown *shown, struct arena *a)
{
    const char *text = "";
    for (int32_t i = 0; i < shown->synonyms_count; i++) {
        const struct config_synonym *y = &shown->synonyms[i];
        text = arena_printf(a, "%s%s%s=%s %d", text, i > 0 ? ", " : "", y->name, y->value == NULL ? "null" : y->value,
                            y->source);
    }
    return text;
}
