// SPDX-License-Identifier: Apache-2.0
//
// A random walk: thousands of operations against a model that is a plain list of nodes, with answers, events and the
// whole tree compared, through clean restarts, snapshots, and crashes that cut the journal at a random byte. After a
// crash the tree is the model as it was when the journal ended there.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/store.h"
#include "zk/zk_journal.h"

enum {
    STEPS = 2500,
    NODES_MAX = 120,
    WATCHES_MAX = 64,
    BATCH_MAX = 6,
    MULTI_MAX = 4,
    HISTORY_MAX = 400,
    SNAPSHOT_BYTES = 1500,
    HEAD_BYTES = 32,
    PATH_MAX_BYTES = 64,
};

// ---- the model ----

struct model_node {
    char path[PATH_MAX_BYTES];
    char data[16]; // "" = null
    int64_t czxid;
    int64_t mzxid;
    int32_t version;
    int32_t creates;
    int32_t deletes;
    bool is_ephemeral;
};

struct model {
    struct model_node nodes[NODES_MAX];
    int n;
    int64_t zxid;
};

struct watch_set {
    char paths[WATCHES_MAX][PATH_MAX_BYTES];
    int n;
};

struct walk {
    char *dir;
    struct dying_os os;
    struct store s;
    struct model m;
    struct watch_set node_watches;
    struct watch_set child_watches;
    FILE *events; // that must come
    uint64_t random;
    struct {
        int64_t size; // of the journal
        struct model *m;
    } history[HISTORY_MAX];
    int history_n;
    int counts[8]; // of what happened, so that a walk that does nothing is noticed
};

enum {
    COUNT_CHANGES,
    COUNT_REFUSALS,
    COUNT_MULTIS,
    COUNT_EVENTS,
    COUNT_CRASHES,
    COUNT_LOST, // changes that a crash took
    COUNT_ROTATIONS,
};

static uint32_t pick(struct walk *w, uint32_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32_t)(w->random >> 20) % n;
}

static struct model_node *model_find(struct model *m, const char *path)
{
    for (int i = 0; i < m->n; i++) {
        if (strcmp(m->nodes[i].path, path) == 0)
            return &m->nodes[i];
    }
    return NULL;
}

static void parent_of(const char *path, char parent[PATH_MAX_BYTES])
{
    snprintf(parent, PATH_MAX_BYTES, "%s", path);
    char *slash = strrchr(parent, '/');
    slash[slash == parent ? 1 : 0] = '\0';
}

static int children_of(const struct model *m, const char *path)
{
    int n = 0;
    char parent[PATH_MAX_BYTES];
    for (int i = 0; i < m->n; i++) {
        parent_of(m->nodes[i].path, parent);
        n += strcmp(m->nodes[i].path, "/") != 0 && strcmp(parent, path) == 0;
    }
    return n;
}

static bool watch_take(struct watch_set *set, const char *path)
{
    for (int i = 0; i < set->n; i++) {
        if (strcmp(set->paths[i], path) == 0) {
            memmove(set->paths[i], set->paths[--set->n], PATH_MAX_BYTES);
            return true;
        }
    }
    return false;
}

static void watch_add(struct watch_set *set, const char *path)
{
    watch_take(set, path);
    assert_true(set->n < WATCHES_MAX);
    snprintf(set->paths[set->n++], PATH_MAX_BYTES, "%s", path);
}

static void expect(struct walk *w, bool was_watched, const char *type, const char *path)
{
    if (was_watched) {
        fprintf(w->events, "%s %s\n", type, path);
        w->counts[COUNT_EVENTS]++;
    }
}

// ---- what an operation should do ----

