// SPDX-License-Identifier: Apache-2.0
//
// Reassignment (KIP-455): a partition gets other replicas. What it has then is what it shall have (the target) and, as
// long as it moves, what it had before; the topic's node says which of them come in addition and which go:
//
//   move_begin        writes {all, adding, removing} into the topic's node; replicas of an earlier target that nobody
//                     needs any more go at once
//   move_go           while not all of the target is in sync: one more leader epoch, LeaderAndIsr to those that were
//                     there and, as new, to those that come. An AlterPartition brings it back here (moves_look)
//   move_led          all are in sync: one of the target leads
//   replicas_leave    the others leave the in-sync replicas and are deleted
//   move_written      the topic's node says the target alone; /admin/reassign_partitions names it no longer
//
// The node is what counts: a controller that takes over goes on from what it says.
#include <stdlib.h>

#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

#define MOVE_ARENA_LIMIT ((size_t)32 * ZK_DATA_MAX_BYTES)

static void move_go(struct step *s);

// ---------------------------------------------------------------------------------------------------------------
// Lists of brokers

static bool ids_have(const int32_t *list, int32_t count, int32_t id)
{
    for (int32_t i = 0; i < count; i++) {
        if (list[i] == id) {
            return true;
        }
    }
    return false;
}

int32_t *ids_without(const int32_t *list, int32_t count, const int32_t *without, int32_t without_count, struct arena *a,
                     int32_t *out_count)
{
    int32_t *out = must_arena_array(a, (size_t)count, sizeof *out);
    *out_count = 0;
    for (int32_t i = 0; i < count; i++) {
        if (!ids_have(without, without_count, list[i])) {
            out[(*out_count)++] = list[i];
        }
    }
    return out;
}

static bool ids_equal(const int32_t *x, int32_t x_count, const int32_t *y, int32_t y_count)
{
    return x_count == y_count && memcmp(x, y, (size_t)x_count * sizeof *x) == 0;
}

int32_t *move_origin(const struct controller_partition *p, struct arena *a, int32_t *count)
{
    return ids_without(p->replicas, p->replicas_count, p->adding, p->adding_count, a, count);
}

int32_t *move_target(const struct controller_partition *p, struct arena *a, int32_t *count)
{
    return ids_without(p->replicas, p->replicas_count, p->removing, p->removing_count, a, count);
}

bool partition_moves(const struct controller_partition *p)
{
    return p->adding_count > 0 || p->removing_count > 0;
}

bool topic_moves(const struct controller_topic *t)
{
    for (int32_t i = 0; i < t->partitions_count; i++) {
        if (partition_moves(&t->partitions[i])) {
            return true;
        }
    }
    return false;
}

// ---------------------------------------------------------------------------------------------------------------
// The topic's node

static void node_read(struct step *s);

static void node_written(struct step *s)
{
    if (s->c->missing) {
        node_read(s); // somebody else has written it meanwhile
    } else {
        s->c->move.written(s);
    }
}

static void node_write_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    s->c->missing = r->err == ERR_BAD_VERSION;
    if (r->err != ERR_OK && r->err != ERR_BAD_VERSION && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
    }
}

static const struct batch_phase node_write_phase = {"writing the replicas of a topic", node_write_result, node_written};

static void node_write(struct step *s)
{
    struct moving *m = &s->c->move;
    if (s->c->missing) {
        m->next(s); // the topic is gone
        return;
    }
    for (int32_t i = 0; i < m->node.partitions_count; i++) {
        if (m->node.partitions[i].partition == m->wanted.partition) {
            m->node.partitions[i] = m->wanted;
        }
    }
    struct slice data;
    if (znode_topic_encode(&m->node, &s->out->arena, &data) != ERR_OK) {
        controller_fail(s, ERR_NO_MEMORY);
        return;
    }
    struct znode_path path = znode_path_topic(m->topic->name);
    const struct zk_op op = {.type = ZK_OP_SET, .path = path.s, .data = data, .version = m->node_version};
    batch_begin(s, &node_write_phase);
    batch_guarded(s, &op, (struct batch_op){0});
    batch_end(s);
}

static void node_read_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    struct moving *m = &s->c->move;
    s->c->missing = r->err == ERR_NOT_FOUND;
    if (r->err == ERR_NOT_FOUND) {
        return;
    }
    enum err err = r->err != ERR_OK ? r->err : znode_topic_decode(r->data, &m->arena, &m->node);
    if (err != ERR_OK) {
        controller_fail(s, err);
        return;
    }
    m->node_version = r->stat.version;
}

