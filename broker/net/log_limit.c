// SPDX-License-Identifier: Apache-2.0
//
// A counter per second. Two threads at the turn of a second may let a line more or less through: that is harmless.
#include "broker/net/log_limit.h"

bool log_limit_pass(struct log_limit *l, int64_t now_ms, int *dropped)
{
    *dropped = 0;
    int64_t second = now_ms / 1000;
    int64_t before = atomic_load(&l->second);
    if (before != second && atomic_compare_exchange_strong(&l->second, &before, second)) {
        int count = atomic_exchange(&l->count, 0);
        *dropped = count > LOG_LIMIT_PER_SECOND ? count - LOG_LIMIT_PER_SECOND : 0;
    }
    return atomic_fetch_add(&l->count, 1) < LOG_LIMIT_PER_SECOND;
}
