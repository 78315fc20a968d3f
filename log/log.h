// SPDX-License-Identifier: Apache-2.0
//
// The door of the log library: one partition on disk, byte for byte in the layout of Kafka 3.9 (docs/LOG_FORMAT.md),
// and the directory that holds many of them. No sockets, no messages of the protocol, no cluster.
//
// struct log_dir   a directory of `log.dirs`: its lock, meta.properties, checkpoints, marker of a clean stop, its logs
// struct log       one partition replica: segments with their indexes, producer state, leader epochs
// struct log_file  a counted reference to a segment's file: a reader takes one and leaves; deletion waits for it
//
// Threads. Calls marked [append] are made by one thread at a time per log: the caller holds its append lock (rank
// MUTEX_RANK_APPEND). Calls marked [any] may be made by any thread at any time; they take the log's own leaf locks
// only. Calls marked [disk] may block on the disk on purpose and belong on the disk pool or the control thread.
// The end offset is published (release) after the bytes are written; readers see whole batches only.
//
// Failure. A write or fsync that fails takes the whole directory out of service: nothing in it is changed any more
// until it is opened again with recovery, such calls on every log in it answer ERR_FAILED. What a log had published
// before may still be read; of the log whose fsync failed, only what was fsynced. Damage in one log makes that one
// FAILED alone. One error line says so. A full disk is no failure: the directory takes no appends (ERR_NO_SPACE) until
// log_dir_probe_space finds room; the rest of a cut-off append is removed then. Reading, and deleting what is old, go
// on.
#ifndef OTTLA_LOG_LOG_H
#define OTTLA_LOG_LOG_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/os.h"
#include "base/slice.h"
#include "base/uuid.h"

// ---------------------------------------------------------------------------------------------------------------
// Configuration

enum log_timestamp_type {
    LOG_CREATE_TIME,
    LOG_APPEND_TIME,
};

// compression.type
enum log_compression {
    LOG_COMPRESSION_PRODUCER, // batches keep the codec their producer chose
    LOG_COMPRESSION_NONE,     // "uncompressed"; from here on in the order of the codecs' numbers
    LOG_COMPRESSION_GZIP,
    LOG_COMPRESSION_SNAPPY,
    LOG_COMPRESSION_LZ4,
    LOG_COMPRESSION_ZSTD,
};

// The topic configs that act on one log (reference: Kafka's topic configs of the same names).
struct log_config {
    int32_t segment_bytes;        // segment.bytes
    int64_t segment_ms;           // segment.ms
    int64_t segment_jitter_ms;    // segment.jitter.ms
    int32_t segment_index_bytes;  // segment.index.bytes: bound of each index file
    int32_t index_interval_bytes; // index.interval.bytes
    int64_t retention_bytes;      // retention.bytes, -1 = no limit
    int64_t retention_ms;         // retention.ms, -1 = no limit
    int64_t flush_messages;       // flush.messages
    int64_t flush_ms;             // flush.ms
    int64_t file_delete_delay_ms; // file.delete.delay.ms
    int32_t max_message_bytes;    // max.message.bytes
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    enum log_timestamp_type timestamp_type;
    enum log_compression compression;
    int32_t compression_level; // compression.<codec>.level
    bool preallocate;
    bool cleanup_delete;               // cleanup.policy contains delete
    bool cleanup_compact;              // ... compact: keyless records are refused
    int64_t producer_id_expiration_ms; // of the broker: producer.id.expiration.ms
};

// Kafka's defaults.
void log_config_init(struct log_config *c);

// ---------------------------------------------------------------------------------------------------------------
// Log directories

struct log_dir;
struct log;

#define LOG_CLUSTER_ID_MAX 64

// meta.properties, version 0.
struct log_dir_meta {
    bool present;
    int32_t broker_id;                   // -1 when the file does not say
    char cluster_id[LOG_CLUSTER_ID_MAX]; // "" when the file does not say
};

