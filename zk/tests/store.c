// SPDX-License-Identifier: Apache-2.0
//
// A synchronous face of a store, and the dying operating system.
#include "zk/tests/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/tests/cmocka_all.h"

// ---- what came, in order ----

void store_note(struct store *s, const char *a, const char *b)
{
    char *longer = NULL;
    int n = asprintf(&longer, "%s%s %s\n", s->log, a, b);
    ASSERT(n > 0);
    free(s->log);
    s->log = longer;
}

static void event_log(void *ctx, enum zk_event_type type, const char *path)
{
    static const char *const names[] = {"created", "deleted", "changed", "children", "lost", "up", "expired"};
    store_note(ctx, names[type], path == NULL ? "session" : path);
}

char *store_take_log(struct store *s)
{
    char *log = s->log;
    s->log = strdup("");
    return log;
}

void assert_log(struct store *s, const char *expected)
{
    char *log = store_take_log(s);
    assert_string_equal(log, expected);
    free(log);
}

// ---- opening ----

static void wake_count(void *ctx)
{
    ((struct store *)ctx)->wakes++;
}

enum err store_try_open(struct store *s, const struct os *os, const char *dir, int64_t snapshot_bytes)
{
    struct zk_local_limits limits = {snapshot_bytes, 1000};
    *s = (struct store){0};
    enum err err = snapshot_bytes == 0 ? zk_local_open(os, dir, wake_count, s, &s->zk)
                                       : zk_local_open_with(os, dir, &limits, wake_count, s, &s->zk);
    if (err != ERR_OK)
        return err;
    s->log = strdup("");
    zk_set_event_fn(s->zk, event_log, s);
    return ERR_OK;
}

void store_open(struct store *s, const struct os *os, const char *dir)
{
    assert_int_equal(store_try_open(s, os, dir, 0), ERR_OK);
}

void store_open_client(struct store *s, const char *connect, int32_t session_timeout_ms)
{
    struct gate *gate = s->gate;
    *s = (struct store){.gate = gate};
    const struct zk_client_options options = {.os = os_real(),
                                              .connect = connect,
                                              .session_timeout_ms = session_timeout_ms,
                                              .connection_timeout_ms = 60000,
                                              .max_in_flight = 10,
                                              .wake = wake_count,
                                              .wake_ctx = s};
    assert_int_equal(zk_client_open(&options, &s->zk), ERR_OK);
    s->log = strdup("");
    zk_set_event_fn(s->zk, event_log, s);
    store_run(s);
    free(store_take_log(s));
}

void store_close(struct store *s)
{
    zk_close(s->zk);
    free(s->log);
    *s = (struct store){.gate = s->gate};
}

// ---- waiting ----

void store_poll(struct store *s)
{
    struct pollfd fds[1 + GATE_MAX_FDS];
    struct zk_interest i = zk_interest(s->zk);
    int events = (i.readable ? POLLIN : 0) | (i.writable ? POLLOUT : 0);
    fds[0] = (struct pollfd){.fd = i.fd, .events = (short)events}; // -1 is skipped
    int n = 1 + (s->gate == NULL ? 0 : gate_fds(s->gate, fds + 1));
    int ready = poll(fds, (nfds_t)n, i.timeout_ms < 0 ? -1 : (int)i.timeout_ms);
    ASSERT(ready >= 0);
    if (s->gate != NULL)
        gate_run(s->gate);
    zk_ready(s->zk, (fds[0].revents & ~POLLOUT) != 0, (fds[0].revents & POLLOUT) != 0);
}

static void mark(void *ctx, const struct zk_result *result)
{
    (void)result;
    *(bool *)ctx = true;
}

void store_run(struct store *s)
{
    bool is_done = false;
    zk_exists(s->zk, "/", false, mark, &is_done);
    zk_dispatch(s->zk);
    while (!is_done)
        store_poll(s);
}

void store_await_log(struct store *s, const char *text)
{
    while (strstr(s->log, text) == NULL)
        store_poll(s);
}

// ---- calls ----

void answer_keep(void *ctx, const struct zk_result *result)
{
    struct answer *a = ctx;
    char *joined = strdup("");
    for (int i = 0; i < result->n_children; i++) {
        char *longer = NULL;
        int n = asprintf(&longer, "%s%s%s", joined, i == 0 ? "" : " ", result->children[i]);
        ASSERT(n >= 0);
        free(joined);
        joined = longer;
    }
    a->calls++;
    a->err = result->err;
    a->stat = result->stat;
    a->failed_op = result->failed_op;
    a->children = joined;
    a->path = result->path == NULL ? NULL : strdup(result->path);
    a->data_len = result->data.len;
    a->data = NULL;
    if (result->data.data != NULL) { // which has no end mark
        a->data = calloc(1, result->data.len + 1);
        assert_non_null(a->data);
        memcpy(a->data, result->data.data, result->data.len);
    }
}

void answer_release(struct answer *a)
{
    free(a->data);
    free(a->path);
    free(a->children);
    *a = (struct answer){0};
}

static struct slice data_of(const char *text)
{
    return text == NULL ? SLICE_NULL : slice_str(text);
}

// Waits; the answer must be there then, and only one.
static enum err answered(struct store *s, struct answer *a)
{
    store_run(s);
    assert_int_equal(a->calls, 1);
    enum err err = a->err;
    answer_release(a);
    return err;
}

