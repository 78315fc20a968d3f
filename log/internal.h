// SPDX-License-Identifier: Apache-2.0
//
// What the parts of a log share: struct log and struct log_dir. Included only by the sources that are these two:
//   log.c        accessors, the list of segments, truncation      open.c      open, create, close, delete
//   append.c     appending                                        recover.c   recovery after an unclean stop
//   lookup.c     reads and aborted transactions                   time.c      lookups by time
//   flush.c      group commit                                     producers.c producer state and its snapshots
//   retention.c  deletion of old segments                         log_dir.c   the directory
//   log_dir_scan.c  what lies in the directory
//   space.c      full disks
//
// Locks of a log, in rising rank: `mu` (log list) guards the list of segments, their published sizes and largest
// timestamps and the hints; it is held across no system call. `flush_mu` and `producers_mu` are leaves; the latter is
// held while a snapshot is written.
// The offsets are atomics, written under `mu` where they belong to the list.
#ifndef OTTLA_LOG_INTERNAL_H
#define OTTLA_LOG_INTERNAL_H

#include <stdatomic.h>

#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#include "base/hash.h"

#include "base/logging.h"
#include "log/compress.h"
#include "log/epoch_cache.h"
#include "log/log.h"
#include "log/producer_state.h"
#include "log/properties.h"
#include "log/segment.h"

#define LOG_PATH_MAX 4096

// Where recent batches lie, so that readers that follow close behind the end need no system call to find them.
struct append_hint {
    int64_t segment_base; // -1 = unused
    int64_t base_offset;
    int64_t last_offset;
    int64_t position;
    size_t size;
};

#define LOG_HINTS 16

struct log {
    struct log_dir *dir;
    const struct os *os;
    struct log_dir_entry *entry; // of the directory
    char *topic;
    char *path;
    int32_t partition;
    bool future; // its folder is named so
    struct uuid topic_id;
    struct log_config config; // [append]

    _Atomic int64_t start_offset;
    _Atomic int64_t end_offset;
    _Atomic int64_t recovery_point;
    _Atomic int64_t high_watermark;
    _Atomic int64_t size_bytes;
    _Atomic int64_t first_base; // base offset of the first segment
    atomic_bool failed;
    _Atomic int64_t safe_end; // once it has failed: what lies below may still be read
    atomic_bool untouched;    // nothing was written to it since it was made: no file of it needs an fsync
    int64_t made;             // which new folder of the directory it is, from 1; 0 = it was there at the start
    bool half_done;           // [append] a change that found no room left pieces behind
    bool producers_ahead;     // [append] and the producer state knows of it

    struct mutex mu;
    struct segment **segments; // by base offset; at least one
    int32_t segments_count;
    int32_t segments_cap;
    _Atomic uint32_t generation; // changes when offsets may get other positions
    struct append_hint hints[LOG_HINTS];
    unsigned hint_next;

    struct mutex flush_mu;
    struct cond flush_done;
    bool flushing;     // somebody has the right to move the recovery point
    bool folder_dirty; // names in the folder were added since its last fsync
    bool id_begun;     // partition.metadata is to be finished
    int64_t sync_from; // base offset of the segment that was active at the last flush: those below it are fsynced whole

    struct mutex producers_mu;
    struct producer_state *producers;
    int64_t last_snapshot_offset; // [append]
    int64_t *snapshots;           // [append] offsets of the snapshot files, rising
    int32_t snapshots_count;
    int32_t snapshots_cap;

    struct epoch_cache *epochs;
};

// ---- log.c ---------------------------------------------------------------------------------------------------------

// Takes the log out of service, and its directory with it unless only the log's content is damaged. Answers err.
enum err log_fail(struct log *l, enum err err, const char *what);
// The same for an fsync: what it should have made safe may be lost even where it can still be read.
enum err log_fail_unsynced(struct log *l, enum err err);
struct segment *log_active(struct log *l); // [append]
// The index of the segment that contains offset (the last one whose base is <= offset, or the first). Under `mu`.
int32_t log_segment_index(const struct log *l, int64_t offset);
// Adds a segment at the end of the list.
enum err log_push_segment(struct log *l, struct segment *s) WARN_UNUSED; // [append]
// Ends the active segment and begins a new one at base_offset. A failed write takes the log out of service.
enum err log_roll(struct log *l, int64_t base_offset) WARN_UNUSED; // [append]
// Takes segments [from, to) out of the list and renames their files to .deleted; they are removed by the directory's
// sweep. Their producer snapshots go with them.
enum err log_drop_segments(struct log *l, int32_t from, int32_t to) WARN_UNUSED; // [append]
// Removes everything and begins anew at offset.
enum err log_restart_at(struct log *l, int64_t offset) WARN_UNUSED; // [append]

// ---- flush.c -------------------------------------------------------------------------------------------------------

// Between these two no flush runs and the recovery point may be changed.
void log_flush_pause(struct log *l);
void log_flush_resume(struct log *l);

// ---- space.c -------------------------------------------------------------------------------------------------------

// A change of the log found an error and nothing of it was published. For want of room, memory or a descriptor the log
// is put in order before the next change, for anything else it fails. Answers err.
enum err log_stop(struct log *l, enum err err, const char *what) WARN_UNUSED; // [append]
// To be asked before any change: FAILED, NO_SPACE while the disk is full, or what putting the log in order says.
enum err log_ready(struct log *l) WARN_UNUSED; // [append]
// Takes back what a change has left behind that was not published.
enum err log_put_in_order(struct log *l) WARN_UNUSED; // [append]
// The directory takes no writes until log_dir_probe_space finds room. One line says so.
void log_dir_note_full(struct log_dir *d, const char *path, const char *what);
// Removes what a probe has left that was cut short.
void log_dir_forget_probe(const struct log_dir *d);

