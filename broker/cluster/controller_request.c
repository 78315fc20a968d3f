// SPDX-License-Identifier: Apache-2.0
//
// Requests of brokers and clients: one at a time, in the order they came, each a task like others.
#include "broker/cluster/controller_state.h"
#include "protocol/protocol.h"

void request_begin(struct step *s)
{
    s->c->request_begun = true;
    switch (STAILQ_FIRST(&s->c->requests)->type) {
    case CONTROLLER_ALTER_PARTITIONS:
        alter_begin(s);
        break;
    case CONTROLLER_SHUTDOWN:
        shutdown_begin(s);
        break;
    case CONTROLLER_ELECT:
        elect_begin(s);
        break;
    case CONTROLLER_MOVE:
        move_request_begin(s);
        break;
    case CONTROLLER_LIST_MOVES:
        move_list(s);
        break;
    }
}

static void request_answer(struct step *s)
{
    struct controller_request *r = STAILQ_FIRST(&s->c->requests);
    STAILQ_REMOVE_HEAD(&s->c->requests, entry);
    s->c->request_begun = false;
    effect_add(s, CONTROLLER_ANSWERED)->request = r;
}

void request_finish(struct step *s)
{
    request_answer(s);
    controller_next(s);
}

void requests_refuse(struct step *s)
{
    struct controller_request *r;
    while ((r = STAILQ_FIRST(&s->c->requests)) != NULL) {
        r->error_code = KAFKA_ERROR_NOT_CONTROLLER;
        request_answer(s);
    }
}
