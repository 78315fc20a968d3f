// SPDX-License-Identifier: Apache-2.0
//
// Running a group: a step, its effects, and the outcomes of its appends, which are fed back in the order of the writes.
//
// An append that is acknowledged at once (the usual case of a lone broker) is fed back in the same turn. One that has
// to wait for replicas or for an fsync goes to the coordinator's loop, which links it to the partition and has a timer
// for those that take too long.
#include "broker/group/coordinator_internal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/logging.h"
#include "broker/cluster/must.h"
#include "broker/group/group_records.h"

#define BATCH_BYTES_MAX    ((size_t)INT32_MAX) // the topic's max.message.bytes bounds it before
#define APPEND_ARENA_LIMIT ((size_t)64 * 1024 * 1024)

void group_slot_unref(struct group_slot *s)
{
    if (atomic_fetch_sub(&s->refs, 1) != 1) {
        return;
    }
    ASSERT(s->group == NULL);
    while (!STAILQ_EMPTY(&s->appends)) {
        struct group_append *a = STAILQ_FIRST(&s->appends);
        STAILQ_REMOVE_HEAD(&s->appends, entry);
        free(a);
    }
    mutex_destroy(&s->mu);
    partition_unref(s->partition);
    free(s);
}

// ---------------------------------------------------------------------------------------------------------------
// Appending

static enum err batch_append(struct group_slot *s, const struct group_write *w, int16_t acks, struct log_append *a,
                             struct partition_end *end)
{
    struct log_batch_writer batch;
    struct arena scratch;
    int64_t now_ms = os_wall_ms(s->coordinator->options.os);
    log_batch_writer_init(&batch, now_ms, BATCH_BYTES_MAX);
    for (int32_t i = 0; i < w->records_count; i++) {
        log_batch_writer_add(&batch, w->records[i].key, w->records[i].value);
    }
    *a = (struct log_append){.origin = LOG_FROM_COORDINATOR, .now_ms = now_ms};
    enum err err = log_batch_writer_finish(&batch, w->producer, &a->data, &a->len);
    if (err == ERR_OK) {
        arena_init(&scratch, APPEND_ARENA_LIMIT);
        err = partition_append(s->partition, acks, a, &scratch, end);
        arena_release(&scratch);
    }
    log_batch_writer_release(&batch);
    return err;
}

static void append_to_loop(struct mailbox_item *item);

