// SPDX-License-Identifier: Apache-2.0
//
// Partitions whose leader is gone: the first replica in the order of the assignment that lives and is in sync leads,
// and the in-sync replicas are those that live (Kafka's offline election). Where there is none, the partition is left
// without a leader; its last in-sync replica stays noted, because only there is all that was acknowledged. But a leader
// that lives and only its log directory has failed stays leader when nobody can follow it: it still serves what is safe
// to read (Kafka's has none then).
#include <stdlib.h>

#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

// False: nothing would change.
static bool next_state(struct step *s, const struct controller_partition *p, struct znode_partition_state *out)
{
    struct controller *c = s->c;
    *out =
        (struct znode_partition_state){.leader = -1, .leader_epoch = p->leader_epoch + 1, .controller_epoch = c->epoch};
    for (int32_t i = 0; i < p->replicas_count && out->leader < 0; i++) {
        if (partition_in_isr(p, p->replicas[i]) && model_replica_live(c, p, p->replicas[i])) {
            out->leader = p->replicas[i];
        }
    }
    if (out->leader < 0 && (p->leader < 0 || model_broker_live(c, p->leader))) {
        return false;
    }
    out->isr = must_arena_array(&s->out->arena, (size_t)p->isr_count, sizeof *out->isr);
    for (int32_t i = 0; i < p->isr_count; i++) {
        if (model_replica_live(c, p, p->isr[i])) {
            out->isr[out->isr_count++] = p->isr[i];
        }
    }
    if (out->isr_count == 0 && p->isr_count > 0) {
        out->isr[out->isr_count++] = p->leader >= 0 ? p->leader : p->isr[0];
    }
    return true;
}

static void elections_finish(struct step *s)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        if (t->touched) {
            tell_leader_and_isr(s, t, true, false);
        }
    }
    HASH_ITER (hh, s->c->topics, t, next) {
        if (t->touched) {
            tell_metadata(s, t, false);
        }
    }
    controller_next(s);
}

static void elections_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    struct znode_partition_state state;
    if (r->err != ERR_OK) {
        controller_fail(s, r->err);
    } else if (next_state(s, op->partition, &state)) {
        partition_set_state(op->partition, &state, op->partition->version + 1);
    }
}

static const struct batch_phase elections_phase = {"electing leaders", elections_result, elections_finish};

void elections_begin(struct step *s)
{
    batch_begin(s, &elections_phase);
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        t->touched = false;
        for (int32_t i = 0; i < t->partitions_count; i++) {
            struct controller_partition *p = &t->partitions[i];
            struct znode_partition_state state;
            p->touched =
                !t->deleting && p->has_state && !model_replica_live(s->c, p, p->leader) && next_state(s, p, &state);
            if (!p->touched) {
                continue;
            }
            t->touched = true;
            struct znode_path path = znode_path_state(t->name, i);
            struct zk_op op = {
                .type = ZK_OP_SET, .path = path.s, .data = partition_state_data(s, &state), .version = p->version};
            batch_guarded(s, &op, (struct batch_op){.topic = t, .partition = p});
        }
    }
    batch_end(s);
}
