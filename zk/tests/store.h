// SPDX-License-Identifier: Apache-2.0
//
// A store made easy for tests, the embedded one or one on a real ZooKeeper: each call waits for its result and answers
// a copy of it; events and results that arrive are kept as one text, in order. And an operating system that dies at the
// n-th change it is asked for.
#ifndef OTTLA_ZK_TESTS_STORE_H
#define OTTLA_ZK_TESTS_STORE_H

#include "base/os.h"
#include "base/tests/testing.h"
#include "zk/tests/server.h"
#include "zk/zk_local.h"

struct store {
    struct zk *zk;
    int wakes;
    char *log;         // "created /a\n", "result OK\n" ...: what came, in order
    struct gate *gate; // run while waiting for something; NULL: none
};

// A result that outlives its callback.
struct answer {
    int calls;
    enum err err;
    char *data; // ends in NUL; NULL = null
    size_t data_len;
    struct zk_stat stat;
    char *path;
    char *children; // names joined by ' '
    int failed_op;
};

// snapshot_bytes 0 = the usual limits.
enum err store_try_open(struct store *s, const struct os *os, const char *dir, int64_t snapshot_bytes);
void store_open(struct store *s, const struct os *os, const char *dir);
// On a real ZooKeeper: "host:port/chroot". Answers when the session is up.
void store_open_client(struct store *s, const char *connect, int32_t session_timeout_ms);
void store_close(struct store *s);
// Waits for the results of all calls made so far, which come in order. For the embedded store it is zk_dispatch.
void store_run(struct store *s);
// One round of waiting for a real ZooKeeper.
void store_poll(struct store *s);
// Waits until this text has come.
void store_await_log(struct store *s, const char *text);
// Adds a line to what came.
void store_note(struct store *s, const char *a, const char *b);
// Forgets what came and answers it (free it).
char *store_take_log(struct store *s);
void assert_log(struct store *s, const char *expected);

// Keeps a result in an answer; a zk_result_fn whose ctx is the answer.
void answer_keep(void *ctx, const struct zk_result *result);
void answer_release(struct answer *a);

// Call, wait, answer only the error.
enum err store_create(struct store *s, const char *path, const char *data, enum zk_create_mode mode);
enum err store_set(struct store *s, const char *path, const char *data, int32_t version);
enum err store_delete(struct store *s, const char *path, int32_t version);
enum err store_multi(struct store *s, const struct zk_op *ops, int n, int *failed_op);
// Call, wait, answer all; to be released.
struct answer store_get(struct store *s, const char *path, bool watch);
struct answer store_exists(struct store *s, const char *path, bool watch);
struct answer store_children(struct store *s, const char *path, bool watch);

// Every node below (and with) a path with data and numbers, one a line; free it.
char *store_dump(struct store *s, const char *path);

// The real system until the n-th call that changes something on the disk; from then on every such call fails, and a
// write that is the n-th leaves only its first half. 0 = never.
struct dying_os {
    struct os os;
    int dies_at;
    int calls;
    bool is_dead;
};
void dying_os_init(struct dying_os *d, int dies_at);
// Lets the process die now: the store is closed, but nothing reaches the disk any more.
void store_die(struct store *s, struct dying_os *d);

#endif
