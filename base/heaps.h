// SPDX-License-Identifier: Apache-2.0
//
// Memory that was freed and stays with the C library's heaps. Frames and answers of a megabyte come and go and shall
// find theirs again without a fault per page; what thousands of partitions or connections once took shall go back to
// the system when they have gone. The C library alone returns only the end of a heap, and one live block at the end
// holds all that is free below it. With another C library than glibc (2.33 or later) nothing is done.
#ifndef OTTLA_BASE_HEAPS_H
#define OTTLA_BASE_HEAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/os.h"

#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 33)
#define HEAPS_OF_GLIBC 1
#endif
#endif

enum {
    HEAPS_KEPT_BYTES = 4 * 1024 * 1024,     // of each heap, at its end
    HEAPS_IDLE_MAX_BYTES = 8 * 1024 * 1024, // of all heaps, resident and not in use, that are let be
    HEAPS_LOOK_MS = 5000,
    HEAPS_REST_MS = 100, // after a look of 1 ms; of 10 ms: 10 s; of 100 ms: 17 minutes; of 1 s or more: 28 hours
};

struct heaps {
    const struct os *os;
    int64_t look_ms;     // until the next look
    int64_t idle_bytes;  // as the last look found them
    int64_t stuck_bytes; // of these, what cannot be given back: between blocks in use, at the ends of heaps
};

// What the C library keeps by itself. Before the first thread. A block of HEAPS_KEPT_BYTES or more is a mapping of its
// own and pays a fault per page each time: produce requests of 4 and 10 MB were seen to take a quarter more CPU than
// with heaps that keep them (and those 13 MB more memory). Clients' defaults are frames of 1 MB.
void heaps_setup(void);
void heaps_init(struct heaps *h, const struct os *os);
// [not a loop] Gives back whole free pages when it is worth it; returns whether it did. To be called every look_ms.
// Takes the lock of one heap after the other, in which the threads of that heap wait, for as long as its lists of free
// blocks are: microseconds as a rule, but up to a second with a million free blocks scattered between others. Nothing
// tells beforehand, so a rest follows that grows with the square of what a look took (HEAPS_REST_MS).
bool heaps_look(struct heaps *h);
// The part of a look that decides: notes what is idle and says whether it is worth it. What counts has been idle at two
// looks in a row, so that what a load frees and takes again is let be, and is HEAPS_IDLE_MAX_BYTES more than what is
// stuck. heaps_given: so much is idle after the pages were given back.
bool heaps_note(struct heaps *h, int64_t idle_bytes);
void heaps_given(struct heaps *h, int64_t idle_bytes);

#endif
