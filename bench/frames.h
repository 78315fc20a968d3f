// SPDX-License-Identifier: Apache-2.0
//
// The requests of the load generator as whole frames, and the look at what is answered. Versions are fixed, so that
// every broker gets the same bytes.
#ifndef OTTLA_BENCH_FRAMES_H
#define OTTLA_BENCH_FRAMES_H

#include "base/bytes.h"

enum frame_kind {
    FRAME_PRODUCE,
    FRAME_FETCH,
    FRAME_COMMIT,
    FRAME_API_VERSIONS,
};

// What of an answer has to be there for frame_answer_check; the records of a fetch begin within it.
#define FRAME_ANSWER_HEAD_MAX 512

// A batch of records (magic 2): its header, of which the first two fields are not in its length field.
#define BATCH_HEADER    61
#define BATCH_UNCOUNTED 12
#define BATCH_COUNT_AT  57

// Of a batch of which at least the header is there: all its bytes, and its records.
static inline size_t batch_len(const uint8_t *batch)
{
    return load_be32(batch + 8) + BATCH_UNCOUNTED;
}

static inline int32_t batch_count(const uint8_t *batch)
{
    return (int32_t)load_be32(batch + BATCH_COUNT_AT);
}

// Each of the writers grows (writer_init) and is overwritten with one frame, its size field included.

struct frame_records {
    int acks;
    struct slice batch;  // one that was fetched somewhere; null: one is built of the two below
    size_t record_bytes; // of each value; there are no keys
    int32_t count;
};
void frame_produce(struct writer *w, const char *topic, int32_t partition, const struct frame_records *records);

struct frame_fetch_range {
    int32_t partition;
    int64_t offset;
    int32_t max_bytes;
    int32_t max_wait_ms; // for one byte
};
void frame_fetch(struct writer *w, const char *topic, const struct frame_fetch_range *range);

// One offset of one partition, for a group without members.
void frame_commit(struct writer *w, const char *group, const char *topic, int32_t partition, int64_t offset);

void frame_api_versions(struct writer *w);
void frame_metadata(struct writer *w, const char *topic); // topic NULL: no topics, only the brokers

struct frame_topic {
    const char *name;
    int32_t partitions;
    int16_t replicas;
    const char *config, *value; // one config of the topic; NULL: none
};
void frame_create_topic(struct writer *w, const struct frame_topic *topic);
void frame_end_offset(struct writer *w, const char *topic, int32_t partition);

// Looks at an answer without its size field: `head` holds its first bytes, all of them or FRAME_ANSWER_HEAD_MAX.
// Returns Kafka's error code; -2 when it is no answer to such a request. *records is the length of a fetch's records,
// *records_at where they begin; 0 for other kinds.
int frame_answer_check(enum frame_kind kind, struct slice head, size_t *records, size_t *records_at);

// The offset that the answer to frame_end_offset holds, or -1.
int64_t frame_end_offset_answer(struct slice answer);
// Kafka's error code for the topic of frame_create_topic; -2 when it is no answer to that.
int frame_create_topic_answer(struct slice answer);

#endif