// ---- producers.c ---------------------------------------------------------------------------------------------------

// Replays a batch that lies in the log: producer state, transaction index of s, and epoch cache when it is new there.
enum err log_replay_batch(struct log *l, struct segment *s, const uint8_t *data, const struct batch *b,
                          bool index_txns) WARN_UNUSED; // [append]
// Brings the producer state to `offset` from the newest usable snapshot and the batches behind it. Snapshots above
// offset and those that belong to no segment go. `assume_none`: without any snapshot there were no producers.
enum err log_load_producers(struct log *l, int64_t offset, bool assume_none) WARN_UNUSED; // [append]
// Writes a snapshot named by the state's end offset, unless one that is as new was written.
enum err log_store_producers(struct log *l, bool sync) WARN_UNUSED; // [append]
// Deletes all snapshots / notes that one was renamed for its deletion.
enum err log_delete_snapshots(struct log *l) WARN_UNUSED;
void log_forget_snapshot(struct log *l, int64_t offset);

// ---- recover.c -----------------------------------------------------------------------------------------------------

// Checks the segments from number `first` on, byte by byte: cuts the log behind its last whole batch (later segments
// go, but for damage below the checkpointed recovery point, where the segment is cut alone), rebuilds indexes, leader
// epochs, producer state and its snapshots. *end_offset: where the log ends now.
enum err log_recover(struct log *l, int32_t first, int64_t recovery_point, int64_t *end_offset) WARN_UNUSED; // [append]

// ---- log_dir.c -----------------------------------------------------------------------------------------------------

enum checkpoint_kind { // the bits of enum log_checkpoint
    CHECKPOINT_RECOVERY_POINT,
    CHECKPOINT_LOG_START,
    CHECKPOINT_HIGH_WATERMARK,
    CHECKPOINT_KINDS,
};

// What a directory knows of one partition, with or without a log that is open.
struct log_dir_entry {
    char *name; // key: of the folder
    char *topic;
    int32_t partition;
    struct log *log;                  // while it is open
    bool found;                       // its folder was seen
    bool opened;                      // its log was open at some time
    int64_t values[CHECKPOINT_KINDS]; // in the checkpoint files, -1 = no line
    UT_hash_handle hh;
};

// A renamed file or folder that waits for its removal.
struct log_dir_trash {
    char *path;
    int64_t due_ms; // monotonic
    bool is_folder;
    TAILQ_ENTRY(log_dir_trash) link;
};

struct log_dir {
    const struct os *os;
    char *path;
    int lock_fd;
    bool was_clean;
    atomic_bool log_failed; // some log had to be taken out of service or did not close well
    _Atomic enum log_dir_state state;
    log_dir_fail_fn *on_fail; // may be NULL
    void *on_fail_ctx;
    _Atomic int32_t logs_count; // open ones
    atomic_bool full;           // nothing is appended until there is room again
    struct meta_properties meta;
    struct file_ring ring;
    struct codec_pool *codecs;

    struct mutex checkpoint_mu; // rank of the log list: held while files are written, and to remove an entry
    struct mutex mu;            // leaf: the entries, the trash, the probes and the counts of new folders
    struct log_dir_entry *entries;
    TAILQ_HEAD(, log_dir_trash) trash;
    int64_t made;                   // how many folders were made since the start
    int64_t made_synced;            // how many of those the last fsync of the directory covers
    bool changed[CHECKPOINT_KINDS]; // the file must be written even if no value changes
    int64_t next_probe_ms;          // monotonic: when the disk is full
    int64_t probe_wait_ms;          // between two probes; 0 = there was none yet
    int64_t last_probe_ms;          // monotonic
};

// The path of a file in the directory.
void log_dir_file(const struct log_dir *d, const char *name, char out[LOG_PATH_MAX]);
// Whether a log of the partition is open in it.
bool log_dir_holds(struct log_dir *d, const char *topic, int32_t partition);
// Under `mu`, and checkpoint_mu when checkpoints may be written.
void log_dir_entry_free(struct log_dir *d, struct log_dir_entry *e);
// The entry for a partition, made when there is none; NULL without memory. Pointers stay valid until the folder is
// deleted.
struct log_dir_entry *log_dir_entry_get(struct log_dir *d, const char *topic, int32_t partition);
// What the checkpoint files said of it. / Forgets that: it was of an earlier partition of the same name. Checkpoints
// may be written meanwhile.
void log_dir_entry_values(struct log_dir *d, const struct log_dir_entry *e, int64_t out[CHECKPOINT_KINDS]);
void log_dir_entry_forget(struct log_dir *d, struct log_dir_entry *e);
void log_dir_attach(struct log_dir *d, struct log_dir_entry *e, struct log *l);
// The log is about to be freed: keeps its last values, or forgets the partition when it was deleted.
void log_dir_detach(struct log_dir *d, struct log_dir_entry *e, bool deleted);
// A folder was made in it: answers its number. / fsync of the directory, unless one has covered that folder already.
int64_t log_dir_note_made(struct log_dir *d);
enum err log_dir_sync_made(struct log_dir *d, int64_t made) WARN_UNUSED;
// path is copied. Without memory the file simply stays until the next start.
void log_dir_trash_add(struct log_dir *d, const char *path, bool is_folder, int64_t delay_ms);

#endif
