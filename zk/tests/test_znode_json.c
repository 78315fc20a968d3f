// SPDX-License-Identifier: Apache-2.0
//
// The document stays bad once it is, getters take only what fits, and a full arena is noticed.
#include "zk/znode_json.h"

#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/payload.h"
#include "zk/zk.h"

static enum err i32_of(struct arena *a, const char *text, int32_t *v)
{
    struct znode_json doc;
    znode_json_open(&doc, slice_str(text), a);
    *v = znode_json_i32(&doc, doc.root, "v");
    return znode_json_close(&doc);
}

static enum err i64_of(struct arena *a, const char *text, int64_t *v)
{
    struct znode_json doc;
    znode_json_open(&doc, slice_str(text), a);
    *v = znode_json_i64_text(&doc, doc.root, "v");
    return znode_json_close(&doc);
}

static void test_documents(void **state)
{
    static const char *const bad[] = {"", "1", "[]", "null", "{", "{\"v\":1}x", "\xff", "{\"v\":\"\\u0000\"}"};
    struct znode_json doc;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        znode_json_open(&doc, slice_str(bad[i]), *state);
        assert_int_equal(znode_json_i32(&doc, doc.root, "v"), 0);
        assert_null(znode_json_object(&doc, doc.root, "v"));
        assert_null(znode_json_array(&doc, doc.root, "v"));
        assert_string_equal(znode_json_text(&doc, doc.root, "v"), "");
        assert_int_equal(znode_json_close(&doc), ERR_CORRUPT);
    }
    znode_json_open(&doc, SLICE_NULL, *state);
    assert_int_equal(znode_json_close(&doc), ERR_CORRUPT);
    char *large = calloc(1, ZK_DATA_MAX_BYTES + 3);
    memset(large, ' ', ZK_DATA_MAX_BYTES + 2);
    memcpy(large, "{}", 2);
    znode_json_open(&doc, slice_of(large, ZK_DATA_MAX_BYTES), *state);
    assert_int_equal(znode_json_close(&doc), ERR_OK);
    znode_json_open(&doc, slice_of(large, ZK_DATA_MAX_BYTES + 1), *state);
    assert_int_equal(znode_json_close(&doc), ERR_CORRUPT);
    free(large);
}

static void test_first_error_stays(void **state)
{
    struct znode_json doc;
    znode_json_open(&doc, slice_str("{\"v\":1}"), *state);
    znode_json_fail(&doc, ERR_NO_MEMORY);
    znode_json_fail(&doc, ERR_CORRUPT);
    assert_int_equal(znode_json_i32(&doc, doc.root, "v"), 1);
    assert_null(znode_json_room(&doc, 1, 1));
    assert_int_equal(znode_json_close(&doc), ERR_NO_MEMORY);
}

static void test_integers(void **state)
{
    int32_t v;
    assert_int_equal(i32_of(*state, "{\"v\":-2147483648}", &v), ERR_OK);
    assert_int_equal(v, INT32_MIN);
    assert_int_equal(i32_of(*state, "{\"v\":2147483647}", &v), ERR_OK);
    assert_int_equal(v, INT32_MAX);
    static const char *const bad[] = {
        "{\"v\":2147483648}", "{\"v\":-2147483649}",         "{\"v\":1.0}", "{\"v\":\"1\"}", "{\"v\":null}",
        "{\"w\":1}",          "{\"v\":99999999999999999999}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(i32_of(*state, bad[i], &v), ERR_CORRUPT);
}

static void test_long_integers(void **state)
{
    int64_t v;
    assert_int_equal(i64_of(*state, "{\"v\":\"9223372036854775807\"}", &v), ERR_OK);
    assert_true(v == INT64_MAX);
    assert_int_equal(i64_of(*state, "{\"v\":\"-1\"}", &v), ERR_OK);
    assert_true(v == -1);
    assert_int_equal(i64_of(*state, "{\"v\":1690000000000}", &v), ERR_OK);
    assert_true(v == 1690000000000);
    static const char *const bad[] = {"{\"v\":\"9223372036854775808\"}",
                                      "{\"v\":\"\"}",
                                      "{\"v\":\" 1\"}",
                                      "{\"v\":\"1 \"}",
                                      "{\"v\":\"-\"}",
                                      "{\"v\":1.5}",
                                      "{\"v\":null}",
                                      "{}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(i64_of(*state, bad[i], &v), ERR_CORRUPT);
}

static void test_lists(void **state)
{
    struct znode_json doc;
    int32_t n = -1;
    znode_json_open(&doc, slice_str("{\"v\":[3,1,2],\"empty\":[],\"bad\":[1,\"2\"]}"), *state);
    int32_t *list = znode_json_i32_list(&doc, json_object_get(doc.root, "v"), &n);
    assert_int_equal(n, 3);
    assert_int_equal(list[0], 3);
    assert_int_equal(list[2], 2);
    znode_json_i32_list(&doc, json_object_get(doc.root, "empty"), &n);
    assert_int_equal(n, 0);
    assert_int_equal(doc.err, ERR_OK);
    znode_json_i32_list(&doc, json_object_get(doc.root, "bad"), &n);
    assert_int_equal(doc.err, ERR_CORRUPT);
    assert_null(znode_json_i32_list(&doc, json_object_get(doc.root, "none"), &n));
    assert_int_equal(n, 0);
    assert_int_equal(znode_json_close(&doc), ERR_CORRUPT);
}

static void test_full_arena(void **state)
{
    (void)state;
    struct arena small;
    struct znode_json doc;
    struct slice out;
    int32_t n;
    arena_init(&small, 16);
    znode_json_open(&doc, slice_str("{\"v\":[1,2,3,4,5,6,7,8]}"), &small);
    assert_null(znode_json_i32_list(&doc, json_object_get(doc.root, "v"), &n));
    assert_int_equal(n, 0);
    assert_int_equal(znode_json_close(&doc), ERR_NO_MEMORY);
    znode_json_open(&doc, slice_str("{\"v\":\"a text that does not fit\"}"), &small);
    assert_string_equal(znode_json_text(&doc, doc.root, "v"), "");
    assert_int_equal(znode_json_close(&doc), ERR_NO_MEMORY);
    assert_int_equal(znode_json_write(json_pack("{s:s}", "key", "a text that does not fit"), &small, &out),
                     ERR_NO_MEMORY);
    arena_release(&small);
}

static void test_write(void **state)
{
    struct slice out;
    const int32_t list[] = {1, -2};
    json_t *root =
        json_pack("{s:o,s:o,s:[]}", "z", znode_json_of_i64(INT64_MIN), "a", znode_json_of_list(list, 2), "e");
    assert_int_equal(znode_json_write(root, *state, &out), ERR_OK);
    // Compact, and the keys in the order in which they were put.
    assert_true(slice_equal(out, slice_str("{\"z\":\"-9223372036854775808\",\"a\":[1,-2],\"e\":[]}")));
    assert_int_equal(znode_json_write(NULL, *state, &out), ERR_INVALID);
    assert_int_equal(znode_json_write(json_pack("{s:s}", "v", "\xff"), *state, &out), ERR_INVALID);
}

int main(void)
{
#define PAYLOAD_TEST(name) cmocka_unit_test_setup_teardown(name, payload_setup, payload_teardown)
    const struct CMUnitTest tests[] = {
        PAYLOAD_TEST(test_documents), PAYLOAD_TEST(test_first_error_stays),
        PAYLOAD_TEST(test_integers),  PAYLOAD_TEST(test_long_integers),
        PAYLOAD_TEST(test_lists),     PAYLOAD_TEST(test_full_arena),
        PAYLOAD_TEST(test_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
