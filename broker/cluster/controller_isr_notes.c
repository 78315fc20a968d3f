// SPDX-License-Identifier: Apache-2.0
//
// Leaders with an inter.broker.protocol.version below 2.7 write the in-sync replicas into the tree themselves and leave
// a note of the partitions they changed. The states are read again, everybody is told, and the note is deleted.
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

static void deleted_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
    }
}

static const struct batch_phase delete_phase = {"deleting notes about in-sync replicas", deleted_result,
                                                controller_next};

static void states_done(struct step *s)
{
    struct controller *c = s->c;
    works_tell(s, CONTROLLER_UPDATE_METADATA, TELL_EVERYBODY, TELL_ALL);
    for (int32_t i = 0; i < c->works_count; i++) {
        moves_look(c, c->works[i].partition);
    }
    batch_begin(s, &delete_phase);
    for (int32_t i = 0; i < c->names_count; i++) {
        struct znode_path path = znode_path_child(ZNODE_ISR_CHANGES, c->names[i]);
        const struct zk_op op = {.type = ZK_OP_DELETE, .path = path.s, .version = ZK_VERSION_ANY};
        batch_guarded(s, &op, (struct batch_op){0});
    }
    names_clear(c);
    batch_end(s);
}

static void states_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    struct znode_partition_state state;
    enum err err = r->err != ERR_OK ? r->err : znode_state_decode(r->data, &s->out->arena, &state);
    if (err == ERR_OK) {
        partition_set_state(s->c->works[op->at].partition, &state, r->stat.version);
    } else if (r->err != ERR_NOT_FOUND) {
        controller_fail(s, err);
    }
}

static const struct batch_phase states_phase = {"reading changed partition states", states_result, states_done};

static void notes_done(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &states_phase);
    for (int32_t i = 0; i < c->works_count; i++) {
        struct znode_path path = znode_path_state(c->works[i].topic->name, c->works[i].partition->index);
        batch_get(s, path.s, false, (struct batch_op){.at = i});
    }
    batch_end(s);
}

// A note nobody can read names nothing.
static void note_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    struct controller *c = s->c;
    struct znode_named_partition *list;
    int32_t count = 0;
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
        return;
    }
    if (r->err != ERR_OK || znode_partitions_decode(r->data, &s->out->arena, &list, &count) != ERR_OK) {
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

static const struct batch_phase notes_phase = {"reading notes about in-sync replicas", note_result, notes_done};

static void list_done(struct step *s)
{
    struct controller *c = s->c;
    works_clear(c);
    batch_begin(s, &notes_phase);
    for (int32_t i = 0; i < c->names_count; i++) {
        struct znode_path path = znode_path_child(ZNODE_ISR_CHANGES, c->names[i]);
        batch_get(s, path.s, false, (struct batch_op){0});
    }
    batch_end(s);
}

static const struct batch_phase list_phase = {"listing notes about in-sync replicas", names_result, list_done};

void isr_notes_begin(struct step *s)
{
    names_clear(s->c);
    batch_begin(s, &list_phase);
    batch_children(s, ZNODE_ISR_CHANGES, true);
    batch_end(s);
}