// Creates the directory when missing, takes its lock (an exclusive fcntl lock on <dir>/.lock, which Kafka respects as
// well; ERR_LOCKED when somebody else holds it), reads meta.properties (ERR_CORRUPT when damaged), the
// checkpoints (a damaged one counts as missing: warned, rebuilt) and notes, then deletes, the clean-stop marker.
// ERR_UNSUPPORTED: meta.properties is of another version, that of a KRaft broker.
enum err log_dir_open(const struct os *os, const char *path, struct log_dir **out) WARN_UNUSED; // [disk]
const char *log_dir_path(const struct log_dir *d); // as given, without a slash at its end

enum log_dir_state {
    LOG_DIR_ONLINE,
    LOG_DIR_OFFLINE, // nothing in it is written any more, until it is opened anew
};
enum log_dir_state log_dir_state(const struct log_dir *d); // [any]
// Takes it out of service with one error line: doing what to which path. Nothing when it is already.
void log_dir_fail(struct log_dir *d, enum err err, const char *path, const char *doing); // [any]
// fn is called once, when that happens, on the thread that found the failure; that one may hold the append lock of a
// log. To be set before logs are opened.
typedef void log_dir_fail_fn(void *ctx);
void log_dir_on_fail(struct log_dir *d, log_dir_fail_fn *fn, void *ctx);
// How many logs are open in it.
int32_t log_dir_logs_count(const struct log_dir *d); // [any]
const struct log_dir_meta *log_dir_meta(const struct log_dir *d);
enum err log_dir_set_meta(struct log_dir *d, int32_t broker_id, const char *cluster_id) WARN_UNUSED; // [disk]
bool log_dir_was_clean(const struct log_dir *d);

// A partition's folder as its name says.
struct log_folder {
    const char *name;
    const char *topic;
    int32_t partition;
    bool future; // the copy that a move makes
};
// Calls fn for every folder of a log; has log_dir_sweep remove left-over -delete folders; leaves -stray folders alone,
// with a line; refuses (ERR_INVALID, with a line naming it) a folder that is no partition's, as Kafka does. fn's error
// ends the scan and is returned.
typedef enum err log_dir_scan_fn(void *ctx, const struct log_folder *f);
enum err log_dir_scan(struct log_dir *d, log_dir_scan_fn *fn, void *ctx) WARN_UNUSED; // [disk]

// The checkpoint files of a directory.
enum log_checkpoint {
    LOG_CHECKPOINT_RECOVERY_POINT = 1, // recovery-point-offset-checkpoint
    LOG_CHECKPOINT_LOG_START = 2,      // log-start-offset-checkpoint
    LOG_CHECKPOINT_HIGH_WATERMARK = 4, // replication-offset-checkpoint
    LOG_CHECKPOINT_ALL = 7,
};
// Writes these files (a sum) for all logs in this directory, where they say something else. Looks whether the directory
// is still there.
enum err log_dir_checkpoint_some(struct log_dir *d, unsigned which) WARN_UNUSED; // [disk] [any]
enum err log_dir_checkpoint(struct log_dir *d) WARN_UNUSED;                      // all
// The checkpointed high watermark read at opening, -1 when unknown.
int64_t log_dir_checkpointed_high_watermark(const struct log_dir *d, const char *topic, int32_t partition);
// Removes renamed files and folders whose delay has passed.
void log_dir_sweep(struct log_dir *d, int64_t mono_ms); // [disk] [any]
// Appends answer ERR_NO_SPACE, because a write found the disk full (ENOSPC, EDQUOT).
bool log_dir_is_full(const struct log_dir *d); // [any]
#define LOG_DIR_PROBE_BYTES (1 << 20)
// When it is full: tries to write LOG_DIR_PROBE_BYTES into a file of its own, which it removes again; when there is
// room for them the directory takes writes again, and a line says so. To be called now and then.
void log_dir_probe_space(struct log_dir *d); // [disk] [any]
// All logs must be closed. clean = true writes the marker of a clean stop (only honest when every log_close
// succeeded; it is not written when a log had failed). Releases the lock and deletes .lock. Of a directory that is
// offline nothing is written or deleted.
void log_dir_close(struct log_dir *d, bool clean); // [disk]

// ---------------------------------------------------------------------------------------------------------------
// A log: open, close, delete

