// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 is taken apart by hand, because the strings come from clients and may be anything.
#include "broker/cluster/java_hash.h"

#include "base/assert.h"

#define REPLACEMENT 0xfffdu

// The bytes that follow a first byte, and the smallest code point they may make. 0: it begins nothing.
static unsigned lead_follow(uint8_t lead, uint32_t *bits, uint32_t *least)
{
    if (lead >= 0xc2 && lead <= 0xdf) {
        *bits = lead & 0x1fu;
        *least = 0x80;
        return 1;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        *bits = lead & 0x0fu;
        *least = 0x800;
        return 2;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        *bits = lead & 0x07u;
        *least = 0x10000;
        return 3;
    }
    return 0;
}

// Takes the next code point off *s.
static uint32_t code_point_take(struct slice *s)
{
    uint8_t lead = s->data[0];
    uint32_t point = 0, least = 0;
    unsigned follow = lead_follow(lead, &point, &least);
    unsigned taken = 1;
    if (lead < 0x80) {
        point = lead;
    } else {
        while (taken <= follow && taken < s->len && (s->data[taken] & 0xc0) == 0x80) {
            point = point << 6 | (s->data[taken] & 0x3fu);
            taken++;
        }
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        if (follow == 0 || taken <= follow || point < least || point > 0x10ffff || surrogate) {
            point = REPLACEMENT;
            taken = 1;
        }
    }
    s->data += taken;
    s->len -= taken;
    return point;
}

int32_t java_string_hash(struct slice id)
{
    uint32_t h = 0;
    while (id.len > 0) {
        uint32_t point = code_point_take(&id);
        if (point >= 0x10000) {
            h = 31 * h + (0xd7c0 + (point >> 10));
            point = 0xdc00 | (point & 0x3ff);
        }
        h = 31 * h + point;
    }
    return (int32_t)h;
}

size_t java_string_length(struct slice text)
{
    size_t units = 0;
    while (text.len > 0) {
        units += code_point_take(&text) >= 0x10000 ? 2 : 1;
    }
    return units;
}

int32_t java_string_partition(struct slice id, int32_t partitions)
{
    ASSERT(partitions > 0);
    int32_t h = java_string_hash(id);
    if (h == INT32_MIN) {
        return 0;
    }
    return (h < 0 ? -h : h) % partitions;
}
