// SPDX-License-Identifier: Apache-2.0
//
// The files of the embedded store: `ottla-znodes.snapshot`, the tree at some transaction, and `ottla-znodes.journal`,
// all transactions since. What always holds on the disk: the journal begins at or before the snapshot's zxid, and
// snapshot plus the later transactions of the journal is a tree that contains everything acknowledged.
//
// The journal is a head and then frames. A frame holds the transactions that were made durable together, and is
// written by one write and one fsync before the next one starts. So a frame that fails its checksum is a torn write,
// never acknowledged, if nothing valid follows it, and damage if something does.
#ifndef OTTLA_ZK_ZK_JOURNAL_H
#define OTTLA_ZK_ZK_JOURNAL_H

#include "base/bytes.h"
#include "base/os.h"
#include "zk/zk_tree.h"
#include "zk/zk_txn.h"

#define ZK_JOURNAL_FILE           "ottla-znodes.journal"
#define ZK_SNAPSHOT_FILE          "ottla-znodes.snapshot"
#define ZK_JOURNAL_SNAPSHOT_BYTES (8LL * 1024 * 1024)    // a journal beyond this, and beyond the snapshot, is replaced
#define ZK_JOURNAL_MAX_BYTES      (1024LL * 1024 * 1024) // a journal that could not be replaced fails here
#define ZK_FRAME_HEAD_BYTES       8                      // u32 length of the body, u32 CRC-32C
#define ZK_FRAME_BATCH_BYTES      (1024 * 1024)          // a frame with this much takes no further transaction
#define ZK_FRAME_MAX_BYTES        (ZK_FRAME_BATCH_BYTES + ZK_TXN_MAX_BYTES + ZK_FRAME_HEAD_BYTES + 1)

struct zk_journal {
    const struct os *os;
    char *journal_path;
    char *snapshot_path;
    int fd;        // of the journal, -1 = not open
    int64_t size;  // where the next frame goes
    uint64_t salt; // random, of this journal: part of every checksum, so that no znode's data can pass for a frame
    int64_t snapshot_bytes;   // bound set at opening
    int64_t next_rotate_size; // rotate when the journal is larger
    bool is_failed;           // a write or fsync failed: nothing is written any more
    bool is_full;             // the last frame found no room on the disk
};

// Loads `tree`, which is fresh, from the files in dir and makes them where there are none; cuts a torn tail, with a
// log line. The changes are kept. ERR_CORRUPT for damaged files, which are left as they are, ERR_UNSUPPORTED for those
// of a later version; the log says what and where.
enum err zk_journal_open(struct zk_journal *j, const struct os *os, const char *dir, int64_t snapshot_bytes,
                         struct zk_tree *tree) WARN_UNUSED;
void zk_journal_close(struct zk_journal *j);

// A frame: begin, transactions behind it in the same writer, append. The writer's limit is ZK_FRAME_MAX_BYTES.
void zk_journal_frame_begin(struct writer *w);
// Writes the frame and fsyncs. ERR_NO_SPACE: the disk is full, the frame is not there, and may be tried again later.
// ERR_IO, and every later one too, after a failure: whether the frame is on the disk is not known then.
enum err zk_journal_append(struct zk_journal *j, struct writer *frame) WARN_UNUSED;

// Replaces the journal by a snapshot of the tree when it has grown beyond its bound. Failing to write the snapshot
// only postpones it; failing to begin the new journal takes the journal out of service.
void zk_journal_rotate_if_due(struct zk_journal *j, const struct zk_tree *tree);

#endif
