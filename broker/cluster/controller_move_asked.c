// SPDX-License-Identifier: Apache-2.0
//
// Who asks for reassignments: AlterPartitionReassignments, and the znode /admin/reassign_partitions that older tools
// write and that is emptied as its partitions arrive. ListPartitionReassignments shows what is under way.
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"
#include "protocol/protocol.h"

// ---------------------------------------------------------------------------------------------------------------
// AlterPartitionReassignments

static const char *ids_text(const char *kind, const int32_t *list, int32_t count, struct arena *a)
{
    const char *text = must_have(arena_printf(a, "%s(", kind));
    for (int32_t i = 0; i < count; i++) {
        text = must_have(arena_printf(a, "%s%s%d", text, i == 0 ? "" : ", ", list[i]));
    }
    return must_have(arena_printf(a, "%s)", text));
}

static const char *live_text(const struct controller *c, struct arena *a)
{
    int32_t *list = must_arena_array(a, (size_t)c->brokers_count, sizeof *list), count = 0;
    for (int32_t i = 0; i < c->brokers_count; i++) {
        if (!c->brokers[i]->stopping) {
            list[count++] = c->brokers[i]->id;
        }
    }
    return ids_text("Set", list, count, a);
}

static bool has_duplicates(const int32_t *list, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        for (int32_t k = 0; k < i; k++) {
            if (list[k] == list[i]) {
                return true;
            }
        }
    }
    return false;
}

// Kafka's checks and sentences. NULL: they may be.
static const char *replicas_check(const struct controller *c, const struct controller_partition *p,
                                  const struct controller_move *m, struct arena *a)
{
    if (m->replicas_count == 0) {
        return "Empty replica list specified in partition reassignment.";
    }
    const char *all = ids_text("ArrayBuffer", m->replicas, m->replicas_count, a);
    if (has_duplicates(m->replicas, m->replicas_count)) {
        return must_have(arena_printf(a, "Duplicate replica ids in partition reassignment replica list: %s", all));
    }
    int32_t origin_count = 0, new_count;
    int32_t *origin = p == NULL ? NULL : move_origin(p, a, &origin_count);
    int32_t *added = ids_without(m->replicas, m->replicas_count, origin, origin_count, a, &new_count);
    for (int32_t i = 0; i < m->replicas_count; i++) {
        if (m->replicas[i] < 0) {
            return must_have(arena_printf(a, "Invalid broker id in replica list: %s", all));
        }
    }
    for (int32_t i = 0; i < new_count; i++) {
        if (!model_broker_live(c, added[i])) {
            return must_have(arena_printf(
                a, "Replica assignment has brokers that are not alive. Replica list: %s, live broker list: %s",
                ids_text("ArrayBuffer", added, new_count, a), live_text(c, a)));
        }
    }
    return NULL;
}

static bool move_fail(struct controller_move *m, int16_t code, const char *message)
{
    m->error_code = code;
    m->error_message = message;
    return false;
}

static bool move_check(struct controller *c, struct controller_move *m, struct controller_topic *t,
                       struct controller_partition *p)
{
    struct arena *a = STAILQ_FIRST(&c->requests)->arena;
    const char *why = m->replicas == NULL ? NULL : replicas_check(c, p, m, a);
    if (why != NULL) {
        return move_fail(m, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT, why);
    }
    if (m->replicas == NULL && (p == NULL || !partition_moves(p))) {
        return move_fail(m, KAFKA_ERROR_NO_REASSIGNMENT_IN_PROGRESS, "No partition reassignment is in progress.");
    }
    if (p == NULL || p->replicas_count == 0 || t->marked) {
        return move_fail(m, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, "The partition does not exist.");
    }
    return true;
}

// One after the other.
static void move_request_next(struct step *s)
{
    struct controller *c = s->c;
    struct controller_request *r = STAILQ_FIRST(&c->requests);
    while (c->move.at < r->moves_count) {
        struct controller_move *m = &r->moves[c->move.at++];
        struct controller_topic *t = model_topic_find(c, m->topic);
        struct controller_partition *p = t == NULL ? NULL : topic_partition(t, m->partition);
        if (!move_check(c, m, t, p)) {
            continue;
        }
        int32_t count = m->replicas_count;
        const int32_t *target = m->replicas != NULL ? m->replicas : move_origin(p, r->arena, &count);
        move_begin(s, t, p, target, count, move_request_next);
        return;
    }
    request_finish(s);
}

void move_request_begin(struct step *s)
{
    s->c->move.at = 0;
    move_request_next(s);
}

// ---------------------------------------------------------------------------------------------------------------
// ListPartitionReassignments

static bool is_target(const struct controller_request *r, const struct work *w)
{
    for (int32_t i = 0; i < r->targets_count; i++) {
        if (r->targets[i].partition == w->partition->index && strcmp(r->targets[i].topic, w->topic->name) == 0) {
            return true;
        }
    }
    return r->targets_count < 0;
}

static const int32_t *ids_copy(struct arena *a, const int32_t *list, int32_t count)
{
    return must_arena_copy(a, list, (size_t)count * sizeof *list);
}

