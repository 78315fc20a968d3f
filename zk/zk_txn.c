// SPDX-License-Identifier: Apache-2.0
//
// Transactions to bytes and back. What is read was protected by a checksum, so an error here means that another
// program wrote it; the bounds are checked all the same.
#include "zk/zk_txn.h"

#include "zk/zk_path.h"

void zk_txn_put_path(struct writer *w, struct slice path)
{
    writer_u16(w, (uint16_t)path.len);
    writer_bytes(w, path.data, path.len);
}

enum err zk_txn_take_path(struct reader *r, struct slice *out)
{
    char text[ZK_PATH_MAX_BYTES + 1];
    *out = reader_bytes(r, reader_u16(r));
    if (r->bad || out->len > ZK_PATH_MAX_BYTES || memchr(out->data, '\0', out->len) != NULL)
        return ERR_CORRUPT;
    memcpy(text, out->data, out->len);
    text[out->len] = '\0';
    return zk_path_check(text, false) == ERR_OK ? ERR_OK : ERR_CORRUPT;
}

void zk_txn_put_data(struct writer *w, struct slice data)
{
    writer_u32(w, data.data == NULL ? UINT32_MAX : (uint32_t)data.len);
    if (data.len > 0)
        writer_bytes(w, data.data, data.len);
}

enum err zk_txn_take_data(struct reader *r, struct slice *out)
{
    uint32_t len = reader_u32(r);
    *out = SLICE_NULL;
    if (len != UINT32_MAX)
        *out = reader_bytes(r, len);
    return r->bad || out->len > ZK_DATA_MAX_BYTES ? ERR_CORRUPT : ERR_OK;
}

size_t zk_txn_begin(struct writer *w, const struct zk_change *change)
{
    size_t start = w->len;
    writer_u64(w, (uint64_t)change->zxid);
    writer_u64(w, (uint64_t)change->time_ms);
    writer_u32(w, 0); // the count, known at the end
    return start;
}

void zk_txn_effect(struct writer *w, const struct zk_effect *effect)
{
    writer_u8(w, (uint8_t)effect->type);
    zk_txn_put_path(w, effect->path);
    if (effect->type == ZK_EFFECT_CREATE)
        writer_u64(w, (uint64_t)effect->owner);
    if (effect->type != ZK_EFFECT_DELETE)
        zk_txn_put_data(w, effect->data);
}

void zk_txn_end(struct writer *w, size_t start, uint32_t count)
{
    if (!w->bad)
        store_be32(w->data + start + 16, count);
}

enum err zk_txn_read(struct reader *r, struct zk_txn *out)
{
    out->change.zxid = (int64_t)reader_u64(r);
    out->change.time_ms = (int64_t)reader_u64(r);
    out->count = reader_u32(r);
    return r->bad ? ERR_CORRUPT : ERR_OK;
}

enum err zk_effect_read(struct reader *r, struct zk_effect *out)
{
    uint8_t type = reader_u8(r);
    *out = (struct zk_effect){.type = type};
    if (type < ZK_EFFECT_CREATE || type > ZK_EFFECT_DELETE)
        return ERR_CORRUPT;
    enum err err = zk_txn_take_path(r, &out->path);
    if (err != ERR_OK)
        return err;
    if (type == ZK_EFFECT_CREATE)
        out->owner = (int64_t)reader_u64(r);
    return type == ZK_EFFECT_DELETE ? ERR_OK : zk_txn_take_data(r, &out->data);
}

enum err zk_effect_apply(struct zk_tree *t, const struct zk_change *change, const struct zk_effect *effect)
{
    struct zk_node *node;
    enum err err = ERR_CORRUPT;
    switch (effect->type) {
    case ZK_EFFECT_CREATE:
        err = zk_tree_create(t, change, effect->path, effect->data, effect->owner, &node);
        break;
    case ZK_EFFECT_SET:
        err = zk_tree_set(t, change, effect->path, effect->data, ZK_VERSION_ANY, &node);
        break;
    case ZK_EFFECT_DELETE:
        err = zk_tree_delete(t, effect->path, ZK_VERSION_ANY);
        break;
    }
    return err == ERR_OK ? ERR_OK : ERR_CORRUPT;
}
