// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target: the files of the embedded tree, damaged. The input is a list of steps: changes through the store, whose
// state after each is noted, and then damage to the two files: cuts, flipped bytes, rubbish at the end, a copy of an
// older journal or snapshot put back, or a frame with a right sum and any transactions in it. Opened again, the store
// has one of the states noted, or says that its files are damaged. What was only cut off at the end always opens, and
// with all frames that are whole. Whatever opens can be changed, and has the same state when opened once more.
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/logging.h"
#include "base/tests/fuzz/fuzz.h"
#include "base/tests/testing.h"
#include "zk/zk_journal.h"
#include "zk/zk_local.h"
#include "zk/zk_memory.h"

enum {
    STATES_MAX = 200,
    FILE_MAX_BYTES = 1 << 20,
    QUEUE_MAX = 1000,
    SNAPSHOT_BYTES = 600, // a journal larger than this is replaced
};

struct history {
    char *dir;
    struct os os;
    struct zk *zk;
    uint32_t states[STATES_MAX]; // sums of the tree as text, in the order they came
    int states_count;
    size_t ends[STATES_MAX]; // the journal's size then, when it has not been replaced since
    struct writer kept[2];   // the files at an earlier time
    bool only_cut;           // no damage other than a shorter journal
    bool is_foreign;         // frames with right sums that no store has written: any state may come
    size_t cut_at;
};

static const char *const file_names[] = {ZK_JOURNAL_FILE, ZK_SNAPSHOT_FILE};

// ---- an operating system without chance and disks -----------------------------------------------------------------

static void same_random(const struct os *os, void *buf, size_t len)
{
    (void)os;
    memset(buf, 0x5a, len);
}

static int64_t same_wall_ms(const struct os *os)
{
    (void)os;
    return 1700000000000;
}

static int no_fsync(const struct os *os, int fd)
{
    (void)os;
    (void)fd;
    return 0;
}

// ---- files ---------------------------------------------------------------------------------------------------------

// Empty when there is none.
static void file_read(const struct history *h, int which, struct writer *out)
{
    char path[TEST_PATH_MAX_BYTES];
    char *data = NULL;
    size_t len = 0;
    test_path(path, h->dir, file_names[which]);
    enum err err = os_read_file(os_real(), path, FILE_MAX_BYTES, &data, &len);
    ASSERT(err == ERR_OK || err == ERR_NOT_FOUND);
    writer_init(out, len + 1, FILE_MAX_BYTES);
    if (err == ERR_OK)
        writer_bytes(out, data, len);
    free(data);
}

static void file_write(const struct history *h, int which, const struct writer *w)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, h->dir, file_names[which]);
    FILE *file = fopen(path, "w");
    ASSERT(file != NULL && fwrite(w->data, 1, w->len, file) == w->len && fclose(file) == 0);
}

static size_t journal_size(const struct history *h)
{
    struct stat st;
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, h->dir, ZK_JOURNAL_FILE);
    return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

// ---- the tree as one number ----------------------------------------------------------------------------------------

struct walk {
    struct zk *zk;
    uint32_t sum;
    char **paths; // still to be visited
    int count;
};

static void walk_add(struct walk *w, const char *parent, const char *name)
{
    size_t size = strlen(parent) + strlen(name) + 2;
    char *path = zk_memory_alloc(size);
    snprintf(path, size, "%s/%s", parent[1] == '\0' ? "" : parent, name);
    w->paths = zk_memory_grow(w->paths, (size_t)w->count + 1, sizeof *w->paths);
    w->paths[w->count++] = path;
}

static void walk_data(void *ctx, const struct zk_result *r)
{
    struct walk *w = ctx;
    ASSERT(r->err == ERR_OK && r->stat.data_len == (int32_t)r->data.len && r->stat.ephemeral_owner == 0);
    const int64_t numbers[] = {r->stat.czxid, r->stat.mzxid, r->stat.version, r->data.data == NULL};
    w->sum = crc32c_add(w->sum, r->path, strlen(r->path));
    w->sum = crc32c_add(w->sum, numbers, sizeof numbers);
    w->sum = crc32c_add(w->sum, r->data.data, r->data.len);
}

static void walk_children(void *ctx, const struct zk_result *r)
{
    ASSERT(r->err == ERR_OK && r->stat.num_children == r->n_children);
    for (int i = 0; i < r->n_children; i++)
        walk_add(ctx, r->path, r->children[i]);
}

