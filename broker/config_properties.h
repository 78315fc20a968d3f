// SPDX-License-Identifier: Apache-2.0
//
// Reads the syntax of Java's .properties files: key and value separated by '=', ':' or blanks; '#' and '!' begin a
// comment line; a backslash at the end of a line continues it; \t \n \r \f and \uXXXX. Other than Java, bytes above
// 127 are taken as they are, so UTF-8 stays UTF-8.
#ifndef OTTLA_BROKER_CONFIG_PROPERTIES_H
#define OTTLA_BROKER_CONFIG_PROPERTIES_H

#include "base/arena.h"
#include "base/err.h"

// Called for each entry in the order of the file; key and value end in NUL and lie in the arena. The value is as
// written, with the blanks at its end. An error ends the reading and is returned.
typedef enum err config_property_fn(void *ctx, const char *key, const char *value);

// ERR_INVALID with *bad_line (counted from 1) and *why (static) for a malformed \uXXXX or a NUL byte; ERR_NO_MEMORY
// when the arena is full; or the error of fn.
enum err config_properties_parse(const char *text, size_t len, struct arena *a, config_property_fn *fn, void *ctx,
                                 int *bad_line, const char **why) WARN_UNUSED;

#endif
