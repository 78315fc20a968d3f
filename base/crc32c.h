// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C (Castagnoli), as Kafka's record batches v2 and producer snapshots use it. By ISA-L.
#ifndef OTTLA_BASE_CRC32C_H
#define OTTLA_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t len);
// Goes on from the CRC of what came before: crc32c_add(crc32c(a), b) == crc32c(a b).
uint32_t crc32c_add(uint32_t crc, const void *data, size_t len);

#endif