static const struct batch_phase node_read_phase = {"reading the replicas of a topic", node_read_result, node_write};

static void node_read(struct step *s)
{
    struct znode_path path = znode_path_topic(s->c->move.topic->name);
    batch_begin(s, &node_read_phase);
    batch_get(s, path.s, false, (struct batch_op){0});
    batch_end(s);
}

static void node_change(struct step *s, void (*written)(struct step *s))
{
    s->c->move.written = written;
    node_read(s);
}

// ---------------------------------------------------------------------------------------------------------------
// Replicas that leave

static struct work *works_one(struct step *s)
{
    works_clear(s->c);
    return works_add(s->c, s->c->move.topic, s->c->move.partition);
}

static void leave_next(struct step *s);

static void leave_written(struct step *s)
{
    works_tell_states(s, 0);
    s->c->move.leaving_at++;
    leave_next(s);
}

static void leave_next(struct step *s)
{
    struct moving *m = &s->c->move;
    if (m->leaving_at < m->leaving_count) {
        works_one(s)->replica = m->leaving[m->leaving_at];
        works_write(s, offline_decide, leave_written);
        return;
    }
    works_one(s);
    for (int erase = 0; erase <= 1; erase++) {
        for (int32_t i = 0; i < m->leaving_count; i++) {
            works_tell(s, CONTROLLER_STOP_REPLICA, m->leaving[i],
                       TELL_ALL | TELL_ANYWAY | (erase == 1 ? TELL_ERASE : 0));
        }
    }
    m->left(s);
}

static void replicas_leave(struct step *s, const int32_t *list, int32_t count, void (*left)(struct step *s))
{
    struct moving *m = &s->c->move;
    m->leaving = must_arena_copy(&m->arena, list, (size_t)count * sizeof *list);
    m->leaving_count = count;
    m->leaving_at = 0;
    m->left = left;
    leave_next(s);
}

// ---------------------------------------------------------------------------------------------------------------
// All of the target is in sync

static void move_over(struct step *s)
{
    works_one(s);
    works_tell(s, CONTROLLER_UPDATE_METADATA, TELL_EVERYBODY, TELL_ALL);
    s->c->want_deletions = true; // that has waited for it
    s->c->move.next(s);
}

static void move_written(struct step *s)
{
    move_asked_clean(s, move_over);
}

static void move_left(struct step *s)
{
    node_change(s, move_written);
}

static void move_led(struct step *s)
{
    struct moving *m = &s->c->move;
    works_tell_states(s, 0);
    replicas_leave(s, m->gone, m->gone_count, move_left);
}

// The leader stays if it is one of the target; else the first that lives and is in sync leads. The in-sync replicas
// stay as they are for now.
static bool led_decide(struct step *s, struct work *w, struct znode_partition_state *out)
{
    const struct controller_partition *p = w->partition;
    *out = partition_next_state(s, p);
    if (model_replica_live(s->c, p, p->leader)) {
        return true;
    }
    out->leader = -1;
    for (int32_t i = 0; i < p->replicas_count && out->leader < 0; i++) {
        if (partition_in_isr(p, p->replicas[i]) && model_replica_live(s->c, p, p->replicas[i])) {
            out->leader = p->replicas[i];
        }
    }
    return out->leader >= 0;
}

static void move_complete(struct step *s)
{
    struct moving *m = &s->c->move;
    struct controller_partition *p = m->partition;
    int32_t count;
    int32_t *target = move_target(p, &m->arena, &count);
    m->gone = must_arena_copy(&m->arena, p->removing, (size_t)p->removing_count * sizeof *p->removing);
    m->gone_count = p->removing_count;
    m->wanted = (struct znode_replicas){.partition = p->index, .replicas = target, .replicas_count = count};
    partition_assign(p, &m->wanted);
    works_one(s);
    works_write(s, led_decide, move_led);
}

// ---------------------------------------------------------------------------------------------------------------
// Not yet

static bool bump_decide(struct step *s, struct work *w, struct znode_partition_state *out)
{
    *out = partition_next_state(s, w->partition);
    return true;
}

// Those that come have it as a new one: they may put it on any disk that works.
static void move_waits(struct step *s)
{
    struct moving *m = &s->c->move;
    const struct controller_partition *p = m->partition;
    for (int32_t i = 0; i < p->replicas_count; i++) {
        bool is_new = ids_have(p->adding, p->adding_count, p->replicas[i]);
        works_tell(s, CONTROLLER_LEADER_AND_ISR, p->replicas[i], is_new ? TELL_NEW : 0);
    }
    works_tell(s, CONTROLLER_UPDATE_METADATA, TELL_EVERYBODY, 0);
    m->next(s);
}

