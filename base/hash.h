// SPDX-License-Identifier: Apache-2.0
//
// uthash, and what happens when there is no memory for a table or for making it larger. Left alone it ends the process
// without a word; a broker does one of two things, which each file chooses where it includes this:
//
// - It ends at once and says where, like any broken invariant. That is for what this broker takes for the whole of
//   something: the znode tree (zk/), its picture of the cluster (broker/cluster/), a group and the table of groups
//   (broker/group/). Half of it would be acted upon as if it were all, while a restart reads it again from where it is
//   kept. All other memory of these rooms is asked for in the same way: broker/cluster/must.h, zk/zk_memory.h.
//
// - It refuses the one thing and goes on. That is for what one peer, request or partition wants: the append or the
//   opening of a log (log/), a connection (broker/net/), a request or its fetch session (broker/api/), a partition to
//   be hosted or followed, which the control plane asks for again (broker/replica/). Such a file says
//       #define HASH_NONFATAL_OOM 1
//   before it includes this, and asks hash_added after each HASH_ADD.
//
// What was chosen first holds for the whole translation unit; the compiler refuses a second choice.
#ifndef OTTLA_BASE_HASH_H
#define OTTLA_BASE_HASH_H

#include <stdbool.h>

#include "base/assert.h"

#define uthash_fatal(message) assert_failed(message, __FILE__, __LINE__, __func__)
#include <uthash.h>

// Whether HASH_ADD has added the element of this handle. If not, the table and its other elements are as before.
static inline bool hash_added(const UT_hash_handle *hh)
{
    return hh->tbl != NULL;
}

#endif
