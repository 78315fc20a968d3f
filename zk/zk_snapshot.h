// SPDX-License-Identifier: Apache-2.0
//
// The whole tree as bytes, for the snapshot file: a head, every node with its parent before it, and a CRC-32C over
// all of it. docs/ZOOKEEPER.md has the field tables.
#ifndef OTTLA_ZK_ZK_SNAPSHOT_H
#define OTTLA_ZK_ZK_SNAPSHOT_H

#include "base/bytes.h"
#include "zk/zk_tree.h"

#define ZK_SNAPSHOT_MAX_BYTES (ZK_TREE_MAX_BYTES + 64)

// Fills an empty growing writer whose limit is ZK_SNAPSHOT_MAX_BYTES; it is bad afterwards when memory ran out.
void zk_snapshot_write(const struct zk_tree *t, struct writer *w);
// Loads a fresh tree. ERR_CORRUPT for anything but a whole snapshot; ERR_UNSUPPORTED for that of a later version.
enum err zk_snapshot_read(struct slice bytes, struct zk_tree *t) WARN_UNUSED;

#endif
