// SPDX-License-Identifier: Apache-2.0
//
// Memory that was freed and stays with the C library's heaps. Frames and answers of a megabyte come and go and shall
// find theirs again without a fault per page; what thousands of partitions or connections once took shall go back to
// the system when they have gone. The C library alone returns only the end of a heap, and one live block at the end
// holds all that is free below it. With another C library than glibc (2.33 or later) nothing is done.
#ifndef OTTLA_BASE_HEAPS_H
#define OTTLA_BASE_HEAPS_H

#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    HEAPS_KEPT_BYTES = 4 * 1024 * 1024,     // of each heap, at its end
    HEAPS_IDLE_MAX_BYTES = 8 * 1024 * 1024, // of all heaps, resident and not in use, that are not worth a look
};

struct heaps {
    int64_t idle_bytes; // what could not be given back the last time
};

// Before the first thread.
void heaps_setup(void);
// [not a loop] Gives back whole free pages when so many are resident that it is worth it: HEAPS_IDLE_MAX_BYTES more
// than were left the last time. Takes the lock of one heap after the other, for milliseconds with a hundred megabytes.
// Returns whether it did.
bool heaps_give_back(struct heaps *h);

#endif
