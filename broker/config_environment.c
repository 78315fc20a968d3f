// SPDX-License-Identifier: Apache-2.0
//
// From the name of a variable to the name of a key.
#include "broker/config_environment.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define PREFIX       "KAFKA_"
#define OTHER_PREFIX "KAFKA_CFG_"

// What start scripts and images use for themselves. The Apache image means KAFKA_HEAP_OPTS and says KAFKA_HEAP_OPT.
static const char *const not_settings[] = {
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HEAP_OPT",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_OPTS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_VERSION",
};

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_setting(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof not_settings / sizeof not_settings[0]; i++) {
        if (strlen(not_settings[i]) == len && strncmp(not_settings[i], name, len) == 0) {
            return false;
        }
    }
    return starts_with(name, PREFIX);
}

// Rewrites name in place; a key is never longer than its name. Underscores are taken by threes, the rest after that.
static void key_of_name(char *name)
{
    static const char separators[] = {'.', '_', '-'};
    char *out = name;
    for (const char *p = name; *p != '\0';) {
        size_t run = strspn(p, "_");
        if (run > 3) {
            run = 3;
        }
        *out++ = run > 0 ? separators[run - 1] : (char)tolower((unsigned char)*p);
        p += run > 0 ? run : 1;
    }
    *out = '\0';
}

enum err config_environment_line(const char *variable, struct arena *a, const char **line)
{
    const char *equals = strchr(variable, '=');
    *line = NULL;
    if (!equals || !is_setting(variable, (size_t)(equals - variable))) {
        return ERR_OK;
    }
    const char *start = variable + strlen(starts_with(variable, OTHER_PREFIX) ? OTHER_PREFIX : PREFIX);
    if (start >= equals) {
        return ERR_OK;
    }
    char *key = arena_strndup(a, start, (size_t)(equals - start));
    if (!key) {
        return ERR_NO_MEMORY;
    }
    key_of_name(key);
    *line = arena_printf(a, "%s%s", key, equals);
    return *line ? ERR_OK : ERR_NO_MEMORY;
}