static uint32_t tree_sum(struct zk *zk)
{
    struct walk w = {.zk = zk};
    walk_add(&w, "/", "");
    while (w.count > 0) {
        char *path = w.paths[--w.count];
        zk_get(zk, path, false, walk_data, &w);
        zk_children(zk, path, false, walk_children, &w);
        zk_dispatch(zk);
        free(path);
    }
    free(w.paths);
    return w.sum;
}

// ---- history -------------------------------------------------------------------------------------------------------

static void wake(void *ctx)
{
    (void)ctx;
}

static enum err store_open(struct history *h)
{
    static const struct zk_local_limits limits = {SNAPSHOT_BYTES, QUEUE_MAX};
    return zk_local_open_with(&h->os, h->dir, &limits, wake, NULL, &h->zk);
}

// Names of few nodes, so that they meet: "/a", "/a/b", "/b/a/c" ...
static void path_take(struct reader *in, char out[16])
{
    uint8_t bits = reader_u8(in);
    size_t len = 0;
    do {
        out[len++] = '/';
        out[len++] = (char)('a' + bits % 3);
        bits /= 3;
    } while (bits % 2 == 1 && len < 8);
    out[len] = '\0';
}

static struct slice data_take(struct reader *in)
{
    uint8_t len = reader_u8(in);
    if (len == 255)
        return SLICE_NULL;
    return len < reader_left(in) ? reader_bytes(in, len) : slice_str("all");
}

static void op_take(struct reader *in, uint8_t kind, struct zk_op *op, char path[16])
{
    static const enum zk_op_type types[] = {ZK_OP_CREATE, ZK_OP_CREATE, ZK_OP_SET, ZK_OP_DELETE, ZK_OP_CHECK};
    *op = (struct zk_op){.type = types[kind % 5], .path = path, .mode = ZK_PERSISTENT, .version = ZK_VERSION_ANY};
    path_take(in, path);
    if (op->type == ZK_OP_CREATE || op->type == ZK_OP_SET)
        op->data = data_take(in);
    if (op->type == ZK_OP_CREATE && kind >= 200)
        op->mode = ZK_PERSISTENT_SEQUENTIAL;
}

static void state_note(struct history *h)
{
    size_t size = journal_size(h);
    for (int i = 0; h->states_count > 0 && size < h->ends[h->states_count - 1] && i < h->states_count; i++)
        h->ends[i] = 0; // the journal was replaced: these states are in the snapshot
    h->ends[h->states_count] = size;
    h->states[h->states_count++] = tree_sum(h->zk);
}

// One transaction of one to four operations, or two that share a frame.
static void change(struct history *h, struct reader *in, uint8_t kind)
{
    struct zk_op ops[4];
    char paths[4][16];
    int n = 1 + kind / 8 % 4;
    for (int i = 0; i < n; i++)
        op_take(in, reader_u8(in), &ops[i], paths[i]);
    zk_multi(h->zk, ops, n, NULL, NULL);
    if (kind >= 128)
        zk_create(h->zk, "/z", SLICE_NULL, ZK_PERSISTENT_SEQUENTIAL, NULL, NULL);
    zk_dispatch(h->zk);
    state_note(h);
}

static void files_keep(struct history *h)
{
    for (int i = 0; i < 2; i++) {
        writer_release(&h->kept[i]);
        file_read(h, i, &h->kept[i]);
    }
}

// ---- damage --------------------------------------------------------------------------------------------------------

// A frame as the store writes them, with the input's bytes as its transactions.
static void foreign_frame(struct history *h, struct writer *journal, struct slice body)
{
    uint8_t salt[8];
    h->is_foreign = true;
    memset(salt, 0x5a, sizeof salt);
    size_t start = journal->len;
    writer_u32(journal, (uint32_t)body.len);
    writer_u32(journal, 0);
    writer_bytes(journal, body.data, body.len);
    uint32_t crc = crc32c_add(crc32c(salt, sizeof salt), journal->data + start, 4);
    store_be32(journal->data + start + 4, crc32c_add(crc, body.data, body.len));
}

static struct slice rest_take(struct reader *in)
{
    size_t len = reader_u8(in);
    return reader_bytes(in, len < reader_left(in) ? len : reader_left(in));
}

