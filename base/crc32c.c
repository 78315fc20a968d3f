// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C by ISA-L. Its function takes and gives the register itself, so the initial value and the final inversion of
// the standard are done here, and it counts in int, so longer input goes in pieces.
#include "base/crc32c.h"

#include <isa-l/crc.h>

uint32_t crc32c_add(uint32_t crc, const void *data, size_t len)
{
    const size_t piece_max_bytes = (size_t)1 << 30;
    uint32_t reg = ~crc;
    const unsigned char *p = data;
    while (len > 0) {
        size_t n = len < piece_max_bytes ? len : piece_max_bytes;
        // ISA-L forgot the const; it only reads.
        reg = crc32_iscsi((unsigned char *)(uintptr_t)p, (int)n, reg);
        p += n;
        len -= n;
    }
    return ~reg;
}

uint32_t crc32c(const void *data, size_t len)
{
    return crc32c_add(0, data, len);
}
