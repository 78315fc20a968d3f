// SPDX-License-Identifier: Apache-2.0
//
// The decoder believes nothing: cut bytes, lengths and counts that are too large, nulls out of place, tags.
#include "protocol/tests/samples.h"

#include "base/tests/cmocka_all.h"
#include <stdlib.h>

struct fixture {
    struct arena arena;
    struct reader reader;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    arena_init(&f->arena, 1 << 16);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_release(&f->arena);
    free(f);
    return 0;
}

static enum err decode(struct fixture *f, const struct message_desc *m, int16_t version, const void *bytes, size_t len,
                       void *out)
{
    arena_reset(&f->arena);
    f->reader = reader_of(slice_of(bytes, len));
    return message_decode(m, version, &f->reader, &f->arena, out);
}

// Each cut lies at the end of an allocation, so that a sanitizer sees a read beyond it.
static void cut_everywhere(const struct sample *s, void *ctx)
{
    struct fixture *f = ctx;
    void *message = malloc(message_struct_size(s->message));

    for (size_t len = 0; len < s->bytes.len; len += len < 300 ? 1 : 37) {
        uint8_t *bytes = malloc(len > 0 ? len : 1);
        memcpy(bytes, s->bytes.data, len);
        if (decode(f, s->message, s->version, bytes, len, message) != ERR_TRUNCATED)
            fail_msg("%s v%d cut at %zu decodes", message_name(s->message), s->version, len);
        assert_true(f->reader.bad);
        free(bytes);
    }
    free(message);
}

static void test_truncation(void **state)
{
    assert_int_equal(sample_each(cut_everywhere, *state), 895);
}

static void test_left_over_bytes_stay(void **state)
{
    struct fixture *f = *state;
    struct sasl_handshake_request request;

    assert_int_equal(decode(f, &sasl_handshake_request_desc, 1, "\0\5PLAINxyz", 10, &request), ERR_OK);
    assert_true(slice_equal(request.mechanism, slice_str("PLAIN")));
    assert_int_equal(reader_left(&f->reader), 3);
    assert_false(f->reader.bad);
}

static void test_version_outside(void **state)
{
    struct sasl_handshake_request request;

    assert_int_equal(decode(*state, &sasl_handshake_request_desc, 2, "\0\0", 2, &request), ERR_UNSUPPORTED);
    assert_int_equal(decode(*state, &sasl_handshake_request_desc, -1, "\0\0", 2, &request), ERR_UNSUPPORTED);
}

static void test_bad_reader(void **state)
{
    struct fixture *f = *state;
    struct sasl_handshake_request request;
    struct reader r = reader_of(slice_of("\0\0", 2));

    r.bad = true;
    assert_int_equal(message_decode(&sasl_handshake_request_desc, 0, &r, &f->arena, &request), ERR_TRUNCATED);
}

