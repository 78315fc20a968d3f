// SPDX-License-Identifier: Apache-2.0
//
// The records of `__consumer_offsets`, in Kafka's formats: each key and value begins with an int16 version, then the
// body of that version (protocol/schema/group-records). Written are what Kafka 3.9 writes: keys 1 (offset) and 2
// (group), offset values 3 (1 when the commit has an expiry of its own), group values 3. Read are keys 0 to 2 and
// values 0 to 4. A null value removes what its key names.
#ifndef OTTLA_GROUP_GROUP_RECORDS_H
#define OTTLA_GROUP_GROUP_RECORDS_H

#include "broker/group/group.h"
#include "log/log.h"
#include "protocol/protocol.h"

enum group_record_type {
    GROUP_RECORD_OFFSET,
    GROUP_RECORD_METADATA,
    GROUP_RECORD_OTHER, // a key version that the classic protocol does not know: to be passed over
};

struct group_record_key {
    enum group_record_type type;
    struct slice group;
    struct slice topic; // OFFSET
    int32_t partition;  // OFFSET
};

// Encoding: results are in the arena. Strings longer than 32767 bytes cannot get here, they came as Kafka strings.
struct slice group_offset_key_encode(struct arena *a, struct slice group, struct slice topic, int32_t partition);
struct slice group_offset_value_encode(struct arena *a, const struct offset_commit_value *v);
struct slice group_metadata_key_encode(struct arena *a, struct slice group);
struct slice group_metadata_value_encode(struct arena *a, const struct group_metadata_value *v);

// Decoding: slices are views into what was given. ERR_TRUNCATED, ERR_CORRUPT, ERR_NO_MEMORY as message_decode;
// ERR_UNSUPPORTED for a value version that is not known.
enum err group_record_key_decode(struct slice key, struct arena *a, struct group_record_key *out) WARN_UNUSED;
enum err group_offset_value_decode(struct slice value, struct arena *a, struct offset_commit_value *out) WARN_UNUSED;
enum err group_metadata_value_decode(struct slice value, struct arena *a, struct group_metadata_value *out) WARN_UNUSED;

// ---------------------------------------------------------------------------------------------------------------
// Loading a partition of the topic: feed its records in order, then take the groups that came out.

struct group_replay;

// The options are those of group_new.
struct group_replay *group_replay_new(const struct group_options *o, struct group_time now);
void group_replay_free(struct group_replay *r); // NULL is allowed

// A record of a data batch, or the marker of a control batch (log_record_fn; ctx is the replay). A record that cannot
// be read is passed over, counted and named by a line: one damaged key must not hide all groups. Always ERR_OK.
enum err group_replay_record(void *ctx, const struct log_batch_view *batch, const struct log_record_view *record);
uint64_t group_replay_damaged(const struct group_replay *r);
uint64_t group_replay_records(const struct group_replay *r);

// Hands over each group there is; the callee owns it and feeds it GROUP_LOADED. The replay is empty afterwards.
typedef void group_replay_fn(void *ctx, struct group *g);
void group_replay_finish(struct group_replay *r, group_replay_fn *fn, void *ctx);

#endif
