// SPDX-License-Identifier: Apache-2.0
//
// See the header. A topic's change is INVALID_CONFIG when a value is wrong, a broker's is INVALID_REQUEST.
#include "broker/cluster/config_alter.h"

#include <errno.h>
#include <stdlib.h>

#include "base/java_text.h"
#include "broker/cluster/topic_create.h"
#include "protocol/protocol.h"

#define CLEANER_PREFIX     "log.cleaner."
#define CLEANER_THREADS    CLEANER_PREFIX "threads"
#define CLEANER_BUFFER     CLEANER_PREFIX "dedupe.buffer.size"
#define CLEANER_BUFFER_MIN (1024 * 1024) // more than that for each thread

// Where the parts of one change go.
struct alteration {
    const struct config_context *x;
    struct config_resource *r;
    struct arena *a;
    struct znode_config *next;
};

static bool refuse(struct config_resource *r, int16_t code, const char *message)
{
    r->error_code = code;
    r->error_message = message;
    return false;
}

// Nobody has a better word for it, and Kafka says none.
static bool refuse_no_memory(struct config_resource *r)
{
    return refuse(r, KAFKA_ERROR_UNKNOWN_SERVER_ERROR, NULL);
}

// ---------------------------------------------------------------------------------------------------------------
// Names of resources

static bool name_is_number(const struct config_resource *r, int64_t *out)
{
    const char *digits = *r->name == '-' || *r->name == '+' ? r->name + 1 : r->name;
    size_t len = strlen(digits);
    errno = 0;
    *out = strtoll(r->name, NULL, 10);
    return len > 0 && strspn(digits, "0123456789") == len && strlen(r->name) == r->name_len && errno == 0 &&
           *out >= INT32_MIN && *out <= INT32_MAX;
}

static bool topic_known(const struct config_context *x, const struct config_resource *r)
{
    return metadata_topic_find(x->metadata, slice_of(r->name, r->name_len)) != NULL;
}

const char *config_resource_path(const struct config_resource *r, struct arena *a)
{
    if (r->type == CONFIG_RESOURCE_TOPIC) {
        return arena_printf(a, "topics/%s", r->name);
    }
    int64_t id;
    return name_is_number(r, &id) ? arena_printf(a, "brokers/%d", (int)id) : "brokers/" ZNODE_CONFIG_DEFAULT;
}

static bool admit_broker(const struct config_context *x, struct config_resource *r, struct arena *a)
{
    int64_t id;
    if (r->name_len == 0) {
        return true;
    }
    if (!name_is_number(r, &id)) {
        return refuse(r, KAFKA_ERROR_INVALID_REQUEST,
                      arena_printf(a, "Node id must be an integer, but it is: %s", r->name));
    }
    return id == x->broker_id ||
           refuse(r, KAFKA_ERROR_INVALID_REQUEST,
                  arena_printf(a, "Unexpected broker id, expected %d, but received %s", x->broker_id, r->name));
}

static int key_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool admit_keys(struct config_resource *r, bool incremental, struct arena *a)
{
    const char **keys = arena_array(a, (size_t)r->changes_count, sizeof *keys);
    const char *nulls = NULL;
    if (keys == NULL) {
        return refuse_no_memory(r);
    }
    for (int32_t i = 0; i < r->changes_count; i++) {
        const struct config_change *change = &r->changes[i];
        keys[i] = change->key;
        if (change->value == NULL && !(incremental && change->op == CONFIG_OP_DELETE)) {
            nulls = arena_printf(a, "%s%s%s", nulls == NULL ? "" : nulls, nulls == NULL ? "" : ",", change->key);
            if (nulls == NULL) {
                return refuse_no_memory(r);
            }
        }
    }
    if (r->changes_count > 0) {
        qsort(keys, (size_t)r->changes_count, sizeof *keys, key_order);
    }
    for (int32_t i = 1; i < r->changes_count; i++) {
        if (strcmp(keys[i - 1], keys[i]) == 0) {
            return refuse(r, KAFKA_ERROR_INVALID_REQUEST, "Error due to duplicate config keys");
        }
    }
    return nulls == NULL ||
           refuse(r, KAFKA_ERROR_INVALID_REQUEST, arena_printf(a, "Null value not supported for : %s", nulls));
}