static bool is_complete(const struct controller *c, const struct controller_partition *p)
{
    bool live = false;
    for (int32_t i = 0; i < p->replicas_count; i++) {
        bool stays = !ids_have(p->removing, p->removing_count, p->replicas[i]);
        if (stays && !partition_in_isr(p, p->replicas[i])) {
            return false;
        }
        live = live || (stays && model_replica_live(c, p, p->replicas[i]));
    }
    return p->has_state && live;
}

static void move_go(struct step *s)
{
    struct moving *m = &s->c->move;
    m->partition->move_wanted = false;
    if (is_complete(s->c, m->partition)) {
        move_complete(s);
        return;
    }
    works_one(s);
    works_write(s, bump_decide, move_waits);
}

// ---------------------------------------------------------------------------------------------------------------
// Beginning

static void move_taken(struct step *s)
{
    struct moving *m = &s->c->move;
    struct controller_partition *p = m->partition;
    int32_t count;
    int32_t *unneeded =
        ids_without(p->replicas, p->replicas_count, m->wanted.replicas, m->wanted.replicas_count, &m->arena, &count);
    partition_assign(p, &m->wanted);
    if (count > 0) {
        replicas_leave(s, unneeded, count, move_go);
    } else {
        move_go(s);
    }
}

// The target first, then what is there before and shall go.
static void wanted_fill(struct moving *m, const int32_t *target, int32_t target_count)
{
    const struct controller_partition *p = m->partition;
    int32_t origin_count, rest_count;
    int32_t *origin = move_origin(p, &m->arena, &origin_count);
    int32_t *rest = ids_without(origin, origin_count, target, target_count, &m->arena, &rest_count);
    struct znode_replicas *w = &m->wanted;
    *w = (struct znode_replicas){.partition = p->index, .replicas_count = target_count + rest_count};
    w->replicas = must_arena_array(&m->arena, (size_t)w->replicas_count, sizeof *w->replicas);
    memcpy(w->replicas, target, (size_t)target_count * sizeof *target);
    memcpy(w->replicas + target_count, rest, (size_t)rest_count * sizeof *rest);
    w->adding = ids_without(w->replicas, w->replicas_count, origin, origin_count, &m->arena, &w->adding_count);
    w->removing = ids_without(w->replicas, w->replicas_count, target, target_count, &m->arena, &w->removing_count);
}

void move_begin(struct step *s, struct controller_topic *t, struct controller_partition *p, const int32_t *target,
                int32_t target_count, void (*next)(struct step *s))
{
    struct moving *m = &s->c->move;
    arena_reset(&m->arena);
    m->topic = t;
    m->partition = p;
    m->next = next;
    if (target == NULL) {
        move_go(s);
        return;
    }
    wanted_fill(m, target, target_count);
    const struct znode_replicas *w = &m->wanted;
    if (ids_equal(w->replicas, w->replicas_count, p->replicas, p->replicas_count) &&
        ids_equal(w->adding, w->adding_count, p->adding, p->adding_count) &&
        ids_equal(w->removing, w->removing_count, p->removing, p->removing_count)) {
        move_go(s);
    } else {
        node_change(s, move_taken);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Going on

void moves_look(struct controller *c, struct controller_partition *p)
{
    if (partition_moves(p) && is_complete(c, p)) {
        p->move_wanted = c->want_moves = true;
    }
}

void moves_look_all(struct controller *c)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        for (int32_t i = 0; i < t->partitions_count; i++) {
            if (partition_moves(&t->partitions[i])) {
                t->partitions[i].move_wanted = c->want_moves = true;
            }
        }
    }
}

// One at a time, as long as there are some.
void moves_begin(struct step *s)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        for (int32_t i = 0; i < t->partitions_count; i++) {
            if (t->partitions[i].move_wanted) {
                move_begin(s, t, &t->partitions[i], NULL, 0, moves_begin);
                return;
            }
        }
    }
    controller_next(s);
}

void moves_init(struct controller *c)
{
    arena_init(&c->move.arena, MOVE_ARENA_LIMIT);
    arena_init(&c->move.asked_arena, MOVE_ARENA_LIMIT);
}

void moves_release(struct controller *c)
{
    arena_release(&c->move.arena);
    arena_release(&c->move.asked_arena);
}
