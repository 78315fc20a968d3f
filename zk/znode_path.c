// SPDX-License-Identifier: Apache-2.0
//
// Where Kafka keeps what: builders of znode paths and their inverses. A builder never cuts a name short: what does not
// fit becomes the empty path, which every operation refuses.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "zk/znodes.h"

#define TOPICS_PREFIX  ZNODE_TOPICS "/"
#define BROKERS_PREFIX ZNODE_BROKER_IDS "/"

const char *const znode_top_level_paths[ZNODE_TOP_LEVEL_COUNT] = {
    ZNODE_CONSUMERS,      ZNODE_BROKERS,        ZNODE_BROKER_IDS,    ZNODE_TOPICS,         ZNODE_CONFIG,
    ZNODE_CONFIG_CHANGES, ZNODE_ADMIN,          ZNODE_DELETE_TOPICS, ZNODE_BROKER_SEQID,   ZNODE_ISR_CHANGES,
    ZNODE_PRODUCER_IDS,   ZNODE_LOG_DIR_EVENTS, ZNODE_CONFIG_TOPICS, ZNODE_CONFIG_CLIENTS, ZNODE_CONFIG_USERS,
    ZNODE_CONFIG_BROKERS, ZNODE_CONFIG_IPS,
};

__attribute__((format(printf, 1, 2))) static struct znode_path path_printf(const char *fmt, ...)
{
    struct znode_path p;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(p.s, sizeof p.s, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof p.s)
        p.s[0] = '\0';
    return p;
}

struct znode_path znode_path_child(const char *parent, const char *name)
{
    if (name[0] == '\0' || strchr(name, '/') != NULL)
        return (struct znode_path){""};
    return path_printf("%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name);
}

struct znode_path znode_path_broker(int32_t broker_id)
{
    return path_printf(BROKERS_PREFIX "%d", (int)broker_id);
}

struct znode_path znode_path_topic(const char *topic)
{
    return znode_path_child(ZNODE_TOPICS, topic);
}

struct znode_path znode_path_partitions(const char *topic)
{
    struct znode_path p = znode_path_topic(topic);
    return p.s[0] == '\0' ? p : path_printf(TOPICS_PREFIX "%s/partitions", topic);
}

struct znode_path znode_path_partition(const char *topic, int32_t partition)
{
    struct znode_path p = znode_path_topic(topic);
    return p.s[0] == '\0' ? p : path_printf(TOPICS_PREFIX "%s/partitions/%d", topic, (int)partition);
}

struct znode_path znode_path_state(const char *topic, int32_t partition)
{
    struct znode_path p = znode_path_topic(topic);
    return p.s[0] == '\0' ? p : path_printf(TOPICS_PREFIX "%s/partitions/%d/state", topic, (int)partition);
}

struct znode_path znode_path_delete_topic(const char *topic)
{
    return znode_path_child(ZNODE_DELETE_TOPICS, topic);
}

struct znode_path znode_path_topic_config(const char *topic)
{
    return znode_path_child(ZNODE_CONFIG_TOPICS, topic);
}

struct znode_path znode_path_broker_config(int32_t broker_id)
{
    return path_printf(ZNODE_CONFIG_BROKERS "/%d", (int)broker_id);
}

struct znode_path znode_path_config_entity(const char *entity_path)
{
    if (entity_path[0] == '\0')
        return (struct znode_path){""};
    return path_printf(ZNODE_CONFIG "/%s", entity_path);
}

struct znode_path znode_path_config_change(void)
{
    return path_printf(ZNODE_CONFIG_CHANGES "/" ZNODE_CONFIG_CHANGE_PREFIX);
}

struct znode_path znode_path_log_dir_event(void)
{
    return path_printf(ZNODE_LOG_DIR_EVENTS "/" ZNODE_LOG_DIR_EVENT_PREFIX);
}

static const char *after_prefix(const char *s, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(s, prefix, len) == 0 ? s + len : NULL;
}

// Decimal digits up to the end mark or len bytes; false when there are others, none, or too large a value.
static bool parse_digits(const char *s, size_t len, int32_t *number)
{
    int64_t v = 0;
    if (len == 0 || len > 10)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (s[i] - '0');
    }
    if (v > INT32_MAX)
        return false;
    *number = (int32_t)v;
    return true;
}

static bool parse_plain(const char *s, size_t len, int32_t *number)
{
    return (len == 1 || s[0] != '0') && parse_digits(s, len, number);
}

bool znode_parse_number(const char *name, int32_t *number)
{
    return parse_plain(name, strlen(name), number);
}

bool znode_parse_sequence(const char *name, const char *prefix, int32_t *number)
{
    const char *digits = after_prefix(name, prefix);
    return digits != NULL && strlen(digits) == 10 && parse_digits(digits, 10, number);
}

bool znode_parse_broker(const char *path, int32_t *broker_id)
{
    const char *name = after_prefix(path, BROKERS_PREFIX);
    return name != NULL && znode_parse_number(name, broker_id);
}

// Takes the topic out of a path below /brokers/topics and answers what follows it, NULL if there is no topic.
static const char *take_topic(const char *path, char topic[ZNODE_NAME_MAX_BYTES + 1])
{
    const char *name = after_prefix(path, TOPICS_PREFIX);
    if (name == NULL)
        return NULL;
    size_t len = strcspn(name, "/");
    if (len == 0 || len > ZNODE_NAME_MAX_BYTES)
        return NULL;
    memcpy(topic, name, len);
    topic[len] = '\0';
    return name + len;
}

bool znode_parse_topic(const char *path, char topic[ZNODE_NAME_MAX_BYTES + 1])
{
    const char *rest = take_topic(path, topic);
    return rest != NULL && rest[0] == '\0';
}

bool znode_parse_state(const char *path, char topic[ZNODE_NAME_MAX_BYTES + 1], int32_t *partition)
{
    const char *rest = take_topic(path, topic);
    const char *number = rest == NULL ? NULL : after_prefix(rest, "/partitions/");
    if (number == NULL)
        return false;
    size_t len = strcspn(number, "/");
    return strcmp(number + len, "/state") == 0 && parse_plain(number, len, partition);
}
