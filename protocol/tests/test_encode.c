// SPDX-License-Identifier: Apache-2.0
//
// The encoder: what the wire cannot say is refused and leaves no trace, records that are elsewhere leave a gap, and
// random messages of every kind and version survive the way out and back.
#include "protocol/tests/samples.h"

#include "base/tests/cmocka_all.h"
#include <stdlib.h>

static void check_refused(const struct message_desc *m, int16_t version, const void *in)
{
    struct writer w;

    writer_init(&w, 16, 1 << 20);
    writer_u32(&w, 7);
    assert_int_equal(message_encode(m, version, in, &w, NULL), ERR_INVALID);
    assert_int_equal(w.len, 4); // what stood before
    assert_false(w.bad);
    writer_release(&w);
}

static size_t encoded_size(const struct message_desc *m, int16_t version, const void *in)
{
    struct writer w;

    writer_init(&w, 16, 1 << 20);
    assert_int_equal(message_encode(m, version, in, &w, NULL), ERR_OK);
    size_t len = w.len;
    writer_release(&w);
    return len;
}

static void test_field_the_version_lacks(void **state)
{
    (void)state;
    struct produce_request produce;
    struct fetch_request fetch;

    produce_request_init(&produce);
    assert_int_equal(encoded_size(&produce_request_desc, 2, &produce), 2 + 4 + 4);
    produce.transactional_id = slice_str("t");
    check_refused(&produce_request_desc, 2, &produce);
    produce.transactional_id = slice_str(""); // empty is not null, the default
    check_refused(&produce_request_desc, 2, &produce);
    assert_int_equal(encoded_size(&produce_request_desc, 3, &produce), 2 + 2 + 4 + 4);
    fetch_request_init(&fetch);
    size_t size = encoded_size(&fetch_request_desc, 10, &fetch);
    fetch.rack_id = slice_str("a rack"); // ignorable
    assert_int_equal(encoded_size(&fetch_request_desc, 10, &fetch), size);
    fetch.replica_state.replica_epoch = 3; // a tagged one that is not
    check_refused(&fetch_request_desc, 14, &fetch);
    assert_true(encoded_size(&fetch_request_desc, 15, &fetch) > 0);
}

static void test_null_where_there_is_none(void **state)
{
    (void)state;
    struct sasl_handshake_request handshake = {{NULL, 0}};
    struct metadata_request metadata;
    struct produce_request_partition_produce_data partition;
    struct produce_request_topic_produce_data topic;
    struct produce_request produce;

    check_refused(&sasl_handshake_request_desc, 0, &handshake);
    metadata_request_init(&metadata);
    metadata.topics_count = -1;
    check_refused(&metadata_request_desc, 0, &metadata);
    assert_int_equal(encoded_size(&metadata_request_desc, 1, &metadata), 4);
    produce_request_init(&produce);
    produce_request_topic_produce_data_init(&topic);
    produce_request_partition_produce_data_init(&partition);
    produce.topic_data = &topic;
    produce.topic_data_count = 1;
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    topic.name = SLICE_NULL; // deep below
    check_refused(&produce_request_desc, 3, &produce);
    topic.name = slice_str("t");
    assert_int_equal(encoded_size(&produce_request_desc, 3, &produce), 2 + 2 + 4 + 4 + 3 + 4 + 4 + 4);
}

static void test_version_outside(void **state)
{
    (void)state;
    struct metadata_request metadata;
    struct writer w;

    metadata_request_init(&metadata);
    writer_init(&w, 16, 1 << 10);
    assert_int_equal(message_encode(&metadata_request_desc, 13, &metadata, &w, NULL), ERR_UNSUPPORTED);
    assert_int_equal(message_encode(&metadata_request_desc, -1, &metadata, &w, NULL), ERR_UNSUPPORTED);
    assert_int_equal(w.len, 0);
    writer_release(&w);
}

