// SPDX-License-Identifier: Apache-2.0
//
// The broker as one thing: it is built, it runs, it is stopped. struct broker is the root that owns every room's
// object; nothing is global, so several may live in one process.
//
// Built from the bottom up (disk pool, log directory, partitions, loops, listeners, cluster) and taken down the other
// way. Listeners are bound before the broker registers, so that a port 0 is known by then, and accept only when
// everything else is there: whoever connects is served.
#ifndef OTTLA_BROKER_BROKER_H
#define OTTLA_BROKER_BROKER_H

#include "broker/config.h"

struct broker;

// Answers when the broker serves. config and os outlive it. Errors are logged with one line that says what to do.
enum err broker_open(const struct broker_config *config, const struct os *os, struct broker **out) WARN_UNUSED;
// Has others lead what it leads (at most BROKER_LEAVE_MAX_MS), answers what is in flight (at most BROKER_DRAIN_MS),
// leaves the cluster, flushes and closes the logs, writes the checkpoints and the marker of a clean stop. ERR_FAILED
// when the logs could not be closed cleanly. Frees b. When the control thread does not answer for
// BROKER_CONTROL_PATIENCE_MS, which a disk or a library may keep for ever, a line says so and the process ends here
// with EXIT_FAILURE, as if it were killed: what was acknowledged is as safe as then.
enum err broker_close(struct broker *b) WARN_UNUSED;
#define BROKER_LEAVE_MAX_MS        60000
#define BROKER_DRAIN_MS            10000
#define BROKER_CONTROL_PATIENCE_MS 30000

int32_t broker_id(const struct broker *b);
// The address that clients of an advertised listener are told: *port is the bound one where the config says 0. The
// name stays the broker's. False when there is no i-th.
bool broker_address(const struct broker *b, int32_t i, const char **listener, const char **host, uint16_t *port);

#endif
