// SPDX-License-Identifier: Apache-2.0
//
// Changing the states of partitions: decide, write with the version that is known, and where somebody else has written
// meanwhile (a leader of an old release, or this controller itself before a connection was lost: the write that was
// sent again fails) read and decide anew. All tasks that change states do it here.
#include <stdlib.h>

#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

void works_clear(struct controller *c)
{
    c->works_count = 0;
}

struct work *works_add(struct controller *c, struct controller_topic *t, struct controller_partition *p)
{
    c->works = must_grow(c->works, c->works_count, &c->works_capacity, sizeof *c->works);
    struct work *w = &c->works[c->works_count++];
    *w = (struct work){.topic = t, .partition = p, .state = WORK_WANTED};
    return w;
}

static void write_begin(struct step *s);

// ---------------------------------------------------------------------------------------------------------------
// Reading again

// Whether what the tree holds is what this controller has tried to write.
static bool state_is_wanted(struct step *s, struct work *w, const struct znode_partition_state *found)
{
    struct znode_partition_state wanted;
    return s->c->decide(s, w, &wanted) && found->leader == wanted.leader &&
           found->leader_epoch == wanted.leader_epoch && found->controller_epoch == wanted.controller_epoch &&
           found->leader_recovery_state == wanted.leader_recovery_state && found->isr_count == wanted.isr_count &&
           memcmp(found->isr, wanted.isr, (size_t)found->isr_count * sizeof *found->isr) == 0;
}

static void reread_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    struct work *w = &s->c->works[op->at];
    if (r->err == ERR_NOT_FOUND) {
        w->state = WORK_DROPPED; // the topic is being deleted by hand
        return;
    }
    struct znode_partition_state found;
    enum err err = r->err != ERR_OK ? r->err : znode_state_decode(r->data, &s->out->arena, &found);
    if (err != ERR_OK) {
        controller_fail(s, err);
        return;
    }
    w->state = state_is_wanted(s, w, &found) ? WORK_WRITTEN : WORK_WANTED;
    partition_set_state(w->partition, &found, r->stat.version);
}

static const struct batch_phase reread_phase = {"reading partition states again", reread_result, write_begin};

static void write_done(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &reread_phase);
    for (int32_t i = 0; i < c->works_count; i++) {
        struct work *w = &c->works[i];
        if (w->state == WORK_STALE) {
            struct znode_path path = znode_path_state(w->topic->name, w->partition->index);
            batch_get(s, path.s, false, (struct batch_op){.at = i});
        }
    }
    if (c->ops_left == 0) {
        c->decided(s);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Writing

static void write_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    struct work *w = &s->c->works[op->at];
    struct znode_partition_state state;
    if (r->err == ERR_BAD_VERSION) {
        w->state = WORK_STALE;
    } else if (r->err == ERR_NOT_FOUND) {
        w->state = WORK_DROPPED;
    } else if (r->err != ERR_OK) {
        controller_fail(s, r->err);
    } else if (s->c->decide(s, w, &state)) {
        partition_set_state(w->partition, &state, w->partition->version + 1);
        w->state = WORK_WRITTEN;
    }
}

static const struct batch_phase write_phase = {"writing partition states", write_result, write_done};

static void write_begin(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &write_phase);
    for (int32_t i = 0; i < c->works_count; i++) {
        struct work *w = &c->works[i];
        struct znode_partition_state state;
        if (w->state != WORK_WANTED) {
            continue;
        }
        if (!c->decide(s, w, &state)) {
            w->state = WORK_DROPPED;
            continue;
        }
        struct znode_path path = znode_path_state(w->topic->name, w->partition->index);
        struct zk_op op = {.type = ZK_OP_SET,
                           .path = path.s,
                           .data = partition_state_data(s, &state),
                           .version = w->partition->version};
        batch_guarded(s, &op, (struct batch_op){.at = i});
    }
    batch_end(s);
}

void works_write(struct step *s, work_decide_fn *decide, void (*next)(struct step *s))
{
    s->c->decide = decide;
    s->c->decided = next;
    write_begin(s);
}