// Makes <dir>/<topic>-<partition>/ with an empty first segment, leader-epoch-checkpoint and partition.metadata. It
// outlives the process at once, a power failure only after log_flush, which should follow soon: until then
// partition.metadata has another name, so that nobody finds half of it.
enum err log_create(struct log_dir *d, const char *topic, int32_t partition, const struct uuid *topic_id,
                    const struct log_config *config, struct log **out) WARN_UNUSED; // [disk]
// Opens an existing folder; after an unclean stop with recovery from the recovery point on (CRC of every batch, torn
// tail cut with a line, indexes, epochs and producer state rebuilt). After a clean stop the tail of the active
// segment and the sanity of all indexes are still checked cheaply. NOT_FOUND when there is no such folder.
enum err log_open(struct log_dir *d, const char *topic, int32_t partition, const struct log_config *config,
                  struct log **out) WARN_UNUSED; // [disk]
// A second log of a partition that is to be moved to another directory (KIP-113): <topic>-<partition>.<32 hex>-future,
// otherwise as above. TOO_LARGE: the name does not fit. EXISTS: the directory holds a log of that partition.
enum err log_create_future(struct log_dir *d, const char *topic, int32_t partition, const struct uuid *topic_id,
                           const struct log_config *config, struct log **out) WARN_UNUSED; // [disk]
// Whether the name of such a folder would fit.
bool log_future_fits(struct slice topic, int32_t partition);
// Opens such a folder that was found.
enum err log_open_future(struct log_dir *d, const struct log_folder *f, const struct log_config *config,
                         struct log **out) WARN_UNUSED; // [disk]
bool log_is_future(const struct log *l);
// It becomes the partition's log: the folder gets the name of one. Nobody else may use the log meanwhile.
enum err log_promote(struct log *l) WARN_UNUSED; // [append] [disk]
// Flushes, writes the producer snapshot at the end offset, trims index files, closes. The log is freed in any case.
enum err log_close(struct log *l) WARN_UNUSED; // [append] [disk]
// Renames the folder to ...-delete, to be removed after delay_ms by log_dir_sweep, and frees the log. Readers that
// hold a log_file go on reading.
enum err log_delete(struct log *l, int64_t delay_ms) WARN_UNUSED; // [append] [disk]

struct log_dir *log_directory(const struct log *l);
const struct os *log_os(const struct log *l);
const char *log_topic(const struct log *l);
int32_t log_partition(const struct log *l);
// Zero when partition.metadata is missing.
const struct uuid *log_topic_id(const struct log *l);
enum err log_set_topic_id(struct log *l, const struct uuid *topic_id) WARN_UNUSED; // [disk]
// Takes effect for later appends and retention runs.
void log_set_config(struct log *l, const struct log_config *config); // [append]
struct log_config log_config_copy(const struct log *l);              // [append]

int64_t log_start_offset(const struct log *l);   // [any]
int64_t log_end_offset(const struct log *l);     // [any] next offset to be written
int64_t log_recovery_point(const struct log *l); // [any] everything below is fsynced
int64_t log_size_bytes(const struct log *l);     // [any] of all segments
bool log_failed(const struct log *l);            // [any] or its directory has
// The log keeps the high watermark for retention and the checkpoint; the partition decides it.
void log_set_high_watermark(struct log *l, int64_t offset); // [any]
int64_t log_high_watermark(const struct log *l);            // [any]
// First offset of the oldest open transaction, INT64_MAX when there is none. Last stable offset = min(this, HW).
int64_t log_first_unstable_offset(const struct log *l); // [any]

// ---------------------------------------------------------------------------------------------------------------
// Append

enum log_append_origin {
    LOG_FROM_CLIENT,      // validated in full
    LOG_FROM_COORDINATOR, // written by this broker: control batches allowed, sequences not checked
    LOG_FROM_LEADER,      // replication: offsets and epochs are in the batches, appended as they are
};

struct validated;

struct log_record_error {
    int32_t index;       // of the record in its batch
    const char *message; // in the scratch arena, never NULL
};

