// SPDX-License-Identifier: Apache-2.0
//
// Checks run in the order in which Kafka's controller makes them; the first that fails answers.
#include "broker/cluster/topic_create.h"

#include <stdlib.h>

#include "base/assert.h"
#include "broker/cluster/replica_assign.h"
#include "protocol/protocol.h"

#define SHOWN_PARTITIONS_MAX 20 // of an assignment in a message

// One creation being checked. check functions answer false when they have refused it (or memory ran out).
struct check {
    const struct topic_create_context *x;
    struct topic_create *t;
    struct arena *a;
    struct topic_plan *plan;
    bool no_memory;
};

static bool refuse(struct check *c, int16_t code, const char *message)
{
    c->t->error_code = code;
    c->t->error_message = message;
    c->no_memory = message == NULL;
    return false;
}

// ---------------------------------------------------------------------------------------------------------------
// Names

static bool name_char_valid(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '.' || ch == '_' ||
           ch == '-';
}

bool topic_name_valid(const char *name, size_t len, const char **why)
{
    *why = NULL;
    if (len == 0) {
        *why = "the empty string is not allowed";
    } else if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))) {
        *why = "is not allowed";
    } else if (len > TOPIC_NAME_MAX) {
        *why = "is longer than the max allowed length 249";
    }
    for (size_t i = 0; *why == NULL && i < len; i++) {
        if (!name_char_valid(name[i])) {
            *why = "contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
        }
    }
    return *why == NULL;
}

const char *topic_name_refusal(const char *name, size_t len, struct arena *a)
{
    const char *why;
    ASSERT(!topic_name_valid(name, len, &why));
    if (len == 0) {
        return arena_printf(a, "Topic name is invalid: %s", why);
    }
    return arena_printf(a, "Topic name is invalid: %s'%.*s' %s", len > TOPIC_NAME_MAX ? "the length of " : "", (int)len,
                        name, why);
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool name_listed(const char *name, char *const *list, int32_t count)
{
    return count > 0 && bsearch(&name, list, (size_t)count, sizeof *list, name_order) != NULL;
}

// Equal once every '.' is taken for a '_', as it is in names of metrics.
static bool names_collide(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        if ((*a == '.' ? '_' : *a) != (*b == '.' ? '_' : *b)) {
            return false;
        }
    }
    return *a == *b;
}

static bool check_collision(struct check *c)
{
    if (strpbrk(c->t->name, "._") == NULL) {
        return true;
    }
    const char *others = NULL;
    for (int32_t i = 0; i < c->x->existing_count; i++) {
        if (!names_collide(c->t->name, c->x->existing[i])) {
            continue;
        }
        others = others == NULL ? c->x->existing[i] : arena_printf(c->a, "%s, %s", others, c->x->existing[i]);
        if (others == NULL) {
            return refuse(c, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION, NULL);
        }
    }
    return others == NULL ||
           refuse(c, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION,
                  arena_printf(c->a, "Topic '%s' collides with existing topics: %s", c->t->name, others));
}

// Before anything else is looked at: names that are refused or known as they stand.
static bool check_request(struct check *c)
{
    struct slice name = slice_of(c->t->name, c->t->name_len);
    if (!c->x->auto_create && slice_equal(name, slice_str("__cluster_metadata"))) {
        return refuse(c, KAFKA_ERROR_INVALID_REQUEST, "Creation of internal topic __cluster_metadata is prohibited.");
    }
    if (c->t->duplicate) {
        return refuse(c, KAFKA_ERROR_INVALID_REQUEST, "Found multiple entries for this topic.");
    }
    if (metadata_topic_find(c->x->metadata, name) != NULL) {
        return refuse(c, KAFKA_ERROR_TOPIC_ALREADY_EXISTS,
                      arena_printf(c->a, "Topic '%s' already exists.", c->t->name));
    }
    const char *nulls = NULL;
    for (int32_t i = 0; i < c->t->configs_count; i++) {
        if (c->t->configs[i].value == NULL) {
            nulls = arena_printf(c->a, "%s%s%s", nulls == NULL ? "" : nulls, nulls == NULL ? "" : ",",
                                 c->t->configs[i].key);
            if (nulls == NULL) {
                return refuse(c, KAFKA_ERROR_INVALID_CONFIG, NULL);
            }
        }
    }
    return nulls == NULL || refuse(c, KAFKA_ERROR_INVALID_CONFIG,
                                   arena_printf(c->a, "Null value not supported for topic configs: %s", nulls));
}

static bool check_name(struct check *c)
{
    const char *why;
    if (!topic_name_valid(c->t->name, c->t->name_len, &why)) {
        return refuse(c, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION, topic_name_refusal(c->t->name, c->t->name_len, c->a));
    }
    if (name_listed(c->t->name, c->x->marked, c->x->marked_count)) {
        return refuse(c, KAFKA_ERROR_TOPIC_ALREADY_EXISTS,
                      arena_printf(c->a, "Topic '%s' is marked for deletion.", c->t->name));
    }
    if (name_listed(c->t->name, c->x->existing, c->x->existing_count)) {
        return refuse(c, KAFKA_ERROR_TOPIC_ALREADY_EXISTS,
                      arena_printf(c->a, "Topic '%s' already exists.", c->t->name));
    }
    return check_collision(c);
}