void move_list(struct step *s)
{
    struct controller *c = s->c;
    struct controller_request *r = STAILQ_FIRST(&c->requests);
    works_of_all(c);
    r->moves = must_arena_array(r->arena, (size_t)c->works_count, sizeof *r->moves);
    for (int32_t i = 0; i < c->works_count; i++) {
        const struct controller_partition *p = c->works[i].partition;
        if (partition_moves(p) && is_target(r, &c->works[i])) {
            r->moves[r->moves_count++] = (struct controller_move){
                .topic = must_have(arena_strdup(r->arena, c->works[i].topic->name)),
                .partition = p->index,
                .replicas = ids_copy(r->arena, p->replicas, p->replicas_count),
                .replicas_count = p->replicas_count,
                .adding = ids_copy(r->arena, p->adding, p->adding_count),
                .adding_count = p->adding_count,
                .removing = ids_copy(r->arena, p->removing, p->removing_count),
                .removing_count = p->removing_count,
            };
        }
    }
    request_finish(s);
}

// ---------------------------------------------------------------------------------------------------------------
// /admin/reassign_partitions: taking out what is done, and what cannot be

static void clean_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND && r->err != ERR_BAD_VERSION) {
        controller_fail(s, r->err);
    }
}

static void clean_done(struct step *s)
{
    s->c->move.cleaned(s);
}

static const struct batch_phase clean_phase = {"writing /admin/reassign_partitions", clean_result, clean_done};

static bool entry_stays(const struct controller *c, const struct znode_reassignment *e)
{
    const struct controller_topic *t = model_topic_find(c, e->topic);
    const struct controller_partition *p = t == NULL || t->marked ? NULL : topic_partition(t, e->partition);
    bool arrived = p != NULL && !partition_moves(p) && p->replicas_count == e->replicas_count &&
                   memcmp(p->replicas, e->replicas, (size_t)e->replicas_count * sizeof *e->replicas) == 0;
    return p != NULL && !arrived;
}

static void clean_write(struct step *s)
{
    struct controller *c = s->c;
    struct znode_reassignment *list = c->move.asked;
    int32_t count = 0, before = c->move.asked_count;
    for (int32_t i = 0; i < before; i++) {
        if (entry_stays(c, &list[i])) {
            list[count++] = list[i];
        }
    }
    struct zk_op op = {.type = count > 0 ? ZK_OP_SET : ZK_OP_DELETE,
                       .path = ZNODE_REASSIGN_PARTITIONS,
                       .version = c->move.asked_version};
    if (count > 0 && znode_reassignments_encode(list, count, &s->out->arena, &op.data) != ERR_OK) {
        controller_fail(s, ERR_NO_MEMORY);
        return;
    }
    bool is_there = !c->missing;
    batch_begin(s, &clean_phase);
    if (is_there && (count < before || count == 0)) {
        batch_guarded(s, &op, (struct batch_op){0});
    }
    batch_end(s);
}

// What cannot be read has no entries, and so is deleted.
static void asked_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    struct moving *m = &s->c->move;
    m->asked_count = 0;
    s->c->missing = r->err == ERR_NOT_FOUND;
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
        return;
    }
    arena_reset(&m->asked_arena);
    m->asked_version = r->stat.version;
    if (r->err == ERR_OK &&
        znode_reassignments_decode(r->data, &m->asked_arena, &m->asked, &m->asked_count) != ERR_OK) {
        m->asked_count = 0;
    }
}

static const struct batch_phase clean_read_phase = {"reading /admin/reassign_partitions", asked_result, clean_write};

void move_asked_clean(struct step *s, void (*next)(struct step *s))
{
    s->c->move.cleaned = next;
    batch_begin(s, &clean_read_phase);
    batch_get(s, ZNODE_REASSIGN_PARTITIONS, false, (struct batch_op){0});
    batch_end(s);
}

// ---------------------------------------------------------------------------------------------------------------
// /admin/reassign_partitions: doing what it says. It is read again after each entry that is begun, so that one list is
// enough; an entry that is begun is one whose partition has these replicas, or gets them.

static bool is_begun(const struct controller_partition *p, const struct znode_reassignment *e, struct arena *a)
{
    int32_t count;
    const int32_t *target = move_target(p, a, &count);
    return partition_moves(p) && count == e->replicas_count &&
           memcmp(target, e->replicas, (size_t)count * sizeof *target) == 0;
}

static void asked_read(struct step *s);

static void asked_next(struct step *s)
{
    struct controller *c = s->c;
    for (int32_t i = 0; i < c->move.asked_count; i++) {
        const struct znode_reassignment *e = &c->move.asked[i];
        struct controller_topic *t = model_topic_find(c, e->topic);
        struct controller_partition *p = t == NULL || t->marked ? NULL : topic_partition(t, e->partition);
        if (p != NULL && e->replicas_count > 0 && entry_stays(c, e) && !is_begun(p, e, &s->out->arena)) {
            move_begin(s, t, p, e->replicas, e->replicas_count, asked_read);
            return;
        }
    }
    move_asked_clean(s, controller_next);
}

static const struct batch_phase asked_read_phase = {"reading /admin/reassign_partitions", asked_result, asked_next};

static void asked_read(struct step *s)
{
    batch_begin(s, &asked_read_phase);
    batch_get(s, ZNODE_REASSIGN_PARTITIONS, false, (struct batch_op){0});
    batch_end(s);
}

static void look_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    s->c->missing = r->err == ERR_NOT_FOUND;
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
    }
}

static void look_done(struct step *s)
{
    if (s->c->missing) {
        controller_next(s);
    } else {
        asked_read(s);
    }
}

static const struct batch_phase look_phase = {"looking for /admin/reassign_partitions", look_result, look_done};

void moves_asked_begin(struct step *s)
{
    batch_begin(s, &look_phase);
    batch_exists(s, ZNODE_REASSIGN_PARTITIONS);
    batch_end(s);
}
