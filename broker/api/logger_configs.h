// SPDX-License-Identifier: Apache-2.0
//
// The resource BROKER_LOGGER (KIP-412): this process has one logger, "root", whose level counts for all rooms. It may
// be changed while the broker runs and is not kept.
#ifndef OTTLA_API_LOGGER_CONFIGS_H
#define OTTLA_API_LOGGER_CONFIGS_H

#include "broker/cluster/config_alter.h"

#define LOGGER_ROOT "root"

// The level's name as Kafka writes it.
const char *logger_level(void);
// Checks the changes, and unless validate_only makes them; fills r->error_code and message.
void logger_alter(int32_t broker_id, struct config_resource *r, bool validate_only, struct arena *a);

#endif
