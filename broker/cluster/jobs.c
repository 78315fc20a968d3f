// SPDX-License-Identifier: Apache-2.0
//
// Jobs: from any thread into the control thread, one at a time through checks and writes (so that each sees what the
// one before has written), then together until the published picture shows what they wanted.
#include "broker/cluster/cluster_internal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "broker/cluster/must.h"
#include "protocol/protocol.h"
#include "zk/zk.h"

#define JOB_ARENA_LIMIT ((size_t)256 * 1024 * 1024)

enum err cluster_job_new(enum cluster_job_type type, struct cluster_job **out)
{
    struct cluster_job *j = calloc(1, sizeof *j);
    if (j == NULL) {
        return ERR_NO_MEMORY;
    }
    j->type = type;
    j->request.broker = JOB_OF_THIS_BROKER;
    j->written_ms = JOB_NOT_WRITTEN;
    arena_init(&j->arena, JOB_ARENA_LIMIT);
    mutex_init(&j->mu, MUTEX_RANK_LEAF);
    LIST_INIT(&j->waiters);
    atomic_init(&j->refs, 1);
    *out = j;
    return ERR_OK;
}

void cluster_job_ref(struct cluster_job *j)
{
    atomic_fetch_add(&j->refs, 1);
}

void cluster_job_unref(struct cluster_job *j)
{
    if (j == NULL || atomic_fetch_sub(&j->refs, 1) != 1) {
        return;
    }
    ASSERT(LIST_EMPTY(&j->waiters));
    mutex_destroy(&j->mu);
    arena_release(&j->arena);
    free(j);
}

bool cluster_job_done(struct cluster_job *j)
{
    mutex_lock(&j->mu);
    bool done = j->done;
    mutex_unlock(&j->mu);
    return done;
}

int64_t cluster_job_written_ms(struct cluster_job *j)
{
    mutex_lock(&j->mu);
    int64_t at_ms = j->written_ms;
    mutex_unlock(&j->mu);
    return at_ms;
}

bool cluster_job_wait(struct cluster_job *j, struct wait_link *link, struct wait *w)
{
    mutex_lock(&j->mu);
    bool done = j->done;
    if (!done) {
        wait_link_add(&j->waiters, link, w, 0);
    }
    mutex_unlock(&j->mu);
    return done;
}

void cluster_job_detach(struct cluster_job *j, struct wait_link *link)
{
    mutex_lock(&j->mu);
    wait_link_remove(link);
    mutex_unlock(&j->mu);
}

// ---------------------------------------------------------------------------------------------------------------
// In and out

// Any broker makes a topic that is needed; what clients ask for is up to the controller, as in Kafka.
static bool is_for_controller(const struct cluster_job *j)
{
    return (j->type == CLUSTER_CREATE_TOPICS && !j->auto_create) || j->type == CLUSTER_DELETE_TOPICS ||
           j->type == CLUSTER_CREATE_PARTITIONS ||
           (j->type == CLUSTER_PRODUCER_IDS && j->request.broker != JOB_OF_THIS_BROKER);
}

void jobs_next(struct cluster *c)
{
    while (c->writing == NULL && !TAILQ_EMPTY(&c->queued)) {
        struct cluster_job *j = TAILQ_FIRST(&c->queued);
        job_list(j, NULL);
        c->writing = j;
        if (c->state == CLUSTER_FAILED || c->state == CLUSTER_CLOSED) {
            job_finish(c, j, c->state == CLUSTER_FAILED ? c->failure : ERR_CLOSED);
            continue;
        }
        if (!c->is_controller && is_for_controller(j)) {
            job_finish(c, j, ERR_NOT_CONTROLLER);
            continue;
        }
        switch (j->type) {
        case CLUSTER_CREATE_TOPICS:
            create_job_begin(c, j);
            break;
        case CLUSTER_DELETE_TOPICS:
            delete_job_begin(c, j);
            break;
        case CLUSTER_PRODUCER_IDS:
            producer_ids_job_begin(c, j);
            break;
        case CLUSTER_CONSUMER_OFFSETS_READ:
        case CLUSTER_CONSUMER_OFFSETS_WRITE:
            consumer_offsets_job_begin(c, j);
            break;
        case CLUSTER_CREATE_PARTITIONS:
            grow_job_begin(c, j);
            break;
        case CLUSTER_DESCRIBE_CONFIGS:
            describe_configs_job_begin(c, j);
            break;
        case CLUSTER_ALTER_CONFIGS:
            alter_configs_job_begin(c, j);
            break;
        case CLUSTER_CONTROL:
        case CLUSTER_ASK:
            ASSERT(false); // these wait for nobody's turn
        }
    }
}