static void test_null_string(void **state)
{
    struct sasl_handshake_request handshake;
    struct request_header header;
    static const uint8_t header_1[] = {0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    static const uint8_t header_2[] = {0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xfe, 0};

    assert_int_equal(decode(*state, &sasl_handshake_request_desc, 0, "\xff\xff", 2, &handshake), ERR_CORRUPT);
    assert_int_equal(decode(*state, &request_header_desc, 1, header_1, sizeof header_1, &header), ERR_OK);
    assert_null(header.client_id.data);
    // Any negative length is null, and the client id keeps the old form in the flexible header.
    assert_int_equal(decode(*state, &request_header_desc, 2, header_2, sizeof header_2, &header), ERR_OK);
    assert_null(header.client_id.data);
}

static void test_empty_is_not_null(void **state)
{
    struct init_producer_id_request request;
    static const uint8_t empty[] = {0, 0, 0, 0, 0, 1};
    static const uint8_t null[] = {0xff, 0xff, 0, 0, 0, 1};

    assert_int_equal(decode(*state, &init_producer_id_request_desc, 1, empty, sizeof empty, &request), ERR_OK);
    assert_non_null(request.transactional_id.data);
    assert_int_equal(request.transactional_id.len, 0);
    assert_int_equal(decode(*state, &init_producer_id_request_desc, 1, null, sizeof null, &request), ERR_OK);
    assert_null(request.transactional_id.data);
}

// Compact strings could be longer than the old form can say, but must not.
static void test_string_limit(void **state)
{
    struct init_producer_id_request request;
    size_t len = 32767;
    uint8_t *bytes = calloc(1, len + 64);

    memcpy(bytes, "\x80\x80\x02", 3); // 32768 = 32767 + 1
    assert_int_equal(decode(*state, &init_producer_id_request_desc, 2, bytes, 3 + len + 5, &request), ERR_OK);
    assert_int_equal(request.transactional_id.len, len);
    memcpy(bytes, "\x81\x80\x02", 3);
    assert_int_equal(decode(*state, &init_producer_id_request_desc, 2, bytes, 3 + len + 6, &request), ERR_CORRUPT);
    free(bytes);
}

static void test_bad_varint(void **state)
{
    struct init_producer_id_request request;

    assert_int_equal(
        decode(*state, &init_producer_id_request_desc, 2, "\x80\x80\x80\x80\x80\0\0\0\0\0\0", 11, &request),
        ERR_CORRUPT);
    // The largest value is a length of -2, and that is null.
    assert_int_equal(decode(*state, &init_producer_id_request_desc, 2, "\xff\xff\xff\xff\x0f\0\0\0\7\0", 10, &request),
                     ERR_OK);
    assert_null(request.transactional_id.data);
    assert_int_equal(request.transaction_timeout_ms, 7);
}

static void test_bool(void **state)
{
    struct metadata_request request;

    assert_int_equal(decode(*state, &metadata_request_desc, 4, "\0\0\0\0\x80", 5, &request), ERR_OK);
    assert_int_equal(request.allow_auto_topic_creation, 1);
    assert_int_equal(decode(*state, &metadata_request_desc, 4, "\0\0\0\0\0", 5, &request), ERR_OK);
    assert_false(request.allow_auto_topic_creation);
}

static void test_null_array(void **state)
{
    struct metadata_request request;

    assert_int_equal(decode(*state, &metadata_request_desc, 0, "\xff\xff\xff\xff", 4, &request), ERR_CORRUPT);
    assert_int_equal(decode(*state, &metadata_request_desc, 1, "\xff\xff\xff\xfe", 4, &request), ERR_OK);
    assert_int_equal(request.topics_count, -1);
    assert_int_equal(decode(*state, &metadata_request_desc, 1, "\0\0\0\0", 4, &request), ERR_OK);
    assert_int_equal(request.topics_count, 0);
    assert_true(request.allow_auto_topic_creation); // absent, so at its default
}

// The count is refused before anything is allocated for it.
static void test_array_count_beyond_bytes(void **state)
{
    struct fixture *f = *state;
    struct metadata_request request;

    assert_int_equal(decode(f, &metadata_request_desc, 1, "\x7f\xff\xff\xff\0\0\0", 7, &request), ERR_TRUNCATED);
    assert_int_equal(f->arena.used, 0);
    assert_int_equal(decode(f, &metadata_request_desc, 1, "\0\0\0\4\0\0\0", 7, &request), ERR_TRUNCATED);
    assert_int_equal(f->arena.used, 0);
    // 0x80000000 less one is the largest count there is.
    assert_int_equal(decode(f, &metadata_request_desc, 9, "\x80\x80\x80\x80\x08\0\0\0", 8, &request), ERR_TRUNCATED);
    assert_int_equal(f->arena.used, 0);
}

static void test_arena_limit(void **state)
{
    struct fixture *f = *state;
    struct metadata_request request;
    size_t count = 10000;
    uint8_t *bytes = calloc(1, 4 + 2 * count);

    store_be32(bytes, (uint32_t)count);
    assert_int_equal(decode(f, &metadata_request_desc, 1, bytes, 4 + 2 * count, &request), ERR_NO_MEMORY);
    assert_true(f->arena.used <= f->arena.limit);
    store_be32(bytes, 1000);
    assert_int_equal(decode(f, &metadata_request_desc, 1, bytes, 4 + 2000, &request), ERR_OK);
    assert_int_equal(request.topics_count, 1000);
    free(bytes);
}

static void test_unknown_tags(void **state)
{
    struct heartbeat_response response;
    static const uint8_t none[] = {0, 0, 0, 1, 0, 27, 0};
    static const uint8_t two[] = {0, 0, 0, 1, 0, 27, 2, 0, 3, 9, 9, 9, 0xff, 0x7f, 0};
    static const uint8_t too_long[] = {0, 0, 0, 1, 0, 27, 1, 0, 3, 9, 9};
    static const uint8_t endless[] = {0, 0, 0, 1, 0, 27, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0};

    assert_int_equal(decode(*state, &heartbeat_response_desc, 4, none, sizeof none, &response), ERR_OK);
    assert_int_equal(response.error_code, 27);
    assert_int_equal(decode(*state, &heartbeat_response_desc, 4, two, sizeof two, &response), ERR_OK);
    assert_int_equal(response.error_code, 27);
    assert_int_equal(decode(*state, &heartbeat_response_desc, 4, too_long, sizeof too_long, &response), ERR_TRUNCATED);
    assert_int_equal(decode(*state, &heartbeat_response_desc, 4, endless, sizeof endless, &response), ERR_TRUNCATED);
}

// ApiVersions response v3: error, no keys, throttle time; then the tagged fields under test.
static enum err decode_tags(struct fixture *f, const char *tags, size_t len, struct api_versions_response *out)
{
    uint8_t bytes[128] = {0, 0, 1, 0, 0, 0, 0};

    memcpy(bytes + 7, tags, len);
    return decode(f, &api_versions_response_desc, 3, bytes, 7 + len, out);
}

static void test_known_tags(void **state)
{
    struct api_versions_response r;

    assert_int_equal(decode_tags(*state, "\0", 1, &r), ERR_OK);
    assert_int_equal(r.finalized_features_epoch, -1);
    assert_int_equal(decode_tags(*state, "\2\1\x8\0\0\0\0\0\0\0\5\3\1\1", 14, &r), ERR_OK);
    assert_int_equal(r.finalized_features_epoch, 5);
    assert_true(r.zk_migration_ready);
    // In any order; and one that comes twice counts as it came last.
    assert_int_equal(decode_tags(*state, "\3\3\1\1\1\x8\0\0\0\0\0\0\0\5\3\1\0", 17, &r), ERR_OK);
    assert_int_equal(r.finalized_features_epoch, 5);
    assert_false(r.zk_migration_ready);
}

static void test_known_tag_of_other_size(void **state)
{
    struct api_versions_response r;

    // Larger than the field: the rest of it is skipped, and the next one is found.
    assert_int_equal(decode_tags(*state, "\2\1\xa\0\0\0\0\0\0\0\5\1\1\3\1\1", 16, &r), ERR_OK);
    assert_int_equal(r.finalized_features_epoch, 5);
    assert_true(r.zk_migration_ready);
    // Smaller: the field may not read what is not its own.
    assert_int_equal(decode_tags(*state, "\1\1\4\0\0\0\0\0\0\0\5", 11, &r), ERR_TRUNCATED);
}

static void test_nullable_struct(void **state)
{
    struct describe_topic_partitions_request r;
    static const uint8_t null[] = {1, 0, 0, 7, 0xd0, 0xff, 0};
    static const uint8_t present[] = {1, 0, 0, 7, 0xd0, 1, 2, 't', 0, 0, 0, 9, 0, 0};

    assert_int_equal(decode(*state, &describe_topic_partitions_request_desc, 0, null, sizeof null, &r), ERR_OK);
    assert_null(r.cursor);
    assert_int_equal(decode(*state, &describe_topic_partitions_request_desc, 0, present, sizeof present, &r), ERR_OK);
    assert_non_null(r.cursor);
    assert_true(slice_equal(r.cursor->topic_name, slice_str("t")));
    assert_int_equal(r.cursor->partition_index, 9);
}

static void test_views_into_the_frame(void **state)
{
    struct sasl_handshake_request request;
    static const char bytes[] = "\0\5PLAIN";

    assert_int_equal(decode(*state, &sasl_handshake_request_desc, 1, bytes, 7, &request), ERR_OK);
    assert_ptr_equal(request.mechanism.data, bytes + 2);
}

#define DECODE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DECODE_TEST(test_truncation),
        DECODE_TEST(test_left_over_bytes_stay),
        DECODE_TEST(test_version_outside),
        DECODE_TEST(test_bad_reader),
        DECODE_TEST(test_null_string),
        DECODE_TEST(test_empty_is_not_null),
        DECODE_TEST(test_string_limit),
        DECODE_TEST(test_bad_varint),
        DECODE_TEST(test_bool),
        DECODE_TEST(test_null_array),
        DECODE_TEST(test_array_count_beyond_bytes),
        DECODE_TEST(test_arena_limit),
        DECODE_TEST(test_unknown_tags),
        DECODE_TEST(test_known_tags),
        DECODE_TEST(test_known_tag_of_other_size),
        DECODE_TEST(test_nullable_struct),
        DECODE_TEST(test_views_into_the_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
