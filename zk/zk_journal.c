// SPDX-License-Identifier: Apache-2.0
//
// Reading: snapshot, then the frames of the journal; transactions that the snapshot has are skipped, so a crash
// between writing the snapshot and beginning the new journal does no harm. Both files are replaced by rename, so each
// is always whole, up to the torn tail of the journal.
#include "zk/zk_journal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/logging.h"
#include "zk/zk_memory.h"
#include "zk/zk_snapshot.h"

enum {
    JOURNAL_VERSION = 1,
    FRAME_VERSION = 1,
    JOURNAL_HEAD_BYTES = 8 + 4 + 8 + 8 + 4, // magic, version, salt, base zxid, CRC-32C
    FRAME_MIN_BODY_BYTES = 1 + 20,          // version and the head of a transaction
};

static const char journal_magic[8] = "OTTLAZNJ";

// ---- frames ----

static uint32_t frame_crc(uint64_t salt, const uint8_t *frame, size_t body_len)
{
    uint8_t salt_bytes[8];
    store_be64(salt_bytes, salt);
    uint32_t crc = crc32c(salt_bytes, sizeof salt_bytes);
    crc = crc32c_add(crc, frame, 4);
    return crc32c_add(crc, frame + ZK_FRAME_HEAD_BYTES, body_len);
}

// The frame at a position of the journal's bytes; false when there is no whole one.
static bool frame_at(const struct zk_journal *j, struct slice bytes, size_t position, struct slice *body)
{
    if (bytes.len - position < ZK_FRAME_HEAD_BYTES + FRAME_MIN_BODY_BYTES)
        return false;
    const uint8_t *frame = bytes.data + position;
    size_t len = load_be32(frame);
    if (len < FRAME_MIN_BODY_BYTES || len > ZK_FRAME_MAX_BYTES - ZK_FRAME_HEAD_BYTES ||
        len > bytes.len - position - ZK_FRAME_HEAD_BYTES)
        return false;
    *body = slice_of(frame + ZK_FRAME_HEAD_BYTES, len);
    return load_be32(frame + 4) == frame_crc(j->salt, frame, len);
}

// Whether a whole frame of a later transaction stands anywhere behind the position. The zxid is looked at before the
// checksum, so that the search does not become quadratic.
static bool frame_follows(const struct zk_journal *j, struct slice bytes, size_t position, int64_t zxid)
{
    struct slice body;
    for (size_t p = position + 1; p + ZK_FRAME_HEAD_BYTES + FRAME_MIN_BODY_BYTES <= bytes.len; p++) {
        const uint8_t *at = bytes.data + p + ZK_FRAME_HEAD_BYTES;
        int64_t first = (int64_t)load_be64(at + 1);
        if (at[0] == FRAME_VERSION && first > zxid && first <= zxid + (int64_t)bytes.len &&
            frame_at(j, bytes, p, &body))
            return true;
    }
    return false;
}

// Does the transactions of a frame to the tree, but for those that a snapshot has brought already.
static enum err frame_replay(struct slice body, int64_t *last_zxid, struct zk_tree *tree)
{
    struct reader r = reader_of(body);
    if (reader_u8(&r) != FRAME_VERSION)
        return ERR_UNSUPPORTED;
    while (reader_left(&r) > 0) {
        struct zk_txn txn;
        enum err err = zk_txn_read(&r, &txn);
        if (err != ERR_OK || txn.change.zxid != *last_zxid + 1)
            return ERR_CORRUPT;
        *last_zxid = txn.change.zxid;
        bool is_new = txn.change.zxid > tree->zxid;
        for (uint32_t i = 0; i < txn.count; i++) {
            struct zk_effect effect;
            err = zk_effect_read(&r, &effect);
            if (err == ERR_OK && is_new)
                err = zk_effect_apply(tree, &txn.change, &effect);
            if (err != ERR_OK)
                return err;
        }
        if (is_new)
            tree->zxid = txn.change.zxid;
    }
    zk_tree_keep(tree);
    return ERR_OK;
}

