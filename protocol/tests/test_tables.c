// SPDX-License-Identifier: Apache-2.0
//
// The generated tables hold what the codec relies on, messages are found by name, and defaults are the schema's.
#include "protocol/tables.h"

#include "base/tests/cmocka_all.h"
#include <stdlib.h>

static void test_find(void **state)
{
    (void)state;
    assert_ptr_equal(message_find("FetchResponse"), &fetch_response_desc);
    assert_ptr_equal(message_find("RequestHeader"), &request_header_desc);
    assert_ptr_equal(message_find("OffsetCommitKey"), &offset_commit_key_desc);
    assert_null(message_find(""));
    assert_null(message_find("Fetch"));
    assert_null(message_find("fetchresponse"));
    assert_null(message_find("zzz"));
    assert_int_equal(message_struct_size(&fetch_response_desc), sizeof(struct fetch_response));
    for (size_t i = 0; i < protocol_message_count; i++)
        assert_ptr_equal(message_find(message_name(protocol_messages[i])), protocol_messages[i]);
}

static void check_field(const struct struct_desc *s, size_t i)
{
    const struct field_desc *f = &s->fields[i];

    assert_true(f->since <= f->until);
    assert_int_equal(f->tag >= 0, i >= s->in_place_count);
    if (i > s->in_place_count)
        assert_true(f->tag > s->fields[i - 1].tag);
    assert_true(f->type != FIELD_RECORDS || (f->tag < 0 && !(f->flags & FIELD_ARRAY)));
    assert_int_equal(f->type == FIELD_STRUCT, f->sub != NULL);
    if (f->flags & FIELD_POINTER)
        assert_true(f->type == FIELD_STRUCT && !(f->flags & FIELD_ARRAY));
    assert_true(f->offset + (f->flags ? 0 : field_value_size(f)) <= s->size);
}

// Returns the depth below, and with it that there is an end.
static int check_struct(const struct struct_desc *s, int depth)
{
    int deepest = depth;

    assert_true(depth < 8);
    assert_true(s->in_place_count <= s->field_count);
    for (size_t i = 0; i < s->field_count; i++) {
        check_field(s, i);
        if (s->fields[i].sub != NULL) {
            int d = check_struct(s->fields[i].sub, depth + 1);
            deepest = d > deepest ? d : deepest;
        }
    }
    return deepest;
}

static void test_form(void **state)
{
    (void)state;
    int deepest = 0;

    for (size_t i = 0; i < protocol_message_count; i++) {
        int d = check_struct(protocol_messages[i]->body, 0);
        deepest = d > deepest ? d : deepest;
    }
    assert_true(deepest >= 3); // Fetch: topics, partitions, aborted transactions
}

static void test_message_init(void **state)
{
    (void)state;
    struct produce_request produce;
    struct fetch_request fetch;
    struct describe_topic_partitions_response describe;

    memset(&produce, 0xa5, sizeof produce);
    message_init(&produce_request_desc, &produce);
    assert_null(produce.transactional_id.data);
    assert_int_equal(produce.acks, 0);
    assert_null(produce.topic_data);
    assert_int_equal(produce.topic_data_count, 0);
    memset(&fetch, 0xa5, sizeof fetch);
    message_init(&fetch_request_desc, &fetch);
    assert_int_equal(fetch.replica_id, -1);
    assert_int_equal(fetch.max_bytes, INT32_MAX);
    assert_int_equal(fetch.replica_state.replica_id, -1);
    assert_int_equal(fetch.replica_state.replica_epoch, -1);
    assert_null(fetch.cluster_id.data);
    assert_non_null(fetch.rack_id.data);
    assert_int_equal(fetch.rack_id.len, 0);
    memset(&describe, 0xa5, sizeof describe);
    message_init(&describe_topic_partitions_response_desc, &describe);
    assert_null(describe.next_cursor);
}

