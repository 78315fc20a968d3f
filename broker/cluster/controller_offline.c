// SPDX-License-Identifier: Apache-2.0
//
// Replicas that go offline, with their broker or because it could not take them (failed log directory): they leave the
// in-sync replicas, and a leader among them leads no longer. The last in-sync replica stays noted, because only there
// is all that was acknowledged.
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

bool offline_decide(struct step *s, struct work *w, struct znode_partition_state *out)
{
    const struct controller_partition *p = w->partition;
    if (!p->has_state || !partition_in_isr(p, w->replica)) {
        return false;
    }
    *out = partition_next_state(s, p);
    out->leader = p->leader == w->replica ? -1 : p->leader;
    out->isr = must_arena_array(&s->out->arena, (size_t)p->isr_count, sizeof *out->isr);
    out->isr_count = 0;
    for (int32_t i = 0; i < p->isr_count; i++) {
        if (p->isr[i] != w->replica || p->isr_count == 1) {
            out->isr[out->isr_count++] = p->isr[i];
        }
    }
    return true;
}

// ---------------------------------------------------------------------------------------------------------------
// Brokers that are gone

static void gone_step(struct step *s);

// As Kafka, everybody is told of every partition of the broker, changed or not: which replicas are offline has changed.
static void gone_written(struct step *s)
{
    works_tell_states(s, TELL_ALL);
    s->c->gone_at++;
    gone_step(s);
}

static void gone_step(struct step *s)
{
    struct controller *c = s->c;
    if (c->gone_at == c->gone_count) {
        c->gone_next(s);
        return;
    }
    int32_t broker = c->gone[c->gone_at];
    works_clear(c);
    struct controller_topic *t, *more;
    HASH_ITER (hh, c->topics, t, more) {
        for (int32_t i = 0; !t->marked && i < t->partitions_count; i++) {
            if (partition_replica_at(&t->partitions[i], broker) >= 0) {
                works_add(c, t, &t->partitions[i])->replica = broker;
            }
        }
    }
    works_write(s, offline_decide, gone_written);
}

void gone_offline(struct step *s, void (*next)(struct step *s))
{
    s->c->gone_at = 0;
    s->c->gone_next = next;
    gone_step(s);
}

// ---------------------------------------------------------------------------------------------------------------
// Replicas that have failed: those that led are replaced first, then all leave the in-sync replicas

// Who leads still is one that nobody in sync could replace: it serves what is safe to read (Kafka's has no leader
// then).
static bool failure_decide(struct step *s, struct work *w, struct znode_partition_state *out)
{
    return w->partition->leader != w->replica && offline_decide(s, w, out);
}

static void failures_written(struct step *s)
{
    works_tell_states(s, TELL_ALL);
    controller_next(s);
}

static void failures_elected(struct step *s)
{
    struct controller *c = s->c;
    works_tell_states(s, 0);
    works_clear(c);
    struct controller_topic *t, *more;
    HASH_ITER (hh, c->topics, t, more) {
        for (int32_t i = 0; !t->marked && i < t->partitions_count; i++) {
            struct controller_partition *p = &t->partitions[i];
            for (int32_t k = 0; k < p->replicas_count; k++) {
                if (p->replica_states[k] == REPLICA_FAILS) {
                    p->replica_states[k] = REPLICA_FAILED;
                    works_add(c, t, p)->replica = p->replicas[k];
                }
            }
        }
    }
    works_write(s, failure_decide, failures_written);
}

void failures_begin(struct step *s)
{
    offline_elections(s, failures_elected);
}
