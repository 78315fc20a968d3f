// SPDX-License-Identifier: Apache-2.0
//
// Leaders where somebody wants them: elections that clients ask for (ElectLeaders, or the znode old tools write), and
// the balance of leaders that the controller looks after by itself. The preferred replica is the first of an
// assignment; it leads if it lives and is in sync.
#include <stdlib.h>

#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"
#include "protocol/protocol.h"

static bool preferred_can_lead(const struct controller *c, const struct controller_partition *p)
{
    return p->replicas_count > 0 && partition_in_isr(p, p->replicas[0]) && model_replica_live(c, p, p->replicas[0]);
}

static bool preferred_decide(struct step *s, struct work *w, struct znode_partition_state *out)
{
    const struct controller_partition *p = w->partition;
    if (!preferred_can_lead(s->c, p) || p->leader == p->replicas[0]) {
        return false;
    }
    *out = partition_next_state(s, p);
    out->leader = p->replicas[0];
    return true;
}

static bool unclean_decide(struct step *s, struct work *w, struct znode_partition_state *out)
{
    return offline_leader(s, w, true, out);
}

// ---------------------------------------------------------------------------------------------------------------
// ElectLeaders

static bool is_needed(const struct controller *c, const struct controller_partition *p, bool unclean)
{
    return unclean ? p->leader < 0 || !model_broker_live(c, p->leader)
                   : p->replicas_count > 0 && p->leader != p->replicas[0];
}

static void target_fail(struct controller_target *target, int16_t code, const char *message)
{
    target->error_code = code;
    target->error_message = message;
}

static void target_take(struct controller *c, struct controller_request *r, struct controller_target *target)
{
    struct controller_topic *t = model_topic_find(c, target->topic);
    struct controller_partition *p = t == NULL ? NULL : topic_partition(t, target->partition);
    if (p == NULL || p->replicas_count == 0) {
        target_fail(target, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, "The partition does not exist.");
    } else if (t->marked) {
        target_fail(target, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION, "The topic is being deleted");
    } else if (p->has_state && !is_needed(c, p, r->unclean)) {
        target_fail(target, KAFKA_ERROR_ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.");
    } else {
        works_add(c, t, p)->target = target;
    }
}

// All of which an election is needed.
static void targets_fill(struct controller *c, struct controller_request *r)
{
    works_of_all(c);
    r->targets = must_arena_array(r->arena, (size_t)c->works_count, sizeof *r->targets);
    r->targets_count = 0;
    for (int32_t i = 0; i < c->works_count; i++) {
        struct work *w = &c->works[i];
        if (w->partition->has_state && is_needed(c, w->partition, r->unclean)) {
            w->target = &r->targets[r->targets_count++];
            *w->target = (struct controller_target){.topic = must_have(arena_strdup(r->arena, w->topic->name)),
                                                    .partition = w->partition->index};
        } else {
            w->state = WORK_DROPPED;
        }
    }
}

static void elect_done(struct step *s)
{
    struct controller *c = s->c;
    bool unclean = STAILQ_FIRST(&c->requests)->unclean;
    for (int32_t i = 0; i < c->works_count; i++) {
        const struct work *w = &c->works[i];
        if (w->target == NULL || w->state == WORK_WRITTEN) {
            continue;
        }
        target_fail(w->target,
                    unclean ? KAFKA_ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE : KAFKA_ERROR_PREFERRED_LEADER_NOT_AVAILABLE,
                    must_have(arena_printf(STAILQ_FIRST(&c->requests)->arena,
                                           "Failed to elect leader for partition %s-%d under strategy %s",
                                           w->target->topic, w->target->partition,
                                           unclean ? "OfflinePartitionLeaderElectionStrategy(true)"
                                                   : "PreferredReplicaPartitionLeaderElectionStrategy")));
    }
    works_tell_states(s, 0);
    request_finish(s);
}

void elect_begin(struct step *s)
{
    struct controller *c = s->c;
    struct controller_request *r = STAILQ_FIRST(&c->requests);
    works_clear(c);
    if (r->targets_count < 0) {
        targets_fill(c, r);
    } else {
        for (int32_t i = 0; i < r->targets_count; i++) {
            target_take(c, r, &r->targets[i]);
        }
    }
    works_write(s, r->unclean ? unclean_decide : preferred_decide, elect_done);
}

// ---------------------------------------------------------------------------------------------------------------
// The balance: of the partitions a broker is preferred for, too many are led by others

struct balance {
    int32_t broker;
    int32_t preferred;
    int32_t elsewhere;
};

static struct balance *balance_of(struct balance *list, int32_t *count, int32_t broker)
{
    for (int32_t i = 0; i < *count; i++) {
        if (list[i].broker == broker) {
            return &list[i];
        }
    }
    list[*count] = (struct balance){.broker = broker};
    return &list[(*count)++];
}

static void preferred_done(struct step *s)
{
    works_tell_states(s, 0);
    controller_next(s);
}

void rebalance_begin(struct step *s)
{
    struct controller *c = s->c;
    works_of_all(c);
    struct balance *list = must_arena_array(&s->out->arena, (size_t)c->works_count + 1, sizeof *list);
    int32_t brokers = 0;
    bool moving = false;
    for (int32_t i = 0; i < c->works_count; i++) {
        const struct controller_partition *p = c->works[i].partition;
        moving = moving || partition_moves(p);
        if (p->has_state && p->replicas_count > 0) {
            struct balance *b = balance_of(list, &brokers, p->replicas[0]);
            b->preferred++;
            b->elsewhere += p->leader != p->replicas[0];
        }
    }
    for (int32_t i = 0; i < c->works_count; i++) {
        const struct controller_partition *p = c->works[i].partition;
        const struct balance *b =
            p->has_state && p->replicas_count > 0 ? balance_of(list, &brokers, p->replicas[0]) : NULL;
        if (moving || b == NULL ||
            (int64_t)b->elsewhere * 100 <= (int64_t)b->preferred * c->options.imbalance_percent) {
            c->works[i].state = WORK_DROPPED;
        }
    }
    works_write(s, preferred_decide, preferred_done);
}

// ---------------------------------------------------------------------------------------------------------------
// /admin/preferred_replica_election

static void deleted_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
    }
}

