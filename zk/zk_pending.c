// SPDX-License-Identifier: Apache-2.0
//
// Copies of requests. Data of a refused request is not copied: it may be too large, and nobody will read it.
#include "zk/zk_pending.h"

#include "zk/zk_memory.h"

static struct zk_op op_copy(const struct zk_op *op)
{
    struct zk_op copy = *op;
    copy.path = zk_memory_copy(slice_str(op->path));
    copy.data.data = zk_memory_copy(op->data);
    return copy;
}

static void op_free(const struct zk_op *op)
{
    free((void *)op->path);
    free((void *)op->data.data);
}

static void request_copy(struct zk_request *copy, const struct zk_request *request)
{
    if (request->type != ZK_REQUEST_MULTI) {
        copy->op = op_copy(&request->op);
        return;
    }
    struct zk_op *ops = zk_memory_alloc((size_t)request->ops_count * sizeof *ops);
    for (int i = 0; i < request->ops_count; i++)
        ops[i] = op_copy(&request->ops[i]);
    copy->ops = ops;
    copy->op = (struct zk_op){0};
}

static void request_copy_refused(struct zk_request *copy, const struct zk_request *request)
{
    copy->ops = NULL;
    copy->ops_count = 0;
    copy->op.data = SLICE_NULL;
    if (request->op.path != NULL)
        copy->op.path = zk_memory_copy(slice_of(request->op.path, strnlen(request->op.path, ZK_PATH_MAX_BYTES)));
}

struct zk_pending *zk_pending_new(const struct zk_request *request)
{
    struct zk_pending *p = zk_memory_alloc(sizeof *p);
    p->request = *request;
    p->refused = request->refused != ERR_OK;
    if (p->refused)
        request_copy_refused(&p->request, request);
    else
        request_copy(&p->request, request);
    zk_pending_reset(p);
    return p;
}

void zk_pending_reset(struct zk_pending *p)
{
    free(p->name);
    p->name = NULL;
    p->result =
        (struct zk_result){.err = p->request.refused, .failed_op = p->request.refused_op, .path = p->request.op.path};
}

void zk_pending_free(struct zk_pending *p)
{
    op_free(&p->request.op);
    for (int i = 0; i < p->request.ops_count; i++)
        op_free(&p->request.ops[i]);
    free((void *)p->request.ops);
    free(p->name);
    free(p->multi);
    free(p);
}

void zk_pending_list_free(struct zk_pending_list *list)
{
    while (!STAILQ_EMPTY(list)) {
        struct zk_pending *p = STAILQ_FIRST(list);
        STAILQ_REMOVE_HEAD(list, entries);
        zk_pending_free(p);
    }
}

bool zk_pending_is_change(const struct zk_pending *p)
{
    return !p->refused && p->request.type >= ZK_REQUEST_CREATE;
}
