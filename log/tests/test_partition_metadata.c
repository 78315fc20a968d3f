// SPDX-License-Identifier: Apache-2.0
//
// partition.metadata: Kafka's bytes, and what is no topic id.
#include "log/partition_metadata.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "log/tests/batch_builder.h"

static void test_writes_and_reads(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    char path[TEST_PATH_MAX_BYTES];
    struct uuid id;
    struct uuid back;
    bool begun;
    size_t len;
    assert_int_equal(uuid_parse("AXpphJYRTFiMr6MA2cqJEA", &id), ERR_OK);
    assert_int_equal(partition_metadata_read(os_real(), dir, &back, &begun), ERR_OK);
    assert_true(uuid_is_zero(&back)); // no file
    assert_int_equal(partition_metadata_write(os_real(), dir, &id), ERR_OK);
    test_path(path, dir, "partition.metadata");
    char *text = test_file(path, &len);
    assert_string_equal(text, "version: 0\ntopic_id: AXpphJYRTFiMr6MA2cqJEA");
    free(text);
    assert_int_equal(partition_metadata_read(os_real(), dir, &back, &begun), ERR_OK);
    assert_true(uuid_equal(&id, &back));
    test_dir_remove(dir);
}

// What was only begun counts while nothing better is there, and a piece of it is nothing.
static void test_begun(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    char path[TEST_PATH_MAX_BYTES];
    struct uuid ids[2];
    struct uuid back;
    bool begun;
    uuid_random(os_real(), &ids[0]);
    uuid_random(os_real(), &ids[1]);
    test_path(path, dir, "partition.metadata.tmp");
    assert_int_equal(os_write_file(os_real(), path, "version: 0\n", 11), ERR_OK);
    assert_int_equal(partition_metadata_read(os_real(), dir, &back, &begun), ERR_OK);
    assert_true(uuid_is_zero(&back) && !begun);
    assert_int_equal(partition_metadata_begin(os_real(), dir, &ids[0]), ERR_OK);
    assert_int_equal(partition_metadata_read(os_real(), dir, &back, &begun), ERR_OK);
    assert_true(uuid_equal(&ids[0], &back) && begun);
    assert_int_equal(partition_metadata_finish(os_real(), dir), ERR_OK);
    assert_int_equal(partition_metadata_begin(os_real(), dir, &ids[1]), ERR_OK);
    assert_int_equal(partition_metadata_read(os_real(), dir, &back, &begun), ERR_OK);
    assert_true(uuid_equal(&ids[0], &back) && !begun);
    test_dir_remove(dir);
}

static void test_odd_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
    } cases[] = {
        {"topic_id:AXpphJYRTFiMr6MA2cqJEA\r\nversion: 1\r\n", ERR_OK},
        {"", ERR_CORRUPT},
        {"version: 0\n", ERR_CORRUPT},
        {"topic_id: AXpphJYRTFiMr6MA2cqJEA", ERR_CORRUPT},
        {"version: -1\ntopic_id: AXpphJYRTFiMr6MA2cqJEA", ERR_CORRUPT},
        {"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA", ERR_CORRUPT},
        {"version: 0\ntopic_id: AXpphJYRTFiMr6MA2cqJE", ERR_CORRUPT},
        {"version: 0\ntopic_id: AXpphJYRTFiMr6MA2cqJEAA", ERR_CORRUPT},
        {"version: 0\ntopic_id: not/base64url+at/all==", ERR_CORRUPT},
    };
    char *dir = test_dir_new();
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, dir, "partition.metadata");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct uuid id;
        bool begun;
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs(cases[i].text, f) >= 0);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(partition_metadata_read(os_real(), dir, &id, &begun), cases[i].err);
    }
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_and_reads),
        cmocka_unit_test(test_begun),
        cmocka_unit_test(test_odd_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
