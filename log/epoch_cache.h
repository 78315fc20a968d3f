// SPDX-License-Identifier: Apache-2.0
//
// Which leader epoch began at which offset (KIP-101, KIP-279), and its file leader-epoch-checkpoint. Entries rise
// strictly in epoch and offset. Has its own leaf lock: readers on any thread.
#ifndef OTTLA_LOG_EPOCH_CACHE_H
#define OTTLA_LOG_EPOCH_CACHE_H

#include "base/err.h"
#include "base/os.h"

struct epoch_cache;

// Reads <dir>/leader-epoch-checkpoint, or makes an empty file when there is none. ERR_CORRUPT when it is malformed.
enum err epoch_cache_open(const struct os *os, const char *dir, struct epoch_cache **out) WARN_UNUSED;
void epoch_cache_free(struct epoch_cache *c);
// Rules: disk-format 5.2. The file is written when the cache changed (`store` false: only in memory, during recovery).
enum err epoch_cache_assign(struct epoch_cache *c, int32_t epoch, int64_t start_offset, bool store) WARN_UNUSED;
enum err epoch_cache_truncate_end(struct epoch_cache *c, int64_t offset) WARN_UNUSED;
enum err epoch_cache_truncate_start(struct epoch_cache *c, int64_t offset) WARN_UNUSED;
enum err epoch_cache_store(struct epoch_cache *c) WARN_UNUSED;
// The folder was renamed (log deletion): later stores go nowhere.
void epoch_cache_detach(struct epoch_cache *c);

int32_t epoch_cache_latest(const struct epoch_cache *c);             // -1 when empty
int32_t epoch_cache_at(const struct epoch_cache *c, int64_t offset); // -1 unknown
void epoch_cache_end(const struct epoch_cache *c, int32_t epoch, int64_t log_end, int32_t *found, int64_t *end);

#endif
