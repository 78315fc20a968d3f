// SPDX-License-Identifier: Apache-2.0
//
// One row per follower; the confirmed and the proposed ISR are lists of ids in Kafka's order: who joins comes last.
#include "broker/replica/replica_set.h"

#include <stdlib.h>
#include <string.h>

static bool id_listed(const int32_t *ids, int32_t count, int32_t id)
{
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static struct replica_progress *follower_find(const struct replica_set *s, int32_t broker_id)
{
    for (int32_t i = 0; i < s->followers_count; i++) {
        if (s->followers[i].broker_id == broker_id) {
            return &s->followers[i];
        }
    }
    return NULL;
}

void replica_set_release(struct replica_set *s)
{
    free(s->followers);
    free(s->isr);
    free(s->proposal);
    *s = (struct replica_set){0};
}

// A follower that is in sync is given the time it may lag to show up; others have to show up first.
static struct replica_progress follower_begin(int32_t broker_id, bool in_isr, int64_t now_ms)
{
    int64_t since_ms = in_isr ? now_ms : INT64_MIN / 2;
    return (struct replica_progress){.broker_id = broker_id,
                                     .alive = true,
                                     .end_offset = -1,
                                     .start_offset = -1,
                                     .fetched_ms = since_ms,
                                     .caught_up_ms = since_ms};
}

// Room for so many replicas. ERR_NO_MEMORY: nothing is left behind.
static enum err set_new(int32_t replicas_count, struct replica_set *out)
{
    size_t n = replicas_count > 0 ? (size_t)replicas_count : 1;
    *out = (struct replica_set){.followers = calloc(n, sizeof *out->followers),
                                .isr = calloc(n, sizeof *out->isr),
                                .proposal = calloc(n, sizeof *out->proposal)};
    if (out->followers == NULL || out->isr == NULL || out->proposal == NULL) {
        replica_set_release(out);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

// Ids that are no replicas do not count, whoever says so.
static void isr_take(struct replica_set *s, const int32_t *isr, int32_t isr_count)
{
    s->isr_count = 0;
    for (int32_t i = 0; i < isr_count && s->isr_count <= s->followers_count; i++) {
        bool known = isr[i] == s->broker_id || follower_find(s, isr[i]) != NULL;
        if (known && !id_listed(s->isr, s->isr_count, isr[i])) {
            s->isr[s->isr_count++] = isr[i];
        }
    }
}

enum err replica_set_lead(struct replica_set *s, int32_t broker_id, const int32_t *replicas, int32_t replicas_count,
                          const int32_t *isr, int32_t isr_count, int32_t partition_epoch, bool go_on, int64_t now_ms)
{
    struct replica_set next;
    enum err err = set_new(replicas_count, &next);
    if (err != ERR_OK) {
        return err;
    }
    next.broker_id = broker_id;
    next.partition_epoch = partition_epoch;
    for (int32_t i = 0; i < replicas_count; i++) {
        if (replicas[i] == broker_id) {
            continue;
        }
        const struct replica_progress *known = follower_find(s, replicas[i]);
        struct replica_progress *f = &next.followers[next.followers_count++];
        *f = follower_begin(replicas[i], id_listed(isr, isr_count, replicas[i]), now_ms);
        f->alive = known == NULL || known->alive;
        if (known != NULL && go_on) {
            f->end_offset = known->end_offset;
            f->start_offset = known->start_offset;
        }
    }
    isr_take(&next, isr, isr_count);
    replica_set_release(s);
    *s = next;
    return ERR_OK;
}

bool replica_set_fetched(struct replica_set *s, int32_t broker_id, int64_t offset, int64_t start_offset,
                         int64_t leader_end, int64_t now_ms)
{
    struct replica_progress *f = follower_find(s, broker_id);
    if (f == NULL) {
        return false;
    }
    // One that is at what the end was a fetch ago was caught up at that time: it keeps pace with a busy leader.
    if (offset >= leader_end) {
        f->caught_up_ms = now_ms;
    } else if (offset >= f->fetched_leader_end && f->end_offset >= 0 && f->fetched_ms > f->caught_up_ms) {
        f->caught_up_ms = f->fetched_ms;
    }
    f->fetched_ms = now_ms;
    f->fetched_leader_end = leader_end;
    f->end_offset = offset;
    f->start_offset = start_offset;
    return true;
}

bool replica_set_follows(const struct replica_set *s, int32_t broker_id)
{
    return follower_find(s, broker_id) != NULL;
}

void replica_set_alive(struct replica_set *s, int32_t broker_id, bool alive)
{
    struct replica_progress *f = follower_find(s, broker_id);
    if (f != NULL) {
        f->alive = alive;
    }
}

int32_t replica_set_replicas(const struct replica_set *s)
{
    return s->followers_count + 1;
}

int32_t replica_set_isr(const struct replica_set *s)
{
    return s->isr_count;
}

bool replica_set_in_sync(const struct replica_set *s, int32_t broker_id)
{
    return id_listed(s->isr, s->isr_count, broker_id);
}

static bool in_maximal_isr(const struct replica_set *s, int32_t broker_id)
{
    return id_listed(s->isr, s->isr_count, broker_id) || id_listed(s->proposal, s->proposal_count, broker_id);
}

int32_t replica_set_maximal_isr(const struct replica_set *s)
{
    int32_t n = s->isr_count;
    for (int32_t i = 0; i < s->proposal_count; i++) {
        n += !id_listed(s->isr, s->isr_count, s->proposal[i]);
    }
    return n;
}

static bool in_time(const struct replica_progress *f, int64_t leader_end, int64_t now_ms, int64_t lag_max_ms)
{
    return f->end_offset == leader_end || now_ms - f->caught_up_ms <= lag_max_ms;
}

int64_t replica_set_watermark(const struct replica_set *s, int64_t leader_end, int32_t min_isr, int64_t now_ms,
                              int64_t lag_max_ms)
{
    int32_t needed = min_isr < replica_set_replicas(s) ? min_isr : replica_set_replicas(s);
    if (s->isr_count < needed) {
        return -1;
    }
    int64_t least = leader_end;
    for (int32_t i = 0; i < s->followers_count; i++) {
        const struct replica_progress *f = &s->followers[i];
        bool counts = in_maximal_isr(s, f->broker_id) || (f->alive && in_time(f, leader_end, now_ms, lag_max_ms));
        if (counts && f->end_offset < least) {
            least = f->end_offset;
        }
    }
    return least;
}

int64_t replica_set_low_watermark(const struct replica_set *s, int64_t leader_start)
{
    int64_t least = leader_start;
    for (int32_t i = 0; i < s->followers_count; i++) {
        const struct replica_progress *f = &s->followers[i];
        least = f->alive && f->start_offset < least ? f->start_offset : least;
    }
    return least;
}

static bool is_better_reader(const struct replica_progress *f, const struct replica_progress *than)
{
    return than == NULL || f->end_offset > than->end_offset ||
           (f->end_offset == than->end_offset && f->caught_up_ms > than->caught_up_ms);
}

int32_t replica_set_reader(const struct replica_set *s, int64_t offset, replica_near_fn *near, void *ctx)
{
    const struct replica_progress *best = NULL;
    for (int32_t i = 0; i < s->followers_count; i++) {
        const struct replica_progress *f = &s->followers[i];
        bool has = f->alive && f->start_offset <= offset && offset <= f->end_offset;
        if (has && id_listed(s->isr, s->isr_count, f->broker_id) && near(ctx, f->broker_id) &&
            is_better_reader(f, best)) {
            best = f;
        }
    }
    return best == NULL ? -1 : best->broker_id;
}

bool replica_set_grow(struct replica_set *s, int32_t broker_id, int64_t high_watermark, int64_t epoch_start)
{
    const struct replica_progress *f = follower_find(s, broker_id);
    if (s->proposal_count > 0 || f == NULL || id_listed(s->isr, s->isr_count, broker_id) || !f->alive ||
        f->end_offset < high_watermark || f->end_offset < epoch_start) {
        return false;
    }
    memcpy(s->proposal, s->isr, (size_t)s->isr_count * sizeof *s->isr);
    s->proposal_count = s->isr_count;
    s->proposal[s->proposal_count++] = broker_id;
    return true;
}

bool replica_set_shrink(struct replica_set *s, int64_t leader_end, int64_t now_ms, int64_t lag_max_ms)
{
    if (s->proposal_count > 0) {
        return false;
    }
    for (int32_t i = 0; i < s->isr_count; i++) {
        const struct replica_progress *f = follower_find(s, s->isr[i]); // NULL: the leader
        if (f == NULL || in_time(f, leader_end, now_ms, lag_max_ms)) {
            s->proposal[s->proposal_count++] = s->isr[i];
        }
    }
    bool due = s->proposal_count < s->isr_count;
    s->proposal_count = due ? s->proposal_count : 0;
    return due;
}

void replica_set_refuse(struct replica_set *s)
{
    s->proposal_count = 0;
}

void replica_set_confirm(struct replica_set *s, const int32_t *isr, int32_t isr_count, int32_t partition_epoch)
{
    s->proposal_count = 0;
    if (partition_epoch >= s->partition_epoch) {
        s->partition_epoch = partition_epoch;
        isr_take(s, isr, isr_count);
    }
}
