// SPDX-License-Identifier: Apache-2.0
//
// Counts under one leaf lock. Rates are buckets of thousandths of a connection that fill with time.
#include "broker/net/conn_limits.h"

#include "base/assert.h"
#include "base/mutex.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include "base/hash.h"

enum {
    RATE_UNIT = 1000,    // one connection in a bucket
    RATE_WAIT_MS = 1000, // at most, so that a change of the rate is seen
};

struct rate {
    int32_t per_second; // CONN_LIMIT_NONE = any
    int64_t level;
    int64_t at_ms;
    bool begun; // level and at_ms mean something
};

struct peer_count {
    char host[CONN_HOST_BYTES];
    int32_t connections;
    UT_hash_handle hh;
};

struct conn_limits {
    struct mutex mu; // leaf
    int32_t max;
    int32_t max_per_ip;
    struct conn_override *overrides;
    int32_t overrides_count;
    struct rate rate;
    struct peer_count *peers;
    int32_t connections;
    int32_t closing; // claimed by conn_share_must_close
    int32_t shares;
};

struct conn_share {
    struct conn_limits *limits;
    bool privileged;
    int32_t max;
    struct rate rate;
    int32_t connections;
};

// ---- rates ----

static void rate_set(struct rate *r, int32_t per_second)
{
    if (r->per_second != per_second) {
        *r = (struct rate){.per_second = per_second};
    }
}

static void rate_fill(struct rate *r, int64_t now_ms)
{
    int64_t full = (int64_t)r->per_second * RATE_UNIT * CONN_RATE_BURST_S;
    int64_t passed_ms = now_ms - r->at_ms;
    if (!r->begun || passed_ms > CONN_RATE_BURST_S * 1000) {
        r->level = full;
    } else {
        r->level += passed_ms * r->per_second * RATE_UNIT / 1000;
        r->level = r->level < full ? r->level : full;
    }
    r->begun = true;
    r->at_ms = now_ms;
}

static int64_t rate_wait_ms(struct rate *r, int64_t now_ms)
{
    if (r->per_second == CONN_LIMIT_NONE) {
        return 0;
    }
    rate_fill(r, now_ms);
    if (r->level >= RATE_UNIT) {
        return 0;
    }
    int64_t wait_ms = r->per_second == 0 ? RATE_WAIT_MS : (RATE_UNIT - r->level) / r->per_second + 1;
    return wait_ms < RATE_WAIT_MS ? wait_ms : RATE_WAIT_MS;
}

static void rate_take(struct rate *r, int64_t now_ms)
{
    if (r->per_second != CONN_LIMIT_NONE) {
        rate_fill(r, now_ms);
        r->level -= RATE_UNIT;
    }
}

// ---- life ----

enum err conn_limits_new(struct conn_limits **out)
{
    struct conn_limits *l = calloc(1, sizeof *l);
    if (!l) {
        return ERR_NO_MEMORY;
    }
    mutex_init(&l->mu, MUTEX_RANK_LEAF);
    l->max = CONN_LIMIT_NONE;
    l->max_per_ip = CONN_LIMIT_NONE;
    l->rate.per_second = CONN_LIMIT_NONE;
    *out = l;
    return ERR_OK;
}

void conn_limits_free(struct conn_limits *l)
{
    if (!l) {
        return;
    }
    ASSERT(l->shares == 0 && !l->peers);
    mutex_destroy(&l->mu);
    free(l->overrides);
    free(l);
}

enum err conn_limits_set(struct conn_limits *l, const struct conn_limits_config *c)
{
    struct conn_override *overrides = calloc((size_t)c->overrides_count + 1, sizeof *overrides);
    if (!overrides) {
        return ERR_NO_MEMORY;
    }
    if (c->overrides_count > 0) {
        memcpy(overrides, c->overrides, (size_t)c->overrides_count * sizeof *overrides);
    }
    mutex_lock(&l->mu);
    struct conn_override *before = l->overrides;
    l->max = c->max;
    l->max_per_ip = c->max_per_ip;
    l->overrides = overrides;
    l->overrides_count = c->overrides_count;
    rate_set(&l->rate, c->max_rate);
    mutex_unlock(&l->mu);
    free(before);
    return ERR_OK;
}

