// SPDX-License-Identifier: Apache-2.0
//
// Telling whether a change was done. When a connection breaks, nobody knows whether the changes under way were done;
// they are sent again, and the second copy of one that was done fails: the node exists, or has another version. Then
// the nodes it wrote are read: if they are as the change would leave them, it was done.
//
// What this cannot tell: a change of which somebody else has done exactly the same, for which "done" is true as well;
// and one that somebody has written over meanwhile, which is taken for not done. The number of a sequential node is
// not known, so it may be made twice. Kafka lives with the same.
#ifndef OTTLA_ZK_ZK_RESENT_H
#define OTTLA_ZK_ZK_RESENT_H

#include "zk/zk_impl.h"

// The first operation of a change, at or after index from, whose node has to be read: those whose traces later ones
// of the same multi write over, and checks, leave nothing to see. -1 when there is none (left).
int zk_resent_next(const struct zk_request *request, int from);
// The path of that operation.
const char *zk_resent_path(const struct zk_request *request, int index);
// The node, as it was read (err NOT_FOUND: it is not there), is as operation index leaves it. session: of this client.
bool zk_resent_done(const struct zk_request *request, int index, int64_t session, const struct zk_result *node);

#endif
