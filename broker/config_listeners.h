// SPDX-License-Identifier: Apache-2.0
//
// The keys listeners, advertised.listeners and listener.security.protocol.map, with Kafka's checks. Texts of results
// lie in the arena; every refusal is a sentence that names the key, its value and what is allowed.
#ifndef OTTLA_BROKER_CONFIG_LISTENERS_H
#define OTTLA_BROKER_CONFIG_LISTENERS_H

#include "base/arena.h"
#include "base/err.h"
#include "broker/config.h"

// Parses "NAME://host:port,..." of the key into out[CONFIG_MAX_LISTENERS]. Names become upper case. protocol_map is
// the text of listener.security.protocol.map; a listener whose protocol is not PLAINTEXT is refused, as Ottla does not
// speak it yet. ERR_INVALID with *why, ERR_NO_MEMORY.
enum err config_listeners_parse(const char *key, const char *text, const char *protocol_map, struct arena *a,
                                struct config_endpoint *out, int32_t *count, const char **why) WARN_UNUSED;
// Names are distinct; so are ports, except 0 and one port for an IPv4 and an IPv6 address.
enum err config_listeners_check_bound(const struct config_endpoint *e, int32_t count, const char *text, struct arena *a,
                                      const char **why) WARN_UNUSED;
// Advertised names are distinct and among the bound ones; no host is 0.0.0.0.
enum err config_listeners_check_advertised(const struct config_endpoint *advertised, int32_t advertised_count,
                                           const struct config_endpoint *bound, int32_t bound_count, struct arena *a,
                                           const char **why) WARN_UNUSED;

#endif
