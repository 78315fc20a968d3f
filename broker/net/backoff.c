// SPDX-License-Identifier: Apache-2.0
//
// Delays between tries; see the header.
#include "broker/net/backoff.h"

#include "base/assert.h"

#define JITTER_PERCENT 20

int64_t backoff_next_ms(struct backoff *b, const struct os *os)
{
    ASSERT(b->first_ms >= 1 && b->max_ms >= b->first_ms);
    int64_t delay_ms = b->first_ms;
    for (int i = 0; i < b->failures && delay_ms < b->max_ms; i++) {
        delay_ms = delay_ms > b->max_ms / 2 ? b->max_ms : delay_ms * 2;
    }
    b->failures += delay_ms < b->max_ms;
    uint32_t chance;
    os->random(os, &chance, sizeof chance);
    int64_t percent = 100 - JITTER_PERCENT + (int64_t)(chance % (2 * JITTER_PERCENT + 1));
    int64_t with_chance_ms = delay_ms / 100 * percent + delay_ms % 100 * percent / 100;
    return with_chance_ms > 0 ? with_chance_ms : 1;
}

void backoff_reset(struct backoff *b)
{
    b->failures = 0;
}