// ---------------------------------------------------------------------------------------------------------------
// Replicas

static bool check_counts(struct check *c)
{
    struct topic_create *t = c->t;
    const struct metadata *m = c->x->metadata;
    int32_t partitions = t->num_partitions == -1 ? c->x->num_partitions : t->num_partitions;
    int32_t factor = t->replication_factor == -1 ? c->x->default_replication_factor : t->replication_factor;
    if (partitions <= 0) {
        return refuse(c, KAFKA_ERROR_INVALID_PARTITIONS, "Number of partitions must be larger than 0.");
    }
    if (partitions > TOPIC_MAX_PARTITIONS) {
        return refuse(c, KAFKA_ERROR_INVALID_PARTITIONS,
                      arena_printf(c->a, "Number of partitions must be at most %d.", TOPIC_MAX_PARTITIONS));
    }
    if (factor <= 0) {
        return refuse(c, KAFKA_ERROR_INVALID_REPLICATION_FACTOR, "Replication factor must be larger than 0.");
    }
    if (factor > metadata_brokers_count(m)) {
        return refuse(c, KAFKA_ERROR_INVALID_REPLICATION_FACTOR,
                      arena_printf(c->a, "Replication factor: %d larger than available brokers: %d.", factor,
                                   metadata_brokers_count(m)));
    }
    uint32_t chance[2];
    c->x->os->random(c->x->os, chance, sizeof chance);
    const struct replica_sites *sites = replica_sites_of(m, c->a);
    if (sites == NULL || replicas_assign(sites, 0, partitions, factor, chance[0], chance[1], c->a,
                                         &c->plan->topic.partitions) != ERR_OK) {
        return refuse(c, KAFKA_ERROR_UNKNOWN_SERVER_ERROR, NULL);
    }
    c->plan->topic.partitions_count = partitions;
    return true;
}

static int assignment_order(const void *a, const void *b)
{
    const struct topic_assignment *const *x = a, *const *y = b;
    if ((*x)->partition != (*y)->partition) {
        return (*x)->partition < (*y)->partition ? -1 : 1;
    }
    return (*x > *y) - (*x < *y); // as sent
}

// Takes the assignment over, ascending; of a partition named twice the last row counts.
static bool assignment_take(struct check *c)
{
    struct topic_create *t = c->t;
    struct znode_topic *topic = &c->plan->topic;
    const struct topic_assignment **rows = arena_array(c->a, (size_t)t->assignments_count, sizeof *rows);
    topic->partitions = arena_array(c->a, (size_t)t->assignments_count, sizeof *topic->partitions);
    if (rows == NULL || topic->partitions == NULL) {
        return refuse(c, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT, NULL);
    }
    for (int32_t i = 0; i < t->assignments_count; i++) {
        rows[i] = &t->assignments[i];
    }
    qsort(rows, (size_t)t->assignments_count, sizeof *rows, assignment_order);
    for (int32_t i = 0; i < t->assignments_count; i++) {
        if (i + 1 < t->assignments_count && rows[i + 1]->partition == rows[i]->partition) {
            continue;
        }
        topic->partitions[topic->partitions_count++] = (struct znode_replicas){
            .partition = rows[i]->partition, .replicas = rows[i]->brokers, .replicas_count = rows[i]->brokers_count};
    }
    return true;
}

// "HashMap(0 -> ArrayBuffer(1, 1))": how Kafka shows an assignment; of a long one the beginning.
static const char *assignment_text(const struct check *c)
{
    const struct znode_topic *topic = &c->plan->topic;
    const char *text = "HashMap(";
    for (int32_t i = 0; i < topic->partitions_count && i < SHOWN_PARTITIONS_MAX && text != NULL; i++) {
        const struct znode_replicas *p = &topic->partitions[i];
        text = arena_printf(c->a, "%s%s%d -> ArrayBuffer(", text, i > 0 ? ", " : "", p->partition);
        for (int32_t k = 0; k < p->replicas_count && text != NULL; k++) {
            text = arena_printf(c->a, "%s%s%d", text, k > 0 ? ", " : "", p->replicas[k]);
        }
        text = text == NULL ? NULL : arena_printf(c->a, "%s)", text);
    }
    return text == NULL ? NULL : arena_printf(c->a, "%s)", text);
}

static bool row_has_duplicate(const struct znode_replicas *p)
{
    for (int32_t i = 0; i < p->replicas_count; i++) {
        for (int32_t k = 0; k < i; k++) {
            if (p->replicas[k] == p->replicas[i]) {
                return true;
            }
        }
    }
    return false;
}

