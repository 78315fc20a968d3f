// SPDX-License-Identifier: Apache-2.0
//
// One operation on its way: into the words of the C client, and its outcome back into a zk_result. The library copies
// everything into its packet before its call returns, except for the results of a multi, which live in the pending.
#include "zk/zk_client.h"

#include "zk/zk_memory.h"
#include "zk/zk_resent.h"

// What a packet holds beside path and data: its head, lengths, version, flags and one ACL entry ("world", "anyone").
#define CALL_OVERHEAD_BYTES 64

// ---- size ----

static size_t op_bytes(const struct zk_client *c, const struct zk_op *op)
{
    return CALL_OVERHEAD_BYTES + strlen(c->connect.chroot) + strlen(op->path) + op->data.len;
}

bool zk_client_fits(const struct zk_client *c, const struct zk_request *request)
{
    size_t bytes = CALL_OVERHEAD_BYTES;
    if (request->type != ZK_REQUEST_MULTI)
        bytes += op_bytes(c, &request->op);
    for (int i = 0; request->type == ZK_REQUEST_MULTI && i < request->ops_count; i++)
        bytes += op_bytes(c, &request->ops[i]);
    return bytes <= ZK_CLIENT_PACKET_MAX_BYTES;
}

// ---- outcomes ----

static struct zk_stat stat_of(const struct Stat *from)
{
    if (from == NULL)
        return (struct zk_stat){0};
    return (struct zk_stat){
        .czxid = from->czxid,
        .mzxid = from->mzxid,
        .ctime_ms = from->ctime,
        .mtime_ms = from->mtime,
        .version = from->version,
        .cversion = from->cversion,
        .ephemeral_owner = from->ephemeralOwner,
        .data_len = from->dataLength,
        .num_children = from->numChildren,
    };
}

// The library says -1 for null data, and may give no pointer for empty data.
static struct slice data_of(const char *value, int len)
{
    if (len < 0)
        return SLICE_NULL;
    return slice_of(value == NULL ? "" : value, (size_t)len);
}

static void on_created(int code, const char *name, const struct Stat *stat, const void *data)
{
    struct zk_pending *p = (struct zk_pending *)(uintptr_t)data;
    if (code == ZOK) {
        p->result.stat = stat_of(stat);
        if (p->request.op.mode == ZK_PERSISTENT_SEQUENTIAL)
            p->result.path = p->name = zk_memory_copy(slice_str(name + strlen(p->client->connect.chroot)));
    }
    zk_client_outcome(p, code);
}

static void on_stat(int code, const struct Stat *stat, const void *data)
{
    struct zk_pending *p = (struct zk_pending *)(uintptr_t)data;
    p->result.stat = stat_of(code == ZOK ? stat : NULL);
    zk_client_outcome(p, code);
}

static void on_nothing(int code, const void *data)
{
    zk_client_outcome((struct zk_pending *)(uintptr_t)data, code);
}

static void on_data(int code, const char *value, int len, const struct Stat *stat, const void *data)
{
    struct zk_pending *p = (struct zk_pending *)(uintptr_t)data;
    if (code == ZOK) {
        p->result.data = data_of(value, len);
        p->result.stat = stat_of(stat);
    }
    zk_client_outcome(p, code);
}

