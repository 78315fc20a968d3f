// SPDX-License-Identifier: Apache-2.0
//
// See frames.h. Requests are encoded by the project's own codec; the answers are looked at by hand, because only the
// beginning of a large one is kept.
#include "bench/frames.h"

#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "protocol/protocol.h"

#define RECORD_OVERHEAD_MAX 32
#define NOT_AN_ANSWER       (-2)
#define TIMEOUT_MS          30000

#define KEY_PRODUCE      0
#define KEY_FETCH        1
#define KEY_LIST_OFFSETS 2
#define KEY_METADATA     3
#define KEY_COMMIT       8
#define KEY_API_VERSIONS 18
#define KEY_CREATE       19

#define VERSION_PRODUCE      9
#define VERSION_FETCH        11
#define VERSION_LIST_OFFSETS 1
#define VERSION_METADATA     9
#define VERSION_COMMIT       5
#define VERSION_API_VERSIONS 0
#define VERSION_CREATE       4

static void frame_encode(int16_t key, int16_t version, const void *body, struct writer *w)
{
    const struct protocol_api *api = protocol_api_find(key);
    struct request_header h = {
        .request_api_key = key, .request_api_version = version, .correlation_id = 1, .client_id = slice_str("load")};
    w->len = 0;
    writer_u32(w, 0);
    enum err err = message_encode(&request_header_desc, protocol_request_header_version(key, version), &h, w, NULL);
    ASSERT(err == ERR_OK);
    err = message_encode(api->request, version, body, w, NULL);
    ASSERT(err == ERR_OK && !w->bad);
    store_be32(w->data, (uint32_t)(w->len - 4));
}

// ---- produce -------------------------------------------------------------------------------------------------------

static void record_write(struct writer *w, int32_t number, size_t bytes)
{
    size_t len = 1 + varlong_size(0) + varint_size(number) + varint_size(-1) + varint_size((int32_t)bytes) + bytes +
                 varint_size(0);
    writer_varint(w, (int32_t)len);
    writer_u8(w, 0);
    writer_varlong(w, 0);
    writer_varint(w, number);
    writer_varint(w, -1);
    writer_varint(w, (int32_t)bytes);
    memset(writer_reserve(w, bytes), 'x', bytes);
    writer_varint(w, 0);
}

// A batch (magic 2) into out; its length.
static size_t batch_build(uint8_t *out, size_t cap, const struct frame_records *records)
{
    struct writer w;
    writer_init_fixed(&w, out, cap);
    memset(writer_reserve(&w, BATCH_HEADER), 0, BATCH_HEADER);
    for (int32_t i = 0; i < records->count; i++) {
        record_write(&w, i, records->record_bytes);
    }
    ASSERT(!w.bad);
    uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    store_be32(out + 8, (uint32_t)(w.len - BATCH_UNCOUNTED));
    store_be32(out + 12, UINT32_MAX);
    out[16] = 2;
    store_be32(out + 23, (uint32_t)(records->count - 1));
    store_be64(out + 27, now_ms);
    store_be64(out + 35, now_ms);
    store_be64(out + 43, UINT64_MAX);
    store_be16(out + 51, UINT16_MAX);
    store_be32(out + 53, UINT32_MAX);
    store_be32(out + BATCH_COUNT_AT, (uint32_t)records->count);
    store_be32(out + 17, crc32c(out + 21, w.len - 21));
    return w.len;
}

void frame_produce(struct writer *w, const char *topic, int32_t partition, const struct frame_records *records)
{
    size_t cap = BATCH_HEADER + (records->record_bytes + RECORD_OVERHEAD_MAX) * (size_t)records->count;
    uint8_t *built = malloc(cap);
    ASSERT(built != NULL);
    struct slice batch = records->batch;
    if (batch.data == NULL) {
        batch = slice_of(built, batch_build(built, cap, records));
    }
    struct produce_request_partition_produce_data p = {.index = partition,
                                                       .records = {.data = batch.data, .len = batch.len}};
    struct produce_request_topic_produce_data t = {
        .name = slice_str(topic), .partition_data = &p, .partition_data_count = 1};
    struct produce_request q;
    produce_request_init(&q);
    q.acks = (int16_t)records->acks;
    q.timeout_ms = TIMEOUT_MS;
    q.topic_data = &t;
    q.topic_data_count = 1;
    frame_encode(KEY_PRODUCE, VERSION_PRODUCE, &q, w);
    free(built);
}

