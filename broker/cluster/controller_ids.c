// SPDX-License-Identifier: Apache-2.0
//
// Topics that were made before Kafka 2.8, or by tools of before, have no id: the controller gives them one, topic by
// topic, before it tells anybody of them.
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

static void ids_step(struct step *s);

static void written_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    if (r->err == ERR_OK) {
        model_topic_set_id(s->c, op->topic, &s->c->ids.next_id);
    } else if (r->err == ERR_NOT_FOUND) {
        op->topic->has_no_id = false;       // it is gone
    } else if (r->err != ERR_BAD_VERSION) { // somebody else has written it: it is read again
        controller_fail(s, r->err);
    }
}

static const struct batch_phase write_phase = {"giving a topic an id", written_result, ids_step};

static void read_done(struct step *s)
{
    struct controller *c = s->c;
    struct controller_topic *t = c->ids.topic;
    if (c->missing) {
        ids_step(s);
        return;
    }
    struct znode_path path = znode_path_topic(t->name);
    const struct zk_op op = {.type = ZK_OP_SET, .path = path.s, .data = c->ids.data, .version = c->ids.version};
    batch_begin(s, &write_phase);
    batch_guarded(s, &op, (struct batch_op){.topic = t});
    batch_end(s);
}

static void read_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    struct controller *c = s->c;
    struct znode_topic topic;
    if (r->err == ERR_NOT_FOUND) {
        op->topic->has_no_id = false;
        c->missing = true;
        return;
    }
    enum err err = r->err != ERR_OK ? r->err : znode_topic_decode(r->data, &s->out->arena, &topic);
    if (err != ERR_OK) {
        controller_fail(s, err);
        return;
    }
    if (!topic.has_topic_id) {
        c->options.new_id(c->options.ctx, &topic.topic_id);
        topic.has_topic_id = true;
    }
    c->ids.next_id = topic.topic_id;
    c->ids.version = r->stat.version;
    if (znode_topic_encode(&topic, &s->out->arena, &c->ids.data) != ERR_OK) {
        controller_fail(s, ERR_NO_MEMORY);
    }
}

static const struct batch_phase read_phase = {"reading a topic without an id", read_result, read_done};

static void ids_step(struct step *s)
{
    struct controller *c = s->c;
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        if (t->has_no_id && c->options.new_id != NULL) {
            c->ids.topic = t;
            struct znode_path path = znode_path_topic(t->name);
            batch_begin(s, &read_phase);
            batch_get(s, path.s, false, (struct batch_op){.topic = t});
            batch_end(s);
            return;
        }
    }
    c->ids.next(s);
}

void ids_begin(struct step *s, void (*next)(struct step *s))
{
    s->c->ids.next = next;
    ids_step(s);
}