// Kafka takes replicas on brokers nobody knows, and empty rows, and then never gets the topic to work; here they are
// refused.
static bool check_brokers(struct check *c)
{
    const struct znode_topic *topic = &c->plan->topic;
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        const struct znode_replicas *p = &topic->partitions[i];
        if (p->replicas_count == 0) {
            return refuse(c, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                          arena_printf(c->a, "The replica list of partition %d is empty.", p->partition));
        }
        for (int32_t k = 0; k < p->replicas_count; k++) {
            if (metadata_broker_find(c->x->metadata, p->replicas[k]) == NULL) {
                return refuse(c, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                              arena_printf(c->a, "Unknown broker(s) in replica assignment: %d.", p->replicas[k]));
            }
        }
    }
    return true;
}

static bool check_assignment(struct check *c)
{
    const struct znode_topic *topic = &c->plan->topic;
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        if (topic->partitions[i].replicas_count != topic->partitions[0].replicas_count) {
            return refuse(c, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                          "All partitions should have the same number of replicas");
        }
    }
    if (!check_brokers(c)) { // first: it bounds the look for duplicates
        return false;
    }
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        if (row_has_duplicate(&topic->partitions[i])) {
            const char *text = assignment_text(c);
            return refuse(c, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                          text == NULL ? NULL : arena_printf(c->a, "Duplicate replica assignment found: %s", text));
        }
    }
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        if (topic->partitions[i].partition != i) {
            return refuse(c, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                          "partitions should be a consecutive 0-based integer sequence");
        }
    }
    return true;
}

// ---------------------------------------------------------------------------------------------------------------
// Configs

static bool check_configs(struct check *c)
{
    struct topic_create *t = c->t;
    struct topic_plan *plan = c->plan;
    plan->effective = arena_alloc(c->a, sizeof *plan->effective);
    plan->config.entries = arena_array(c->a, (size_t)t->configs_count, sizeof *plan->config.entries);
    if (plan->effective == NULL || plan->config.entries == NULL) {
        return refuse(c, KAFKA_ERROR_INVALID_CONFIG, NULL);
    }
    *plan->effective = *c->x->topic_defaults;
    memset(plan->effective->set, 0, sizeof plan->effective->set);
    for (int32_t i = 0; i < t->configs_count; i++) { // names first, then values
        if (topic_config_find(t->configs[i].key) < 0) {
            return refuse(c, KAFKA_ERROR_INVALID_CONFIG,
                          arena_printf(c->a, "Unknown topic config name: %s", t->configs[i].key));
        }
    }
    for (int32_t i = 0; i < t->configs_count; i++) {
        const char *why;
        if (topic_config_set(plan->effective, t->configs[i].key, t->configs[i].value, c->a, &why) != ERR_OK) {
            return refuse(c, KAFKA_ERROR_INVALID_CONFIG, why);
        }
        int32_t place = 0; // a key given twice is kept once, with the later value
        while (place < plan->config.entries_count && strcmp(plan->config.entries[place].key, t->configs[i].key) != 0) {
            place++;
        }
        plan->config.entries[place] = (struct znode_config_entry){t->configs[i].key, t->configs[i].value};
        plan->config.entries_count += place == plan->config.entries_count;
    }
    const char *why;
    return topic_config_check(plan->effective, c->a, &why) == ERR_OK || refuse(c, KAFKA_ERROR_INVALID_CONFIG, why);
}

// ---------------------------------------------------------------------------------------------------------------

enum err topic_create_plan(const struct topic_create_context *x, struct topic_create *t, struct arena *a,
                           struct topic_plan *plan)
{
    struct check c = {.x = x, .t = t, .a = a, .plan = plan};
    *plan = (struct topic_plan){.topic.has_topic_id = true};
    t->error_code = KAFKA_ERROR_NONE;
    t->error_message = NULL;
    bool good = check_request(&c);
    if (good && t->assignments_count > 0) {
        if (t->num_partitions != -1 || t->replication_factor != -1) {
            good = refuse(&c, KAFKA_ERROR_INVALID_REQUEST,
                          "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be "
                          "used at the same time.");
        } else if (t->assignments_count > TOPIC_MAX_PARTITIONS) {
            good = refuse(&c, KAFKA_ERROR_INVALID_PARTITIONS,
                          arena_printf(a, "Number of partitions must be at most %d.", TOPIC_MAX_PARTITIONS));
        } else {
            good = assignment_take(&c) && check_name(&c) && check_assignment(&c);
        }
    } else if (good) {
        good = check_counts(&c) && check_name(&c);
    }
    good = good && check_configs(&c);
    if (c.no_memory) {
        return ERR_NO_MEMORY;
    }
    if (good) {
        uuid_random(x->os, &plan->topic.topic_id);
        t->out_partitions = plan->topic.partitions_count;
        t->out_replication_factor = (int16_t)plan->topic.partitions[0].replicas_count;
    }
    return ERR_OK;
}