enum err store_create(struct store *s, const char *path, const char *data, enum zk_create_mode mode)
{
    struct answer a = {0};
    zk_create(s->zk, path, data_of(data), mode, answer_keep, &a);
    return answered(s, &a);
}

enum err store_set(struct store *s, const char *path, const char *data, int32_t version)
{
    struct answer a = {0};
    zk_set(s->zk, path, data_of(data), version, answer_keep, &a);
    return answered(s, &a);
}

enum err store_delete(struct store *s, const char *path, int32_t version)
{
    struct answer a = {0};
    zk_delete(s->zk, path, version, answer_keep, &a);
    return answered(s, &a);
}

enum err store_multi(struct store *s, const struct zk_op *ops, int n, int *failed_op)
{
    struct answer a = {0};
    zk_multi(s->zk, ops, n, answer_keep, &a);
    store_run(s);
    assert_int_equal(a.calls, 1);
    enum err err = a.err;
    if (failed_op != NULL)
        *failed_op = a.failed_op;
    answer_release(&a);
    return err;
}

struct answer store_get(struct store *s, const char *path, bool watch)
{
    struct answer a = {0};
    zk_get(s->zk, path, watch, answer_keep, &a);
    store_run(s);
    assert_int_equal(a.calls, 1);
    return a;
}

struct answer store_exists(struct store *s, const char *path, bool watch)
{
    struct answer a = {0};
    zk_exists(s->zk, path, watch, answer_keep, &a);
    store_run(s);
    assert_int_equal(a.calls, 1);
    return a;
}

struct answer store_children(struct store *s, const char *path, bool watch)
{
    struct answer a = {0};
    zk_children(s->zk, path, watch, answer_keep, &a);
    store_run(s);
    assert_int_equal(a.calls, 1);
    return a;
}

static void dump_node(struct store *s, const char *path, FILE *out)
{
    struct answer a = store_get(s, path, false);
    assert_int_equal(a.err, ERR_OK);
    const struct zk_stat *st = &a.stat;
    fprintf(out, "%s %s v%d c%d cz%" PRId64 " mz%" PRId64 " ct%" PRId64 " mt%" PRId64 " %s len%d n%d\n", path,
            a.data == NULL ? "null" : a.data, st->version, st->cversion, st->czxid, st->mzxid, st->ctime_ms,
            st->mtime_ms, st->ephemeral_owner == 0 ? "persistent" : "ephemeral", st->data_len, st->num_children);
    answer_release(&a);
    a = store_children(s, path, false);
    for (char *rest = a.children, *name; (name = strsep(&rest, " ")) != NULL && *name != '\0';) {
        struct znode_path child = znode_path_child(path, name);
        dump_node(s, child.s, out);
    }
    answer_release(&a);
}

char *store_dump(struct store *s, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    ASSERT(out != NULL);
    dump_node(s, path, out);
    fclose(out);
    return text;
}

// ---- the dying operating system ----

// Counts a change of the disk; true when it must not happen any more.
static bool dies(const struct os *os)
{
    struct dying_os *d = os->ctx;
    if (!d->is_dead && ++d->calls == d->dies_at)
        d->is_dead = true;
    errno = EIO;
    return d->is_dead;
}

static int dying_open(const struct os *os, const char *path, int flags, mode_t mode)
{
    if ((flags & O_CREAT) != 0 && dies(os))
        return -1;
    return os_real()->open(os_real(), path, flags, mode);
}

static ssize_t dying_pwritev(const struct os *os, int fd, const struct iovec *iov, int n, int64_t position)
{
    struct dying_os *d = os->ctx;
    bool was_dead = d->is_dead;
    if (!dies(os))
        return os_real()->pwritev(os_real(), fd, iov, n, position);
    if (!was_dead) {
        struct iovec half = {iov[0].iov_base, iov[0].iov_len / 2};
        ssize_t written = os_real()->pwritev(os_real(), fd, &half, 1, position);
        ASSERT(written == (ssize_t)half.iov_len);
    }
    errno = EIO;
    return -1;
}

static int dying_fsync(const struct os *os, int fd)
{
    return dies(os) ? -1 : os_real()->fsync(os_real(), fd);
}

static int dying_ftruncate(const struct os *os, int fd, int64_t size)
{
    return dies(os) ? -1 : os_real()->ftruncate(os_real(), fd, size);
}

static int dying_rename(const struct os *os, const char *from, const char *to)
{
    return dies(os) ? -1 : os_real()->rename(os_real(), from, to);
}

static int dying_unlink(const struct os *os, const char *path)
{
    return dies(os) ? -1 : os_real()->unlink(os_real(), path);
}

void dying_os_init(struct dying_os *d, int dies_at)
{
    *d = (struct dying_os){.os = *os_real(), .dies_at = dies_at};
    d->os.open = dying_open;
    d->os.pwritev = dying_pwritev;
    d->os.fsync = dying_fsync;
    d->os.ftruncate = dying_ftruncate;
    d->os.rename = dying_rename;
    d->os.unlink = dying_unlink;
    d->os.ctx = d;
}

void store_die(struct store *s, struct dying_os *d)
{
    d->is_dead = true;
    store_close(s);
}
