// SPDX-License-Identifier: Apache-2.0
//
// A transaction as bytes: what one change did to the tree, with names and owners already decided, so that replaying
// needs no decisions. All numbers are big-endian; docs/ZOOKEEPER.md has the field tables.
//   i64 zxid, i64 time_ms, u32 op count, then the ops: u8 type, u16 path length, path,
//   create: i64 ephemeral owner, i32 data length (-1 = null), data; set: data length, data; delete: nothing more
#ifndef OTTLA_ZK_ZK_TXN_H
#define OTTLA_ZK_ZK_TXN_H

#include "base/bytes.h"
#include "zk/zk_tree.h"

// The largest transaction: a multi of the most operations with the longest paths and the most data.
#define ZK_TXN_OP_BYTES  15 // beside path and data
#define ZK_TXN_MAX_BYTES (20 + ZK_MULTI_MAX_OPS * (ZK_TXN_OP_BYTES + ZK_PATH_MAX_BYTES) + ZK_DATA_MAX_BYTES)

enum zk_effect_type {
    ZK_EFFECT_CREATE = 1,
    ZK_EFFECT_SET = 2,
    ZK_EFFECT_DELETE = 3,
};

struct zk_effect {
    enum zk_effect_type type;
    struct slice path; // has passed zk_path_check, no end mark
    struct slice data;
    int64_t owner;
};

struct zk_txn {
    struct zk_change change;
    uint32_t count;
};

// Writing: begin, effects, end with their number. A writer out of room turns bad.
size_t zk_txn_begin(struct writer *w, const struct zk_change *change);
void zk_txn_effect(struct writer *w, const struct zk_effect *effect);
void zk_txn_end(struct writer *w, size_t start, uint32_t count);

// Reading: the head, then `count` effects. ERR_CORRUPT when the bytes are none.
enum err zk_txn_read(struct reader *r, struct zk_txn *out) WARN_UNUSED;
enum err zk_effect_read(struct reader *r, struct zk_effect *out) WARN_UNUSED;

// Does it to the tree, as a change that is not kept yet. ERR_CORRUPT when the tree does not fit.
enum err zk_effect_apply(struct zk_tree *t, const struct zk_change *change, const struct zk_effect *effect) WARN_UNUSED;

// Data of a node: i32 length, -1 = null.
void zk_txn_put_data(struct writer *w, struct slice data);
enum err zk_txn_take_data(struct reader *r, struct slice *out) WARN_UNUSED;
// u16 length, path.
void zk_txn_put_path(struct writer *w, struct slice path);
enum err zk_txn_take_path(struct reader *r, struct slice *out) WARN_UNUSED;

#endif