static void test_init_of_elements(void **state)
{
    (void)state;
    struct metadata_response_metadata_response_topic topic;
    struct describe_topic_partitions_response_describe_topic_partitions_response_partition partition;
    struct fetch_response_partition_data data;

    memset(&topic, 0xa5, sizeof topic);
    metadata_response_metadata_response_topic_init(&topic);
    assert_int_equal(topic.topic_authorized_operations, INT32_MIN);
    assert_false(topic.is_internal);
    assert_true(uuid_is_zero(&topic.topic_id));
    memset(&partition, 0xa5, sizeof partition);
    describe_topic_partitions_response_describe_topic_partitions_response_partition_init(&partition);
    assert_int_equal(partition.eligible_leader_replicas_count, -1);
    assert_int_equal(partition.isr_nodes_count, 0);
    memset(&data, 0xa5, sizeof data);
    fetch_response_partition_data_init(&data);
    assert_int_equal(data.last_stable_offset, -1);
    assert_int_equal(data.preferred_read_replica, -1);
    assert_int_equal(data.diverging_epoch.end_offset, -1);
    assert_null(data.records.data);
    assert_null(data.records.file);
}

static const struct field_desc *field_of(const struct message_desc *m, const char *name)
{
    for (size_t i = 0; i < m->body->field_count; i++) {
        if (strcmp(m->body->fields[i].name, name) == 0)
            return &m->body->fields[i];
    }
    fail_msg("%s has no field %s", m->name, name);
    return NULL;
}

// Null and empty are different: here null is the default, there empty.
static void test_default_arrays(void **state)
{
    (void)state;
    struct consumer_group_heartbeat_request heartbeat;
    struct metadata_request metadata;
    const struct field_desc *names = field_of(&consumer_group_heartbeat_request_desc, "SubscribedTopicNames");
    const struct field_desc *topics = field_of(&metadata_request_desc, "Topics");

    consumer_group_heartbeat_request_init(&heartbeat);
    assert_true(field_is_default(names, &heartbeat, consumer_group_heartbeat_request_desc.body->defaults));
    heartbeat.subscribed_topic_names_count = -2; // null, too
    assert_true(field_is_default(names, &heartbeat, consumer_group_heartbeat_request_desc.body->defaults));
    heartbeat.subscribed_topic_names_count = 0;
    assert_false(field_is_default(names, &heartbeat, consumer_group_heartbeat_request_desc.body->defaults));
    metadata_request_init(&metadata);
    assert_true(field_is_default(topics, &metadata, metadata_request_desc.body->defaults));
    metadata.topics_count = -1;
    assert_false(field_is_default(topics, &metadata, metadata_request_desc.body->defaults));
    metadata.topics_count = 1;
    assert_false(field_is_default(topics, &metadata, metadata_request_desc.body->defaults));
}

// A struct is at its default when its fields are, whatever lies between them.
static void test_default_structs(void **state)
{
    (void)state;
    struct consumer_group_member_metadata_value value;
    struct consumer_group_member_metadata_value_classic_member_metadata classic;
    const struct message_desc *m = &consumer_group_member_metadata_value_desc;
    const struct field_desc *f = field_of(m, "ClassicMemberMetadata");

    consumer_group_member_metadata_value_init(&value);
    assert_non_null(value.classic_member_metadata);
    assert_true(field_is_default(f, &value, m->body->defaults));
    memset(&classic, 0xa5, sizeof classic);
    classic.session_timeout_ms = 0;
    classic.supported_protocols_count = 0;
    value.classic_member_metadata = &classic;
    assert_true(field_is_default(f, &value, m->body->defaults));
    classic.session_timeout_ms = 1;
    assert_false(field_is_default(f, &value, m->body->defaults));
    value.classic_member_metadata = NULL;
    assert_false(field_is_default(f, &value, m->body->defaults));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),           cmocka_unit_test(test_form),
        cmocka_unit_test(test_message_init),   cmocka_unit_test(test_init_of_elements),
        cmocka_unit_test(test_default_arrays), cmocka_unit_test(test_default_structs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
