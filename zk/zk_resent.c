// SPDX-License-Identifier: Apache-2.0
//
// Comparing nodes with what a change wants them to be.
#include "zk/zk_resent.h"

static int ops_of(const struct zk_request *request, const struct zk_op **ops)
{
    bool is_multi = request->type == ZK_REQUEST_MULTI;
    *ops = is_multi ? request->ops : &request->op;
    return is_multi ? request->ops_count : 1;
}

static bool leaves_trace(const struct zk_op *ops, int n, int index)
{
    if (ops[index].type == ZK_OP_CHECK)
        return false;
    for (int i = index + 1; i < n; i++) {
        if (ops[i].type != ZK_OP_CHECK && strcmp(ops[i].path, ops[index].path) == 0)
            return false;
    }
    return true;
}

int zk_resent_next(const struct zk_request *request, int from)
{
    const struct zk_op *ops;
    int n = ops_of(request, &ops);
    for (int i = from; i < n; i++) {
        if (leaves_trace(ops, n, i))
            return i;
    }
    return -1;
}

const char *zk_resent_path(const struct zk_request *request, int index)
{
    const struct zk_op *ops;
    ops_of(request, &ops);
    return ops[index].path;
}

static bool data_equal(struct slice a, struct slice b)
{
    return (a.data == NULL) == (b.data == NULL) && slice_equal(a, b);
}

// Who must own the node, when the request creates it.
static bool owner_fits(const struct zk_op *ops, int index, int64_t session, const struct zk_stat *stat)
{
    for (int i = 0; i <= index; i++) {
        if (ops[i].type == ZK_OP_CREATE && strcmp(ops[i].path, ops[index].path) == 0)
            return stat->ephemeral_owner == (ops[i].mode == ZK_EPHEMERAL ? session : 0);
    }
    return true;
}

bool zk_resent_done(const struct zk_request *request, int index, int64_t session, const struct zk_result *node)
{
    const struct zk_op *ops;
    ops_of(request, &ops);
    const struct zk_op *op = &ops[index];
    if (op->type == ZK_OP_DELETE)
        return node->err == ERR_NOT_FOUND;
    if (node->err != ERR_OK || op->mode == ZK_PERSISTENT_SEQUENTIAL || !data_equal(node->data, op->data) ||
        !owner_fits(ops, index, session, &node->stat))
        return false;
    if (op->type == ZK_OP_CREATE)
        return node->stat.version == 0;
    return op->version == ZK_VERSION_ANY || node->stat.version == op->version + 1;
}