struct log_append {
    // in
    // Record batches of magic 2 (client: exactly one; or messages of magic 0 and 1, which become one); offsets, epoch
    // and stamps are written into it. Where a batch has to be made anew, that is what is stored.
    uint8_t *data;
    size_t len; // out: of what was stored
    enum log_append_origin origin;
    int32_t leader_epoch;    // written into the batches (not for LOG_FROM_LEADER)
    int64_t now_ms;          // wall clock
    bool brief;              // others wait meanwhile: ERR_AGAIN and `takes_long` for what is to be prepared first
    struct validated *ready; // of log_prepare; NULL: log_append does it, too
    // out
    bool takes_long;
    int64_t first_offset;
    int64_t last_offset;
    int64_t append_time_ms; // LogAppendTime of the batch, or of a duplicate its old max timestamp; else -1
    bool duplicate;         // nothing was written; the offsets are those of the first time (ERR_OK)
    bool log_start_known;   // the error was found after the checks of the bytes: answer the real log start offset
    bool flush_due;         // flush.messages is reached: do not acknowledge before log_flush has passed last_offset
    bool rolled;            // a new segment was begun: have log_flush run in the background
    struct log_record_error *record_errors; // in the arena; at most LOG_RECORD_ERRORS_MAX
    int32_t record_errors_count;
    const char *error_message; // summary for the client, or NULL
};

#define LOG_RECORD_ERRORS_MAX 1000

// The part of an append that may take long and needs no order, for LOG_FROM_CLIENT: validates the records and makes
// them anew where the topic has a codec of its own or an old format was sent. *c is a copy of the log's config.
// a->ready is in scratch; log_append or log_append_drop end it. Errors of log_append about the bytes. [any]
enum err log_prepare(struct log *l, const struct log_config *c, struct log_append *a,
                     struct arena *scratch) WARN_UNUSED;
// Nothing is appended of it: gives back what log_prepare has made. [any]
void log_append_drop(struct log_append *a);

// Validates what is not prepared, rolls when due, checks the producer's state, writes with one pwritev, indexes,
// publishes the end. Errors, Kafka's of the same meaning (wire-format: Produce validation): INVALID_RECORD,
// INVALID_TIMESTAMP, CORRUPT, BATCH_TOO_LARGE, LIST_TOO_LARGE, UNSUPPORTED_CODEC, OUT_OF_ORDER_SEQUENCE,
// PRODUCER_FENCED, INVALID_TXN_STATE, IO (the log is FAILED now), FAILED, NO_SPACE (the disk is full), AGAIN (no free
// descriptor for a new segment; or takes_long). After any error nothing was appended. LOG_FROM_LEADER: OUT_OF_RANGE
// when a batch begins below the end offset; a batch that is not whole at the end of the data is left out.
enum err log_append(struct log *l, struct log_append *a, struct arena *scratch) WARN_UNUSED; // [append]

// Cuts everything at and above offset (replication). Whole batches only.
enum err log_truncate(struct log *l, int64_t offset) WARN_UNUSED; // [append] [disk]
// Drops everything there is, epochs and producers too: the log is empty and begins at offset, where the high
// watermark is, too (replication, where the leader has nothing of it any more; copies).
enum err log_restart(struct log *l, int64_t offset) WARN_UNUSED; // [append] [disk]

// What a Produce request's records look like before any partition is touched, for checks over the whole request:
// first batch's magic, codec, attributes; ERR_CORRUPT when its length is below 14 or its magic above 2,
// ERR_INVALID_RECORD when there is no complete batch. A damaged later batch is found by log_append (ERR_CORRUPT).
struct log_batch_info {
    int8_t magic;
    int8_t codec; // 0 none 1 gzip 2 snappy 3 lz4 4 zstd, others as sent
    bool transactional;
    bool control;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t batches; // complete ones in the set (counts at most 2)
};
enum err log_batch_peek(struct slice records, struct log_batch_info *out) WARN_UNUSED; // [any]
// The offset that the first batch of what a log holds begins with, as LOG_FROM_LEADER takes it. CORRUPT, TRUNCATED.
enum err log_base_offset(struct slice records, int64_t *base_offset) WARN_UNUSED; // [any]

// ---------------------------------------------------------------------------------------------------------------
// Read

struct log_file;
void log_file_ref(struct log_file *f);   // [any]
void log_file_unref(struct log_file *f); // [any] the last one closes the descriptor
int log_file_fd(const struct log_file *f);
// The bytes can be sent without waiting for a disk.
bool log_file_is_warm(const struct os *os, const struct log_file *f, int64_t position, size_t len); // [any]
// Reads them, so that they can. Those that cannot be read are left to whoever sends them.
void log_file_warm(const struct os *os, const struct log_file *f, int64_t position, size_t len); // [any] [disk]

