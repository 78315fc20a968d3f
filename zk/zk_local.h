// SPDX-License-Identifier: Apache-2.0
//
// The embedded store with its bounds as parameters; zk_local_open of zk.h gives the usual ones.
#ifndef OTTLA_ZK_ZK_LOCAL_H
#define OTTLA_ZK_ZK_LOCAL_H

#include "zk/zk.h"

struct zk_local_limits {
    int64_t snapshot_bytes; // a journal larger than this is replaced by a snapshot
    int queue_max;          // operations waiting for zk_dispatch; further ones answer ERR_FULL
};

enum err zk_local_open_with(const struct os *os, const char *dir, const struct zk_local_limits *limits,
                            void (*wake)(void *ctx), void *wake_ctx, struct zk **out) WARN_UNUSED;

#endif
