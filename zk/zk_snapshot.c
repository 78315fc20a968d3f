// SPDX-License-Identifier: Apache-2.0
//
// Snapshots. Nodes stand in order of their paths, which puts a parent before its children and makes equal trees equal
// bytes. A node takes no more than ZK_TREE_NODE_BYTES beside path and data, so a tree within its bound fits.
#include "zk/zk_snapshot.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "zk/zk_memory.h"
#include "zk/zk_txn.h"

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_HEAD_BYTES = 8 + 4 + 8 + 4, // magic, version, zxid, number of nodes
    SNAPSHOT_CRC_BYTES = 4,
};

static const char snapshot_magic[8] = "OTTLAZNS";

static int nodes_compare(const void *a, const void *b)
{
    return strcmp((*(struct zk_node *const *)a)->path, (*(struct zk_node *const *)b)->path);
}

static void node_write(const struct zk_node *node, struct writer *w)
{
    zk_txn_put_path(w, slice_of(node->path, node->path_len));
    writer_u64(w, (uint64_t)node->czxid);
    writer_u64(w, (uint64_t)node->mzxid);
    writer_u64(w, (uint64_t)node->ctime_ms);
    writer_u64(w, (uint64_t)node->mtime_ms);
    writer_u64(w, (uint64_t)node->ephemeral_owner);
    writer_u32(w, (uint32_t)node->version);
    writer_u32(w, (uint32_t)node->creates);
    zk_txn_put_data(w, slice_of(node->data, node->data_len));
}

void zk_snapshot_write(const struct zk_tree *t, struct writer *w)
{
    uint32_t count = HASH_COUNT(t->nodes);
    struct zk_node **sorted = zk_memory_alloc(count * sizeof *sorted);
    struct zk_node *node;
    uint32_t n = 0;
    for (node = t->nodes; node != NULL; node = node->hh.next)
        sorted[n++] = node;
    qsort(sorted, n, sizeof *sorted, nodes_compare);
    writer_bytes(w, snapshot_magic, sizeof snapshot_magic);
    writer_u32(w, SNAPSHOT_VERSION);
    writer_u64(w, (uint64_t)t->zxid);
    writer_u32(w, count);
    for (uint32_t i = 0; i < n; i++)
        node_write(sorted[i], w);
    free(sorted);
    writer_u32(w, crc32c(w->data, w->len));
}

static enum err node_read(struct reader *r, struct zk_tree *t)
{
    struct zk_node like = {0};
    struct slice path, data;
    enum err err = zk_txn_take_path(r, &path);
    if (err != ERR_OK)
        return err;
    like.czxid = (int64_t)reader_u64(r);
    like.mzxid = (int64_t)reader_u64(r);
    like.ctime_ms = (int64_t)reader_u64(r);
    like.mtime_ms = (int64_t)reader_u64(r);
    like.ephemeral_owner = (int64_t)reader_u64(r);
    like.version = (int32_t)reader_u32(r);
    like.creates = (int32_t)reader_u32(r);
    err = zk_txn_take_data(r, &data);
    return err == ERR_OK ? zk_tree_load(t, &like, path, data) : err;
}

enum err zk_snapshot_read(struct slice bytes, struct zk_tree *t)
{
    if (bytes.len < SNAPSHOT_HEAD_BYTES + SNAPSHOT_CRC_BYTES ||
        memcmp(bytes.data, snapshot_magic, sizeof snapshot_magic) != 0)
        return ERR_CORRUPT;
    size_t body = bytes.len - SNAPSHOT_CRC_BYTES;
    if (load_be32(bytes.data + body) != crc32c(bytes.data, body))
        return ERR_CORRUPT;
    struct reader r = reader_of(slice_of(bytes.data, body));
    reader_bytes(&r, sizeof snapshot_magic);
    if (reader_u32(&r) != SNAPSHOT_VERSION)
        return ERR_UNSUPPORTED;
    t->zxid = (int64_t)reader_u64(&r);
    uint32_t count = reader_u32(&r);
    for (uint32_t i = 0; i < count; i++) {
        enum err err = node_read(&r, t);
        if (err != ERR_OK)
            return err;
    }
    return reader_left(&r) == 0 && HASH_COUNT(t->nodes) == count ? ERR_OK : ERR_CORRUPT;
}
