// SPDX-License-Identifier: Apache-2.0
//
// The configuration as the cluster describes it to clients: every key with what the file says about it, and which of
// them Kafka changes while a broker runs.
#ifndef OTTLA_BROKER_KEY_TABLE_H
#define OTTLA_BROKER_KEY_TABLE_H

#include "broker/cluster/broker_keys.h"
#include "broker/config.h"

// The table lies in the arena, its texts live as long as the configuration.
enum err key_table_build(const struct broker_config *c, struct arena *a, struct broker_keys *out) WARN_UNUSED;
// What only the cluster knows about the values that the file gives. ERR_INVALID: *why says which is wrong and how.
enum err key_table_check(const struct broker_keys *k, struct arena *a, const char **why) WARN_UNUSED;

#endif