enum err conn_share_new(struct conn_limits *l, bool privileged, struct conn_share **out)
{
    struct conn_share *s = calloc(1, sizeof *s);
    if (!s) {
        return ERR_NO_MEMORY;
    }
    *s = (struct conn_share){
        .limits = l, .privileged = privileged, .max = CONN_LIMIT_NONE, .rate.per_second = CONN_LIMIT_NONE};
    mutex_lock(&l->mu);
    l->shares++;
    mutex_unlock(&l->mu);
    *out = s;
    return ERR_OK;
}

void conn_share_free(struct conn_share *s)
{
    if (!s) {
        return;
    }
    ASSERT(s->connections == 0);
    mutex_lock(&s->limits->mu);
    s->limits->shares--;
    mutex_unlock(&s->limits->mu);
    free(s);
}

void conn_share_set(struct conn_share *s, int32_t max, int32_t max_rate)
{
    mutex_lock(&s->limits->mu);
    s->max = max;
    rate_set(&s->rate, max_rate);
    mutex_unlock(&s->limits->mu);
}

// ---- connections ----

int64_t conn_share_wait_ms(struct conn_share *s, int64_t now_ms)
{
    struct conn_limits *l = s->limits;
    mutex_lock(&l->mu);
    bool room = s->connections < s->max && (s->privileged || l->connections < l->max);
    int64_t own_ms = rate_wait_ms(&s->rate, now_ms);
    int64_t all_ms = s->privileged ? 0 : rate_wait_ms(&l->rate, now_ms);
    mutex_unlock(&l->mu);
    if (!room) {
        return CONN_WAIT_FOR_ROOM;
    }
    return own_ms > all_ms ? own_ms : all_ms;
}

static int32_t host_max(const struct conn_limits *l, const char *host)
{
    for (int32_t i = 0; i < l->overrides_count; i++) {
        if (strcmp(l->overrides[i].host, host) == 0) {
            return l->overrides[i].max;
        }
    }
    return l->max_per_ip;
}

// NULL without memory.
static struct peer_count *peer_add(struct conn_limits *l, const char *host)
{
    struct peer_count *p = calloc(1, sizeof *p);
    if (!p) {
        return NULL;
    }
    snprintf(p->host, sizeof p->host, "%s", host);
    HASH_ADD_STR(l->peers, host, p);
    if (!hash_added(&p->hh)) {
        free(p);
        return NULL;
    }
    return p;
}

bool conn_share_admit(struct conn_share *s, const char *host, int64_t now_ms, const char **why)
{
    struct conn_limits *l = s->limits;
    struct peer_count *p;
    *why = NULL;
    mutex_lock(&l->mu);
    rate_take(&s->rate, now_ms);
    rate_take(&l->rate, now_ms);
    HASH_FIND_STR(l->peers, host, p);
    if ((p ? p->connections : 0) >= host_max(l, host)) {
        *why = "max.connections.per.ip reached";
    } else if (!p && (p = peer_add(l, host)) == NULL) {
        *why = "out of memory";
    } else {
        p->connections++;
        l->connections++;
        s->connections++;
    }
    mutex_unlock(&l->mu);
    return !*why;
}

void conn_share_forget(struct conn_share *s, const char *host)
{
    struct conn_limits *l = s->limits;
    struct peer_count *p;
    mutex_lock(&l->mu);
    HASH_FIND_STR(l->peers, host, p);
    ASSERT(p && l->connections > 0 && s->connections > 0);
    if (--p->connections == 0) {
        HASH_DEL(l->peers, p);
        free(p);
    }
    l->connections--;
    s->connections--;
    mutex_unlock(&l->mu);
}

int32_t conn_share_count(struct conn_share *s)
{
    mutex_lock(&s->limits->mu);
    int32_t n = s->connections;
    mutex_unlock(&s->limits->mu);
    return n;
}

bool conn_share_must_close(struct conn_share *s)
{
    struct conn_limits *l = s->limits;
    mutex_lock(&l->mu);
    bool must = !s->privileged && s->connections > 0 && l->connections - l->closing > l->max;
    l->closing += must;
    mutex_unlock(&l->mu);
    return must;
}

void conn_share_closed(struct conn_share *s)
{
    mutex_lock(&s->limits->mu);
    ASSERT(s->limits->closing > 0);
    s->limits->closing--;
    mutex_unlock(&s->limits->mu);
}
