// SPDX-License-Identifier: Apache-2.0
//
// Settings in environment variables, for containers. The rule is that of the Apache Kafka image:
// KAFKA_ADVERTISED_LISTENERS is advertised.listeners, where "_" stands for ".", "__" for "_" and "___" for "-", and
// each variable is a line of server.properties with what that syntax makes of its value (a backslash escapes, as in a
// file). A name may also begin with KAFKA_CFG_, as another widespread image has it. Variables that these images read
// for other ends than the broker's configuration (KAFKA_HEAP_OPTS, KAFKA_LOG4J_OPTS, KAFKA_VERSION, ...) are not
// settings.
#ifndef OTTLA_BROKER_CONFIG_ENVIRONMENT_H
#define OTTLA_BROKER_CONFIG_ENVIRONMENT_H

#include "base/arena.h"

// The line "key=value" of a variable "NAME=value", in the arena. *line is NULL when the variable is no setting.
// ERR_NO_MEMORY.
enum err config_environment_line(const char *variable, struct arena *a, const char **line) WARN_UNUSED;

#endif
