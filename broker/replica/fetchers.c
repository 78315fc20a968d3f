// SPDX-License-Identifier: Apache-2.0
//
// An order to a thread is a letter in its mailbox, so orders are carried out in the order they were given. A letter
// that cannot be written for want of memory is an error of whoever gives the order, except where it can be given again.
// One to follow that the thread has no memory for is kept and tried again, until another order about its partition
// comes.
#include "broker/replica/fetchers.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include "base/hash.h"

#include "base/assert.h"
#include "base/logging.h"
#include "broker/cluster/java_hash.h"

// A leader, on one thread.
struct thread_leader {
    int32_t id;
    struct fetcher *fetcher;
    UT_hash_handle hh;
};

struct fetch_thread {
    struct fetchers *all;
    int index;
    struct loop *loop;
    // Of its own thread from here on.
    struct thread_leader *leaders;
    TAILQ_HEAD(, letter) kept; // orders to be tried again
    struct timer timer;        // then
    int32_t broker_id;
    int64_t broker_epoch;
    sem_t ended; // its fetchers are gone
};

struct fetchers {
    struct fetchers_options options;
    struct fetch_thread *threads;
    int count; // of running threads
};

struct letter {
    struct mailbox_item item; // first
    TAILQ_ENTRY(letter) entry;
    struct fetch_thread *thread;
    // False: it is to be tried again.
    bool (*carry_out)(struct letter *l);
    struct partition *partition; // counted, NULL = none
    int32_t broker_id;
    int32_t leader_epoch;
    int64_t broker_epoch;
    int32_t port;
    char host[];
};

// ---------------------------------------------------------------------------------------------------------------
// On the thread

static struct thread_leader *leader_find(struct fetch_thread *t, int32_t id)
{
    struct thread_leader *l;
    HASH_FIND(hh, t->leaders, &id, sizeof id, l);
    return l;
}

// NULL without memory.
static struct fetcher *leader_fetcher(struct fetch_thread *t, int32_t id)
{
    struct thread_leader *l = leader_find(t, id);
    if (l != NULL) {
        return l->fetcher;
    }
    struct fetcher_options o = {.os = t->all->options.os,
                                .pool = t->all->options.pool,
                                .loop = t->loop,
                                .throttle = t->all->options.throttle,
                                .settings = &t->all->options.settings,
                                .broker_id = t->broker_id,
                                .leader_id = id,
                                .index = t->index};
    l = calloc(1, sizeof *l);
    if (l == NULL || fetcher_new(&o, &l->fetcher) != ERR_OK) {
        free(l);
        return NULL;
    }
    fetcher_identify(l->fetcher, t->broker_id, t->broker_epoch);
    l->id = id;
    HASH_ADD(hh, t->leaders, id, sizeof l->id, l);
    if (!hash_added(&l->hh)) {
        fetcher_free(l->fetcher);
        free(l);
        return NULL;
    }
    return l->fetcher;
}

static void letter_free(struct letter *l)
{
    if (l->partition != NULL) {
        partition_unref(l->partition);
    }
    free(l);
}

// Whether `l` says something else about what `kept` was about.
static bool makes_void(const struct letter *l, const struct letter *kept)
{
    return l->partition != NULL ? l->partition == kept->partition
                                : kept->carry_out == l->carry_out && kept->broker_id == l->broker_id;
}

static void kept_drop(struct fetch_thread *t, const struct letter *news)
{
    struct letter *l, *next;
    for (l = TAILQ_FIRST(&t->kept); l != NULL; l = next) {
        next = TAILQ_NEXT(l, entry);
        if (news == NULL || makes_void(news, l)) {
            TAILQ_REMOVE(&t->kept, l, entry);
            letter_free(l);
        }
    }
}

static void forget_elsewhere(struct fetch_thread *t, const struct partition *p, const struct fetcher *but)
{
    struct thread_leader *l, *next;
    HASH_ITER (hh, t->leaders, l, next) {
        if (l->fetcher != but) {
            fetcher_forget(l->fetcher, partition_topic(p), partition_index(p));
        }
    }
}

static bool carry_out_follow(struct letter *l)
{
    struct fetcher *f = leader_fetcher(l->thread, l->broker_id);
    forget_elsewhere(l->thread, l->partition, f);
    if (f == NULL || fetcher_follow(f, l->partition, l->leader_epoch) != ERR_OK) {
        return false;
    }
    l->partition = NULL; // the fetcher's now
    return true;
}

static bool carry_out_forget(struct letter *l)
{
    forget_elsewhere(l->thread, l->partition, NULL);
    return true;
}

static bool carry_out_address(struct letter *l)
{
    struct fetcher *f = leader_fetcher(l->thread, l->broker_id);
    if (f != NULL) {
        fetcher_address(f, l->host, l->port);
    }
    return f != NULL;
}

static bool carry_out_identify(struct letter *l)
{
    struct thread_leader *leader, *next;
    l->thread->broker_id = l->broker_id;
    l->thread->broker_epoch = l->broker_epoch;
    HASH_ITER (hh, l->thread->leaders, leader, next) {
        fetcher_identify(leader->fetcher, l->broker_id, l->broker_epoch);
    }
    return true;
}

static bool carry_out_end(struct letter *l)
{
    struct thread_leader *leader, *next;
    HASH_ITER (hh, l->thread->leaders, leader, next) {
        HASH_DEL(l->thread->leaders, leader);
        fetcher_free(leader->fetcher);
        free(leader);
    }
    kept_drop(l->thread, NULL);
    timer_release(&l->thread->timer);
    sem_post(&l->thread->ended);
    return true;
}

