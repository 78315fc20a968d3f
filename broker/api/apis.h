// SPDX-License-Identifier: Apache-2.0
//
// The API table: one row per served API. Prototypes, dispatch, the answer of ApiVersions and the check of docs all
// come from the row; adding an API is described in docs/ADDING_AN_API.md.
//
//   X(key, first served version, last served version, handler, abort function, flags)
//
// Keys ascend. The abort function is api_no_abort when a waiting request of this API has nothing to undo.
#ifndef OTTLA_API_APIS_H
#define OTTLA_API_APIS_H

#include "broker/api/group_request.h"
#include "broker/api/request.h"
#include "broker/api/topic_job.h"

#define API_TABLE(X)                                                                                                   \
    X(0, 0, 11, api_produce, api_produce_abort, 0)                                                                     \
    X(1, 0, 17, api_fetch, api_fetch_abort, API_CUT_SHORT)                                                             \
    X(2, 0, 9, api_list_offsets, api_list_offsets_abort, 0)                                                            \
    X(3, 0, 12, api_metadata, api_no_abort, 0)                                                                         \
    X(4, 0, 7, api_leader_and_isr, topic_job_end, 0)                                                                   \
    X(5, 0, 4, api_stop_replica, topic_job_end, 0)                                                                     \
    X(6, 0, 8, api_update_metadata, topic_job_end, 0)                                                                  \
    X(7, 0, 3, api_controlled_shutdown, topic_job_end, 0)                                                              \
    X(8, 0, 9, api_offset_commit, api_offset_commit_abort, API_CUT_SHORT)                                              \
    X(9, 0, 9, api_offset_fetch, topic_job_end, 0)                                                                     \
    X(10, 0, 6, api_find_coordinator, api_no_abort, 0)                                                                 \
    X(11, 0, 9, api_join_group, group_request_abort, API_CUT_SHORT)                                                    \
    X(12, 0, 4, api_heartbeat, group_request_abort, API_CUT_SHORT)                                                     \
    X(13, 0, 5, api_leave_group, group_request_abort, API_CUT_SHORT)                                                   \
    X(14, 0, 5, api_sync_group, group_request_abort, API_CUT_SHORT)                                                    \
    X(15, 0, 5, api_describe_groups, api_no_abort, 0)                                                                  \
    X(16, 0, 5, api_list_groups, api_no_abort, 0)                                                                      \
    X(18, 0, 4, api_api_versions, api_no_abort, 0)                                                                     \
    X(19, 0, 7, api_create_topics, topic_job_end, 0)                                                                   \
    X(20, 0, 6, api_delete_topics, topic_job_end, 0)                                                                   \
    X(21, 0, 2, api_delete_records, api_delete_records_abort, API_CUT_SHORT)                                           \
    X(22, 0, 5, api_init_producer_id, api_init_producer_id_abort, 0)                                                   \
    X(23, 0, 4, api_offset_for_leader_epoch, api_no_abort, 0)                                                          \
    X(32, 0, 4, api_describe_configs, topic_job_end, 0)                                                                \
    X(33, 0, 2, api_alter_configs, topic_job_end, 0)                                                                   \
    X(34, 0, 2, api_alter_replica_log_dirs, api_alter_replica_log_dirs_abort, 0)                                       \
    X(35, 0, 4, api_describe_log_dirs, api_describe_log_dirs_abort, 0)                                                 \
    X(37, 0, 3, api_create_partitions, topic_job_end, 0)                                                               \
    X(42, 0, 2, api_delete_groups, api_delete_groups_abort, API_CUT_SHORT)                                             \
    X(43, 0, 2, api_elect_leaders, topic_job_end, 0)                                                                   \
    X(44, 0, 1, api_incremental_alter_configs, topic_job_end, 0)                                                       \
    X(45, 0, 0, api_alter_partition_reassignments, topic_job_end, 0)                                                   \
    X(46, 0, 0, api_list_partition_reassignments, topic_job_end, 0)                                                    \
    X(47, 0, 0, api_offset_delete, group_request_abort, API_CUT_SHORT)                                                 \
    X(56, 0, 3, api_alter_partition, topic_job_end, 0)                                                                 \
    X(60, 0, 1, api_describe_cluster, api_no_abort, 0)                                                                 \
    X(61, 0, 0, api_describe_producers, api_no_abort, 0)                                                               \
    X(67, 0, 0, api_allocate_producer_ids, topic_job_end, 0)

#define API_PROTOTYPES(key, first, last, handler, abort, flags)                                                        \
    enum api_step handler(struct request *r);                                                                          \
    void abort(struct request *r);
API_TABLE(API_PROTOTYPES)
#undef API_PROTOTYPES

// NULL when the broker does not serve it.
const struct api *api_find(int16_t key);
// The rows in the order of their keys, for those that list them.
size_t api_count(void);
const struct api *api_at(size_t i);

#endif
