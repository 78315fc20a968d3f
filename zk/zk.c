// SPDX-License-Identifier: Apache-2.0
//
// The operations of zk.h: checked here, the same for every store, then handed to the store. What is refused is still
// answered by the store, so that answers keep the order of the questions.
#include "zk/zk_impl.h"
#include "zk/zk_path.h"

static enum err op_check(const struct zk_op *op)
{
    enum err err = zk_path_check(op->path, op->type == ZK_OP_CREATE && op->mode == ZK_PERSISTENT_SEQUENTIAL);
    return err == ERR_OK && op->data.len > ZK_DATA_MAX_BYTES ? ERR_TOO_LARGE : err;
}

static enum err ops_check(const struct zk_op *ops, int n, int *refused_op)
{
    size_t data_len = 0;
    if (n < 0 || n > ZK_MULTI_MAX_OPS)
        return ERR_TOO_LARGE;
    for (int i = 0; i < n; i++) {
        enum err err = op_check(&ops[i]);
        data_len += ops[i].data.len;
        if (err == ERR_OK && data_len > ZK_DATA_MAX_BYTES)
            err = ERR_TOO_LARGE;
        if (err != ERR_OK) {
            *refused_op = i;
            return err;
        }
    }
    return ERR_OK;
}

static void request_submit(struct zk *zk, struct zk_request *request)
{
    request->refused_op = -1;
    if (request->type == ZK_REQUEST_MULTI)
        request->refused = ops_check(request->ops, request->ops_count, &request->refused_op);
    else
        request->refused = op_check(&request->op);
    zk->vtable->submit(zk, request);
}

void zk_create(struct zk *zk, const char *path, struct slice data, enum zk_create_mode mode, zk_result_fn *fn,
               void *ctx)
{
    struct zk_request request = {
        .type = ZK_REQUEST_CREATE,
        .op = {.type = ZK_OP_CREATE, .path = path, .data = data, .mode = mode},
        .fn = fn,
        .ctx = ctx,
    };
    request_submit(zk, &request);
}

static void read_submit(struct zk *zk, enum zk_request_type type, const char *path, bool watch, zk_result_fn *fn,
                        void *ctx)
{
    struct zk_request request = {
        .type = type,
        .watch = watch,
        .op = {.type = ZK_OP_CHECK, .path = path},
        .fn = fn,
        .ctx = ctx,
    };
    request_submit(zk, &request);
}

void zk_get(struct zk *zk, const char *path, bool watch, zk_result_fn *fn, void *ctx)
{
    read_submit(zk, ZK_REQUEST_GET, path, watch, fn, ctx);
}

void zk_exists(struct zk *zk, const char *path, bool watch, zk_result_fn *fn, void *ctx)
{
    read_submit(zk, ZK_REQUEST_EXISTS, path, watch, fn, ctx);
}

void zk_children(struct zk *zk, const char *path, bool watch, zk_result_fn *fn, void *ctx)
{
    read_submit(zk, ZK_REQUEST_CHILDREN, path, watch, fn, ctx);
}

void zk_set(struct zk *zk, const char *path, struct slice data, int32_t version, zk_result_fn *fn, void *ctx)
{
    struct zk_request request = {
        .type = ZK_REQUEST_SET,
        .op = {.type = ZK_OP_SET, .path = path, .data = data, .version = version},
        .fn = fn,
        .ctx = ctx,
    };
    request_submit(zk, &request);
}

void zk_delete(struct zk *zk, const char *path, int32_t version, zk_result_fn *fn, void *ctx)
{
    struct zk_request request = {
        .type = ZK_REQUEST_DELETE,
        .op = {.type = ZK_OP_DELETE, .path = path, .version = version},
        .fn = fn,
        .ctx = ctx,
    };
    request_submit(zk, &request);
}

void zk_multi(struct zk *zk, const struct zk_op *ops, int n, zk_result_fn *fn, void *ctx)
{
    struct zk_request request = {.type = ZK_REQUEST_MULTI, .ops = ops, .ops_count = n, .fn = fn, .ctx = ctx};
    request_submit(zk, &request);
}

void zk_close(struct zk *zk)
{
    zk->vtable->close(zk);
}

void zk_dispatch(struct zk *zk)
{
    zk->vtable->dispatch(zk);
}

struct zk_interest zk_interest(const struct zk *zk)
{
    return zk->vtable->interest(zk);
}

void zk_ready(struct zk *zk, bool readable, bool writable)
{
    zk->vtable->ready(zk, readable, writable);
}

void zk_keep_alive(struct zk *zk)
{
    zk->vtable->keep_alive(zk);
}

int64_t zk_session_id(const struct zk *zk)
{
    return zk->vtable->session_id(zk);
}

void zk_set_event_fn(struct zk *zk, zk_event_fn *fn, void *ctx)
{
    zk->event_fn = fn;
    zk->event_ctx = ctx;
}
