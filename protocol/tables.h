// SPDX-License-Identifier: Apache-2.0
//
// The form of the generated tables (messages.c) that the codec walks. Private to protocol/.
//
// What always holds, because the generator refuses a schema that breaks it: tables do not contain themselves, so the
// depth of a walk is bounded; a field that is tagged in any version is tagged in all of its versions; the tagged
// fields of a struct stand after the others, in ascending order of their tags; a records field is never tagged and
// never an array element.
#ifndef OTTLA_PROTOCOL_TABLES_H
#define OTTLA_PROTOCOL_TABLES_H

#include "protocol/protocol.h"

enum field_type {
    FIELD_BOOL,
    FIELD_INT8,
    FIELD_INT16,
    FIELD_UINT16,
    FIELD_INT32,
    FIELD_UINT32,
    FIELD_INT64,
    FIELD_FLOAT64,
    FIELD_UUID,
    FIELD_STRING,
    FIELD_BYTES,
    FIELD_RECORDS,
    FIELD_STRUCT,
};

enum field_flag {
    FIELD_IGNORABLE = 1, // dropped when the version lacks the field, whatever its value
    FIELD_ARRAY = 2,     // a pointer at `offset`, an int32_t count at `count_offset`; `type` is the element's
    FIELD_POINTER = 4,   // a nullable struct: a pointer at `offset`
    FIELD_OLD_FORM = 8,  // never in the compact form, even in a flexible version (the header's ClientId)
};

// An empty range of versions has since > until.
struct field_desc {
    const char *name;              // as in the schema
    const struct struct_desc *sub; // of FIELD_STRUCT, else NULL
    int16_t since, until;          // the versions that carry the field
    int16_t null_since, null_until;
    uint16_t offset, count_offset; // in the C struct
    int16_t tag;                   // -1 when the field is in place
    uint8_t type;
    uint8_t flags;
};

struct struct_desc {
    const struct field_desc *fields; // first those in place, then the tagged ones
    const void *defaults;            // an instance of the C struct with every field at its default
    uint32_t size;                   // of the C struct
    uint16_t field_count;
    uint16_t in_place_count;
};

struct message_desc {
    const char *name;
    const struct struct_desc *body;
    int16_t min_version, max_version;
    int16_t flexible_since, flexible_until;
};

extern const struct message_desc *const protocol_messages[]; // sorted by name
extern const size_t protocol_message_count;

extern const struct protocol_api protocol_apis[]; // by key; a row without a name is no API
extern const size_t protocol_api_count;

static inline bool version_within(int16_t version, int16_t since, int16_t until)
{
    return version >= since && version <= until;
}

// The size in C of one value: of an array's element, or of the field itself when it is no array.
size_t field_value_size(const struct field_desc *f);

// Whether the field of the struct `in` has the value it has in `defaults`, which is of the same type.
bool field_is_default(const struct field_desc *f, const void *in, const void *defaults);

#endif
