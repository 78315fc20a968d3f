// SPDX-License-Identifier: Apache-2.0
//
// Partitions whose leader is gone: the first replica in the order of the assignment that lives and is in sync leads,
// and the in-sync replicas are those that live (Kafka's offline election). Where there is none, the first that lives
// leads if the topic allows unclean elections: what only the others have is lost, so the leader counts as recovering
// until it says that it has recovered. Otherwise the partition stays without a leader.
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

bool offline_leader(struct step *s, struct work *w, bool unclean_allowed, struct znode_partition_state *out)
{
    const struct controller *c = s->c;
    const struct controller_partition *p = w->partition;
    *out = partition_next_state(s, p);
    out->leader = -1;
    int32_t unclean = -1;
    for (int32_t i = 0; i < p->replicas_count && out->leader < 0; i++) {
        if (!model_replica_live(c, p, p->replicas[i])) {
            continue;
        }
        if (partition_in_isr(p, p->replicas[i])) {
            out->leader = p->replicas[i];
        } else if (unclean < 0) {
            unclean = p->replicas[i];
        }
    }
    bool clean = out->leader >= 0;
    if (!clean && unclean >= 0 && unclean_allowed) {
        out->leader = unclean;
        out->leader_recovery_state = ZNODE_RECOVERING;
    }
    if (out->leader < 0) {
        return false;
    }
    out->isr = must_arena_array(&s->out->arena, (size_t)p->isr_count + 1, sizeof *out->isr);
    out->isr_count = 0;
    for (int32_t i = 0; clean && i < p->isr_count; i++) {
        if (model_replica_live(c, p, p->isr[i])) {
            out->isr[out->isr_count++] = p->isr[i];
        }
    }
    if (!clean) {
        out->isr[out->isr_count++] = out->leader;
    }
    return true;
}

static bool elect_decide(struct step *s, struct work *w, struct znode_partition_state *out)
{
    const struct controller_options *o = &s->c->options;
    return offline_leader(s, w, o->unclean_allowed != NULL && o->unclean_allowed(o->ctx, w->topic->name), out);
}

void offline_elections(struct step *s, void (*next)(struct step *s))
{
    struct controller *c = s->c;
    works_clear(c);
    struct controller_topic *t, *more;
    HASH_ITER (hh, c->topics, t, more) {
        for (int32_t i = 0; !t->marked && i < t->partitions_count; i++) {
            struct controller_partition *p = &t->partitions[i];
            if (p->has_state && !model_replica_live(c, p, p->leader)) {
                works_add(c, t, p);
            }
        }
    }
    works_write(s, elect_decide, next);
}

static void elections_done(struct step *s)
{
    works_tell_states(s, 0);
    controller_next(s);
}

void elections_begin(struct step *s)
{
    offline_elections(s, elections_done);
}
