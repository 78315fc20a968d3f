// SPDX-License-Identifier: Apache-2.0
//
// A client of consumer groups: a broker with a coordinator and a topic, and the requests that the tests of the group
// APIs have in common. What comes back lies in the rig's arena.
#ifndef OTTLA_API_TESTS_GROUP_CLIENT_H
#define OTTLA_API_TESTS_GROUP_CLIENT_H

#include "broker/api/tests/api_rig.h"

#define GROUP_TOPIC            "t"
#define GROUP_TOPIC_PARTITIONS 2
#define GROUP_NAME_MAX         32767 // of a string on the wire

enum group_api {
    OFFSET_COMMIT = 8,
    OFFSET_FETCH = 9,
    FIND_COORDINATOR = 10,
    JOIN_GROUP = 11,
    HEARTBEAT = 12,
    LEAVE_GROUP = 13,
    SYNC_GROUP = 14,
    DESCRIBE_GROUPS = 15,
    LIST_GROUPS = 16,
    DELETE_GROUPS = 42,
    OFFSET_DELETE = 47,
};

struct group_client {
    struct api_rig rig;
    int fd;
};

void group_client_open(struct group_client *c);
void group_client_close(struct group_client *c);
// A text of that many letters.
struct slice group_client_text(struct group_client *c, char letter, size_t len);

// A consumer of no group yet, with one protocol ("range") and these bytes for it.
struct join_group_request group_join_request(struct group_client *c, const char *group, struct slice metadata);
// What a consumer of one topic says of itself (ConsumerProtocolSubscription v0).
struct slice group_subscription(struct group_client *c, const char *topic);
struct sync_group_request group_sync_request(const char *group, int32_t generation, struct slice member_id);

// One member, which leads, of a new group. JoinGroup v3 lets it in at once.
struct slice group_enter(struct group_client *c, const char *group, struct slice metadata);
// The same, Stable: generation 1 with this assignment.
struct slice group_settle(struct group_client *c, const char *group, struct slice metadata, const char *assignment);
// A second member asks to be let in: its id. The request waits on fd, with the correlation id that comes back.
struct slice group_knock(struct group_client *c, const char *group, int fd, int32_t *correlation_id);

int16_t group_heartbeat_error(struct group_client *c, const char *group, int32_t generation, struct slice member_id);
const char *group_described_state(struct group_client *c, const char *group);
// OffsetCommit v7 of one partition: its error.
int16_t group_commit_error_of(struct group_client *c, struct slice group, int32_t generation, struct slice member_id,
                              const char *topic, int32_t partition, int64_t offset);
// OffsetFetch v5 of partition 0 of the topic; -1: there is none.
int64_t group_offset_of(struct group_client *c, const char *group);

#endif
