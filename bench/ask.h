// SPDX-License-Identifier: Apache-2.0
//
// Single questions to a broker, each on a connection of its own. Whatever goes wrong ends the program.
#ifndef OTTLA_BENCH_ASK_H
#define OTTLA_BENCH_ASK_H

#include "base/bytes.h"

// The answer to one frame, without its size field; `buffer` holds it and is to be freed.
struct slice ask(int port, const struct writer *frame, uint8_t **buffer);

// Where the next record of partition 0 goes.
int64_t ask_end_offset(int port, const char *topic);

#endif