bool config_changes_admit(struct config_resource *r, bool incremental, struct arena *a)
{
    if (r->duplicate) {
        return refuse(r, KAFKA_ERROR_INVALID_REQUEST, "Each resource must appear at most once.");
    }
    if (r->changes_count > CONFIG_CHANGES_MAX) {
        return refuse(r, KAFKA_ERROR_INVALID_REQUEST,
                      arena_printf(a, "More than %d configs are changed at once.", CONFIG_CHANGES_MAX));
    }
    return admit_keys(r, incremental, a);
}

bool config_alter_admit(const struct config_context *x, struct config_resource *r, bool incremental, struct arena *a)
{
    if (!config_changes_admit(r, incremental, a)) {
        return false;
    }
    switch (r->type) {
    case CONFIG_RESOURCE_TOPIC:
        return r->name_len > 0 || refuse(r, KAFKA_ERROR_INVALID_REQUEST, "Default topic resources are not allowed.");
    case CONFIG_RESOURCE_BROKER:
        return admit_broker(x, r, a);
    case CONFIG_RESOURCE_CLIENT_METRICS:
        return refuse(r, KAFKA_ERROR_INVALID_REQUEST,
                      "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS");
    default:
        return refuse(r, KAFKA_ERROR_INVALID_REQUEST, arena_printf(a, "Unknown resource type %d", r->type));
    }
}

