// SPDX-License-Identifier: Apache-2.0
//
// The watches of one session, as ZooKeeper keeps them: per path one for the node (data, creation, deletion) and one
// for its children. Setting one that is set changes nothing; firing removes it.
#ifndef OTTLA_ZK_ZK_WATCH_H
#define OTTLA_ZK_ZK_WATCH_H

#include "zk/zk.h"

enum zk_watch_kind {
    ZK_WATCH_NODE = 1,
    ZK_WATCH_CHILDREN = 2,
};

struct zk_watch;

struct zk_watches {
    struct zk_watch *paths; // hash
};

void zk_watches_release(struct zk_watches *w);
void zk_watches_set(struct zk_watches *w, const char *path, enum zk_watch_kind kind);
// Takes the watches of these kinds (or-ed) off a path. Answers the path as a malloc'ed string when there was one,
// so that the owner can deliver the event after the table is settled; else NULL.
char *zk_watches_take(struct zk_watches *w, struct slice path, unsigned kinds);

#endif