struct log_read {
    // in
    int64_t offset;     // first wanted; the answer begins with the batch that contains it
    int64_t max_offset; // exclusive upper bound (high watermark, last stable offset or end offset)
    size_t max_bytes;
    bool min_one; // the first batch comes whole even when larger than max_bytes (KIP-74)
    // out
    struct log_file *file; // counted for the caller, NULL when there is nothing to read
    int64_t position;
    size_t len;
    bool is_older_segment; // the bytes are not in the newest segment
    bool is_recent;        // they were written a moment ago
};

// Finds bytes without touching them. offset == end or at/after max_offset: ERR_OK and nothing. Below the log start or
// above the end: OUT_OF_RANGE. A read never crosses a segment. Of a log that has FAILED, what is safe is read, and
// FAILED is the answer behind it.
enum err log_read(struct log *l, struct log_read *r) WARN_UNUSED; // [any]

// What a read found, converted for a client that knows older message formats only (KIP-283).
struct log_conversion {
    // in
    struct log_file *file; // counted by the caller
    int64_t position;
    size_t len;
    int8_t magic; // 0 or 1: the newest the client knows
    int64_t first_offset;
    // out
    uint8_t *data; // in the arena, never NULL after ERR_OK
    size_t data_len;
};
// Batches that are old enough stay as they are. ERR_OK with data_len 0: there is no whole batch. What stops the
// conversion of the first batch is an error (ERR_UNSUPPORTED: zstd, which old formats do not have; CORRUPT; IO); later
// the data stops there, for the next read to meet it.
enum err log_convert_down(const struct os *os, struct log_conversion *c, struct arena *a) WARN_UNUSED; // [any] [disk]

struct log_aborted_txn {
    int64_t producer_id;
    int64_t first_offset;
};
// Aborted transactions that overlap [offset, upper offset of what was read), in order of their markers, in the arena.
enum err log_aborted_transactions(struct log *l, const struct log_read *r, struct arena *a,
                                  struct log_aborted_txn **out, int32_t *count) WARN_UNUSED; // [any]

// First record with a timestamp >= ts and an offset >= log start and < max_offset; *offset -1 when there is none.
// The exact record, also inside compressed batches.
enum err log_offset_by_time(struct log *l, int64_t ts, int64_t max_offset, int64_t *offset, int64_t *timestamp,
                            int32_t *leader_epoch) WARN_UNUSED; // [any] [disk]
// The first record that has the greatest timestamp of the log.
enum err log_offset_of_max_time(struct log *l, int64_t max_offset, int64_t *offset, int64_t *timestamp,
                                int32_t *leader_epoch) WARN_UNUSED; // [any] [disk]
// ListOffsets v0: segment base offsets (and the end), newest first, by modification time; at most max of them.
enum err log_offsets_before(struct log *l, int64_t ts, int64_t end_offset, int32_t max, struct arena *a,
                            int64_t **offsets, int32_t *count) WARN_UNUSED; // [any]

// ---------------------------------------------------------------------------------------------------------------
// Records as keys and values: what coordinators write and load

// Builds one uncompressed batch of magic 2 with CreateTime. Offsets and leader epoch are stamped by log_append.
struct log_batch_writer {
    struct writer bytes; // the batch so far; base offset 0
    int64_t timestamp_ms;
    int32_t count;
};

// What the header says of the producer.
struct log_batch_producer {
    int64_t id;            // -1 = none
    int16_t epoch;         // -1 = none
    int32_t base_sequence; // -1 = none; Kafka's batches of offset commits say 0 even without a producer
    bool transactional;
};
#define LOG_BATCH_NO_PRODUCER ((struct log_batch_producer){-1, -1, -1, false})

