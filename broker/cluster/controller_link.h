// SPDX-License-Identifier: Apache-2.0
//
// This broker's line to whoever is the controller, by what the current picture says: AlterPartition and
// ControlledShutdown go there. Lives on the control loop.
#ifndef OTTLA_CLUSTER_CONTROLLER_LINK_H
#define OTTLA_CLUSTER_CONTROLLER_LINK_H

#include "broker/net/peer.h"
#include "protocol/protocol.h"

#define CONTROLLER_LINK_MAX_IN_FLIGHT 4

struct cluster;

// With ERR_OK the response struct, valid during the call.
typedef void controller_link_fn(struct cluster *c, enum err err, const void *response);

// ERR_NOT_FOUND: no controller is known, or not where to reach it. Otherwise fn is called once, and not from inside.
enum err controller_link_send(struct cluster *c, int16_t key, int16_t version, const void *request,
                              controller_link_fn *fn) WARN_UNUSED;
// What is under way is told ERR_CLOSED.
void controller_link_close(struct cluster *c);

#endif
