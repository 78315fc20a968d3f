// SPDX-License-Identifier: Apache-2.0
//
// Controlled shutdown: a broker that wants to go asks first. What it leads is led by others before it goes, what it
// follows it leaves the in-sync replicas of, and it is told to stop those replicas. What it still leads is what nobody
// else can.
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"
#include "protocol/protocol.h"

// The first replica that is in sync and stays leads; those that stop are no longer in sync.
static bool shutdown_leader(struct step *s, struct work *w, struct znode_partition_state *out)
{
    const struct controller *c = s->c;
    const struct controller_partition *p = w->partition;
    if (p->leader != w->replica) {
        return false; // one it follows
    }
    *out = partition_next_state(s, p);
    out->leader = -1;
    for (int32_t i = 0; i < p->replicas_count && out->leader < 0; i++) {
        if (model_replica_live(c, p, p->replicas[i]) && partition_in_isr(p, p->replicas[i])) {
            out->leader = p->replicas[i];
        }
    }
    out->isr = must_arena_array(&s->out->arena, (size_t)p->isr_count, sizeof *out->isr);
    out->isr_count = 0;
    for (int32_t i = 0; i < p->isr_count; i++) {
        const struct controller_broker *b = model_broker_find(c, p->isr[i]);
        if (b == NULL || !b->stopping) {
            out->isr[out->isr_count++] = p->isr[i];
        }
    }
    return out->leader >= 0;
}

static void shutdown_answer(struct step *s)
{
    struct controller *c = s->c;
    struct controller_request *r = STAILQ_FIRST(&c->requests);
    works_tell_states(s, TELL_ALL);
    works_tell(s, CONTROLLER_STOP_REPLICA, r->broker, TELL_ALL);
    works_clear(c);
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        for (int32_t i = 0; i < t->partitions_count; i++) {
            const struct controller_partition *p = &t->partitions[i];
            if (p->has_state && p->leader == r->broker && p->replicas_count > 1) {
                works_add(c, t, &t->partitions[i]);
            }
        }
    }
    r->remaining = must_arena_array(r->arena, (size_t)c->works_count, sizeof *r->remaining);
    r->remaining_count = c->works_count;
    for (int32_t i = 0; i < c->works_count; i++) {
        r->remaining[i] = (struct controller_named_partition){
            .topic = must_have(arena_strdup(r->arena, c->works[i].topic->name)),
            .partition = c->works[i].partition->index,
        };
    }
    request_finish(s);
}

// What it leads is led by others now, as far as it can be: next is what it followed before.
static void shutdown_elected(struct step *s)
{
    struct controller *c = s->c;
    int32_t broker = STAILQ_FIRST(&c->requests)->broker;
    works_tell_states(s, 0);
    int32_t count = 0;
    for (int32_t i = 0; i < c->works_count; i++) {
        if (c->works[i].state == WORK_DROPPED && c->works[i].partition->leader != broker) {
            c->works[count] = c->works[i];
            c->works[count++].state = WORK_WANTED;
        }
    }
    c->works_count = count;
    works_tell(s, CONTROLLER_STOP_REPLICA, broker, TELL_ALL);
    works_write(s, offline_decide, shutdown_answer);
}

void shutdown_begin(struct step *s)
{
    struct controller *c = s->c;
    struct controller_request *r = STAILQ_FIRST(&c->requests);
    struct controller_broker *b = model_broker_find(c, r->broker);
    if (b != NULL && r->broker_epoch != -1 && r->broker_epoch < b->epoch) {
        r->error_code = KAFKA_ERROR_STALE_BROKER_EPOCH;
    } else if (b == NULL) {
        r->error_code = KAFKA_ERROR_BROKER_NOT_AVAILABLE;
    }
    if (r->error_code != KAFKA_ERROR_NONE) {
        request_finish(s);
        return;
    }
    b->stopping = true;
    works_clear(c);
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        for (int32_t i = 0; !t->marked && i < t->partitions_count; i++) {
            struct controller_partition *p = &t->partitions[i];
            if (p->has_state && p->replicas_count > 1 && partition_replica_at(p, r->broker) >= 0) {
                works_add(c, t, p)->replica = r->broker;
            }
        }
    }
    works_write(s, shutdown_leader, shutdown_elected);
}
