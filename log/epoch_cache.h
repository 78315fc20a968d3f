// SPDX-License-Identifier: Apache-2.0
//
// Which leader epoch began at which offset (KIP-101, KIP-279), and its file leader-epoch-checkpoint. Entries rise
// strictly in epoch and offset. Changes come from one thread at a time (the log's append path); the readers below
// epoch_cache_detach may be called from any thread, there is a leaf lock of its own for them.
#ifndef OTTLA_LOG_EPOCH_CACHE_H
#define OTTLA_LOG_EPOCH_CACHE_H

#include "base/err.h"
#include "base/os.h"

struct epoch_cache;

// Reads <dir>/leader-epoch-checkpoint, or makes an empty file when there is none. A damaged one counts as empty, with a
// line.
enum err epoch_cache_open(const struct os *os, const char *dir, struct epoch_cache **out) WARN_UNUSED;
void epoch_cache_free(struct epoch_cache *c);
// assign: ignored when the latest entry has this epoch from an offset not above start_offset; else entries at the end
// with a higher or equal epoch or start offset give way. truncate_end: entries that start at or above offset go.
// truncate_start: the entry that holds at offset starts there, those before it go. The file is written when it does
// not hold what the cache holds (`store` false: only in memory, during recovery). After an error the file is older
// than the memory.
enum err epoch_cache_assign(struct epoch_cache *c, int32_t epoch, int64_t start_offset, bool store) WARN_UNUSED;
enum err epoch_cache_truncate_end(struct epoch_cache *c, int64_t offset) WARN_UNUSED;
enum err epoch_cache_truncate_start(struct epoch_cache *c, int64_t offset) WARN_UNUSED;
// Both cuts at opening, in memory only: a start that changes nothing writes nothing. The next store writes them; it
// must come before anything is appended.
void epoch_cache_trim(struct epoch_cache *c, int64_t start_offset, int64_t end_offset);
// Writes the file unless it holds this already.
enum err epoch_cache_store(struct epoch_cache *c) WARN_UNUSED;
// The same without an fsync, for entries that can be found again from the records: after a power failure the file may
// be empty or damaged.
enum err epoch_cache_store_unsynced(struct epoch_cache *c) WARN_UNUSED;
// The folder was renamed (log deletion): later stores go nowhere.
void epoch_cache_detach(struct epoch_cache *c);
// The folder has got another name, which is not longer. Nothing is stored meanwhile.
void epoch_cache_move(struct epoch_cache *c, const char *dir);

bool epoch_cache_is_empty(const struct epoch_cache *c);
int32_t epoch_cache_latest(const struct epoch_cache *c);             // -1 when empty
int32_t epoch_cache_at(const struct epoch_cache *c, int64_t offset); // -1 unknown
// KIP-279: the greatest known epoch not above `epoch` and where it ended; the latest one ends at log_end. -1 and -1 for
// an epoch above the latest. Below the first known epoch: the epoch asked for, ending where the first begins.
void epoch_cache_end(const struct epoch_cache *c, int32_t epoch, int64_t log_end, int32_t *found, int64_t *end);

#endif