static enum err model_create(struct model *m, const struct zk_op *op, int64_t zxid, char real[PATH_MAX_BYTES])
{
    char parent_path[PATH_MAX_BYTES];
    parent_of(op->path, parent_path);
    struct model_node *parent = model_find(m, parent_path);
    snprintf(real, PATH_MAX_BYTES, "%s", op->path);
    if (parent == NULL)
        return ERR_NOT_FOUND;
    if (op->mode == ZK_PERSISTENT_SEQUENTIAL)
        snprintf(real, PATH_MAX_BYTES, "%s%010d", op->path, parent->creates);
    if (model_find(m, real) != NULL)
        return ERR_EXISTS;
    if (parent->is_ephemeral)
        return ERR_INVALID;
    assert_true(m->n < NODES_MAX);
    parent->creates++;
    struct model_node *node = &m->nodes[m->n++];
    *node = (struct model_node){.czxid = zxid, .mzxid = zxid, .is_ephemeral = op->mode == ZK_EPHEMERAL};
    snprintf(node->path, sizeof node->path, "%s", real);
    snprintf(node->data, sizeof node->data, "%.*s", (int)op->data.len, (const char *)op->data.data);
    return ERR_OK;
}

static void model_remove(struct model *m, struct model_node *node)
{
    char parent_path[PATH_MAX_BYTES];
    parent_of(node->path, parent_path);
    model_find(m, parent_path)->deletes++;
    *node = m->nodes[--m->n];
}

static enum err model_apply(struct model *m, const struct zk_op *op, int64_t zxid, char real[PATH_MAX_BYTES])
{
    struct model_node *node = model_find(m, op->path);
    if (op->type == ZK_OP_CREATE)
        return model_create(m, op, zxid, real);
    snprintf(real, PATH_MAX_BYTES, "%s", op->path);
    if (node == NULL)
        return ERR_NOT_FOUND;
    if (op->version != ZK_VERSION_ANY && op->version != node->version)
        return ERR_BAD_VERSION;
    if (op->type == ZK_OP_SET) {
        snprintf(node->data, sizeof node->data, "%.*s", (int)op->data.len, (const char *)op->data.data);
        node->version++;
        node->mzxid = zxid;
    }
    if (op->type == ZK_OP_DELETE) {
        if (strcmp(op->path, "/") == 0)
            return ERR_INVALID;
        if (children_of(m, op->path) > 0)
            return ERR_NOT_EMPTY;
        model_remove(m, node);
    }
    return ERR_OK;
}

static void expect_events(struct walk *w, enum zk_op_type type, const char *real)
{
    char parent[PATH_MAX_BYTES];
    parent_of(real, parent);
    if (type == ZK_OP_CREATE)
        expect(w, watch_take(&w->node_watches, real), "created", real);
    if (type == ZK_OP_SET)
        expect(w, watch_take(&w->node_watches, real), "changed", real);
    if (type == ZK_OP_DELETE) {
        bool node = watch_take(&w->node_watches, real), children = watch_take(&w->child_watches, real);
        expect(w, node || children, "deleted", real);
    }
    if (type == ZK_OP_CREATE || type == ZK_OP_DELETE)
        expect(w, watch_take(&w->child_watches, parent), "children", parent);
}

struct expected {
    enum err err;
    int failed_op;
    char path[PATH_MAX_BYTES]; // of the last operation
};

static struct expected model_run(struct walk *w, const struct zk_op *ops, int n)
{
    struct expected e = {.failed_op = -1};
    struct model before = w->m;
    char reals[MULTI_MAX][PATH_MAX_BYTES];
    bool changes = false;
    for (int i = 0; i < n; i++) {
        e.err = model_apply(&w->m, &ops[i], before.zxid + 1, reals[i]);
        e.failed_op = i;
        if (e.err != ERR_OK) {
            w->m = before;
            w->counts[COUNT_REFUSALS]++;
            return e;
        }
        changes |= ops[i].type != ZK_OP_CHECK;
    }
    for (int i = 0; i < n; i++)
        expect_events(w, ops[i].type, reals[i]);
    memcpy(e.path, reals[n - 1], sizeof e.path);
    e.failed_op = -1;
    w->m.zxid += changes;
    w->counts[COUNT_CHANGES] += changes;
    return e;
}

