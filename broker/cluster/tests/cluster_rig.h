// SPDX-License-Identifier: Apache-2.0
//
// A real cluster object for tests: control thread, embedded tree in a directory of its own, and hooks that note what
// this broker hosts instead of keeping logs. Jobs are run as a request would: waited for on a loop.
#ifndef OTTLA_CLUSTER_TESTS_CLUSTER_RIG_H
#define OTTLA_CLUSTER_TESTS_CLUSTER_RIG_H

#include <stdatomic.h>

#include "base/tests/testing.h"
#include "broker/cluster/cluster.h"

#define RIG_MAX_HOSTED 64

struct hosted {
    char name[64]; // "<topic>-<partition>"
    int32_t leader_epoch;
    int64_t retention_ms; // of the configs it was told
    bool is_new;
    bool stopped;
};

struct cluster_rig {
    char *dir;
    struct cluster_options options;
    struct topic_config defaults;
    struct cluster *cluster;
    struct loop *loop; // where jobs are waited for
    struct mutex mu;   // leaf: all below
    struct cond cond;
    struct hosted hosted[RIG_MAX_HOSTED];
    int hosted_count;
    int isr_answers; // how many came, and the last one
    struct cluster_isr_answer isr_answer;
    enum err changed_err; // what the hooks answer
    enum err removed_err;
};

// The directory and the options, to be changed before cluster_rig_start.
void cluster_rig_init(struct cluster_rig *r);
void cluster_rig_start(struct cluster_rig *r);
void cluster_rig_stop(struct cluster_rig *r);
void cluster_rig_release(struct cluster_rig *r); // also what was started
const struct hosted *cluster_rig_hosted(struct cluster_rig *r, const char *name);

// Submits it and waits for its end.
void cluster_rig_run(struct cluster_rig *r, struct cluster_job *j);
void cluster_rig_wait(struct cluster_rig *r, struct cluster_job *j); // submitted before
// A job with one creation to be filled in; counts are 1 and 1.
struct cluster_job *create_job_new(const char *name);
struct cluster_job *delete_job_new(const char *name);
// Of configs, with one resource; name must live as long as the job.
struct cluster_job *configs_job_new(enum cluster_job_type type, int8_t resource, const char *name);
// Creates and insists that it works.
struct uuid cluster_rig_create(struct cluster_rig *r, const char *name, int32_t partitions);

#endif
