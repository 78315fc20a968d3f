// SPDX-License-Identifier: Apache-2.0
//
// The rig: carries out effects at once, in order, and feeds outcomes back.
#include "broker/cluster/tests/controller_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "protocol/protocol.h"

static int no_fsync(const struct os *os, int fd)
{
    (void)os;
    (void)fd;
    return 0; // these tests never lose power
}

static void rig_step(struct rig *r, const struct controller_event *e);

// ---------------------------------------------------------------------------------------------------------------
// The tree

static void on_wake(void *ctx)
{
    ((struct rig *)ctx)->zk_ready = true;
}

struct pending_op {
    struct rig *rig;
    uint64_t token;
};

static void on_result(void *ctx, const struct zk_result *result)
{
    struct pending_op *op = ctx;
    struct rig *r = op->rig;
    struct controller_event e = {.type = CONTROLLER_RESULT, .token = op->token, .result = result};
    free(op);
    r->pending--;
    if (!r->dead) {
        rig_step(r, &e);
    }
}

static void on_event(void *ctx, enum zk_event_type type, const char *path)
{
    (void)type;
    struct rig *r = ctx;
    if (!r->dead && r->controller != NULL && path != NULL) {
        rig_step(r, &(struct controller_event){.type = CONTROLLER_WATCH, .path = path});
    }
}

static void note(struct rig *r, const char *text)
{
    int n = snprintf(r->trace + r->trace_len, sizeof r->trace - r->trace_len, "%s\n", text);
    assert_true(n > 0 && r->trace_len + (size_t)n < sizeof r->trace);
    r->trace_len += (size_t)n;
}

// False: the process dies now.
static bool write_allowed(struct rig *r)
{
    if (r->writes_left == 0) {
        r->dead = true;
        return false;
    }
    r->writes_left -= r->writes_left > 0;
    return true;
}

static void note_multi(struct rig *r, const struct controller_op *op)
{
    char text[1200] = "";
    static const char *const names[] = {
        [ZK_OP_CREATE] = "create", [ZK_OP_SET] = "set", [ZK_OP_DELETE] = "delete", [ZK_OP_CHECK] = "check"};
    for (int i = 0; i < op->ops_count; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%s %s", i > 0 ? " ; " : "", names[op->ops[i].type], op->ops[i].path);
    }
    note(r, text);
}