static void model_end_session(struct model *m)
{
    bool any = false;
    for (int i = m->n - 1; i >= 0; i--) {
        if (m->nodes[i].is_ephemeral) {
            model_remove(m, &m->nodes[i]);
            any = true;
        }
    }
    m->zxid += any;
}

// ---- comparing the trees ----

static int paths_compare(const void *a, const void *b)
{
    return strcmp(((const struct model_node *)a)->path, ((const struct model_node *)b)->path);
}

// Names have no character below '/', so the order of whole paths is the order of store_dump.
static char *model_dump(const struct model *m)
{
    struct model sorted = *m;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    qsort(sorted.nodes, (size_t)sorted.n, sizeof sorted.nodes[0], paths_compare);
    for (int i = 0; i < sorted.n; i++) {
        const struct model_node *node = &sorted.nodes[i];
        fprintf(out, "%s %s v%d c%d cz%" PRId64 " mz%" PRId64 " %s len%zu n%d\n", node->path,
                node->data[0] == '\0' ? "null" : node->data, node->version, node->creates + node->deletes, node->czxid,
                node->mzxid, node->is_ephemeral ? "ephemeral" : "persistent", strlen(node->data),
                children_of(m, node->path));
    }
    fclose(out);
    return text;
}

// Takes " ct<n> mt<n>" out of a dump: the times are those of the real clock.
static void times_remove(char *dump)
{
    char *to = dump;
    for (const char *from = dump; *from != '\0';) {
        if (strncmp(from, " ct", 3) == 0)
            from = strchr(strstr(from, " mt") + 1, ' ');
        *to++ = *from++;
    }
    *to = '\0';
}

static void compare(struct walk *w)
{
    char *real = store_dump(&w->s, "/"), *expected = model_dump(&w->m);
    times_remove(real);
    assert_string_equal(real, expected);
    free(real);
    free(expected);
}

// ---- the journal's history ----