bool config_describe_admit(const struct config_context *x, struct config_resource *r, struct arena *a)
{
    int64_t id;
    const char *why;
    switch (r->type) {
    case CONFIG_RESOURCE_TOPIC:
        if (!topic_name_valid(r->name, r->name_len, &why)) {
            return refuse(r, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION, topic_name_refusal(r->name, r->name_len, a));
        }
        return topic_known(x, r) || refuse(r, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, "");
    case CONFIG_RESOURCE_BROKER:
        if (r->name_len > 0 && !name_is_number(r, &id)) {
            return refuse(r, KAFKA_ERROR_INVALID_REQUEST,
                          arena_printf(a, "Broker id must be an integer, but it is: %s", r->name));
        }
        return r->name_len == 0 || id == x->broker_id ||
               refuse(r, KAFKA_ERROR_INVALID_REQUEST,
                      arena_printf(a, "Unexpected broker id, expected %d or empty string, but received %s",
                                   x->broker_id, r->name));
    case CONFIG_RESOURCE_LOGGER:
        if (!name_is_number(r, &id)) {
            return refuse(r, KAFKA_ERROR_INVALID_REQUEST,
                          arena_printf(a, "Broker id must be an integer, but it is: %s", r->name));
        }
        return id == x->broker_id ||
               refuse(r, KAFKA_ERROR_INVALID_REQUEST,
                      arena_printf(a, "Unexpected broker id, expected %d but received %s", x->broker_id, r->name));
    case CONFIG_RESOURCE_CLIENT_METRICS:
        return refuse(r, KAFKA_ERROR_INVALID_REQUEST, "Config type client-metrics is only supported on KRaft clusters");
    default:
        return refuse(r, KAFKA_ERROR_INVALID_REQUEST,
                      "This most likely occurs because of a request being malformed by the client library or the "
                      "message was sent to an incompatible broker. See the broker logs for more details.");
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The entries as they shall be

static struct znode_config_entry *entry_find(const struct alteration *t, const char *key)
{
    for (int32_t i = 0; i < t->next->entries_count; i++) {
        if (strcmp(t->next->entries[i].key, key) == 0) {
            return &t->next->entries[i];
        }
    }
    return NULL;
}

static void entry_set(struct alteration *t, const char *key, const char *value)
{
    struct znode_config_entry *e = entry_find(t, key);
    if (e == NULL) {
        e = &t->next->entries[t->next->entries_count++]; // there is room for every change
    }
    *e = (struct znode_config_entry){.key = key, .value = value};
}

static void entry_delete(struct alteration *t, const char *key)
{
    struct znode_config_entry *e = entry_find(t, key);
    if (e != NULL) {
        *e = t->next->entries[--t->next->entries_count];
    }
}

// What a key of this resource is: its type, and Kafka's default of it. False: there is no such key.
static bool key_look_up(const struct alteration *t, const char *key, bool *is_list, const char **default_value)
{
    if (t->r->type == CONFIG_RESOURCE_TOPIC) {
        struct topic_config plain;
        int32_t i = topic_config_find(key);
        if (i < 0) {
            return false;
        }
        topic_config_init(&plain);
        *is_list = topic_config_type(i) == BROKER_KEY_LIST;
        *default_value = *is_list ? topic_config_value(&plain, i, t->a) : "";
        return true;
    }
    const struct broker_key *row = broker_key_find(t->x->view.keys, key);
    if (row == NULL || row->type == BROKER_KEY_UNKNOWN) {
        return false;
    }
    *is_list = row->type == BROKER_KEY_LIST;
    *default_value = row->default_value == NULL ? "" : row->default_value;
    return true;
}

static bool list_contains(const char *list, struct slice wanted)
{
    for (struct slice item = broker_list_next(&list); item.data != NULL; item = broker_list_next(&list)) {
        if (slice_equal(item, wanted)) {
            return true;
        }
    }
    return false;
}

// The items of `list` that are not in `other`, behind `text`.
static const char *list_filter(const char *text, const char *list, const char *other, struct arena *a)
{
    for (struct slice item = broker_list_next(&list); text != NULL && item.data != NULL;
         item = broker_list_next(&list)) {
        if (!list_contains(other, item)) {
            text = arena_printf(a, "%s%s%.*s", text, *text == '\0' ? "" : ",", (int)item.len, (const char *)item.data);
        }
    }
    return text;
}

static bool entry_edit(struct alteration *t, const struct config_change *change)
{
    bool is_list, append = change->op == CONFIG_OP_APPEND;
    const char *was;
    if (!key_look_up(t, change->key, &is_list, &was)) {
        return refuse(t->r, KAFKA_ERROR_UNKNOWN_SERVER_ERROR, NULL);
    }
    if (!is_list) {
        return refuse(t->r, KAFKA_ERROR_INVALID_CONFIG,
                      arena_printf(t->a, "Config value %s is not allowed for config key: %s",
                                   append ? "append" : "subtract", change->key));
    }
    const struct znode_config_entry *e = entry_find(t, change->key);
    was = e == NULL ? was : e->value;
    if (strlen(change->value) > CONFIG_LIST_MAX_BYTES) {
        return refuse(t->r, KAFKA_ERROR_INVALID_CONFIG,
                      arena_printf(t->a, "The list for config key %s is too long.", change->key));
    }
    const char *text = was == NULL ? NULL : list_filter("", was, append ? "" : change->value, t->a);
    if (append && text != NULL) {
        text = list_filter(text, change->value, was, t->a);
    }
    if (text == NULL) {
        return refuse_no_memory(t->r);
    }
    entry_set(t, change->key, text);
    return true;
}

static bool changes_apply(struct alteration *t, bool incremental)
{
    for (int32_t i = 0; i < t->r->changes_count; i++) {
        const struct config_change *change = &t->r->changes[i];
        int8_t op = incremental ? change->op : (int8_t)CONFIG_OP_SET;
        if (op == CONFIG_OP_SET) {
            entry_set(t, change->key, change->value);
        } else if (op == CONFIG_OP_DELETE) {
            entry_delete(t, change->key);
        } else if (op == CONFIG_OP_APPEND || op == CONFIG_OP_SUBTRACT) {
            if (!entry_edit(t, change)) {
                return false;
            }
        } else {
            return refuse(t->r, KAFKA_ERROR_UNKNOWN_SERVER_ERROR, NULL);
        }
    }
    return true;
}

// ---------------------------------------------------------------------------------------------------------------
// Checks of the outcome

static bool topic_value_refuse(struct alteration *t, const char *why)
{
    return refuse(t->r, KAFKA_ERROR_INVALID_CONFIG,
                  arena_printf(t->a, "Invalid config value for resource ConfigResource(type=TOPIC, name='%s'): %s",
                               t->r->name, why == NULL ? "" : why));
}

static bool topic_check(struct alteration *t)
{
    struct topic_config effective = *t->x->view.topic_defaults;
    const char *why;
    if (!topic_known(t->x, t->r)) {
        return refuse(t->r, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                      arena_printf(t->a, "The topic '%s' does not exist.", t->r->name));
    }
    for (int32_t i = 0; i < t->next->entries_count; i++) { // names first, then values
        if (topic_config_find(t->next->entries[i].key) < 0) {
            return refuse(t->r, KAFKA_ERROR_INVALID_CONFIG,
                          arena_printf(t->a, "Unknown topic config name: %s", t->next->entries[i].key));
        }
    }
    for (int32_t i = 0; i < t->next->entries_count; i++) {
        const struct znode_config_entry *e = &t->next->entries[i];
        if (topic_config_set(&effective, e->key, e->value, t->a, &why) != ERR_OK) {
            return topic_value_refuse(t, why);
        }
    }
    enum err err = topic_config_check(&effective, t->a, &why);
    return err == ERR_OK ||
           (err == ERR_UNSUPPORTED ? topic_value_refuse(t, why) : refuse(t->r, KAFKA_ERROR_INVALID_CONFIG, why));
}

// What is wrong with a key as such. NULL: nothing.
static const char *key_refusal(const struct alteration *t, const struct broker_key *key, const char *name)
{
    bool prefixed = key != NULL && strcmp(key->name, name) != 0;
    bool all_brokers = t->r->name_len == 0;
    if (key == NULL || (prefixed && !all_brokers)) {
        return NULL;
    }
    switch (key->scope) {
    case BROKER_KEY_READ_ONLY:
        return "Cannot update these configs dynamically: Set(%s)";
    case BROKER_KEY_PER_LISTENER:
        if (!prefixed) {
            return "These security configs can be dynamically updated only per-listener using the listener prefix: "
                   "HashSet(%s)";
        }
        break;
    case BROKER_KEY_PER_BROKER:
    case BROKER_KEY_CLUSTER_WIDE:
        break;
    }
    if (all_brokers && (prefixed || key->scope != BROKER_KEY_CLUSTER_WIDE)) {
        return "Cannot update these configs at default cluster level, broker id must be specified: Set(%s)";
    }
    return NULL;
}

static const char *current_value(const struct alteration *t, const char *name)
{
    const struct broker_key *key = broker_key_find(t->x->view.keys, name);
    const char *value = znode_config_find(t->x->view.broker, name);
    if (value == NULL) {
        value = znode_config_find(t->x->view.cluster, name);
    }
    if (value == NULL && key != NULL) {
        value = key->given != NULL ? key->given : key->default_value;
    }
    return value;
}

static int64_t number_of(const char *value, struct arena *a)
{
    int64_t n = 0;
    const char *trimmed = value == NULL ? NULL : java_trim(value, a);
    return trimmed != NULL && java_integer_parse(trimmed, &n) ? n : 0;
}

// The number that the key would have.
static int64_t number_next(const struct alteration *t, const char *name)
{
    const struct znode_config_entry *e = entry_find(t, name);
    return number_of(e == NULL ? current_value(t, name) : e->value, t->a);
}

static bool threads_refuse(struct alteration *t, const char *sentence)
{
    return refuse(t->r, KAFKA_ERROR_INVALID_REQUEST,
                  arena_printf(t->a,
                               "Invalid value org.apache.kafka.common.config.ConfigException: %s for configuration "
                               "Invalid dynamic configuration",
                               sentence == NULL ? "" : sentence));
}

// Kafka changes a pool by a factor of two at most, and has sentences of their own for the cleaner's.
static bool threads_check(struct alteration *t, const struct broker_key *key, const char *value)
{
    long long now = number_of(current_value(t, key->name), t->a), wanted = number_of(value, t->a);
    bool cleaner = strcmp(key->name, CLEANER_THREADS) == 0;
    bool few = wanted<now / 2, many = wanted> now * 2;
    if (wanted == now || (wanted >= 1 && !few && !many)) {
        return true;
    }
    if (cleaner && wanted < 1) {
        return threads_refuse(t, "Log cleaner threads should be at least 1");
    }
    if (cleaner) {
        return threads_refuse(t,
                              arena_printf(t->a, "Log cleaner threads cannot be %s the current value %lld",
                                           few ? "reduced to less than half" : "increased to more than double", now));
    }
    const char *bound = wanted < 1 ? "value should be at least 1"
                        : few
                            ? arena_printf(t->a, "value should be at least half the current value %lld", now)
                            : arena_printf(t->a, "value should not be greater than double the current value %lld", now);
    return threads_refuse(t, arena_printf(t->a, "Dynamic thread count update validation failed for %s=%lld, %s",
                                          key->name, wanted, bound == NULL ? "" : bound));
}

static bool cleaner_check(struct alteration *t)
{
    int64_t threads = number_next(t, CLEANER_THREADS);
    return threads < 1 || number_next(t, CLEANER_BUFFER) / threads > CLEANER_BUFFER_MIN ||
           refuse(t->r, KAFKA_ERROR_INVALID_REQUEST,
                  "requirement failed: " CLEANER_BUFFER " must be at least 1MB per cleaner thread.");
}

// Only what is new or changed: what is kept was good, or is ignored.
static bool is_changed(const struct znode_config *now, const struct znode_config_entry *e)
{
    const char *was = znode_config_find(now, e->key);
    return was == NULL || strcmp(was, e->value) != 0;
}

// Bounds that Kafka checks behind those of its table.
static bool requirement_check(struct alteration *t, const struct broker_key *key, const char *value)
{
    static const struct {
        const char *key;
        int64_t least;
        bool or_negative; // which means unlimited
        const char *sentence;
    } requirements[] = {
        {"log.retention.ms", 1, true,
         "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
        {"log.roll.jitter.ms", 0, false, "requirement failed: log.roll.jitter.ms must be greater than or equal to 0"},
        {"log.roll.ms", 1, false, "requirement failed: log.roll.ms must be greater than or equal to 1"},
    };
    for (size_t i = 0; i < sizeof requirements / sizeof requirements[0]; i++) {
        if (strcmp(requirements[i].key, key->name) == 0) {
            int64_t n = number_of(value, t->a);
            return n >= requirements[i].least || (n < 0 && requirements[i].or_negative) ||
                   refuse(t->r, KAFKA_ERROR_INVALID_REQUEST, requirements[i].sentence);
        }
    }
    return true;
}

// The value of a key that changes, by itself and beside what the broker does now.
static bool broker_value_check(struct alteration *t, const struct broker_key *key, const struct znode_config_entry *e)
{
    const char *why;
    if (broker_key_check(key, e->value, t->a, &why) != ERR_OK) {
        return refuse(t->r, KAFKA_ERROR_INVALID_REQUEST, why);
    }
    if (!requirement_check(t, key, e->value)) {
        return false;
    }
    if (strncmp(key->name, CLEANER_PREFIX, sizeof CLEANER_PREFIX - 1) == 0 && !cleaner_check(t)) {
        return false;
    }
    if (key->threads && strcmp(key->name, e->key) == 0 && !threads_check(t, key, e->value)) {
        return false;
    }
    return !key->fixed || refuse(t->r, KAFKA_ERROR_INVALID_REQUEST,
                                 arena_printf(t->a, "Cannot update these configs dynamically: Set(%s)", e->key));
}

static bool broker_check(struct alteration *t, const struct znode_config *now)
{
    for (int32_t i = 0; i < t->next->entries_count; i++) {
        const struct znode_config_entry *e = &t->next->entries[i];
        const char *form = key_refusal(t, broker_key_find(t->x->view.keys, e->key), e->key);
        if (form != NULL) {
            return refuse(t->r, KAFKA_ERROR_INVALID_REQUEST, arena_printf(t->a, form, e->key));
        }
    }
    for (int32_t i = 0; i < t->next->entries_count; i++) {
        const struct znode_config_entry *e = &t->next->entries[i];
        const struct broker_key *key = broker_key_find(t->x->view.keys, e->key);
        if (key != NULL && is_changed(now, e) && !broker_value_check(t, key, e)) {
            return false;
        }
    }
    return true;
}

enum err config_alter_plan(const struct config_context *x, struct config_resource *r, bool incremental,
                           const struct znode_config *now, struct arena *a, struct znode_config *next)
{
    struct alteration t = {.x = x, .r = r, .a = a, .next = next};
    int32_t kept = incremental ? now->entries_count : 0;
    next->entries_count = 0;
    next->entries = arena_array(a, (size_t)kept + (size_t)r->changes_count, sizeof *next->entries);
    if (next->entries == NULL) {
        return ERR_NO_MEMORY;
    }
    for (int32_t i = 0; i < kept; i++) {
        next->entries[next->entries_count++] = now->entries[i];
    }
    if (changes_apply(&t, incremental)) {
        bool good = r->type == CONFIG_RESOURCE_TOPIC ? topic_check(&t) : broker_check(&t, now);
        (void)good; // r says why not
    }
    return ERR_OK;
}
