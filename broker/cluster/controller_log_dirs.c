// SPDX-License-Identifier: Apache-2.0
//
// Log directories that have failed: their broker leaves a note. It is told again about everything it has a replica of,
// answers with errors for what it lost, and the election that follows finds other leaders or none. A note is deleted
// once its broker has been told; a controller that dies in between leaves it to the next one.
#include <stdlib.h>

#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

static void deleted_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
    }
}

static const struct batch_phase delete_phase = {"deleting notes about log directories", deleted_result,
                                                controller_next};

static void events_done(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &delete_phase);
    for (int32_t i = 0; i < c->names_count; i++) {
        struct znode_path path = znode_path_child(ZNODE_LOG_DIR_EVENTS, c->names[i]);
        struct zk_op op = {.type = ZK_OP_DELETE, .path = path.s, .version = ZK_VERSION_ANY};
        batch_guarded(s, &op, (struct batch_op){0});
    }
    names_clear(c);
    batch_end(s);
}

static void event_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    int32_t broker;
    if (r->err == ERR_OK && znode_log_dir_event_decode(r->data, &s->out->arena, &broker) == ERR_OK) {
        tell_replicas(s, broker);
    } else if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
    }
}

static const struct batch_phase events_phase = {"reading notes about log directories", event_result, events_done};

static void list_done(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &events_phase);
    for (int32_t i = 0; i < c->names_count; i++) {
        struct znode_path path = znode_path_child(ZNODE_LOG_DIR_EVENTS, c->names[i]);
        batch_get(s, path.s, false, (struct batch_op){0});
    }
    batch_end(s);
}

static const struct batch_phase list_phase = {"listing notes about log directories", names_result, list_done};

void log_dirs_begin(struct step *s)
{
    names_clear(s->c);
    batch_begin(s, &list_phase);
    batch_children(s, ZNODE_LOG_DIR_EVENTS, true);
    batch_end(s);
}
