// SPDX-License-Identifier: Apache-2.0
//
// Writes log lines. A line is built on the stack, cleaned of control characters and written with one write call; a line
// longer than the buffer is cut and ends in "...". Nothing is allocated, so it works when memory is out.
#include "base/logging.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 16 * 1024,
};

static atomic_int current_level = LOG_INFO; // docs/decisions/0001-logging.md

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {
        [LOG_DEBUG] = "DEBUG",
        [LOG_INFO] = "INFO ",
        [LOG_WARN] = "WARN ",
        [LOG_ERROR] = "ERROR",
    };
    return names[level];
}

void logging_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

int logging_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&current_level, memory_order_relaxed);
}

// Writes "<time> <level> [<room>] " and returns its length.
static size_t head_format(char *buf, size_t cap, enum log_level level, const char *room)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(buf, cap, "%Y-%m-%dT%H:%M:%S", &utc);
    int n = snprintf(buf + len, cap - len, ".%03dZ %s [%s] ", (int)(now.tv_nsec / 1000000), level_name(level), room);
    if (n > 0) {
        len += (size_t)n < cap - len ? (size_t)n : cap - len - 1;
    }
    return len;
}

// What a peer sent must not start a line of its own or steer a terminal.
static void control_characters_replace(char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)buf[i];
        if (c < 0x20 || c == 0x7f) {
            buf[i] = '?';
        }
    }
}

void logging_line(enum log_level level, const char *room, const char *fmt, ...)
{
    if (!logging_enabled(level)) {
        return;
    }
    int saved_errno = errno; // so that a caller may log before it looks at errno
    char line[LINE_MAX_BYTES];
    const size_t cap = sizeof line - 1; // the newline always fits
    size_t len = head_format(line, cap, level, room);

    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line + len, cap - len, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < cap - len) {
        len += (size_t)n;
    } else if (n >= 0) {
        len = cap - 1;
        memcpy(line + len - 3, "...", 3);
    }
    control_characters_replace(line, len);
    line[len++] = '\n';
    while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR) {
    }
    errno = saved_errno;
}