// ---- the journal file ----

// A head with a new salt, on the disk when this returns OK.
static enum err journal_create(struct zk_journal *j, int64_t base_zxid)
{
    uint8_t head[JOURNAL_HEAD_BYTES];
    j->os->random(j->os, &j->salt, sizeof j->salt);
    memcpy(head, journal_magic, sizeof journal_magic);
    store_be32(head + 8, JOURNAL_VERSION);
    store_be64(head + 12, j->salt);
    store_be64(head + 20, (uint64_t)base_zxid);
    store_be32(head + 28, crc32c(head, 28));
    return os_replace_file(j->os, j->journal_path, head, sizeof head);
}

static enum err journal_open_fd(struct zk_journal *j)
{
    int fd = j->os->open(j->os, j->journal_path, O_RDWR, 0);
    if (fd < 0)
        return ERR_IO;
    if (j->fd >= 0)
        j->os->close(j->os, j->fd);
    j->fd = fd;
    return ERR_OK;
}

static enum err head_read(struct zk_journal *j, struct slice bytes, int64_t *base_zxid)
{
    if (bytes.len < JOURNAL_HEAD_BYTES || memcmp(bytes.data, journal_magic, sizeof journal_magic) != 0 ||
        load_be32(bytes.data + 28) != crc32c(bytes.data, 28)) {
        log_error("zk", "%s does not begin with a whole head: damaged, or not a znode journal", j->journal_path);
        return ERR_CORRUPT;
    }
    if (load_be32(bytes.data + 8) != JOURNAL_VERSION) {
        log_error("zk", "%s has format version %" PRIu32 ", this broker knows %d", j->journal_path,
                  load_be32(bytes.data + 8), JOURNAL_VERSION);
        return ERR_UNSUPPORTED;
    }
    j->salt = load_be64(bytes.data + 12);
    *base_zxid = (int64_t)load_be64(bytes.data + 20);
    return ERR_OK;
}

// Replays all whole frames; *end is where the first byte behind them is.
static enum err frames_replay(struct zk_journal *j, struct slice bytes, int64_t base_zxid, struct zk_tree *tree,
                              size_t *end)
{
    int64_t last_zxid = base_zxid;
    struct slice body;
    size_t position = JOURNAL_HEAD_BYTES;
    for (; frame_at(j, bytes, position, &body); position += ZK_FRAME_HEAD_BYTES + body.len) {
        enum err err = frame_replay(body, &last_zxid, tree);
        if (err != ERR_OK) {
            log_error("zk", "%s: the frame at position %zu does not fit the tree (%s)", j->journal_path, position,
                      err_text(err));
            return err;
        }
    }
    if (position < bytes.len && frame_follows(j, bytes, position, last_zxid)) {
        log_error("zk",
                  "%s is damaged at position %zu: valid changes follow. The store is not opened, because changes that "
                  "were acknowledged would be lost; restore the file, or remove it with %s to start from nothing",
                  j->journal_path, position, j->snapshot_path);
        return ERR_CORRUPT;
    }
    if (last_zxid < tree->zxid) {
        log_error("zk",
                  "%s ends at transaction %" PRId64 ", but %s is at %" PRId64 ": one of them is not of this store",
                  j->journal_path, last_zxid, j->snapshot_path, tree->zxid);
        return ERR_CORRUPT;
    }
    *end = position;
    return ERR_OK;
}

static enum err tail_cut(struct zk_journal *j, size_t end, size_t file_len)
{
    if (end == file_len)
        return ERR_OK;
    log_warn("zk", "%s: cutting %zu bytes of an unfinished write at position %zu", j->journal_path, file_len - end,
             end);
    if (j->os->ftruncate(j->os, j->fd, (int64_t)end) != 0 || j->os->fsync(j->os, j->fd) != 0) {
        log_error("zk", "%s cannot be cut", j->journal_path);
        return ERR_IO;
    }
    return ERR_OK;
}