void job_list(struct cluster_job *j, struct cluster_job_list *list)
{
    if (j->list != NULL) {
        TAILQ_REMOVE(j->list, j, entry);
    }
    j->list = list;
    if (list != NULL) {
        TAILQ_INSERT_TAIL(list, j, entry);
    }
}

void job_ask(struct cluster *c, struct cluster_job *j)
{
    job_list(j, &c->asking);
    j->request.arena = &j->arena;
    cluster_ask(c, &j->request);
}

void job_answered(struct cluster *c, struct controller_request *r)
{
    job_finish(c, (struct cluster_job *)((char *)r - offsetof(struct cluster_job, request)), ERR_OK);
}

static void job_run(struct mailbox_item *item)
{
    struct cluster_job *j = (struct cluster_job *)((char *)item - offsetof(struct cluster_job, item));
    struct cluster *c = j->cluster;
    if (c->state == CLUSTER_CLOSED) {
        job_finish(c, j, ERR_CLOSED);
    } else if (j->type == CLUSTER_CONTROL) {
        control_receive(c, j);
    } else if (j->type == CLUSTER_ASK) {
        job_ask(c, j);
    } else {
        job_list(j, &c->queued);
        jobs_next(c);
    }
}

struct cluster_job *job_new_own(struct cluster *c, enum cluster_job_type type)
{
    struct cluster_job *j = NULL;
    enum err err = cluster_job_new(type, &j);
    j = (struct cluster_job *)(uintptr_t)must_have(err == ERR_OK ? j : NULL);
    j->cluster = c;
    mutex_lock(&c->gate_mu);
    c->jobs_count++;
    mutex_unlock(&c->gate_mu);
    return j;
}

enum err cluster_job_submit(struct cluster *c, struct cluster_job *j)
{
    enum err err = ERR_OK;
    mutex_lock(&c->gate_mu);
    if (c->stopping) {
        err = ERR_CLOSED;
    } else if (c->jobs_count >= CLUSTER_MAX_JOBS) {
        err = ERR_FULL;
    } else {
        c->jobs_count++;
    }
    mutex_unlock(&c->gate_mu);
    if (err == ERR_OK) {
        cluster_job_ref(j);
        j->cluster = c;
        j->item.run = job_run;
        loop_post(c->loop, &j->item);
    }
    return err;
}

void job_finish(struct cluster *c, struct cluster_job *j, enum err err)
{
    job_list(j, NULL);
    c->writing = c->writing == j ? NULL : c->writing;
    struct wake_list woken = {NULL};
    j->err = err;
    if (j->on_done != NULL) {
        j->on_done(c, j);
    }
    mutex_lock(&j->mu);
    j->done = true;
    struct wait_link *link;
    LIST_FOREACH (link, &j->waiters, entry) {
        wait_count_down(link->wait, 1, &woken);
    }
    mutex_unlock(&j->mu);
    wake_list_post(&woken);
    mutex_lock(&c->gate_mu);
    c->jobs_count--;
    mutex_unlock(&c->gate_mu);
    cluster_job_unref(j);
}

// ---------------------------------------------------------------------------------------------------------------
// On the way

static bool job_settled(struct cluster *c, struct cluster_job *j)
{
    switch (j->type) {
    case CLUSTER_CREATE_TOPICS:
        return create_job_settled(c, j);
    case CLUSTER_DELETE_TOPICS:
        return delete_job_settled(j);
    case CLUSTER_CREATE_PARTITIONS:
        return grow_job_settled(c, j);
    case CLUSTER_ALTER_CONFIGS:
        return alter_configs_job_settled(c, j);
    case CLUSTER_PRODUCER_IDS:
    case CLUSTER_CONSUMER_OFFSETS_READ:
    case CLUSTER_CONSUMER_OFFSETS_WRITE:
    case CLUSTER_DESCRIBE_CONFIGS:
    case CLUSTER_CONTROL:
    case CLUSTER_ASK:
        break; // these end without waiting for anything
    }
    return true;
}

void job_written(struct cluster *c, struct cluster_job *j)
{
    ASSERT(c->writing == j);
    c->writing = NULL;
    mutex_lock(&j->mu);
    j->written_ms = loop_now_ms(c->loop);
    mutex_unlock(&j->mu);
    job_list(j, &c->settling);
    if (job_settled(c, j)) {
        job_finish(c, j, ERR_OK);
    }
    jobs_next(c);
}

