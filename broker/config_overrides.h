// SPDX-License-Identifier: Apache-2.0
//
// max.connections.per.ip.overrides: "host:limit,host:limit", with Kafka's checks and its words for what is wrong.
#ifndef OTTLA_BROKER_CONFIG_OVERRIDES_H
#define OTTLA_BROKER_CONFIG_OVERRIDES_H

#include "base/arena.h"
#include "base/err.h"
#include <stdint.h>

#define CONFIG_OVERRIDES_MAX 1000

struct config_override {
    const char *host; // a name or an address
    int32_t max;
};

// The list lies in the arena; at most CONFIG_OVERRIDES_MAX. ERR_INVALID with *why, ERR_NO_MEMORY.
enum err config_overrides_parse(const char *text, struct arena *a, struct config_override **out, int32_t *count,
                                const char **why) WARN_UNUSED;
// Why the text is refused, NULL when it is not.
const char *config_overrides_refusal(const char *text, struct arena *a);

#endif
