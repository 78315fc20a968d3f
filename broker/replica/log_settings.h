// SPDX-License-Identifier: Apache-2.0
//
// What of a topic's configs acts on its log.
#ifndef OTTLA_REPLICA_LOG_SETTINGS_H
#define OTTLA_REPLICA_LOG_SETTINGS_H

#include "broker/cluster/topic_config.h"
#include "log/log.h"

void log_settings_of(const struct topic_config *t, int64_t producer_id_expiration_ms, struct log_config *out);

#endif