void jobs_settle(struct cluster *c)
{
    struct cluster_job *j = TAILQ_FIRST(&c->settling);
    while (j != NULL) {
        struct cluster_job *next = TAILQ_NEXT(j, entry);
        if (job_settled(c, j)) {
            job_finish(c, j, ERR_OK);
        }
        j = next;
    }
}

static void job_replica_failed(struct cluster_job *j, const char *topic)
{
    for (int32_t i = 0; j->type == CLUSTER_CREATE_TOPICS && j->work != NULL && i < j->work->entries_count; i++) {
        if (j->work->entries[i].accepted && strcmp(j->work->entries[i].name, topic) == 0) {
            j->creates[i].error_code = KAFKA_ERROR_KAFKA_STORAGE_ERROR;
            j->creates[i].error_message = "The topic is created, but a partition has no leader: its log directory "
                                          "failed.";
        }
    }
}

void jobs_replica_failed(struct cluster *c, const char *topic)
{
    struct cluster_job *j;
    TAILQ_FOREACH (j, &c->settling, entry) {
        job_replica_failed(j, topic);
    }
    if (c->writing != NULL) {
        job_replica_failed(c->writing, topic);
    }
}

static void job_topic_gone(struct cluster_job *j, const char *topic)
{
    for (int32_t i = 0; j->type == CLUSTER_DELETE_TOPICS && j->work != NULL && i < j->work->entries_count; i++) {
        struct job_entry *e = &j->work->entries[i];
        e->gone = e->gone || (e->accepted && strcmp(e->name, topic) == 0);
    }
}

void jobs_topic_gone(struct cluster *c, const char *topic)
{
    struct cluster_job *j;
    TAILQ_FOREACH (j, &c->settling, entry) {
        job_topic_gone(j, topic);
    }
    if (c->writing != NULL) {
        job_topic_gone(c->writing, topic);
    }
    jobs_settle(c);
}

void jobs_fail_all(struct cluster *c, enum err err)
{
    if (c->writing != NULL) {
        job_finish(c, c->writing, err);
    }
    while (!TAILQ_EMPTY(&c->settling)) {
        job_finish(c, TAILQ_FIRST(&c->settling), err);
    }
    while (!TAILQ_EMPTY(&c->queued)) {
        job_finish(c, TAILQ_FIRST(&c->queued), err);
    }
    if (c->state == CLUSTER_CLOSED) { // until then this broker does what it is told
        while (!TAILQ_EMPTY(&c->controls)) {
            job_finish(c, TAILQ_FIRST(&c->controls), err);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Operations of the job that writes

void job_batch_begin(struct cluster_job *j, job_result_fn *on_result, job_done_fn *on_done)
{
    ASSERT(j->work->calls_left == 0);
    j->work->on_result = on_result;
    j->work->on_done = on_done;
}

static void batch_done(struct cluster *c, struct cluster_job *j)
{
    if (j->work->err == ERR_OK) {
        j->work->on_done(c, j);
        return;
    }
    job_finish(c, j, j->work->err);
    jobs_next(c);
}

static void call_done(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    struct cluster_job *j = arg;
    if (c->writing != j) {
        return; // all jobs were failed, and none has written since
    }
    j->work->on_result(c, j, index, r);
    if (--j->work->calls_left == 0) {
        batch_done(c, j);
    }
}

struct cluster_call *job_call(struct cluster *c, struct cluster_job *j, int32_t index)
{
    j->work->calls_left++;
    return cluster_call_new(c, call_done, j, index);
}

void job_batch_end(struct cluster *c, struct cluster_job *j)
{
    if (j->work->calls_left == 0) {
        batch_done(c, j);
    }
}

void job_fail(struct cluster_job *j, enum err err)
{
    if (j->work->err == ERR_OK) {
        j->work->err = err;
    }
}

bool job_work_new(struct cluster *c, struct cluster_job *j, int32_t entries)
{
    struct job_work *work = arena_alloc(&j->arena, sizeof *work);
    if (work != NULL) {
        work->entries = arena_array(&j->arena, (size_t)entries, sizeof *work->entries);
        work->entries_count = entries;
        j->work = work;
    }
    if (work != NULL && work->entries != NULL) {
        return true;
    }
    job_finish(c, j, ERR_NO_MEMORY);
    return false;
}