static int64_t journal_size(struct walk *w)
{
    char path[TEST_PATH_MAX_BYTES];
    struct stat st;
    test_path(path, w->dir, ZK_JOURNAL_FILE);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void history_clear(struct walk *w)
{
    while (w->history_n > 0)
        free(w->history[--w->history_n].m);
}

static void history_note(struct walk *w)
{
    int64_t size = journal_size(w);
    if (w->history_n > 0 && size < w->history[w->history_n - 1].size) {
        history_clear(w);
        w->counts[COUNT_ROTATIONS]++;
    }
    if (w->history_n > 0 && size == w->history[w->history_n - 1].size)
        free(w->history[--w->history_n].m);
    assert_true(w->history_n < HISTORY_MAX);
    struct model *copy = malloc(sizeof *copy);
    *copy = w->m;
    w->history[w->history_n].size = size;
    w->history[w->history_n++].m = copy;
}

// ---- steps ----

static void walk_open(struct walk *w)
{
    dying_os_init(&w->os, 0);
    assert_int_equal(store_try_open(&w->s, &w->os.os, w->dir, SNAPSHOT_BYTES), ERR_OK);
    model_end_session(&w->m);
    w->node_watches.n = w->child_watches.n = 0;
    history_clear(w);
    history_note(w);
    compare(w);
}

// The process dies, and the journal ends at a random byte, as if the last writes had not reached the disk. (That every
// acknowledged change does reach it is tested with the dying operating system, in test_zk_journal.)
static void walk_crash(struct walk *w)
{
    char path[TEST_PATH_MAX_BYTES];
    store_die(&w->s, &w->os);
    int64_t cut = HEAD_BYTES + pick(w, (uint32_t)(journal_size(w) - HEAD_BYTES) + 1);
    if (cut < w->history[0].size)
        cut = w->history[0].size; // older states are not kept
    test_path(path, w->dir, ZK_JOURNAL_FILE);
    assert_int_equal(truncate(path, cut), 0);
    int at = w->history_n - 1;
    while (w->history[at].size > cut)
        at--;
    w->counts[COUNT_LOST] += (int)(w->m.zxid - w->history[at].m->zxid);
    w->counts[COUNT_CRASHES]++;
    w->m = *w->history[at].m;
    walk_open(w);
}

static void pick_path(struct walk *w, char path[PATH_MAX_BYTES])
{
    if (w->m.n > 1 && pick(w, 2) == 0) {
        snprintf(path, PATH_MAX_BYTES, "%s", w->m.nodes[pick(w, (uint32_t)w->m.n)].path);
        return;
    }
    path[0] = '\0';
    for (uint32_t depth = pick(w, 3) + 1; depth > 0; depth--) {
        size_t len = strlen(path);
        snprintf(path + len, PATH_MAX_BYTES - len, "/%c", 'a' + (char)pick(w, 4));
    }
}

struct picked_op {
    struct zk_op op;
    char path[PATH_MAX_BYTES];
    char data[16];
};

static void pick_op(struct walk *w, struct picked_op *p, bool may_check)
{
    pick_path(w, p->path);
    snprintf(p->data, sizeof p->data, "d%u", pick(w, 1000));
    p->op = (struct zk_op){.path = p->path, .data = slice_str(p->data)};
    p->op.version = pick(w, 3) == 0 ? (int32_t)pick(w, 3) : ZK_VERSION_ANY;
    uint32_t kind = pick(w, may_check ? 10 : 9);
    p->op.type = kind < 5 ? ZK_OP_CREATE : kind < 7 ? ZK_OP_SET : kind < 9 ? ZK_OP_DELETE : ZK_OP_CHECK;
    if (p->op.type == ZK_OP_CREATE && w->m.n > NODES_MAX - BATCH_MAX * MULTI_MAX)
        p->op.type = ZK_OP_DELETE;
    uint32_t mode = pick(w, 8);
    p->op.mode = mode == 0 ? ZK_EPHEMERAL : mode == 1 ? ZK_PERSISTENT_SEQUENTIAL : ZK_PERSISTENT;
    if (p->op.mode == ZK_PERSISTENT_SEQUENTIAL && strlen(p->path) > 30) // names of names would grow without end
        p->op.mode = ZK_PERSISTENT;
    if (strcmp(p->path, "/") == 0 && p->op.type == ZK_OP_CREATE) // the model makes no children of "" and "/"
        p->op.type = ZK_OP_SET;
}

static void submit(struct walk *w, const struct picked_op *p, struct answer *a)
{
    const struct zk_op *op = &p->op;
    if (op->type == ZK_OP_CREATE)
        zk_create(w->s.zk, op->path, op->data, op->mode, answer_keep, a);
    else if (op->type == ZK_OP_SET)
        zk_set(w->s.zk, op->path, op->data, op->version, answer_keep, a);
    else
        zk_delete(w->s.zk, op->path, op->version, answer_keep, a);
}

static void check_answer(struct answer *a, const struct expected *e, bool is_multi)
{
    assert_int_equal(a->calls, 1);
    if (a->err != e->err)
        fail_msg("%s instead of %s for %s", err_name(a->err), err_name(e->err), a->path == NULL ? "multi" : a->path);
    if (is_multi)
        assert_int_equal(a->failed_op, e->failed_op);
    else if (e->err == ERR_OK)
        assert_string_equal(a->path, e->path);
    answer_release(a);
}

// Some changes at once, which share a frame.
static void step_changes(struct walk *w)
{
    int n = 1 + (int)pick(w, BATCH_MAX);
    struct answer answers[BATCH_MAX] = {0};
    struct expected expected[BATCH_MAX];
    bool is_multi[BATCH_MAX];
    for (int i = 0; i < n; i++) {
        struct picked_op picked[MULTI_MAX];
        struct zk_op ops[MULTI_MAX];
        int count = 1 + (int)pick(w, MULTI_MAX);
        is_multi[i] = pick(w, 4) == 0;
        count = is_multi[i] ? count : 1;
        for (int k = 0; k < count; k++) {
            pick_op(w, &picked[k], is_multi[i]);
            ops[k] = picked[k].op;
        }
        if (is_multi[i])
            zk_multi(w->s.zk, ops, count, answer_keep, &answers[i]);
        else
            submit(w, &picked[0], &answers[i]);
        w->counts[COUNT_MULTIS] += is_multi[i];
        expected[i] = model_run(w, ops, count);
    }
    zk_dispatch(w->s.zk);
    for (int i = 0; i < n; i++)
        check_answer(&answers[i], &expected[i], is_multi[i]);
    history_note(w);
}

static void step_watch(struct walk *w)
{
    char path[PATH_MAX_BYTES];
    struct answer a;
    if (w->node_watches.n == WATCHES_MAX || w->child_watches.n == WATCHES_MAX)
        return;
    pick_path(w, path);
    const struct model_node *node = model_find(&w->m, path);
    uint32_t kind = pick(w, 3);
    if (kind == 0)
        a = store_children(&w->s, path, true);
    else if (kind == 1)
        a = store_get(&w->s, path, true);
    else
        a = store_exists(&w->s, path, true);
    assert_int_equal(a.err, node == NULL ? ERR_NOT_FOUND : ERR_OK);
    answer_release(&a);
    if (kind == 0 && node != NULL)
        watch_add(&w->child_watches, path);
    if (kind == 2 || (kind == 1 && node != NULL))
        watch_add(&w->node_watches, path);
}

static void check_events(struct walk *w, char **expected, size_t *len)
{
    fclose(w->events);
    assert_log(&w->s, *expected);
    free(*expected);
    w->events = open_memstream(expected, len);
}

static void walk(uint64_t seed)
{
    struct walk *w = calloc(1, sizeof *w);
    char *expected = NULL;
    size_t len = 0;
    w->random = seed;
    w->dir = test_dir_new();
    w->events = open_memstream(&expected, &len);
    w->m.n = 1;
    snprintf(w->m.nodes[0].path, PATH_MAX_BYTES, "/");
    walk_open(w);
    for (int step = 0; step < STEPS; step++) {
        uint32_t what = pick(w, 100);
        if (what < 70)
            step_changes(w);
        else if (what < 95)
            step_watch(w);
        else
            compare(w);
        check_events(w, &expected, &len);
        if (what == 99) {
            store_close(&w->s);
            walk_open(w);
        } else if (what == 98 || what == 97) {
            walk_crash(w);
        }
    }
    compare(w);
    store_close(&w->s);
    fclose(w->events);
    free(expected);
    history_clear(w);
    print_message("seed %" PRIu64 ": %d changes, %d refused, %d multis, %d events, %d crashes, %d lost, %d rotations\n",
                  seed, w->counts[COUNT_CHANGES], w->counts[COUNT_REFUSALS], w->counts[COUNT_MULTIS],
                  w->counts[COUNT_EVENTS], w->counts[COUNT_CRASHES], w->counts[COUNT_LOST], w->counts[COUNT_ROTATIONS]);
    for (int i = COUNT_CHANGES; i <= COUNT_ROTATIONS; i++)
        assert_true(w->counts[i] > 10);
    test_dir_remove(w->dir);
    free(w);
}

static void test_walk_1(void **state)
{
    (void)state;
    walk(1);
}

static void test_walk_2(void **state)
{
    (void)state;
    walk(20261122);
}

static void test_walk_3(void **state)
{
    (void)state;
    walk(0x5eed5eed5eed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk_1),
        cmocka_unit_test(test_walk_2),
        cmocka_unit_test(test_walk_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