static void test_string_limit(void **state)
{
    (void)state;
    struct init_producer_id_request request;
    uint8_t *bytes = calloc(1, 32768);

    init_producer_id_request_init(&request);
    request.transactional_id = slice_of(bytes, 32767);
    assert_int_equal(encoded_size(&init_producer_id_request_desc, 1, &request), 2 + 32767 + 4);
    assert_int_equal(encoded_size(&init_producer_id_request_desc, 2, &request), 3 + 32767 + 4 + 1);
    request.transactional_id.len = 32768;
    check_refused(&init_producer_id_request_desc, 1, &request);
    check_refused(&init_producer_id_request_desc, 2, &request);
    free(bytes);
}

static void full_writer(const struct sample *s, void *ctx)
{
    (void)ctx;
    struct arena a;
    struct reader r = reader_of(s->bytes);
    void *message = malloc(message_struct_size(s->message));

    arena_init(&a, 1 << 20);
    assert_int_equal(message_decode(s->message, s->version, &r, &a, message), ERR_OK);
    for (size_t cap = 0; cap <= s->bytes.len; cap += 1 + cap / 8) {
        struct writer w;
        uint8_t *room = malloc(cap > 0 ? cap : 1);
        writer_init_fixed(&w, room, cap);
        enum err e = message_encode(s->message, s->version, message, &w, NULL);
        assert_int_equal(e, cap < s->bytes.len ? ERR_TOO_LARGE : ERR_OK);
        free(room);
    }
    arena_release(&a);
    free(message);
}

// Every vector into buffers that are too small for it, each alone in its allocation.
static void test_full_writer(void **state)
{
    (void)state;
    assert_int_equal(sample_each(full_writer, NULL), 895);
}

// A tagged field of 200 bytes has a size of two bytes, so its content moves by two.
static void test_long_tagged_field(void **state)
{
    (void)state;
    struct fetch_request fetch;
    struct writer w;
    char id[200];

    memset(id, 'c', sizeof id);
    fetch_request_init(&fetch);
    size_t size = encoded_size(&fetch_request_desc, 12, &fetch);
    fetch.cluster_id = slice_of(id, sizeof id);
    writer_init(&w, 16, 1 << 10);
    assert_int_equal(message_encode(&fetch_request_desc, 12, &fetch, &w, NULL), ERR_OK);
    assert_int_equal(w.len, size + 1 + 2 + 2 + sizeof id);
    assert_memory_equal(w.data + size - 1, "\x01\x00\xca\x01\xc9\x01", 6); // count, tag, size, length + 1
    assert_memory_equal(w.data + size + 5, id, sizeof id);
    writer_release(&w);
}

struct external {
    struct fetch_response response;
    struct fetch_response_fetchable_topic_response topic;
    struct fetch_response_partition_data partitions[3];
};

static void external_init(struct external *x, void *file)
{
    fetch_response_init(&x->response);
    fetch_response_fetchable_topic_response_init(&x->topic);
    x->response.responses = &x->topic;
    x->response.responses_count = 1;
    x->topic.partitions = x->partitions;
    x->topic.partitions_count = 3;
    for (int i = 0; i < 3; i++)
        fetch_response_partition_data_init(&x->partitions[i]);
    x->partitions[0].records = (struct records){.data = (const uint8_t *)"abc", .len = 3};
    x->partitions[1].records = (struct records){.len = 300, .file = file, .position = 4096};
    x->partitions[2].records = (struct records){.len = 5, .file = file, .position = 8192};
}

