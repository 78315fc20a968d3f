// SPDX-License-Identifier: Apache-2.0
//
// Keys and values of `__consumer_offsets`: a version, then the message of that version.
#include "broker/group/group_records.h"

#include "base/assert.h"
#include "broker/cluster/must.h"

#define KEY_OFFSET           1 // 0 is an older form of the same bytes
#define KEY_METADATA         2
#define VALUE_OFFSET         3
#define VALUE_OFFSET_EXPIRES 1 // the only version that has a time of its own at which the offset expires
#define VALUE_METADATA       3
#define RECORD_MAX           ((size_t)1 << 30)

static struct slice record_encode(struct arena *a, const struct message_desc *m, int16_t version, const void *message)
{
    struct writer w;
    writer_init(&w, 256, RECORD_MAX);
    writer_u16(&w, (uint16_t)version);
    enum err e = message_encode(m, version, message, &w, NULL);
    ASSERT(e == ERR_OK); // strings came as Kafka strings, nothing in it may be null that is
    struct slice out = slice_of(must_arena_copy(a, w.data, w.len), w.len);
    writer_release(&w);
    return out;
}

struct slice group_offset_key_encode(struct arena *a, struct slice group, struct slice topic, int32_t partition)
{
    struct offset_commit_key key = {.group = group, .topic = topic, .partition = partition};
    return record_encode(a, &offset_commit_key_desc, KEY_OFFSET, &key);
}

struct slice group_offset_value_encode(struct arena *a, const struct offset_commit_value *v)
{
    int16_t version = v->expire_timestamp == -1 ? VALUE_OFFSET : VALUE_OFFSET_EXPIRES;
    return record_encode(a, &offset_commit_value_desc, version, v);
}

struct slice group_metadata_key_encode(struct arena *a, struct slice group)
{
    struct group_metadata_key key = {.group = group};
    return record_encode(a, &group_metadata_key_desc, KEY_METADATA, &key);
}

struct slice group_metadata_value_encode(struct arena *a, const struct group_metadata_value *v)
{
    return record_encode(a, &group_metadata_value_desc, VALUE_METADATA, v);
}

enum err group_record_key_decode(struct slice key, struct arena *a, struct group_record_key *out)
{
    struct reader r = reader_of(key);
    int16_t version = (int16_t)reader_u16(&r);
    *out = (struct group_record_key){.type = GROUP_RECORD_OTHER};
    if (r.bad) {
        return ERR_TRUNCATED;
    }
    if (version == 0 || version == KEY_OFFSET) {
        struct offset_commit_key k;
        enum err e = message_decode(&offset_commit_key_desc, version, &r, a, &k);
        if (e == ERR_OK) {
            *out = (struct group_record_key){GROUP_RECORD_OFFSET, k.group, k.topic, k.partition};
        }
        return e;
    }
    if (version == KEY_METADATA) {
        struct group_metadata_key k;
        enum err e = message_decode(&group_metadata_key_desc, version, &r, a, &k);
        if (e == ERR_OK) {
            *out = (struct group_record_key){.type = GROUP_RECORD_METADATA, .group = k.group};
        }
        return e;
    }
    return ERR_OK;
}

static enum err value_decode(const struct message_desc *m, struct slice value, struct arena *a, void *out)
{
    struct reader r = reader_of(value);
    int16_t version = (int16_t)reader_u16(&r);
    return r.bad ? ERR_TRUNCATED : message_decode(m, version, &r, a, out);
}

enum err group_offset_value_decode(struct slice value, struct arena *a, struct offset_commit_value *out)
{
    return value_decode(&offset_commit_value_desc, value, a, out);
}

enum err group_metadata_value_decode(struct slice value, struct arena *a, struct group_metadata_value *out)
{
    return value_decode(&group_metadata_value_desc, value, a, out);
}