// again: it has been told already that there is no memory for it.
static void letter_try(struct letter *l, bool again)
{
    struct fetch_thread *t = l->thread;
    kept_drop(t, l);
    if (l->carry_out(l)) {
        letter_free(l);
        return;
    }
    TAILQ_INSERT_TAIL(&t->kept, l, entry);
    timer_set(&t->timer, t->all->options.settings.backoff_ms);
    if (!again) {
        log_warn("replica", "no memory for what broker %d is to be asked; tried again", (int)l->broker_id);
    }
}

static void letter_read(struct mailbox_item *item)
{
    letter_try((struct letter *)item, false);
}

static void on_timer(void *ctx)
{
    struct fetch_thread *t = ctx;
    TAILQ_HEAD(, letter) again = TAILQ_HEAD_INITIALIZER(again);
    struct letter *l;
    TAILQ_CONCAT(&again, &t->kept, entry);
    while ((l = TAILQ_FIRST(&again)) != NULL) {
        TAILQ_REMOVE(&again, l, entry);
        letter_try(l, true);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Orders

static struct letter *letter_new(struct fetch_thread *t, bool (*carry_out)(struct letter *l), const char *host)
{
    size_t len = host == NULL ? 0 : strlen(host);
    struct letter *l = calloc(1, sizeof *l + len + 1);
    if (l != NULL) {
        l->item.run = letter_read;
        l->thread = t;
        l->carry_out = carry_out;
        memcpy(l->host, host == NULL ? "" : host, len);
    }
    return l;
}

static void letter_send(struct letter *l)
{
    loop_post(l->thread->loop, &l->item);
}

// Kafka's: String.hashCode of the topic, times 31, plus the number.
static struct fetch_thread *thread_of(const struct fetchers *s, const struct partition *p)
{
    uint32_t hash = (uint32_t)java_string_hash(slice_str(partition_topic(p)));
    int32_t sum = (int32_t)(hash * 31 + (uint32_t)partition_index(p));
    uint32_t positive = sum == INT32_MIN ? 0 : (uint32_t)abs(sum);
    return &s->threads[positive % (uint32_t)s->count];
}

enum err fetchers_follow(struct fetchers *s, struct partition *p, int32_t leader, int32_t leader_epoch)
{
    struct letter *l = letter_new(thread_of(s, p), carry_out_follow, NULL);
    if (l == NULL) {
        return ERR_NO_MEMORY;
    }
    partition_ref(p);
    l->partition = p;
    l->broker_id = leader;
    l->leader_epoch = leader_epoch;
    letter_send(l);
    return ERR_OK;
}

void fetchers_forget(struct fetchers *s, const struct partition *p)
{
    struct letter *l = letter_new(thread_of(s, p), carry_out_forget, NULL);
    if (l != NULL) { // else the partition refuses what is still fetched for it
        l->partition = (struct partition *)(uintptr_t)p;
        partition_ref(l->partition);
        letter_send(l);
    }
}

void fetchers_address(struct fetchers *s, int32_t broker_id, const char *host, int32_t port)
{
    for (int i = 0; i < s->count; i++) {
        struct letter *l = letter_new(&s->threads[i], carry_out_address, host);
        if (l != NULL) { // else it comes with the next picture
            l->broker_id = broker_id;
            l->port = port;
            letter_send(l);
        }
    }
}

void fetchers_identify(struct fetchers *s, int32_t broker_id, int64_t broker_epoch)
{
    for (int i = 0; i < s->count; i++) {
        struct letter *l = letter_new(&s->threads[i], carry_out_identify, NULL);
        if (l != NULL) {
            l->broker_id = broker_id;
            l->broker_epoch = broker_epoch;
            letter_send(l);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------

static enum err thread_start(struct fetchers *s, struct fetch_thread *t, int index)
{
    char name[32];
    snprintf(name, sizeof name, "fetch-%d", index);
    *t = (struct fetch_thread){.all = s, .index = index, .broker_id = -1, .broker_epoch = -1};
    TAILQ_INIT(&t->kept);
    enum err err = loop_new(name, s->options.os, &t->loop);
    if (err == ERR_OK) {
        err = timer_init(&t->timer, t->loop, on_timer, t);
    }
    if (err == ERR_OK) {
        err = loop_start(t->loop);
    }
    if (err != ERR_OK) {
        timer_release(&t->timer);
        loop_free(t->loop);
        return err;
    }
    sem_init(&t->ended, 0, 0);
    return ERR_OK;
}

enum err fetchers_new(const struct fetchers_options *o, struct fetchers **out)
{
    struct fetchers *s = calloc(1, sizeof *s);
    *out = s;
    if (s == NULL) {
        return ERR_NO_MEMORY;
    }
    s->options = *o;
    ASSERT(o->settings.threads >= 1);
    s->threads = calloc((size_t)o->settings.threads, sizeof *s->threads);
    enum err err = s->threads == NULL ? ERR_NO_MEMORY : ERR_OK;
    while (err == ERR_OK && s->count < o->settings.threads) {
        err = thread_start(s, &s->threads[s->count], s->count);
        s->count += err == ERR_OK;
    }
    if (err != ERR_OK) {
        fetchers_free(s);
        *out = NULL;
    }
    return err;
}

void fetchers_free(struct fetchers *s)
{
    if (s == NULL) {
        return;
    }
    for (int i = 0; i < s->count; i++) {
        struct fetch_thread *t = &s->threads[i];
        struct letter *l = letter_new(t, carry_out_end, NULL);
        ASSERT(l != NULL);
        letter_send(l);
        while (sem_wait(&t->ended) != 0) {
        }
        pool_drain(s->options.pool); // no name is looked up for it any more
        loop_stop(t->loop);
        loop_free(t->loop);
        sem_destroy(&t->ended);
    }
    free(s->threads);
    free(s);
}
