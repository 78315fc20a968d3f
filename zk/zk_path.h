// SPDX-License-Identifier: Apache-2.0
//
// What a znode path may be: ZooKeeper's rules, and a bound on its length.
#ifndef OTTLA_ZK_ZK_PATH_H
#define OTTLA_ZK_ZK_PATH_H

#include "base/err.h"
#include "base/slice.h"

enum {
    ZK_SEQUENCE_DIGITS = 10
}; // that a sequential name gets

// ERR_INVALID for a path that does not begin with '/', ends with '/', has an empty component, "." or "..", is not
// UTF-8, or has a character that ZooKeeper refuses (control, private use, specials); ERR_TOO_LARGE beyond
// ZK_PATH_MAX_BYTES. A sequential path may end with '/', and must leave room for its digits.
enum err zk_path_check(const char *path, bool is_sequential) WARN_UNUSED;

// The path without its last component; "/" for a child of the root. Of "/" itself it is empty.
struct slice zk_path_parent(struct slice path);

#endif