static enum err journal_load(struct zk_journal *j, struct slice bytes, struct zk_tree *tree)
{
    int64_t base_zxid = 0;
    size_t end = 0;
    enum err err = head_read(j, bytes, &base_zxid);
    if (err != ERR_OK)
        return err;
    if (base_zxid > tree->zxid) {
        log_error("zk",
                  "%s begins after transaction %" PRId64 ", but the tree before it ends at %" PRId64
                  ": %s is missing or too old",
                  j->journal_path, base_zxid, tree->zxid, j->snapshot_path);
        return ERR_CORRUPT;
    }
    err = frames_replay(j, bytes, base_zxid, tree, &end);
    if (err == ERR_OK)
        err = journal_open_fd(j);
    if (err == ERR_OK)
        err = tail_cut(j, end, bytes.len);
    j->size = (int64_t)end;
    return err;
}

static enum err snapshot_load(struct zk_journal *j, struct zk_tree *tree, int64_t *file_bytes)
{
    char *data = NULL;
    size_t len = 0;
    enum err err = os_read_file(j->os, j->snapshot_path, ZK_SNAPSHOT_MAX_BYTES, &data, &len);
    if (err != ERR_OK)
        return err;
    err = zk_snapshot_read(slice_of(data, len), tree);
    if (err != ERR_OK)
        log_error("zk", "%s cannot be used: %s", j->snapshot_path, err_text(err));
    free(data);
    *file_bytes = (int64_t)len;
    return err;
}

// ---- opening and writing ----

static int64_t larger_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static enum err files_load(struct zk_journal *j, struct zk_tree *tree)
{
    char *data = NULL;
    size_t len = 0;
    int64_t snapshot_file_bytes = 0;
    enum err err = snapshot_load(j, tree, &snapshot_file_bytes);
    bool has_snapshot = err == ERR_OK;
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    err = os_read_file(j->os, j->journal_path, ZK_JOURNAL_MAX_BYTES, &data, &len);
    if (err == ERR_NOT_FOUND && has_snapshot) {
        log_error("zk", "%s is there without %s: changes after the snapshot are missing", j->snapshot_path,
                  j->journal_path);
        return ERR_CORRUPT;
    }
    if (err == ERR_NOT_FOUND) {
        err = journal_create(j, 0);
        if (err == ERR_OK)
            err = journal_open_fd(j);
        j->size = JOURNAL_HEAD_BYTES;
    } else if (err == ERR_OK) {
        err = journal_load(j, slice_of(data, len), tree);
    }
    free(data);
    j->next_rotate_size = larger_of(j->snapshot_bytes, snapshot_file_bytes);
    return err;
}

static char *path_join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + 1 + strlen(name) + 1;
    char *path = zk_memory_alloc(size);
    snprintf(path, size, "%s/%s", dir, name);
    return path;
}

enum err zk_journal_open(struct zk_journal *j, const struct os *os, const char *dir, int64_t snapshot_bytes,
                         struct zk_tree *tree)
{
    *j = (struct zk_journal){.os = os, .fd = -1, .snapshot_bytes = snapshot_bytes};
    j->journal_path = path_join(dir, ZK_JOURNAL_FILE);
    j->snapshot_path = path_join(dir, ZK_SNAPSHOT_FILE);
    enum err err = files_load(j, tree);
    if (err == ERR_OK)
        return ERR_OK;
    log_error("zk", "the znode store in %s cannot be opened: %s", dir, err_text(err));
    zk_journal_close(j);
    return err;
}

void zk_journal_close(struct zk_journal *j)
{
    if (j->fd >= 0)
        j->os->close(j->os, j->fd);
    free(j->journal_path);
    free(j->snapshot_path);
    *j = (struct zk_journal){.fd = -1};
}