// The batch never grows beyond limit bytes. All records carry timestamp_ms.
void log_batch_writer_init(struct log_batch_writer *b, int64_t timestamp_ms, size_t limit);
void log_batch_writer_release(struct log_batch_writer *b);
// A slice whose data is NULL is null. Bytes are copied.
void log_batch_writer_add(struct log_batch_writer *b, struct slice key, struct slice value);
// Completes header and CRC; at least one record was added. *data stays the writer's and may be stamped by log_append.
// ERR_TOO_LARGE: the limit was reached on the way (or memory ended).
enum err log_batch_writer_finish(struct log_batch_writer *b, struct log_batch_producer producer, uint8_t **data,
                                 size_t *len) WARN_UNUSED;

// A batch that is being read.
struct log_batch_view {
    int64_t base_offset;
    int64_t last_offset;
    int64_t producer_id; // -1 = none
    int16_t producer_epoch;
    bool transactional;
    bool control; // its record is a marker, not data
};

struct log_record_view {
    int64_t offset;
    int64_t timestamp;
    struct slice key;   // NULL = null
    struct slice value; // NULL = null
};

// Keys and values are valid during the call. An error ends the walk and is returned.
typedef enum err log_record_fn(void *ctx, const struct log_batch_view *batch, const struct log_record_view *record);

#define LOG_BATCH_UNPACKED_MAX (256 << 20)

// Every record of the whole batches in `data`, compressed ones too (unpacked in memory: at most
// LOG_BATCH_UNPACKED_MAX bytes each); what follows the last whole batch is left alone, *consumed says from where.
// ERR_CORRUPT: damaged header or CRC. ERR_UNSUPPORTED: magic 0 or 1. ERR_INVALID_RECORD, ERR_UNSUPPORTED_CODEC,
// ERR_TOO_LARGE, ERR_NO_MEMORY, or what fn answered.
enum err log_batches_each(struct slice data, log_record_fn *fn, void *ctx, size_t *consumed) WARN_UNUSED;
// Every record with from <= offset < end. Reads `buffer_size` bytes at a time, more for a larger batch. Errors of
// log_read, of reading, and as above.
enum err log_records_each(struct log *l, int64_t from, int64_t end, size_t buffer_size, log_record_fn *fn,
                          void *ctx) WARN_UNUSED; // [any] [disk]

// ---------------------------------------------------------------------------------------------------------------
// Leader epochs (KIP-101, KIP-279)

// Notes that epoch begins at the end offset; on the disk before it returns, unless the log ends at 0: what an empty one
// loses by a power failure its records will say. Ignored when not newer.
enum err log_begin_epoch(struct log *l, int32_t epoch) WARN_UNUSED; // [append] [disk]
int32_t log_latest_epoch(const struct log *l);                      // [any] -1 when there is none
// Epoch of the batch at an offset as the epoch cache says, -1 unknown.
int32_t log_epoch_at(const struct log *l, int64_t offset); // [any]
// OffsetForLeaderEpoch: *found_epoch and its end offset, -1 and -1 when undefined.
void log_epoch_end(const struct log *l, int32_t epoch, int32_t *found_epoch, int64_t *end_offset); // [any]

// ---------------------------------------------------------------------------------------------------------------
// Background work

// fsyncs all that was written when the call began and moves the recovery point there. Calls that overlap share one
// fsync: a call that began while another ran waits for the next one together with all the others (group commit).
// ERR_AGAIN, ERR_NO_MEMORY: nothing could be opened, nothing has failed; call again later.
enum err log_flush(struct log *l) WARN_UNUSED; // [any] [disk]
// Deletes segments by log start, size and time; rolls the active one if it must go. Only segments wholly below the
// high watermark go. Answers how many.
enum err log_retain(struct log *l, int64_t now_ms, int32_t *deleted) WARN_UNUSED; // [append] [disk]
// Raises the log start offset (DeleteRecords; replication).
enum err log_advance_start(struct log *l, int64_t offset) WARN_UNUSED; // [append]
// What is known of a producer.
struct log_producer {
    int64_t producer_id;
    int16_t epoch;
    int32_t last_sequence; // -1 when no batch is remembered
    int64_t last_timestamp;
    int32_t coordinator_epoch; // -1 = none yet
    int64_t txn_first_offset;  // of the open transaction, -1 = none
};
// All producers, in the arena.
enum err log_producers(struct log *l, struct arena *a, struct log_producer **out, int32_t *count) WARN_UNUSED; // [any]
void log_expire_producers(struct log *l, int64_t now_ms); // [append]

#endif
