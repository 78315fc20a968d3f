// SPDX-License-Identifier: Apache-2.0
//
// What AlterConfigs and IncrementalAlterConfigs share: requests and answers have the same shape in both. They are a job
// for the control thread, and the answer waits until the changes are in effect. Loggers are this process's own and are
// changed at once.
#ifndef OTTLA_API_ALTER_JOB_H
#define OTTLA_API_ALTER_JOB_H

#include "broker/api/topic_job.h"

#define ALTER_RESOURCES_MAX 10000
#define ALTER_TIMEOUT_MS    30000

// Building the job: begin, then each resource with its changes, then end. False: no memory.
bool alter_job_begin(struct cluster_job *job, int32_t resources, bool validate_only, bool incremental);
struct config_resource *alter_resource_add(struct cluster_job *job, int8_t type, struct slice name, int32_t changes);
bool alter_change_add(struct cluster_job *job, struct slice key, struct slice value, int8_t op); // to the last one
bool alter_job_end(struct request *r, struct cluster_job *job);

// How it ended for a resource; the message is the request's.
struct alter_result {
    int16_t error_code;
    struct slice message;
};
bool alter_result_of(struct request *r, int32_t i, struct alter_result *out);

#endif
