// SPDX-License-Identifier: Apache-2.0
//
// The broker's own log: one text line per event on stderr, with UTC time, level and room:
//   2026-01-31T12:00:00.123Z INFO  [net] accepted 127.0.0.1:4711
// A line is written with one write call, so lines of several threads do not mix. Text from peers must go through
// %.*s with a length; control characters are replaced by '?' when the line is written, so nobody forges lines.
// The level is process-wide and set once at start: the one mutable global (docs/decisions/0001-logging.md).
#ifndef OTTLA_BASE_LOGGING_H
#define OTTLA_BASE_LOGGING_H

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

void logging_set_level(enum log_level level);
int logging_enabled(enum log_level level);
void logging_line(enum log_level level, const char *room, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(room, ...) (logging_enabled(LOG_DEBUG) ? logging_line(LOG_DEBUG, room, __VA_ARGS__) : (void)0)
#define log_info(room, ...)  logging_line(LOG_INFO, room, __VA_ARGS__)
#define log_warn(room, ...)  logging_line(LOG_WARN, room, __VA_ARGS__)
#define log_error(room, ...) logging_line(LOG_ERROR, room, __VA_ARGS__)

#endif