static void file_seal(struct history *h, int which, struct writer *w)
{
    h->is_foreign = true;
    if (which == 0 && w->len >= 32)
        store_be32(w->data + 28, crc32c(w->data, 28));
    else if (which == 1 && w->len > 4)
        store_be32(w->data + w->len - 4, crc32c(w->data, w->len - 4));
}

static void file_damage(struct history *h, struct reader *in, uint8_t kind)
{
    struct writer w;
    int which = kind & 1;
    file_read(h, which, &w);
    uint16_t at = reader_u16(in);
    if (kind / 2 % 8 != 0 || which != 0)
        h->only_cut = false;
    switch (kind / 2 % 8) {
    case 0:
        w.len = w.len == 0 ? 0 : at % (w.len + 1);
        break;
    case 1:
        if (w.len > 0)
            w.data[at % w.len] ^= (uint8_t)(1u << at / 256 % 8);
        break;
    case 2: {
        struct slice rubbish = rest_take(in);
        writer_bytes(&w, rubbish.data, rubbish.len);
        break;
    }
    case 3:
        w.len = 0;
        writer_bytes(&w, h->kept[which].data, h->kept[which].len);
        break;
    case 4:
        foreign_frame(h, &w, rest_take(in));
        break;
    default:
        if (w.len > 0)
            w.data[at % w.len] = reader_u8(in);
        file_seal(h, which, &w);
        break;
    }
    file_write(h, which, &w);
    writer_release(&w);
}

// ---- opening again -------------------------------------------------------------------------------------------------

// The state that the whole frames before the cut give, or -1 when the head is cut.
static int state_at(const struct history *h, size_t journal_len)
{
    int i = h->states_count - 1;
    while (i >= 0 && (h->ends[i] == 0 || h->ends[i] > journal_len))
        i--;
    return i;
}

static bool state_known(const struct history *h, uint32_t sum)
{
    int i = 0;
    while (i < h->states_count && h->states[i] != sum)
        i++;
    return i < h->states_count;
}

static void open_damaged(struct history *h)
{
    size_t journal_len = journal_size(h);
    enum err err = store_open(h);
    if (h->only_cut && state_at(h, journal_len) >= 0)
        ASSERT(err == ERR_OK);
    if (err != ERR_OK) {
        ASSERT(err == ERR_CORRUPT || err == ERR_UNSUPPORTED || (err == ERR_FULL && h->is_foreign));
        return;
    }
    uint32_t sum = tree_sum(h->zk);
    ASSERT(h->is_foreign || state_known(h, sum));
    if (h->only_cut && state_at(h, journal_len) >= 0)
        ASSERT(sum == h->states[state_at(h, journal_len)]);
    zk_close(h->zk);
    ASSERT(store_open(h) == ERR_OK && tree_sum(h->zk) == sum);
    for (int i = 0; i < 20; i++)
        zk_create(h->zk, "/y", slice_str("more"), ZK_PERSISTENT_SEQUENTIAL, NULL, NULL);
    zk_dispatch(h->zk);
    sum = tree_sum(h->zk);
    zk_close(h->zk);
    ASSERT(store_open(h) == ERR_OK && tree_sum(h->zk) == sum);
    zk_close(h->zk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader in = reader_of(slice_of(data, size < 1500 ? size : 1500));
    struct history *h = zk_memory_alloc(sizeof *h);
    h->dir = test_dir_new();
    h->os = *os_real();
    h->os.random = same_random;
    h->os.wall_ms = same_wall_ms;
    h->os.fsync = no_fsync;
    h->only_cut = true;
    logging_set_level((enum log_level)(LOG_ERROR + 1)); // what is damaged is told, line by line
    ASSERT(store_open(h) == ERR_OK);
    state_note(h);
    uint8_t kind;
    while ((kind = reader_u8(&in)) % 8 != 0 && !in.bad && h->states_count < STATES_MAX) {
        if (kind % 8 == 7)
            files_keep(h);
        else
            change(h, &in, kind);
    }
    zk_close(h->zk); // it has no ephemeral nodes, so this writes nothing
    while (reader_left(&in) > 0 && !in.bad)
        file_damage(h, &in, reader_u8(&in));
    open_damaged(h);
    for (int i = 0; i < 2; i++)
        writer_release(&h->kept[i]);
    test_dir_remove(h->dir);
    free(h);
    return 0;
}
