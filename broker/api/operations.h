// SPDX-License-Identifier: Apache-2.0
//
// The operations a client may do, as the bit fields of authorized operations: bit n is Kafka's operation code n.
// Everybody may do everything that a resource of the type knows.
#ifndef OTTLA_API_OPERATIONS_H
#define OTTLA_API_OPERATIONS_H

#define TOPIC_OPERATIONS_ALL   3576
#define CLUSTER_OPERATIONS_ALL 8096

#endif
