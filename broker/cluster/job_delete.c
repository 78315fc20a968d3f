// SPDX-License-Identifier: Apache-2.0
//
// Deletion of topics: a mark in /admin/delete_topics for each; the controller sees it and does the rest. The job is
// done when nothing of the topic is left, so that whoever waited for it may create the topic again at once.
#include "broker/cluster/cluster_internal.h"

#include "protocol/protocol.h"
#include "zk/zk.h"

bool delete_job_settled(const struct cluster_job *j)
{
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        if (j->work->entries[i].accepted && !j->work->entries[i].gone) {
            return false;
        }
    }
    return true;
}

static void mark_result(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    (void)i;
    if (r->err != ERR_OK && r->err != ERR_EXISTS) {
        job_fail(j, r->err);
    }
}

static const struct metadata_topic *target_find(const struct cluster *c, const struct topic_delete *d)
{
    return d->name != NULL ? metadata_topic_find(c->picture, slice_of(d->name, d->name_len))
                           : metadata_topic_find_id(c->picture, &d->id);
}

// False: it is answered already.
static bool target_check(struct cluster *c, struct cluster_job *j, int32_t i)
{
    struct topic_delete *d = &j->deletes[i];
    struct job_entry *e = &j->work->entries[i];
    d->out_name = d->name;
    d->out_id = d->id;
    if (!c->options.delete_topics) {
        d->error_code = KAFKA_ERROR_TOPIC_DELETION_DISABLED;
        return false;
    }
    const struct metadata_topic *t = target_find(c, d);
    if (t == NULL) {
        d->error_code = d->name != NULL ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_ERROR_UNKNOWN_TOPIC_ID;
        return false;
    }
    e->name = arena_strdup(&j->arena, t->name);
    d->out_name = e->name;
    d->out_id = t->id;
    e->accepted = e->name != NULL;
    if (!e->accepted) {
        job_fail(j, ERR_NO_MEMORY);
    }
    return e->accepted;
}

void delete_job_begin(struct cluster *c, struct cluster_job *j)
{
    if (!job_work_new(c, j, j->deletes_count)) {
        return;
    }
    job_batch_begin(j, mark_result, job_written);
    for (int32_t i = 0; i < j->deletes_count; i++) {
        if (target_check(c, j, i)) {
            zk_create(c->zk, znode_path_delete_topic(j->work->entries[i].name).s, SLICE_NULL, ZK_PERSISTENT,
                      cluster_call_done, job_call(c, j, i));
        }
    }
    job_batch_end(c, j);
}
