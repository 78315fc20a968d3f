// SPDX-License-Identifier: Apache-2.0
//
// How long to wait before the next try: doubling from a first delay to the longest, each 20 % longer or shorter by
// chance, so that many who lost the same peer do not come back at one moment.
#ifndef OTTLA_NET_BACKOFF_H
#define OTTLA_NET_BACKOFF_H

#include "base/os.h"

struct backoff {
    int64_t first_ms; // >= 1
    int64_t max_ms;   // >= first_ms; the chance may add to it
    int failures;     // since the last success
};

// The delay after one more failure.
int64_t backoff_next_ms(struct backoff *b, const struct os *os);
// It has worked.
void backoff_reset(struct backoff *b);

#endif