// ---- the others ----------------------------------------------------------------------------------------------------

void frame_fetch(struct writer *w, const char *topic, const struct frame_fetch_range *range)
{
    struct fetch_request_fetch_partition p;
    fetch_request_fetch_partition_init(&p);
    p.partition = range->partition;
    p.fetch_offset = range->offset;
    p.partition_max_bytes = range->max_bytes;
    struct fetch_request_fetch_topic t;
    fetch_request_fetch_topic_init(&t);
    t.topic = slice_str(topic);
    t.partitions = &p;
    t.partitions_count = 1;
    struct fetch_request q;
    fetch_request_init(&q);
    q.max_wait_ms = range->max_wait_ms;
    q.min_bytes = 1;
    q.max_bytes = range->max_bytes;
    q.topics = &t;
    q.topics_count = 1;
    frame_encode(KEY_FETCH, VERSION_FETCH, &q, w);
}

void frame_commit(struct writer *w, const char *group, const char *topic, int32_t partition, int64_t offset)
{
    struct offset_commit_request_offset_commit_request_partition p;
    offset_commit_request_offset_commit_request_partition_init(&p);
    p.partition_index = partition;
    p.committed_offset = offset;
    p.committed_metadata = slice_str("");
    struct offset_commit_request_offset_commit_request_topic t;
    offset_commit_request_offset_commit_request_topic_init(&t);
    t.name = slice_str(topic);
    t.partitions = &p;
    t.partitions_count = 1;
    struct offset_commit_request q;
    offset_commit_request_init(&q);
    q.group_id = slice_str(group);
    q.member_id = slice_str("");
    q.topics = &t;
    q.topics_count = 1;
    frame_encode(KEY_COMMIT, VERSION_COMMIT, &q, w);
}

void frame_api_versions(struct writer *w)
{
    struct api_versions_request q;
    api_versions_request_init(&q);
    frame_encode(KEY_API_VERSIONS, VERSION_API_VERSIONS, &q, w);
}

void frame_metadata(struct writer *w, const char *topic)
{
    struct metadata_request_metadata_request_topic t;
    metadata_request_metadata_request_topic_init(&t);
    t.name = topic ? slice_str(topic) : SLICE_NULL;
    struct metadata_request q;
    metadata_request_init(&q);
    q.topics = &t;
    q.topics_count = topic ? 1 : 0;
    frame_encode(KEY_METADATA, VERSION_METADATA, &q, w);
}

void frame_create_topic(struct writer *w, const struct frame_topic *topic)
{
    struct create_topics_request_creatable_topic t;
    create_topics_request_creatable_topic_init(&t);
    t.name = slice_str(topic->name);
    t.num_partitions = topic->partitions;
    t.replication_factor = topic->replicas;
    struct create_topics_request_creatable_topic_config c;
    create_topics_request_creatable_topic_config_init(&c);
    if (topic->config != NULL) {
        c.name = slice_str(topic->config);
        c.value = slice_str(topic->value);
        t.configs = &c;
        t.configs_count = 1;
    }
    struct create_topics_request q;
    create_topics_request_init(&q);
    q.topics = &t;
    q.topics_count = 1;
    q.timeout_ms = TIMEOUT_MS;
    frame_encode(KEY_CREATE, VERSION_CREATE, &q, w);
}

