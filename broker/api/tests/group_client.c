// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "broker/api/tests/group_client.h"

#include "base/tests/cmocka_all.h"
#include <sched.h>
#include <unistd.h>

static int16_t coordinator_error(struct group_client *c)
{
    struct find_coordinator_request in;
    find_coordinator_request_init(&in);
    in.key = slice_str("any");
    const struct find_coordinator_response *out = rig_call(&c->rig, c->fd, FIND_COORDINATOR, 0, &in);
    return out->error_code;
}

static int16_t listing_error(struct group_client *c)
{
    struct list_groups_request in;
    list_groups_request_init(&in);
    const struct list_groups_response *out = rig_call(&c->rig, c->fd, LIST_GROUPS, 0, &in);
    return out->error_code;
}

void group_client_open(struct group_client *c)
{
    api_rig_open(&c->rig);
    c->fd = rig_connect(&c->rig);
    rig_create_topic(&c->rig, c->fd, GROUP_TOPIC, GROUP_TOPIC_PARTITIONS);
    while (coordinator_error(c) != KAFKA_ERROR_NONE || listing_error(c) != KAFKA_ERROR_NONE) {
        sched_yield();
    }
}

void group_client_close(struct group_client *c)
{
    close(c->fd);
    api_rig_close(&c->rig);
}

struct slice group_client_text(struct group_client *c, char letter, size_t len)
{
    uint8_t *text = arena_alloc(&c->rig.arena, len);
    assert_non_null(text);
    memset(text, letter, len);
    return slice_of(text, len);
}

struct join_group_request group_join_request(struct group_client *c, const char *group, struct slice metadata)
{
    struct join_group_request in;
    struct join_group_request_join_group_request_protocol *p = arena_alloc(&c->rig.arena, sizeof *p);
    assert_non_null(p);
    join_group_request_join_group_request_protocol_init(p);
    p->name = slice_str("range");
    p->metadata = metadata;
    join_group_request_init(&in);
    in.group_id = slice_str(group);
    in.session_timeout_ms = 30000;
    in.rebalance_timeout_ms = 30000;
    in.protocol_type = slice_str("consumer");
    in.protocols = p;
    in.protocols_count = 1;
    return in;
}

struct slice group_subscription(struct group_client *c, const char *topic)
{
    size_t len = strlen(topic);
    uint8_t *b = arena_alloc(&c->rig.arena, 12 + len);
    assert_non_null(b);
    store_be16(b, 0);
    store_be32(b + 2, 1);
    store_be16(b + 6, (uint16_t)len);
    memcpy(b + 8, topic, len);
    store_be32(b + 8 + len, UINT32_MAX); // no user data
    return slice_of(b, 12 + len);
}

struct sync_group_request group_sync_request(const char *group, int32_t generation, struct slice member_id)
{
    struct sync_group_request in;
    sync_group_request_init(&in);
    in.group_id = slice_str(group);
    in.generation_id = generation;
    in.member_id = member_id;
    return in;
}

struct slice group_enter(struct group_client *c, const char *group, struct slice metadata)
{
    struct join_group_request in = group_join_request(c, group, metadata);
    const struct join_group_response *out = rig_call(&c->rig, c->fd, JOIN_GROUP, 3, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->generation_id, 1);
    assert_true(slice_equal(out->leader, out->member_id));
    return out->member_id;
}

struct slice group_settle(struct group_client *c, const char *group, struct slice metadata, const char *assignment)
{
    struct slice id = group_enter(c, group, metadata);
    struct sync_group_request in = group_sync_request(group, 1, id);
    struct sync_group_request_sync_group_request_assignment a = {.member_id = id, .assignment = slice_str(assignment)};
    in.assignments = &a;
    in.assignments_count = 1;
    const struct sync_group_response *out = rig_call(&c->rig, c->fd, SYNC_GROUP, 3, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    return id;
}

struct slice group_knock(struct group_client *c, const char *group, int fd, int32_t *correlation_id)
{
    struct join_group_request in = group_join_request(c, group, group_subscription(c, GROUP_TOPIC));
    const struct join_group_response *out = rig_call(&c->rig, fd, JOIN_GROUP, 4, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_MEMBER_ID_REQUIRED);
    in.member_id = out->member_id;
    *correlation_id = rig_send(&c->rig, fd, JOIN_GROUP, 4, &in);
    while (strcmp(group_described_state(c, group), "PreparingRebalance") != 0) {
        sched_yield();
    }
    return out->member_id;
}

int16_t group_heartbeat_error(struct group_client *c, const char *group, int32_t generation, struct slice member_id)
{
    struct heartbeat_request in;
    heartbeat_request_init(&in);
    in.group_id = slice_str(group);
    in.generation_id = generation;
    in.member_id = member_id;
    const struct heartbeat_response *out = rig_call(&c->rig, c->fd, HEARTBEAT, 3, &in);
    return out->error_code;
}

const char *group_described_state(struct group_client *c, const char *group)
{
    struct describe_groups_request in;
    struct slice name = slice_str(group);
    describe_groups_request_init(&in);
    in.groups = &name;
    in.groups_count = 1;
    const struct describe_groups_response *out = rig_call(&c->rig, c->fd, DESCRIBE_GROUPS, 0, &in);
    assert_int_equal(out->groups[0].error_code, KAFKA_ERROR_NONE);
    return arena_strndup(&c->rig.arena, out->groups[0].group_state.data, out->groups[0].group_state.len);
}

int16_t group_commit_error_of(struct group_client *c, struct slice group, int32_t generation, struct slice member_id,
                              const char *topic, int32_t partition, int64_t offset)
{
    struct offset_commit_request in;
    struct offset_commit_request_offset_commit_request_topic t;
    struct offset_commit_request_offset_commit_request_partition p;
    offset_commit_request_init(&in);
    offset_commit_request_offset_commit_request_topic_init(&t);
    offset_commit_request_offset_commit_request_partition_init(&p);
    p.partition_index = partition;
    p.committed_offset = offset;
    p.committed_metadata = slice_str("");
    t.name = slice_str(topic);
    t.partitions = &p;
    t.partitions_count = 1;
    in.group_id = group;
    in.generation_id_or_member_epoch = generation;
    in.member_id = member_id;
    in.topics = &t;
    in.topics_count = 1;
    const struct offset_commit_response *out = rig_call(&c->rig, c->fd, OFFSET_COMMIT, 7, &in);
    assert_int_equal(out->topics_count, 1);
    assert_int_equal(out->topics[0].partitions[0].partition_index, partition);
    return out->topics[0].partitions[0].error_code;
}

int64_t group_offset_of(struct group_client *c, const char *group)
{
    struct offset_fetch_request in;
    struct offset_fetch_request_offset_fetch_request_topic t;
    int32_t partition = 0;
    offset_fetch_request_init(&in);
    offset_fetch_request_offset_fetch_request_topic_init(&t);
    t.name = slice_str(GROUP_TOPIC);
    t.partition_indexes = &partition;
    t.partition_indexes_count = 1;
    in.group_id = slice_str(group);
    in.topics = &t;
    in.topics_count = 1;
    const struct offset_fetch_response *out = rig_call(&c->rig, c->fd, OFFSET_FETCH, 5, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    return out->topics[0].partitions[0].committed_offset;
}