static void on_looked(int code, const char *value, int len, const struct Stat *stat, const void *data)
{
    struct zk_result node = {0};
    if (code == ZOK) {
        node.data = data_of(value, len);
        node.stat = stat_of(stat);
    }
    zk_client_looked((struct zk_pending *)(uintptr_t)data, code, &node);
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void on_children(int code, const struct String_vector *names, const struct Stat *stat, const void *data)
{
    struct zk_pending *p = (struct zk_pending *)(uintptr_t)data;
    const char **sorted = NULL;
    if (code == ZOK) {
        sorted = zk_memory_alloc((size_t)names->count * sizeof *sorted);
        for (int i = 0; i < names->count; i++)
            sorted[i] = names->data[i];
        qsort(sorted, (size_t)names->count, sizeof *sorted, names_compare);
        p->result.children = sorted;
        p->result.n_children = names->count;
        p->result.stat = stat_of(stat);
    }
    zk_client_outcome(p, code);
    free(sorted);
}

// ---- multi ----

// What a multi leaves behind until its outcome: one result and one stat per operation.
struct multi {
    zoo_op_result_t *results;
    struct Stat *stats;
};

static struct multi multi_of(struct zk_pending *p)
{
    size_t n = (size_t)p->request.ops_count;
    return (struct multi){p->multi, (struct Stat *)((zoo_op_result_t *)p->multi + n)};
}

// The one that failed; those behind it were not tried.
static int multi_failed_op(struct zk_pending *p)
{
    struct multi m = multi_of(p);
    for (int i = 0; i < p->request.ops_count; i++) {
        if (m.results[i].err != ZOK && m.results[i].err != ZRUNTIMEINCONSISTENCY)
            return i;
    }
    return -1;
}

static void on_multi(int code, const void *data)
{
    struct zk_pending *p = (struct zk_pending *)(uintptr_t)data;
    struct multi m = multi_of(p);
    p->result.failed_op = code == ZOK ? -1 : multi_failed_op(p);
    for (int i = 0; code == ZOK && i < p->request.ops_count; i++) {
        if (p->request.ops[i].type == ZK_OP_SET)
            p->result.stat = stat_of(&m.stats[i]);
    }
    zk_client_outcome(p, code);
}

// ---- sending ----

static int mode_of(enum zk_create_mode mode)
{
    return mode == ZK_EPHEMERAL               ? ZOO_EPHEMERAL
           : mode == ZK_PERSISTENT_SEQUENTIAL ? ZOO_PERSISTENT_SEQUENTIAL
                                              : ZOO_PERSISTENT;
}

static const char *bytes_of(struct slice data)
{
    return (const char *)data.data;
}

static int len_of(struct slice data)
{
    return data.data == NULL ? -1 : (int)data.len;
}

// A path as ZooKeeper knows it, below the chroot.
struct full_path {
    char s[2 * ZK_PATH_MAX_BYTES + 1];
};

static void path_fill(const struct zk_pending *p, const char *path, struct full_path *out)
{
    const char *chroot = p->is_absolute ? "" : p->client->connect.chroot;
    size_t len = strlen(chroot);
    memcpy(out->s, chroot, len + 1);
    if (len == 0 || path[1] != '\0') // the root below a chroot is the chroot
        memcpy(out->s + len, path, strlen(path) + 1);
}

static void op_translate(const struct zk_op *op, const char *path, struct Stat *stat, zoo_op_t *out)
{
    switch (op->type) {
    case ZK_OP_CREATE:
        zoo_create_op_init(out, path, bytes_of(op->data), len_of(op->data), &ZOO_OPEN_ACL_UNSAFE, mode_of(op->mode),
                           NULL, 0);
        break;
    case ZK_OP_SET:
        zoo_set_op_init(out, path, bytes_of(op->data), len_of(op->data), op->version, stat);
        break;
    case ZK_OP_DELETE:
        zoo_delete_op_init(out, path, op->version);
        break;
    case ZK_OP_CHECK:
        zoo_check_op_init(out, path, op->version);
        break;
    }
}

static int multi_send(struct zk_client *c, struct zk_pending *p)
{
    size_t n = (size_t)p->request.ops_count;
    zoo_op_t *ops = zk_memory_alloc(n * sizeof *ops);
    struct full_path *paths = zk_memory_alloc(n * sizeof *paths);
    free(p->multi);
    p->multi = zk_memory_alloc(n * (sizeof(zoo_op_result_t) + sizeof(struct Stat)));
    struct multi m = multi_of(p);
    for (size_t i = 0; i < n; i++) {
        path_fill(p, p->request.ops[i].path, &paths[i]);
        op_translate(&p->request.ops[i], paths[i].s, &m.stats[i], &ops[i]);
    }
    int code = zoo_amulti(c->handle, (int)n, ops, m.results, on_multi, p);
    free(paths);
    free(ops);
    return code;
}

static int request_send(struct zk_client *c, struct zk_pending *p)
{
    const struct zk_op *op = &p->request.op;
    watcher_fn watcher = p->request.watch ? zk_client_watched : NULL;
    struct full_path path;
    if (p->request.type == ZK_REQUEST_MULTI)
        return multi_send(c, p);
    path_fill(p, op->path, &path);
    switch (p->request.type) {
    case ZK_REQUEST_GET:
        return zoo_awget(c->handle, path.s, watcher, c, on_data, p);
    case ZK_REQUEST_EXISTS:
        return zoo_awexists(c->handle, path.s, watcher, c, on_stat, p);
    case ZK_REQUEST_CHILDREN:
        return zoo_awget_children2(c->handle, path.s, watcher, c, on_children, p);
    case ZK_REQUEST_CREATE:
        return zoo_acreate2(c->handle, path.s, bytes_of(op->data), len_of(op->data), &ZOO_OPEN_ACL_UNSAFE,
                            mode_of(op->mode), on_created, p);
    case ZK_REQUEST_SET:
        return zoo_aset(c->handle, path.s, bytes_of(op->data), len_of(op->data), op->version, on_stat, p);
    case ZK_REQUEST_DELETE:
        return zoo_adelete(c->handle, path.s, op->version, on_nothing, p);
    case ZK_REQUEST_MULTI:
        break;
    }
    return ZBADARGUMENTS;
}

void zk_client_send(struct zk_client *c, struct zk_pending *p)
{
    int code = request_send(c, p);
    ASSERT(code == ZOK); // the session is up, and zk.c has checked what is sent
}

static void on_pinged(int code, const struct Stat *stat, const void *data)
{
    (void)code;
    (void)stat;
    (void)data;
}

void zk_client_ping(struct zk_client *c)
{
    const char *path = *c->connect.chroot == '\0' ? "/" : c->connect.chroot;
    int code = zoo_awexists(c->handle, path, NULL, NULL, on_pinged, c);
    ASSERT(code == ZOK);
}

void zk_client_look(struct zk_client *c, struct zk_pending *p)
{
    struct full_path path;
    path_fill(p, zk_resent_path(&p->request, p->looked_at), &path);
    int code = zoo_awget(c->handle, path.s, NULL, NULL, on_looked, p);
    ASSERT(code == ZOK);
}
