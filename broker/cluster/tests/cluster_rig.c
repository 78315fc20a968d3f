// SPDX-License-Identifier: Apache-2.0
//
// The rig of the cluster's tests.
#include "broker/cluster/tests/cluster_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"

static struct hosted *hosted_find(struct cluster_rig *r, const char *name)
{
    for (int i = 0; i < r->hosted_count; i++) {
        if (strcmp(r->hosted[i].name, name) == 0) {
            return &r->hosted[i];
        }
    }
    return NULL;
}

static enum err partition_changed(void *ctx, const struct cluster_partition_state *s)
{
    struct cluster_rig *r = ctx;
    char name[64];
    snprintf(name, sizeof name, "%s-%d", s->topic, s->partition);
    mutex_lock(&r->mu);
    enum err err = r->changed_err;
    struct hosted *h = hosted_find(r, name);
    if (err == ERR_OK && h == NULL && r->hosted_count < RIG_MAX_HOSTED) {
        h = &r->hosted[r->hosted_count++];
    }
    if (err == ERR_OK && h != NULL) {
        *h = (struct hosted){
            .leader_epoch = s->leader_epoch, .retention_ms = s->config->retention_ms, .is_new = s->is_new};
        memcpy(h->name, name, sizeof name);
    }
    mutex_unlock(&r->mu);
    return err;
}

static enum err partition_removed(void *ctx, const char *topic, int32_t partition, int32_t leader_epoch, bool erase)
{
    struct cluster_rig *r = ctx;
    char name[64];
    snprintf(name, sizeof name, "%s-%d", topic, partition);
    mutex_lock(&r->mu);
    enum err err = erase ? r->removed_err : ERR_OK;
    struct hosted *h = hosted_find(r, name);
    if (h != NULL && leader_epoch >= 0 && leader_epoch < h->leader_epoch) {
        mutex_unlock(&r->mu);
        return ERR_FENCED_EPOCH;
    }
    if (err == ERR_OK && h != NULL && erase) {
        *h = r->hosted[--r->hosted_count];
    } else if (h != NULL) {
        h->stopped = true;
    }
    mutex_unlock(&r->mu);
    return err;
}

static void config_changed(void *ctx, const char *topic, int32_t partition, const struct topic_config *config)
{
    struct cluster_rig *r = ctx;
    char name[64];
    snprintf(name, sizeof name, "%s-%d", topic, partition);
    mutex_lock(&r->mu);
    struct hosted *h = hosted_find(r, name);
    if (h != NULL) {
        h->retention_ms = config->retention_ms;
    }
    mutex_unlock(&r->mu);
}

static void isr_answered(void *ctx, const struct cluster_isr_answer *a)
{
    struct cluster_rig *r = ctx;
    mutex_lock(&r->mu);
    r->isr_answers++;
    r->isr_answer = *a;
    r->isr_answer.topic = NULL;
    r->isr_answer.isr = NULL;
    cond_broadcast(&r->cond);
    mutex_unlock(&r->mu);
}

const struct hosted *cluster_rig_hosted(struct cluster_rig *r, const char *name)
{
    mutex_lock(&r->mu);
    const struct hosted *h = hosted_find(r, name);
    mutex_unlock(&r->mu);
    return h;
}

void cluster_rig_init(struct cluster_rig *r)
{
    static const struct broker_key rows[] = {
        {.name = "background.threads", .type = BROKER_KEY_INT, .scope = BROKER_KEY_CLUSTER_WIDE, .default_value = "10"},
        {.name = "log.cleaner.threads",
         .type = BROKER_KEY_INT,
         .scope = BROKER_KEY_CLUSTER_WIDE,
         .default_value = "1",
         .threads = true},
        {.name = "log.retention.hours", .type = BROKER_KEY_INT, .default_value = "168"},
        {.name = "log.retention.ms", .type = BROKER_KEY_LONG, .scope = BROKER_KEY_CLUSTER_WIDE},
        {.name = "message.max.bytes",
         .type = BROKER_KEY_INT,
         .scope = BROKER_KEY_CLUSTER_WIDE,
         .default_value = "1048588",
         .has_min = true},
        {.name = "num.partitions", .type = BROKER_KEY_INT, .default_value = "1", .has_min = true, .min = 1},
    };
    static const struct broker_keys keys = {rows, sizeof rows / sizeof rows[0]};
    static const struct metadata_endpoint endpoint = {"PLAINTEXT", "127.0.0.1", 29092};
    memset(r, 0, sizeof *r);
    r->dir = test_dir_new();
    mutex_init(&r->mu, MUTEX_RANK_LEAF);
    cond_init(&r->cond);
    topic_config_init(&r->defaults);
    r->options = (struct cluster_options){
        .os = os_real(),
        .zk_dir = r->dir,
        .broker_id = 1,
        .reserved_broker_max_id = 1000,
        .cluster_id = "",
        .endpoints = &endpoint,
        .endpoints_count = 1,
        .inter_broker_listener = "PLAINTEXT",
        .num_partitions = 3,
        .default_replication_factor = 1,
        .delete_topics = true,
        .topic_defaults = &r->defaults,
        .keys = &keys,
        .hooks = {.partition_changed = partition_changed,
                  .partition_removed = partition_removed,
                  .config_changed = config_changed,
                  .isr_answered = isr_answered,
                  .ctx = r},
    };
    assert_int_equal(loop_new("test", os_real(), &r->loop), ERR_OK);
    assert_int_equal(loop_start(r->loop), ERR_OK);
}