static void execute_zk(struct rig *r, const struct controller_effect *e)
{
    const struct controller_op *op = &e->op;
    if ((op->type == CONTROLLER_OP_CREATE || op->type == CONTROLLER_OP_MULTI) && !write_allowed(r)) {
        return;
    }
    struct pending_op *p = malloc(sizeof *p);
    assert_non_null(p);
    *p = (struct pending_op){r, e->token};
    r->pending++;
    char text[1200];
    switch (op->type) {
    case CONTROLLER_OP_GET:
        zk_get(r->zk, op->path, op->watch, on_result, p);
        break;
    case CONTROLLER_OP_EXISTS:
        zk_exists(r->zk, op->path, op->watch, on_result, p);
        break;
    case CONTROLLER_OP_CHILDREN:
        zk_children(r->zk, op->path, op->watch, on_result, p);
        break;
    case CONTROLLER_OP_CREATE:
        snprintf(text, sizeof text, "create %s", op->path);
        note(r, text);
        zk_create(r->zk, op->path, op->data, ZK_PERSISTENT, on_result, p);
        break;
    case CONTROLLER_OP_MULTI:
        note_multi(r, op);
        zk_multi(r->zk, op->ops, op->ops_count, on_result, p);
        break;
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Brokers

const struct rig_replica *rig_replica_find(const struct rig *r, int32_t broker, const char *topic, int32_t partition)
{
    for (int i = 0; i < r->replicas_count; i++) {
        const struct rig_replica *x = &r->replicas[i];
        if (x->broker == broker && x->partition == partition && strcmp(x->topic, topic) == 0) {
            return x;
        }
    }
    return NULL;
}

static struct rig_replica *replica_get(struct rig *r, int32_t broker, const char *topic, int32_t partition)
{
    struct rig_replica *x = (struct rig_replica *)(uintptr_t)rig_replica_find(r, broker, topic, partition);
    if (x == NULL) {
        assert_true(r->replicas_count < RIG_MAX_REPLICAS);
        x = &r->replicas[r->replicas_count++];
        *x = (struct rig_replica){.broker = broker, .partition = partition};
        snprintf(x->topic, sizeof x->topic, "%s", topic);
    }
    return x;
}

static void replica_drop(struct rig *r, const struct rig_replica *x)
{
    if (x != NULL) {
        r->replicas_count--;
        r->replicas[x - r->replicas] = r->replicas[r->replicas_count];
    }
}

// An answer on its way back.
struct answer {
    STAILQ_ENTRY(answer) entry;
    struct controller_event event;
    char topic[32];
    int32_t partitions[RIG_MAX_REPLICAS];
    int16_t codes[RIG_MAX_REPLICAS];
};
STAILQ_HEAD(answer_list, answer);

// Tells a broker and has it answer.
static void execute_replicas(struct rig *r, const struct controller_effect *e, struct answer_list *answers)
{
    if (r->away[e->broker]) {
        return; // it will be told again
    }
    // Only with the first partitions that there ever were it hears of no topic before.
    assert_true(e->type != CONTROLLER_LEADER_AND_ISR || e->is_new || r->knows_topics[e->broker]);
    struct answer *a = calloc(1, sizeof *a);
    assert_non_null(a);
    STAILQ_INSERT_TAIL(answers, a, entry);
    int32_t *partitions = a->partitions;
    int16_t *codes = a->codes;
    bool stop = e->type == CONTROLLER_STOP_REPLICA;
    for (int32_t i = 0; i < e->partitions_count; i++) {
        const struct controller_partition *p = e->partitions[i];
        partitions[i] = p->index;
        codes[i] = (stop ? r->refuse_erase : r->refuse_leader) ? KAFKA_ERROR_KAFKA_STORAGE_ERROR : KAFKA_ERROR_NONE;
        if (codes[i] != KAFKA_ERROR_NONE) {
            continue;
        }
        if (stop && e->erase) {
            replica_drop(r, rig_replica_find(r, e->broker, e->topic, p->index));
            continue;
        }
        struct rig_replica *x = replica_get(r, e->broker, e->topic, p->index);
        x->stopped = stop;
        x->leader = p->leader;
        x->leader_epoch = p->leader_epoch;
    }
    if (stop && !e->erase) {
        STAILQ_REMOVE(answers, a, answer, entry);
        free(a);
        return;
    }
    snprintf(a->topic, sizeof a->topic, "%s", e->topic);
    a->event = (struct controller_event){.type = CONTROLLER_ANSWER,
                                         .broker = e->broker,
                                         .topic = a->topic,
                                         .topic_id = e->topic_id,
                                         .stopped = stop,
                                         .partitions = partitions,
                                         .codes = codes,
                                         .partitions_count = e->partitions_count};
}

static void execute_metadata(struct rig *r, const struct controller_effect *e)
{
    int32_t live = 0;
    for (int32_t id = 1; id <= r->brokers_count; id++) {
        live += !r->away[id];
    }
    assert_true(e->brokers_count >= live - 1 && e->brokers_count <= live + 1); // one may be on its way
    if (e->topic == NULL || e->partitions_count == 0) {
        return;
    }
    if (strcmp(r->told, e->topic) != 0) {
        r->told_partitions = 0;
    }
    snprintf(r->told, sizeof r->told, "%s", e->topic);
    r->told_deleted = e->deleted;
    r->knows_topics[e->broker] = true;
    int32_t last = e->partitions[e->partitions_count - 1]->index;
    r->told_partitions = last >= r->told_partitions ? last + 1 : r->told_partitions;
    r->told_leader = e->partitions[0]->index == 0 ? e->partitions[0]->leader : r->told_leader;
}

static void execute(struct rig *r, const struct controller_effect *e, struct answer_list *answers)
{
    switch (e->type) {
    case CONTROLLER_ZK:
        execute_zk(r, e);
        break;
    case CONTROLLER_LEADER_AND_ISR:
    case CONTROLLER_STOP_REPLICA:
        execute_replicas(r, e, answers);
        break;
    case CONTROLLER_UPDATE_METADATA:
        execute_metadata(r, e);
        break;
    case CONTROLLER_BROKER_JOINED:
        r->joined = e->broker;
        r->knows_topics[e->broker] = false;
        break;
    case CONTROLLER_BROKER_LEFT:
        r->left = e->broker;
        break;
    case CONTROLLER_RESIGNED:
        r->ready = false;
        break;
    case CONTROLLER_STOOD_BY:
        r->stood_by = e->broker;
        break;
    case CONTROLLER_ANSWERED:
        r->answered = e->request;
        break;
    case CONTROLLER_READY:
        assert_false(r->ready);
        r->ready = true;
        break;
    case CONTROLLER_TOPIC_DELETED:
        snprintf(r->deleted, sizeof r->deleted, "%s", e->topic);
        break;
    case CONTROLLER_DELETION_HELD:
        snprintf(r->held, sizeof r->held, "%s", e->topic);
        break;
    case CONTROLLER_HAS_FAILED:
        r->failed = true;
        break;
    }
}

static void rig_step(struct rig *r, const struct controller_event *e)
{
    struct answer_list answers = STAILQ_HEAD_INITIALIZER(answers);
    struct controller_effects effects;
    controller_effects_init(&effects);
    controller_step(r->controller, e, 1000, &effects);
    struct controller_effect *effect;
    STAILQ_FOREACH (effect, &effects.list, entry) {
        if (!r->dead) {
            execute(r, effect, &answers);
        }
    }
    controller_effects_release(&effects);
    while (!STAILQ_EMPTY(&answers)) {
        struct answer *a = STAILQ_FIRST(&answers);
        STAILQ_REMOVE_HEAD(&answers, entry);
        if (!r->dead) {
            rig_step(r, &a->event);
        }
        free(a);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The process

void rig_run(struct rig *r)
{
    while (r->zk_ready) {
        r->zk_ready = false;
        zk_dispatch(r->zk);
    }
}

static void on_done(void *ctx, const struct zk_result *result)
{
    *(enum err *)ctx = result->err;
}

static enum err create_now(struct rig *r, const char *path, const char *data, enum zk_create_mode mode)
{
    enum err err = ERR_AGAIN;
    zk_create(r->zk, path, data == NULL ? SLICE_NULL : slice_str(data), mode, on_done, &err);
    rig_run(r);
    return err;
}

static void on_registered(void *ctx, const struct zk_result *result)
{
    (void)ctx;
    assert_int_equal(result->err, ERR_OK);
}

static void broker_register(struct rig *r, int32_t id)
{
    zk_create(r->zk, znode_path_broker(id).s,
              slice_str("{\"version\":5,\"host\":\"h\",\"port\":9092,\"jmx_port\":-1,\"timestamp\":\"1\","
                        "\"endpoints\":[\"PLAINTEXT://h:9092\"],\"features\":{},"
                        "\"listener_security_protocol_map\":{\"PLAINTEXT\":\"PLAINTEXT\"}}"),
              ZK_EPHEMERAL, on_registered, NULL);
}

void rig_broker_start(struct rig *r, int32_t id)
{
    r->away[id] = false;
    broker_register(r, id);
    rig_run(r);
}

void rig_broker_stop(struct rig *r, int32_t id)
{
    r->away[id] = true;
    zk_delete(r->zk, znode_path_broker(id).s, ZK_VERSION_ANY, on_registered, NULL);
    rig_run(r);
}

void rig_broker_bounce(struct rig *r, int32_t id)
{
    zk_delete(r->zk, znode_path_broker(id).s, ZK_VERSION_ANY, on_registered, NULL);
    broker_register(r, id);
    rig_run(r);
}

static void on_epoch(void *ctx, const struct zk_result *result)
{
    *(int64_t *)ctx = result->err == ERR_OK ? result->stat.czxid : -1;
}

int64_t rig_broker_epoch(struct rig *r, int32_t id)
{
    int64_t epoch = -2;
    zk_get(r->zk, znode_path_broker(id).s, false, on_epoch, &epoch);
    rig_run(r);
    return epoch;
}

void rig_ask(struct rig *r, struct controller_request *q)
{
    r->answered = NULL;
    rig_step(r, &(struct controller_event){.type = CONTROLLER_ASKED, .request = q});
    rig_run(r);
    assert_true(r->dead || r->answered == q);
}

static void rig_start(struct rig *r)
{
    assert_int_equal(zk_local_open(&r->os.os, r->dir, on_wake, r, &r->zk), ERR_OK);
    zk_set_event_fn(r->zk, on_event, r);
    for (int i = 0; i < ZNODE_TOP_LEVEL_COUNT; i++) {
        enum err err = create_now(r, znode_top_level_paths[i], NULL, ZK_PERSISTENT);
        assert_true(err == ERR_OK || err == ERR_EXISTS);
    }
    for (int32_t id = 1; id <= r->brokers_count; id++) {
        if (!r->away[id]) {
            broker_register(r, id);
        }
    }
    rig_run(r);
    r->dead = r->failed = false;
    r->pending = 0;
    rig_start_controller(r);
}

static bool unclean_allowed(void *ctx, const char *topic)
{
    (void)topic;
    return ((const struct rig *)ctx)->unclean;
}

static void new_id(void *ctx, struct uuid *out)
{
    struct rig *r = ctx;
    *out = (struct uuid){{42, ++r->ids}};
}

void rig_start_controller(struct rig *r)
{
    r->ready = false;
    r->stood_by = -1;
    r->controller = controller_new(&(struct controller_options){.broker_id = r->broker_id,
                                                                .delete_topics = true,
                                                                .unclean_allowed = unclean_allowed,
                                                                .new_id = new_id,
                                                                .ctx = r,
                                                                .imbalance_percent = r->imbalance_percent});
    rig_step_start(r);
}

void rig_step_start(struct rig *r)
{
    rig_step(r, &(struct controller_event){.type = CONTROLLER_START, .session_id = r->session_id});
    rig_run(r);
}

void rig_rebalance(struct rig *r)
{
    rig_step(r, &(struct controller_event){.type = CONTROLLER_REBALANCE});
    rig_run(r);
}

void rig_expire(struct rig *r)
{
    rig_step(r, &(struct controller_event){.type = CONTROLLER_EXPIRED});
    rig_run(r);
}

void rig_stop_controller(struct rig *r)
{
    controller_free(r->controller);
    r->controller = NULL;
    rig_delete(r, ZNODE_CONTROLLER);
}

static void rig_stop(struct rig *r)
{
    r->dead = true;
    rig_run(r); // lets outcomes that nobody waits for any more arrive
    assert_int_equal(r->pending, 0);
    zk_close(r->zk);
    controller_free(r->controller);
    r->controller = NULL;
}

void rig_open(struct rig *r, int32_t brokers_count)
{
    memset(r, 0, sizeof *r);
    r->dir = test_dir_new();
    test_os_init(&r->os);
    r->os.os.fsync = no_fsync;
    r->broker_id = 1;
    r->brokers_count = brokers_count;
    r->writes_left = -1;
    rig_start(r);
}

void rig_restart(struct rig *r)
{
    rig_stop(r);
    r->writes_left = -1;
    rig_start(r);
}

void rig_close(struct rig *r)
{
    rig_stop(r);
    test_dir_remove(r->dir);
}

bool rig_create(struct rig *r, const char *path, const char *data)
{
    if (r->dead || !write_allowed(r)) {
        return false;
    }
    char text[1200];
    snprintf(text, sizeof text, "create %s", path);
    note(r, text);
    enum err err = create_now(r, path, data, ZK_PERSISTENT);
    assert_true(err == ERR_OK || err == ERR_EXISTS);
    return true;
}

void rig_delete(struct rig *r, const char *path)
{
    enum err err = ERR_AGAIN;
    zk_delete(r->zk, path, ZK_VERSION_ANY, on_done, &err);
    rig_run(r);
    assert_int_equal(err, ERR_OK);
}

void rig_set(struct rig *r, const char *path, const char *data)
{
    enum err err = ERR_AGAIN;
    zk_set(r->zk, path, slice_str(data), ZK_VERSION_ANY, on_done, &err);
    rig_run(r);
    assert_int_equal(err, ERR_OK);
}

static void on_version(void *ctx, const struct zk_result *result)
{
    *(int32_t *)ctx = result->err == ERR_OK ? result->stat.version : -1;
}

int32_t rig_version(struct rig *r, const char *path)
{
    int32_t version = -2;
    zk_get(r->zk, path, false, on_version, &version);
    rig_run(r);
    return version;
}

// The topic's node with brokers 1..rf for every partition.
static void topic_text(char *text, size_t cap, int32_t partitions, int32_t rf)
{
    size_t len = (size_t)snprintf(text, cap,
                                  "{\"version\":3,\"topic_id\":\"X3WNmI62T1a_dh3Hj5nrsA\",\"adding_replicas\":{},"
                                  "\"removing_replicas\":{},\"partitions\":{");
    for (int32_t i = 0; i < partitions; i++) {
        len += (size_t)snprintf(text + len, cap - len, "%s\"%d\":[", i > 0 ? "," : "", i);
        for (int32_t k = 0; k < rf; k++) {
            len += (size_t)snprintf(text + len, cap - len, "%s%d", k > 0 ? "," : "", k + 1);
        }
        len += (size_t)snprintf(text + len, cap - len, "]");
    }
    snprintf(text + len, cap - len, "}}");
}

void rig_create_topic(struct rig *r, const char *name, int32_t partitions, int32_t rf)
{
    char text[2048];
    topic_text(text, sizeof text, partitions, rf);
    if (rig_create(r, znode_path_topic_config(name).s, "{\"version\":1,\"config\":{}}")) {
        rig_create(r, znode_path_topic(name).s, text);
    }
}

void rig_create_assigned(struct rig *r, const char *name, const char *replicas)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"version\":3,\"topic_id\":\"X3WNmI62T1a_dh3Hj5nrsA\",\"adding_replicas\":{},"
             "\"removing_replicas\":{},\"partitions\":{\"0\":[%s]}}",
             replicas);
    if (rig_create(r, znode_path_topic_config(name).s, "{\"version\":1,\"config\":{}}")) {
        rig_create(r, znode_path_topic(name).s, text);
    }
}

void rig_grow_topic(struct rig *r, const char *name, int32_t partitions, int32_t rf)
{
    char text[2048];
    if (r->dead || !write_allowed(r)) {
        return;
    }
    topic_text(text, sizeof text, partitions, rf);
    enum err err = ERR_AGAIN;
    zk_set(r->zk, znode_path_topic(name).s, slice_str(text), ZK_VERSION_ANY, on_done, &err);
    rig_run(r);
    assert_int_equal(err, ERR_OK);
}

void rig_mark(struct rig *r, const char *name)
{
    rig_create(r, znode_path_delete_topic(name).s, NULL);
}

// ---------------------------------------------------------------------------------------------------------------
// Looking

bool rig_exists(struct rig *r, const char *path)
{
    enum err err = ERR_AGAIN;
    zk_exists(r->zk, path, false, on_done, &err);
    rig_run(r);
    assert_true(err == ERR_OK || err == ERR_NOT_FOUND);
    return err == ERR_OK;
}

struct reading {
    struct znode_partition_state state;
    struct znode_topic topic;
    struct arena *arena;
    char (*names)[32];
    int max, count;
    enum err err;
};

static void on_state(void *ctx, const struct zk_result *result)
{
    struct reading *reading = ctx;
    reading->err =
        result->err != ERR_OK ? result->err : znode_state_decode(result->data, reading->arena, &reading->state);
}

struct znode_partition_state rig_state(struct rig *r, const char *topic, int32_t partition, struct arena *a)
{
    struct reading reading = {.arena = a, .err = ERR_AGAIN};
    zk_get(r->zk, znode_path_state(topic, partition).s, false, on_state, &reading);
    rig_run(r);
    assert_int_equal(reading.err, ERR_OK);
    return reading.state;
}

static void on_topic(void *ctx, const struct zk_result *result)
{
    struct reading *reading = ctx;
    reading->err =
        result->err != ERR_OK ? result->err : znode_topic_decode(result->data, reading->arena, &reading->topic);
}

struct znode_topic rig_topic(struct rig *r, const char *topic, struct arena *a)
{
    struct reading reading = {.arena = a, .err = ERR_AGAIN};
    zk_get(r->zk, znode_path_topic(topic).s, false, on_topic, &reading);
    rig_run(r);
    assert_int_equal(reading.err, ERR_OK);
    return reading.topic;
}

static void on_children(void *ctx, const struct zk_result *result)
{
    struct reading *reading = ctx;
    reading->err = result->err;
    assert_true(result->n_children <= reading->max);
    for (int i = 0; i < result->n_children; i++) {
        snprintf(reading->names[reading->count++], 32, "%s", result->children[i]);
    }
}

int rig_children(struct rig *r, const char *path, char names[][32], int max)
{
    struct reading reading = {.names = names, .max = max, .err = ERR_AGAIN};
    zk_children(r->zk, path, false, on_children, &reading);
    rig_run(r);
    assert_int_equal(reading.err, ERR_OK);
    return reading.count;
}

void rig_check(struct rig *r)
{
    assert_false(r->dead);
    assert_false(r->failed);
    assert_true(r->ready);
    char names[16][32], partitions[16][32];
    assert_int_equal(rig_children(r, ZNODE_DELETE_TOPICS, names, 16), 0);
    int topics = rig_children(r, ZNODE_TOPICS, names, 16);
    int hosted = 0;
    struct arena a;
    arena_init(&a, 1024 * 1024);
    for (int t = 0; t < topics; t++) {
        assert_true(rig_exists(r, znode_path_topic_config(names[t]).s));
        int n = rig_children(r, znode_path_partitions(names[t]).s, partitions, 16);
        assert_true(n > 0);
        assert_int_equal(n, rig_topic(r, names[t], &a).partitions_count);
        for (int32_t p = 0; p < n; p++) {
            struct znode_partition_state state = rig_state(r, names[t], p, &a);
            assert_true(state.leader > 0);
            assert_true(state.isr_count > 0);
            const struct rig_replica *x = rig_replica_find(r, state.leader, names[t], p);
            assert_non_null(x);
            assert_false(x->stopped);
            assert_int_equal(x->leader, state.leader);
            assert_int_equal(x->leader_epoch, state.leader_epoch);
            hosted += state.isr_count;
        }
    }
    assert_int_equal(hosted, r->replicas_count); // and nothing is left of topics that are gone
    arena_release(&a);
}
