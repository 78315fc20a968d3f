// SPDX-License-Identifier: Apache-2.0
//
// Power loss at every change of a history of the embedded store, through several snapshots: the store opens, and its
// tree is the one that was acknowledged last, or that with the changes under way.
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/power.h"
#include "zk/tests/store.h"

enum {
    CHANGES = 60,
    IMAGES_MAX = 60, // of one change
    SNAPSHOT_BYTES = 700,
};

struct history {
    struct test_os under;
    struct power power;
    struct store store;
    char *root;
    char data[TEST_PATH_MAX_BYTES];
    char *images_dir;
    uint64_t chance;
    int images;
    int checked;
    char *before; // the tree when the change began
};

static void image_path(const struct history *h, int i, char out[TEST_PATH_MAX_BYTES])
{
    int n = snprintf(out, TEST_PATH_MAX_BYTES, "%s/image-%d", h->images_dir, i);
    assert_true(n < TEST_PATH_MAX_BYTES);
}

static void before_change(void *ctx)
{
    struct history *h = ctx;
    char path[TEST_PATH_MAX_BYTES];
    assert_true(h->images < IMAGES_MAX);
    image_path(h, h->images++, path);
    power_image(&h->power, h->power.steps % 3 == 0 ? POWER_NOTHING : POWER_SOME, &h->chance, path);
}

static void check_image(const struct history *h, const char *image, const char *after)
{
    struct test_os os;
    struct store s = {.zk = NULL};
    char data[TEST_PATH_MAX_BYTES];
    test_path(data, image, "data");
    test_os_init(&os);
    assert_int_equal(store_try_open(&s, &os.os, data, SNAPSHOT_BYTES), ERR_OK);
    char *found = store_dump(&s, "/");
    assert_true(strcmp(found, h->before) == 0 || strcmp(found, after) == 0);
    free(found);
    assert_int_equal(store_create(&s, "/works", "yes", ZK_PERSISTENT), ERR_OK);
    store_close(&s);
}

static void check_images(struct history *h)
{
    char *after = store_dump(&h->store, "/");
    for (int i = 0; i < h->images; i++) {
        char path[TEST_PATH_MAX_BYTES];
        image_path(h, i, path);
        check_image(h, path, after);
        test_dir_delete(path);
        h->checked++;
    }
    h->images = 0;
    free(h->before);
    h->before = after;
}

static void history_start(struct history *h)
{
    *h = (struct history){.chance = 7};
    h->root = test_dir_new();
    h->images_dir = test_dir_new();
    test_path(h->data, h->root, "data");
    test_os_init(&h->under);
    power_init(&h->power, &h->under.os, h->root);
    assert_int_equal(h->power.os.mkdir(&h->power.os, h->data, 0755), 0);
    assert_int_equal(os_fsync_dir(&h->power.os, h->root), ERR_OK);
    assert_int_equal(store_try_open(&h->store, &h->power.os, h->data, SNAPSHOT_BYTES), ERR_OK);
    h->before = store_dump(&h->store, "/");
    h->power.before = before_change;
    h->power.ctx = h;
}

static void history_stop(struct history *h)
{
    store_close(&h->store);
    power_release(&h->power);
    free(h->before);
    test_dir_remove(h->root);
    test_dir_remove(h->images_dir);
}

static enum err change(struct history *h, int i)
{
    char path[64];
    char other[64];
    snprintf(path, sizeof path, "/node-%d", i % 10);
    snprintf(other, sizeof other, "/other-%d", i);
    struct zk_op ops[] = {
        {.type = ZK_OP_SET, .path = path, .data = slice_str("by a multi"), .version = ZK_VERSION_ANY},
        {.type = ZK_OP_CREATE, .path = other, .data = slice_str("new"), .mode = ZK_PERSISTENT},
    };
    int failed_op;
    switch (i / 10 % 4) {
    case 0:
        return store_create(&h->store, path, "some data that fills the journal", ZK_PERSISTENT);
    case 1:
        return store_set(&h->store, path, "other data", ZK_VERSION_ANY);
    case 2:
        return store_multi(&h->store, ops, 2, &failed_op);
    default:
        return store_delete(&h->store, path, ZK_VERSION_ANY);
    }
}

static void test_acknowledged_survives(void **state)
{
    (void)state;
    struct history h;
    history_start(&h);
    for (int i = 0; i < CHANGES; i++) {
        assert_int_equal(change(&h, i), ERR_OK);
        check_images(&h);
    }
    assert_true(h.checked > 2 * CHANGES); // a write and an fsync each, and what snapshots take
    history_stop(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acknowledged_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
