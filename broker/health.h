// SPDX-License-Identifier: Apache-2.0
//
// Asks a broker, from another process, whether it serves: for a container's health check. In plaintext: the
// configuration refuses any other listener (config_listeners.h).
#ifndef OTTLA_BROKER_HEALTH_H
#define OTTLA_BROKER_HEALTH_H

#include <stdint.h>

// Of each step: to connect, to be answered.
#define HEALTH_PATIENCE_S 3

// Whether a broker answers on this listener ("" = all interfaces) and knows that it is part of its cluster. Blocks for
// some HEALTH_PATIENCE_S at most. NULL when it does; else what is wrong, a static text.
const char *health_problem(const char *host, uint16_t port);

#endif