static void journal_fail(struct zk_journal *j, const char *what)
{
    log_error("zk",
              "%s: %s failed. The cluster's metadata cannot be changed any more until the broker is restarted; "
              "reads go on",
              j->journal_path, what);
    j->is_failed = true;
}

void zk_journal_frame_begin(struct writer *w)
{
    w->len = 0;
    writer_u64(w, 0); // length and checksum, known at the end
    writer_u8(w, FRAME_VERSION);
}

// What a frame that found no room has left behind the end goes. Says so once, until a frame finds room.
static enum err journal_full(struct zk_journal *j)
{
    if (j->os->ftruncate(j->os, j->fd, j->size) != 0) {
        journal_fail(j, "cutting back a write");
        return ERR_IO;
    }
    if (!j->is_full)
        log_error("zk", "%s: the disk is full; changes of the cluster's metadata wait until there is room",
                  j->journal_path);
    j->is_full = true;
    return ERR_NO_SPACE;
}

static void journal_has_room(struct zk_journal *j)
{
    if (j->is_full)
        log_info("zk", "%s: there is room again", j->journal_path);
    j->is_full = false;
}

enum err zk_journal_append(struct zk_journal *j, struct writer *frame)
{
    if (j->is_failed)
        return ERR_IO;
    ASSERT(!frame->bad && frame->len > ZK_FRAME_HEAD_BYTES);
    size_t body_len = frame->len - ZK_FRAME_HEAD_BYTES;
    store_be32(frame->data, (uint32_t)body_len);
    store_be32(frame->data + 4, frame_crc(j->salt, frame->data, body_len));
    struct iovec iov = {frame->data, frame->len};
    if (j->size + (int64_t)frame->len > ZK_JOURNAL_MAX_BYTES) {
        journal_fail(j, "keeping it within its bound");
        return ERR_IO;
    }
    enum err err = os_pwritev_full(j->os, j->fd, &iov, 1, j->size);
    if (err == ERR_NO_SPACE)
        return journal_full(j);
    if (err != ERR_OK) {
        journal_fail(j, "a write");
    } else if (os_fsync(j->os, j->fd) != ERR_OK) {
        journal_fail(j, "an fsync");
    }
    if (j->is_failed)
        return ERR_IO;
    journal_has_room(j);
    j->size += (int64_t)frame->len;
    return ERR_OK;
}

void zk_journal_rotate_if_due(struct zk_journal *j, const struct zk_tree *tree)
{
    struct writer w;
    if (j->is_failed || j->size <= j->next_rotate_size)
        return;
    writer_init(&w, (size_t)tree->bytes, ZK_SNAPSHOT_MAX_BYTES);
    zk_snapshot_write(tree, &w);
    ASSERT(!w.bad);
    int64_t snapshot_len = (int64_t)w.len;
    enum err err = os_replace_file(j->os, j->snapshot_path, w.data, w.len);
    writer_release(&w);
    if (err != ERR_OK) {
        j->next_rotate_size = j->size + j->snapshot_bytes;
        log_warn("zk", "%s cannot be written (%s); the journal goes on and is %" PRId64 " bytes now", j->snapshot_path,
                 err_text(err), j->size);
        return;
    }
    // Without room the old journal is still in its place. Any other failure leaves it open which journal is on the
    // disk, so nothing may be added to either.
    uint64_t salt = j->salt;
    err = journal_create(j, tree->zxid);
    if (err == ERR_NO_SPACE) {
        j->salt = salt;
        j->next_rotate_size = j->size + j->snapshot_bytes;
        return;
    }
    if (err == ERR_OK)
        err = journal_open_fd(j);
    if (err != ERR_OK) {
        journal_fail(j, "beginning a new journal");
        return;
    }
    j->size = JOURNAL_HEAD_BYTES;
    j->next_rotate_size = larger_of(j->snapshot_bytes, snapshot_len);
    log_debug("zk", "%s is at transaction %" PRId64 ", %" PRId64 " bytes", j->snapshot_path, tree->zxid, snapshot_len);
}
