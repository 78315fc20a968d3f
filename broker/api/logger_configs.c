// SPDX-License-Identifier: Apache-2.0
//
// Kafka's six levels are the four there are here: TRACE is debug, FATAL is error.
#include "broker/api/logger_configs.h"

#include <stdlib.h>

#include "base/logging.h"
#include "protocol/protocol.h"

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {
    {"DEBUG", LOG_DEBUG}, {"ERROR", LOG_ERROR}, {"FATAL", LOG_ERROR},
    {"INFO", LOG_INFO},   {"TRACE", LOG_DEBUG}, {"WARN", LOG_WARN},
};

const char *logger_level(void)
{
    return logging_enabled(LOG_DEBUG)  ? "DEBUG"
           : logging_enabled(LOG_INFO) ? "INFO"
           : logging_enabled(LOG_WARN) ? "WARN"
                                       : "ERROR";
}

static bool refuse(struct config_resource *r, int16_t code, const char *message)
{
    r->error_code = code;
    r->error_message = message;
    return false;
}

static bool level_find(const char *name, enum log_level *out)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(levels[i].name, name) == 0) {
            *out = levels[i].level;
            return true;
        }
    }
    return false;
}

static bool change_check(struct config_resource *r, const struct config_change *change, enum log_level *level,
                         struct arena *a)
{
    if (change->op == CONFIG_OP_APPEND || change->op == CONFIG_OP_SUBTRACT) {
        return refuse(r, KAFKA_ERROR_INVALID_REQUEST,
                      arena_printf(a, "%s operation is not allowed for the BROKER_LOGGER resource",
                                   change->op == CONFIG_OP_APPEND ? "APPEND" : "SUBTRACT"));
    }
    if (strcmp(change->key, LOGGER_ROOT) != 0) {
        return refuse(r, KAFKA_ERROR_INVALID_CONFIG, arena_printf(a, "Logger %s does not exist!", change->key));
    }
    if (change->op == CONFIG_OP_DELETE) {
        return refuse(r, KAFKA_ERROR_INVALID_REQUEST, "Removing the log level of the root logger is not allowed");
    }
    if (change->op != CONFIG_OP_SET) {
        return refuse(
            r, KAFKA_ERROR_INVALID_REQUEST,
            arena_printf(a, "Unknown operation type %d is not allowed for the BROKER_LOGGER resource", change->op));
    }
    return level_find(change->value, level) ||
           refuse(r, KAFKA_ERROR_INVALID_CONFIG,
                  arena_printf(a,
                               "Cannot set the log level of %s to %s as it is not a supported log level. Valid log "
                               "levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
                               change->key, change->value));
}

void logger_alter(int32_t broker_id, struct config_resource *r, bool validate_only, struct arena *a)
{
    char *end;
    enum log_level level = LOG_INFO;
    long id = strtol(r->name, &end, 10);
    if (end == r->name || *end != '\0') {
        refuse(r, KAFKA_ERROR_INVALID_REQUEST, arena_printf(a, "Node id must be an integer, but it is: %s", r->name));
        return;
    }
    if (id != broker_id) {
        refuse(r, KAFKA_ERROR_INVALID_REQUEST,
               arena_printf(a, "Unexpected node id. Expected %d, but received %s", broker_id, r->name));
        return;
    }
    for (int32_t i = 0; i < r->changes_count; i++) {
        if (!change_check(r, &r->changes[i], &level, a)) {
            return;
        }
    }
    if (r->changes_count > 0 && !validate_only) {
        logging_set_level(level);
        log_info("api", "the log level is %s now", logger_level());
    }
}