void frame_end_offset(struct writer *w, const char *topic, int32_t partition)
{
    struct list_offsets_request_list_offsets_partition p;
    list_offsets_request_list_offsets_partition_init(&p);
    p.partition_index = partition;
    p.timestamp = -1;
    struct list_offsets_request_list_offsets_topic t;
    list_offsets_request_list_offsets_topic_init(&t);
    t.name = slice_str(topic);
    t.partitions = &p;
    t.partitions_count = 1;
    struct list_offsets_request q;
    list_offsets_request_init(&q);
    q.replica_id = -1;
    q.topics = &t;
    q.topics_count = 1;
    frame_encode(KEY_LIST_OFFSETS, VERSION_LIST_OFFSETS, &q, w);
}

// ---- answers -------------------------------------------------------------------------------------------------------

static void skip_string(struct reader *r)
{
    (void)reader_bytes(r, reader_u16(r));
}

// One topic with one partition: the counts before them, and the index.
static bool skip_to_partition(struct reader *r)
{
    bool one = reader_u32(r) == 1;
    skip_string(r);
    one = one && reader_u32(r) == 1;
    (void)reader_u32(r);
    return one;
}

static int produce_answer(struct reader *r)
{
    (void)reader_u8(r); // no tags
    bool one = reader_uvarint(r) == 2;
    (void)reader_bytes(r, reader_uvarint(r) - 1);
    one = one && reader_uvarint(r) == 2;
    (void)reader_u32(r);
    int error = (int16_t)reader_u16(r);
    return one ? error : NOT_AN_ANSWER;
}

static int fetch_answer(struct reader *r, size_t *records, size_t *records_at)
{
    (void)reader_u32(r); // throttle
    int error = (int16_t)reader_u16(r);
    (void)reader_u32(r); // session
    if (error != 0) {
        return error;
    }
    if (!skip_to_partition(r)) {
        return NOT_AN_ANSWER;
    }
    error = (int16_t)reader_u16(r);
    (void)reader_bytes(r, 24); // high watermark, last stable and first offset
    int32_t aborted = (int32_t)reader_u32(r);
    (void)reader_bytes(r, aborted > 0 ? (size_t)aborted * 16 : 0);
    (void)reader_u32(r); // preferred replica
    int32_t len = (int32_t)reader_u32(r);
    *records = len > 0 ? (size_t)len : 0;
    *records_at = r->pos;
    return error;
}

static int commit_answer(struct reader *r)
{
    (void)reader_u32(r); // throttle
    bool one = skip_to_partition(r);
    int error = (int16_t)reader_u16(r);
    return one ? error : NOT_AN_ANSWER;
}

int frame_answer_check(enum frame_kind kind, struct slice head, size_t *records, size_t *records_at)
{
    struct reader r = reader_of(head);
    int error = NOT_AN_ANSWER;
    *records = *records_at = 0;
    (void)reader_u32(&r); // correlation id
    switch (kind) {
    case FRAME_PRODUCE:
        error = produce_answer(&r);
        break;
    case FRAME_FETCH:
        error = fetch_answer(&r, records, records_at);
        break;
    case FRAME_COMMIT:
        error = commit_answer(&r);
        break;
    case FRAME_API_VERSIONS:
        error = (int16_t)reader_u16(&r);
        break;
    }
    return r.bad ? NOT_AN_ANSWER : error;
}

int64_t frame_end_offset_answer(struct slice answer)
{
    struct reader r = reader_of(answer);
    (void)reader_u32(&r); // correlation id
    bool one = skip_to_partition(&r);
    int error = (int16_t)reader_u16(&r);
    (void)reader_u64(&r); // timestamp
    int64_t offset = (int64_t)reader_u64(&r);
    return one && error == 0 && !r.bad ? offset : -1;
}

int frame_create_topic_answer(struct slice answer)
{
    struct reader r = reader_of(answer);
    (void)reader_u32(&r); // correlation id
    (void)reader_u32(&r); // throttle
    bool one = reader_u32(&r) == 1;
    skip_string(&r);
    int error = (int16_t)reader_u16(&r);
    return one && !r.bad ? error : NOT_AN_ANSWER;
}