static void slot_write(struct group_slot *s, const struct group_write *w)
{
    struct coordinator *c = s->coordinator;
    struct group_append *p = must_alloc(sizeof *p);
    struct log_append a;
    int16_t acks = w->acks_none ? 0 : c->options.required_acks;
    p->write_id = w->id;
    p->slot = s;
    p->err = batch_append(s, w, acks, &a, &p->end);
    p->first_offset = a.first_offset;
    p->need_flush = a.flush_due;
    STAILQ_INSERT_TAIL(&s->appends, p, entry);
    if (p->err == ERR_OK && acks != 0 && (acks == -1 || a.flush_due)) {
        p->err = partition_ack(s->partition, &p->end, p->need_flush, NULL, NULL);
    }
    p->done = p->err != ERR_AGAIN;
    if (!p->done) {
        p->deadline_ms = os_mono_us(c->options.os) / 1000 + c->options.commit_timeout_ms;
        p->item.run = append_to_loop;
        atomic_fetch_add(&s->refs, 1);
        loop_post(c->loop, &p->item);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Effects

static void slot_died(struct group_slot *s)
{
    struct coordinator *c = s->coordinator;
    group_timers_disarm(s);
    group_free(s->group);
    s->group = NULL;
    mutex_lock(&c->table_mu);
    HASH_DEL(c->table, s);
    mutex_unlock(&c->table_mu);
    group_slot_unref(s); // the table's; whoever called holds another
}

static void effects_carry_out(struct group_slot *s, const struct group_effects *effects)
{
    const struct group_effect *e;
    STAILQ_FOREACH (e, &effects->list, entry) {
        switch (e->type) {
        case GROUP_ANSWER_JOIN:
        case GROUP_ANSWER_SYNC:
        case GROUP_ANSWER_HEARTBEAT:
        case GROUP_ANSWER_LEAVE:
        case GROUP_ANSWER_COMMIT:
        case GROUP_ANSWER_OFFSET_DELETE:
        case GROUP_ANSWER_DELETE:
            group_call_finish((struct group_call *)(uintptr_t)e->token, e);
            break;
        case GROUP_WRITE:
            slot_write(s, &e->write);
            break;
        case GROUP_LOG:
            if (logging_enabled(e->log.level)) {
                logging_line(e->log.level, "group", "%s", e->log.text);
            }
            break;
        case GROUP_DIED:
            ASSERT(STAILQ_NEXT(e, entry) == NULL);
            slot_died(s);
            return;
        }
    }
}

// The outcome that is to be told next, taken off the list; NULL when there is none yet.
static struct group_append *append_told_next(struct group_slot *s)
{
    struct group_append *p = STAILQ_FIRST(&s->appends);
    if (p == NULL || !p->done) {
        return NULL;
    }
    STAILQ_REMOVE_HEAD(&s->appends, entry);
    return p;
}

static void counts_add(struct coordinator *c, const struct group_counts *add)
{
    static const struct group_counts none;
    if (memcmp(add, &none, sizeof none) == 0) {
        return;
    }
    mutex_lock(&c->table_mu);
    c->counts.rebalances += add->rebalances;
    c->counts.syncs_completed += add->syncs_completed;
    c->counts.members_joined += add->members_joined;
    c->counts.members_left += add->members_left;
    c->counts.members_expired += add->members_expired;
    c->counts.offsets_committed += add->offsets_committed;
    c->counts.offsets_expired += add->offsets_expired;
    c->counts.offsets_deleted += add->offsets_deleted;
    mutex_unlock(&c->table_mu);
}

static void slot_turn(struct group_slot *s, const struct group_event *first)
{
    struct group_effects effects;
    struct group_event written;
    struct group_append *p;
    group_effects_init(&effects);
    if (first != NULL) {
        group_step(s->group, first, coordinator_now(s->coordinator), &effects);
        effects_carry_out(s, &effects);
    }
    while (s->group != NULL && (p = append_told_next(s)) != NULL) {
        written =
            (struct group_event){.type = GROUP_WRITTEN,
                                 .written = {.write_id = p->write_id, .err = p->err, .append_offset = p->first_offset}};
        free(p);
        group_effects_reset(&effects);
        group_step(s->group, &written, coordinator_now(s->coordinator), &effects);
        effects_carry_out(s, &effects);
    }
    counts_add(s->coordinator, &effects.counts);
    group_effects_release(&effects);
    if (s->group != NULL) {
        group_timers_arm(s, group_wake_ms(s->group));
    }
}

void group_slot_step(struct group_slot *s, const struct group_event *e)
{
    slot_turn(s, e);
}

void group_slot_feed(struct group_slot *s, const struct group_event *e)
{
    mutex_lock(&s->mu);
    if (s->group != NULL) {
        group_slot_step(s, e);
    }
    mutex_unlock(&s->mu);
}

// ---------------------------------------------------------------------------------------------------------------
// Waiting for acknowledgements. [loop]

static void append_finish(struct group_append *p, enum err err)
{
    struct group_slot *s = p->slot;
    mutex_lock(&s->mu);
    p->err = err;
    p->done = true;
    if (s->group != NULL) {
        slot_turn(s, NULL);
    }
    mutex_unlock(&s->mu);
    group_slot_unref(s);
}

static void append_wait_end(struct group_append *p)
{
    partition_unlink(p->slot->partition, &p->link);
    if (p->waits) {
        TAILQ_REMOVE(&p->slot->coordinator->waiting, p, waiting_entry);
        p->waits = false;
    }
}

static void append_woken(struct wait *w)
{
    struct group_append *p = (struct group_append *)((char *)w - offsetof(struct group_append, wait));
    append_wait_end(p);
    enum err err = partition_ack(p->slot->partition, &p->end, p->need_flush, NULL, NULL);
    append_finish(p, err == ERR_AGAIN || p->timed_out ? ERR_TIMED_OUT : err);
}

static void ack_timer_set(struct coordinator *c)
{
    struct group_append *first = TAILQ_FIRST(&c->waiting);
    if (first != NULL) {
        timer_set(&c->ack_timer, first->deadline_ms - os_mono_us(c->options.os) / 1000);
    }
}

static void append_to_loop(struct mailbox_item *item)
{
    struct group_append *p = (struct group_append *)((char *)item - offsetof(struct group_append, item));
    struct coordinator *c = p->slot->coordinator;
    wait_init(&p->wait, c->loop, append_woken);
    wait_arm(&p->wait, 1);
    enum err err =
        c->ended ? ERR_CLOSED : partition_ack(p->slot->partition, &p->end, p->need_flush, &p->link, &p->wait);
    if (err != ERR_AGAIN) {
        append_finish(p, err); // nothing holds a link
        return;
    }
    TAILQ_INSERT_TAIL(&c->waiting, p, waiting_entry); // all wait equally long: in the order of their deadlines
    p->waits = true;
    if (TAILQ_FIRST(&c->waiting) == p) {
        ack_timer_set(c);
    }
}

// Ends the wait of one that has not been woken yet; one that has ends when the loop comes to it.
static void append_give_up(struct group_append *p, enum err err)
{
    append_wait_end(p);
    if (wait_disarm(&p->wait)) {
        append_finish(p, err);
    } else {
        p->timed_out = true;
    }
}

static void ack_timer_fired(void *ctx)
{
    struct coordinator *c = ctx;
    int64_t now_ms = os_mono_us(c->options.os) / 1000;
    struct group_append *p;
    while ((p = TAILQ_FIRST(&c->waiting)) != NULL && p->deadline_ms <= now_ms) {
        append_give_up(p, ERR_TIMED_OUT);
    }
    ack_timer_set(c);
}

enum err group_appends_init(struct coordinator *c)
{
    TAILQ_INIT(&c->waiting);
    return timer_init(&c->ack_timer, c->loop, ack_timer_fired, c);
}

void group_appends_end(struct coordinator *c)
{
    struct group_append *p;
    c->ended = true;
    while ((p = TAILQ_FIRST(&c->waiting)) != NULL) {
        append_give_up(p, ERR_CLOSED);
    }
    timer_release(&c->ack_timer);
}
