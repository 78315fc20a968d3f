// SPDX-License-Identifier: Apache-2.0
//
// What of a topic's configs reaches its log.
#include "broker/replica/log_settings.h"

#include "base/tests/cmocka_all.h"

static void test_every_config_reaches_the_log(void **state)
{
    (void)state;
    struct topic_config t;
    struct log_config c;
    topic_config_init(&t);
    t.segment_bytes = 101;
    t.segment_ms = 102;
    t.segment_jitter_ms = 103;
    t.segment_index_bytes = 104;
    t.index_interval_bytes = 105;
    t.retention_bytes = 106;
    t.retention_ms = 107;
    t.flush_messages = 108;
    t.flush_ms = 109;
    t.file_delete_delay_ms = 110;
    t.max_message_bytes = 111;
    t.timestamp_before_max_ms = 112;
    t.timestamp_after_max_ms = 113;
    t.timestamp_append_time = true;
    t.preallocate = true;
    t.cleanup_delete = false;
    log_settings_of(&t, 114, &c);
    assert_int_equal(c.segment_bytes, 101);
    assert_int_equal(c.segment_ms, 102);
    assert_int_equal(c.segment_jitter_ms, 103);
    assert_int_equal(c.segment_index_bytes, 104);
    assert_int_equal(c.index_interval_bytes, 105);
    assert_int_equal(c.retention_bytes, 106);
    assert_int_equal(c.retention_ms, 107);
    assert_int_equal(c.flush_messages, 108);
    assert_int_equal(c.flush_ms, 109);
    assert_int_equal(c.file_delete_delay_ms, 110);
    assert_int_equal(c.max_message_bytes, 111);
    assert_int_equal(c.timestamp_before_max_ms, 112);
    assert_int_equal(c.timestamp_after_max_ms, 113);
    assert_int_equal(c.timestamp_type, LOG_APPEND_TIME);
    assert_true(c.preallocate);
    assert_false(c.cleanup_delete);
    assert_int_equal(c.producer_id_expiration_ms, 114);
}

static void test_segments_of_compacted_topics(void **state)
{
    (void)state;
    // segment.ms, max.compaction.lag.ms, compacted, in effect
    static const int64_t cases[][4] = {
        {100, 50, 1, 50}, {100, 50, 0, 100}, {100, 200, 1, 100}, {100, 0, 1, 100}, {100, INT64_MAX, 1, 100}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct topic_config t;
        struct log_config c;
        topic_config_init(&t);
        t.segment_ms = cases[i][0];
        t.max_compaction_lag_ms = cases[i][1];
        t.cleanup_compact = cases[i][2] != 0;
        log_settings_of(&t, 1, &c);
        assert_int_equal(c.segment_ms, cases[i][3]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_config_reaches_the_log),
        cmocka_unit_test(test_segments_of_compacted_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
