// SPDX-License-Identifier: Apache-2.0
//
// A ring of windows. One begins with the first bytes after the one before it has ended, so that times without traffic
// take no room; the rate is taken over the time since the oldest began, and at least over one whole window.
#include "broker/replica/byte_rate.h"

#include <stdlib.h>

enum err byte_rate_init(struct byte_rate *r, const struct os *os, int32_t windows, int64_t window_ms)
{
    int32_t room = windows < BYTE_RATE_MAX_WINDOWS ? windows : BYTE_RATE_MAX_WINDOWS;
    *r = (struct byte_rate){.os = os, .window_ms = window_ms, .room = room, .limit = BYTE_RATE_NO_LIMIT};
    r->windows = calloc((size_t)room, sizeof *r->windows);
    if (r->windows == NULL) {
        return ERR_NO_MEMORY;
    }
    mutex_init(&r->mu, MUTEX_RANK_LEAF);
    return ERR_OK;
}

void byte_rate_release(struct byte_rate *r)
{
    if (r->windows != NULL) {
        mutex_destroy(&r->mu);
        free(r->windows);
        r->windows = NULL;
    }
}

void byte_rate_limit(struct byte_rate *r, int64_t bytes_per_second)
{
    mutex_lock(&r->mu);
    r->limit = bytes_per_second;
    mutex_unlock(&r->mu);
}

// Under mu from here on.

static int64_t now_of(const struct byte_rate *r)
{
    return os_mono_us(r->os) / 1000;
}

static struct byte_rate_window *window_at(const struct byte_rate *r, int32_t i)
{
    return &r->windows[(r->oldest + i) % r->room];
}

static void oldest_drop(struct byte_rate *r)
{
    r->oldest = (r->oldest + 1) % r->room;
    r->count--;
}

static void old_drop(struct byte_rate *r, int64_t now_ms)
{
    while (r->count > 0 && now_ms - window_at(r, 0)->begin_ms >= r->room * r->window_ms) {
        oldest_drop(r);
    }
}

void byte_rate_record(struct byte_rate *r, int64_t bytes)
{
    mutex_lock(&r->mu);
    int64_t now_ms = now_of(r);
    old_drop(r, now_ms);
    if (r->count == 0 || now_ms - window_at(r, r->count - 1)->begin_ms >= r->window_ms) {
        if (r->count == r->room) { // they begin apart, so only where a window is all there is
            oldest_drop(r);
        }
        *window_at(r, r->count++) = (struct byte_rate_window){.begin_ms = now_ms};
    }
    window_at(r, r->count - 1)->bytes += bytes;
    mutex_unlock(&r->mu);
}

bool byte_rate_exceeded(struct byte_rate *r)
{
    mutex_lock(&r->mu);
    bool exceeded = false;
    if (r->limit != BYTE_RATE_NO_LIMIT) {
        int64_t now_ms = now_of(r), bytes = 0;
        old_drop(r, now_ms);
        for (int32_t i = 0; i < r->count; i++) {
            bytes += window_at(r, i)->bytes;
        }
        int64_t span_ms = r->count == 0 ? 0 : now_ms - window_at(r, 0)->begin_ms;
        span_ms = span_ms > r->window_ms ? span_ms : r->window_ms;
        exceeded = (double)bytes * 1000 / (double)span_ms > (double)r->limit;
    }
    mutex_unlock(&r->mu);
    return exceeded;
}
