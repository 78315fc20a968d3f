// SPDX-License-Identifier: Apache-2.0
//
// Topics that get more partitions: whoever adds them sets the topic's node, which is watched. What is there beyond what
// is known is taken over, and then the partitions without a state are given one, as those of a new topic are.
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

static void read_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    if (r->err == ERR_NOT_FOUND || op->topic->marked) {
        return; // its deletion is another task's
    }
    struct znode_topic topic;
    enum err err = r->err != ERR_OK ? r->err : znode_topic_decode(r->data, &s->out->arena, &topic);
    if (err != ERR_OK) {
        controller_fail(s, err);
        return;
    }
    model_topic_grow(op->topic, &topic);
}

static const struct batch_phase read_phase = {"reading topics that have changed", read_result, create_begin};

void growth_begin(struct step *s)
{
    struct controller_topic *t, *next;
    batch_begin(s, &read_phase);
    HASH_ITER (hh, s->c->topics, t, next) {
        if (t->changed) {
            struct znode_path path = znode_path_topic(t->name);
            t->changed = false;
            batch_get(s, path.s, true, (struct batch_op){.topic = t});
        }
    }
    batch_end(s);
}