void cluster_rig_start(struct cluster_rig *r)
{
    assert_int_equal(cluster_open(&r->options, &r->cluster), ERR_OK);
}

void cluster_rig_stop(struct cluster_rig *r)
{
    assert_int_equal(cluster_close(r->cluster, INT64_MAX), ERR_OK);
    r->cluster = NULL;
}

void cluster_rig_release(struct cluster_rig *r)
{
    assert_int_equal(cluster_close(r->cluster, INT64_MAX), ERR_OK);
    loop_stop(r->loop);
    loop_free(r->loop);
    cond_destroy(&r->cond);
    mutex_destroy(&r->mu);
    test_dir_remove(r->dir);
}

// ---------------------------------------------------------------------------------------------------------------
// Jobs

struct visit {
    struct mailbox_item item; // first
    struct wait wait;
    struct wait_link link;
    struct cluster_rig *rig;
    struct cluster_job *job;
    bool submit;
    enum err err;
    bool over;
};

static void visit_end(struct visit *v)
{
    cluster_job_detach(v->job, &v->link);
    mutex_lock(&v->rig->mu);
    v->over = true;
    cond_broadcast(&v->rig->cond);
    mutex_unlock(&v->rig->mu);
}

static void visit_woken(struct wait *w)
{
    visit_end((struct visit *)((char *)w - offsetof(struct visit, wait)));
}

static void visit_begin(struct mailbox_item *item)
{
    struct visit *v = (struct visit *)item;
    wait_init(&v->wait, v->rig->loop, visit_woken);
    v->err = v->submit ? cluster_job_submit(v->rig->cluster, v->job) : ERR_OK;
    wait_arm(&v->wait, 1);
    if (v->err != ERR_OK || cluster_job_wait(v->job, &v->link, &v->wait)) {
        visit_end(v);
    }
}

static void visit(struct cluster_rig *r, struct cluster_job *j, bool submit)
{
    struct visit v = {.item.run = visit_begin, .rig = r, .job = j, .submit = submit};
    loop_post(r->loop, &v.item);
    mutex_lock(&r->mu);
    while (!v.over) {
        cond_wait(&r->cond, &r->mu);
    }
    mutex_unlock(&r->mu);
    assert_int_equal(v.err, ERR_OK);
    assert_true(cluster_job_done(j));
}

void cluster_rig_run(struct cluster_rig *r, struct cluster_job *j)
{
    visit(r, j, true);
}

void cluster_rig_wait(struct cluster_rig *r, struct cluster_job *j)
{
    visit(r, j, false);
}

struct cluster_job *create_job_new(const char *name)
{
    struct cluster_job *j;
    assert_int_equal(cluster_job_new(CLUSTER_CREATE_TOPICS, &j), ERR_OK);
    j->creates = arena_array(&j->arena, 1, sizeof *j->creates);
    assert_non_null(j->creates);
    j->creates_count = 1;
    j->creates[0].name = arena_strdup(&j->arena, name);
    j->creates[0].name_len = strlen(name);
    j->creates[0].num_partitions = 1;
    j->creates[0].replication_factor = 1;
    return j;
}

struct cluster_job *delete_job_new(const char *name)
{
    struct cluster_job *j;
    assert_int_equal(cluster_job_new(CLUSTER_DELETE_TOPICS, &j), ERR_OK);
    j->deletes = arena_array(&j->arena, 1, sizeof *j->deletes);
    assert_non_null(j->deletes);
    j->deletes_count = 1;
    j->deletes[0].name = arena_strdup(&j->arena, name);
    j->deletes[0].name_len = strlen(name);
    return j;
}

struct cluster_job *configs_job_new(enum cluster_job_type type, int8_t resource, const char *name)
{
    struct cluster_job *j;
    assert_int_equal(cluster_job_new(type, &j), ERR_OK);
    j->incremental = true;
    j->resources = arena_array(&j->arena, 1, sizeof *j->resources);
    assert_non_null(j->resources);
    j->resources_count = 1;
    j->resources[0].type = resource;
    j->resources[0].name = name;
    j->resources[0].name_len = strlen(name);
    return j;
}

struct uuid cluster_rig_create(struct cluster_rig *r, const char *name, int32_t partitions)
{
    struct cluster_job *j = create_job_new(name);
    j->creates[0].num_partitions = partitions;
    cluster_rig_run(r, j);
    assert_int_equal(j->err, ERR_OK);
    assert_int_equal(j->creates[0].error_code, 0);
    struct uuid id = j->creates[0].topic_id;
    cluster_job_unref(j);
    return id;
}
