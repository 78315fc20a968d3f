// SPDX-License-Identifier: Apache-2.0
//
// What a leader checks and rewrites in the one batch of a client's append (wire-format: Produce validation, rows
// 14-29; Kafka's LogValidator). Pure: no files, no locks but that of the codec pool. What this broker's coordinators
// write and what a leader sends does not come this way.
#ifndef OTTLA_LOG_VALIDATE_H
#define OTTLA_LOG_VALIDATE_H

#include "log/batch.h"
#include "log/compress.h"
#include "log/log.h"

// What a client's batch may unpack to: this, or so many times max.message.bytes where that is more. Kafka has no bound;
// past this one it is MESSAGE_TOO_LARGE, which makes Kafka's own producer split the batch and go on.
#define PRODUCED_UNPACKED_MAX   ((size_t)128 << 20)
#define PRODUCED_UNPACKED_RATIO 16
// What is validated where others have to wait for it: compressed batches up to this size, as long as they unpack to no
// more than that.
#define BRIEF_PACKED_MAX   ((size_t)64 << 10)
#define BRIEF_UNPACKED_MAX ((size_t)128 << 10)

struct validated {
    struct batch batch; // header; after stamping the one that is stored
    // The bytes to be stored, malloc'ed and the caller's; NULL: those of the append, stamped in place. A batch is made
    // anew when the topic's codec is another one, or when messages of an old format were sent.
    uint8_t *rebuilt;
    size_t rebuilt_len;
    int64_t max_timestamp;
    int64_t offset_of_max_timestamp; // relative to base_offset 0: the delta of the first record that has it
};

// Where the batch is going to.
struct validate_target {
    const struct log_config *config;
    const char *topic; // for messages to the client
    int32_t partition;
    struct codec_pool *pool; // or NULL
    bool brief;              // ERR_AGAIN for what takes longer than a moment: past BRIEF_..., or to be made anew
};

// Step 1, before anything of the log is touched: base offset 0, size and CRC of each batch; exactly one batch, or
// messages of one old format, none of them compressed when there are several; trailing rest cut (a->len is lowered).
// *out is the first one. Resets the fields of *a that step 2 fills; a base offset other than 0 sets a->log_start_known.
// Errors as log_append.
enum err validate_set(const struct log_config *c, struct log_append *a, struct batch *out) WARN_UNUSED;
// Step 2; *b is what step 1 has read: counts, control bit, producer fields, every record (offset deltas 0,1,2..,
// well-formed, key on compacted topics, timestamps). Fills a->record_errors, a->error_message (both in scratch, as many
// as fit there), a->log_start_known. ERR_AGAIN (brief): nothing was decided yet.
enum err validate_records(const struct validate_target *t, struct log_append *a, const struct batch *b,
                          struct arena *scratch, struct validated *out) WARN_UNUSED;
// Step 3, when the next offset is known: stamps base offset, leader epoch, timestamp type and max timestamp into
// a->data or v->rebuilt. Fills a->append_time_ms.
void validate_stamp(const struct log_config *c, struct log_append *a, int64_t next_offset, struct validated *v);

#endif