static const struct batch_phase delete_phase = {"deleting /admin/preferred_replica_election", deleted_result,
                                                controller_next};

static void asked_elected(struct step *s)
{
    works_tell_states(s, 0);
    const struct zk_op op = {.type = ZK_OP_DELETE, .path = ZNODE_PREFERRED_ELECTION, .version = ZK_VERSION_ANY};
    batch_begin(s, &delete_phase);
    batch_guarded(s, &op, (struct batch_op){0});
    batch_end(s);
}

static void asked_read_done(struct step *s)
{
    works_write(s, preferred_decide, asked_elected);
}

static void asked_read_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    struct controller *c = s->c;
    struct znode_named_partition *list;
    int32_t count = 0;
    if (r->err == ERR_OK && znode_partitions_decode(r->data, &s->out->arena, &list, &count) != ERR_OK) {
        count = 0; // nobody can read it: it is deleted
    } else if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        struct controller_topic *t = model_topic_find(c, list[i].topic);
        struct controller_partition *p = t == NULL || t->marked ? NULL : topic_partition(t, list[i].partition);
        if (p != NULL && p->has_state) {
            works_add(c, t, p);
        }
    }
}

static const struct batch_phase asked_read_phase = {"reading /admin/preferred_replica_election", asked_read_result,
                                                    asked_read_done};

static void asked_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    s->c->missing = r->err == ERR_NOT_FOUND;
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
    }
}

static void asked_done(struct step *s)
{
    if (s->c->missing) {
        controller_next(s);
        return;
    }
    works_clear(s->c);
    batch_begin(s, &asked_read_phase);
    batch_get(s, ZNODE_PREFERRED_ELECTION, false, (struct batch_op){0});
    batch_end(s);
}

static const struct batch_phase asked_phase = {"looking for /admin/preferred_replica_election", asked_result,
                                               asked_done};

// Its deletion fires the watch once more, which sets the next one.
void preferred_asked_begin(struct step *s)
{
    batch_begin(s, &asked_phase);
    batch_exists(s, ZNODE_PREFERRED_ELECTION);
    batch_end(s);
}
