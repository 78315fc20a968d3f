// SPDX-License-Identifier: Apache-2.0
//
// Values of configuration as Java reads and prints them: what a properties file, a request or a znode says must mean
// here what it means to a program in Java, and be shown as it would show it.
#ifndef OTTLA_BASE_JAVA_TEXT_H
#define OTTLA_BASE_JAVA_TEXT_H

#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>

// Without what is not above a blank at either end (String.trim). A copy in the arena, NULL when that is full.
const char *java_trim(const char *s, struct arena *a);
// Decimal digits with an optional sign and nothing else (Long.parseLong; of ASCII digits only).
bool java_integer_parse(const char *s, int64_t *out);
// A decimal number, also with a trailing f or d, or Infinity with an optional sign (Double.parseDouble). NaN and
// hexadecimal numbers, which Java takes too, are refused.
bool java_double_parse(const char *s, double *out);
bool java_boolean_parse(const char *s, bool *out); // true or false in any case
// The shortest digits that read back as the same number, at least one behind the point, with an exponent below 0.001
// and from ten million on (Double.toString). NULL without memory.
const char *java_double_text(double v, struct arena *a);
// The items of a comma list, without the blanks around them; an empty text has none, but "a," has two:
//   for (const char *rest = java_list_begin(text); java_list_next(&rest, &item);)
const char *java_list_begin(const char *text);
bool java_list_next(const char **rest, struct slice *item);

#endif
