// SPDX-License-Identifier: Apache-2.0
//
// Brings into effect what the configs say of connections: max.connections, max.connections.per.ip and its overrides,
// max.connection.creation.rate, and of a listener alone listener.name.<listener>.max.connections and
// listener.name.<listener>.max.connection.creation.rate.
#ifndef OTTLA_BROKER_CONNECTIONS_H
#define OTTLA_BROKER_CONNECTIONS_H

#include "broker/cluster/config_describe.h"
#include "broker/net/listener.h"

// At the start, and whenever configs of brokers have changed. Where there are more connections than are allowed now,
// the least recently used ones are closed. Names in the overrides are looked up, which may take a while; one that is
// not found has no effect, and a line says so.
void connections_configure(const struct config_view *v, struct conn_limits *limits, struct listener *const *listeners,
                           int n_listeners);

#endif