// The encoded pieces with the bytes of the gaps put between them are what the whole in memory encodes to.
static void check_gaps(int16_t version)
{
    struct external x;
    struct gap room[2];
    struct gap_list gaps = {room, 0, 2};
    struct writer split, whole;
    uint8_t bytes[300];
    int file;

    memset(bytes, 'r', sizeof bytes);
    external_init(&x, &file);
    writer_init(&split, 16, 1 << 12);
    writer_init(&whole, 16, 1 << 12);
    assert_int_equal(message_encode(&fetch_response_desc, version, &x.response, &split, &gaps), ERR_OK);
    assert_int_equal(gaps.count, 2);
    assert_ptr_equal(room[0].records, &x.partitions[1].records);
    assert_ptr_equal(room[1].records, &x.partitions[2].records);
    for (int i = 1; i < 3; i++) {
        x.partitions[i].records.file = NULL;
        x.partitions[i].records.data = bytes;
    }
    assert_int_equal(message_encode(&fetch_response_desc, version, &x.response, &whole, NULL), ERR_OK);
    assert_int_equal(whole.len, split.len + 305);
    assert_memory_equal(whole.data, split.data, room[0].at);
    assert_memory_equal(whole.data + room[0].at, bytes, 300);
    assert_memory_equal(whole.data + room[0].at + 300, split.data + room[0].at, room[1].at - room[0].at);
    assert_memory_equal(whole.data + room[1].at + 305, split.data + room[1].at, split.len - room[1].at);
    writer_release(&split);
    writer_release(&whole);
}

static void test_gaps(void **state)
{
    (void)state;
    for (int16_t version = 4; version <= 12; version++)
        check_gaps(version);
}

static void test_gaps_without_room(void **state)
{
    (void)state;
    struct external x;
    struct gap room[1];
    struct gap_list gaps = {room, 0, 1};
    struct writer w;
    int file;

    external_init(&x, &file);
    check_refused(&fetch_response_desc, 11, &x.response); // no list at all
    writer_init(&w, 16, 1 << 12);
    assert_int_equal(message_encode(&fetch_response_desc, 11, &x.response, &w, &gaps), ERR_FULL);
    assert_int_equal(w.len, 0);
    assert_int_equal(gaps.count, 0);
    writer_release(&w);
}

static void round_trip(const struct message_desc *m, int16_t version, struct chance *c)
{
    struct arena a;
    struct writer first, second, text, text_again;
    void *in = malloc(message_struct_size(m));
    void *out = malloc(message_struct_size(m));

    arena_init(&a, 64 << 20);
    writer_init(&first, 256, 16 << 20);
    writer_init(&second, 256, 16 << 20);
    writer_init(&text, 256, 64 << 20);
    writer_init(&text_again, 256, 64 << 20);
    sample_random(m, version, c, &a, in);
    assert_int_equal(message_encode(m, version, in, &first, NULL), ERR_OK);
    struct reader r = reader_of(first.len > 0 ? writer_slice(&first) : slice_str(""));
    assert_int_equal(message_decode(m, version, &r, &a, out), ERR_OK);
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(message_encode(m, version, out, &second, NULL), ERR_OK);
    assert_true(slice_equal(writer_slice(&first), writer_slice(&second)));
    assert_int_equal(message_print(m, version, in, &text), ERR_OK);
    assert_int_equal(message_print(m, version, out, &text_again), ERR_OK);
    assert_true(slice_equal(writer_slice(&text), writer_slice(&text_again)));
    writer_release(&first);
    writer_release(&second);
    writer_release(&text);
    writer_release(&text_again);
    arena_release(&a);
    free(in);
    free(out);
}

static void test_random_round_trip(void **state)
{
    (void)state;
    struct chance c = {4242};

    for (size_t i = 0; i < protocol_message_count; i++) {
        const struct message_desc *m = protocol_messages[i];
        for (int16_t version = m->min_version; version <= m->max_version; version++) {
            for (int n = 0; n < 8; n++)
                round_trip(m, version, &c);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field_the_version_lacks),
        cmocka_unit_test(test_null_where_there_is_none),
        cmocka_unit_test(test_version_outside),
        cmocka_unit_test(test_string_limit),
        cmocka_unit_test(test_full_writer),
        cmocka_unit_test(test_long_tagged_field),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_gaps_without_room),
        cmocka_unit_test(test_random_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
