// SPDX-License-Identifier: Apache-2.0
//
// Names of Kafka's releases, as inter.broker.protocol.version, log.message.format.version and message.format.version
// take them.
#ifndef OTTLA_CLUSTER_KAFKA_VERSION_H
#define OTTLA_CLUSTER_KAFKA_VERSION_H

#include <stdbool.h>

// "3.9", "3.9.1", "3.9-IV0", "0.11.0-IV2": what stands behind the release's own numbers is ignored, but not a variant.
bool kafka_version_is_known(const char *s);

#endif
