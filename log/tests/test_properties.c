// SPDX-License-Identifier: Apache-2.0
//
// meta.properties: Kafka's files, Java's ways of writing the same, and what is refused.
#include "log/properties.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "log/tests/batch_builder.h"

struct meta_env {
    char *dir;
    char path[TEST_PATH_MAX_BYTES];
};

static void meta_start(struct meta_env *e, const char *text)
{
    e->dir = test_dir_new();
    test_path(e->path, e->dir, "meta.properties");
    if (text != NULL) {
        FILE *f = fopen(e->path, "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
}

static void check_read(const char *text, enum err expected, int32_t broker_id, const char *cluster_id,
                       const char *directory_id)
{
    struct meta_env e;
    struct meta_properties p;
    meta_start(&e, text);
    assert_int_equal(meta_properties_read(os_real(), e.path, &p), expected);
    if (!expected) {
        assert_int_equal(p.meta.present, text != NULL);
        assert_int_equal(p.meta.broker_id, broker_id);
        assert_string_equal(p.meta.cluster_id, cluster_id);
        assert_string_equal(p.directory_id, directory_id);
    }
    test_dir_remove(e.dir);
}

static void test_reads(void **state)
{
    (void)state;
    check_read(NULL, ERR_OK, -1, "", "");
    check_read("", ERR_OK, -1, "", "");
    check_read("#\n#Sun Nov 22 16:35:09 UTC 2026\nbroker.id=1\nversion=0\ncluster.id=vTP-WIDjTsC3xrssAoPT_g\n", ERR_OK,
               1, "vTP-WIDjTsC3xrssAoPT_g", "");
    check_read("broker.id=7\ncluster.id=a", ERR_OK, 7, "a", ""); // no version, no line end
    check_read("! comment\r\n  broker.id : 7\r\n\r\ncluster.id\ta\\:b\\=c\r\ndirectory.id=d\r\n", ERR_OK, 7, "a:b=c",
               "d");
    check_read("cluster\\.id=one\\\n    two\nbroker.id=\\u0031\\u0032\n", ERR_OK, 12, "onetwo", "");
    check_read("# cluster.id=no\\\nbroker.id=3\n", ERR_OK, 3, "", ""); // a comment has no next line
    check_read("cluster.id=a\ncluster.id=b\nother.key=x\n", ERR_OK, -1, "b", "");
    check_read("version=1\nnode.id=1\n", ERR_UNSUPPORTED, 0, NULL, NULL);
    check_read("version=x\n", ERR_CORRUPT, 0, NULL, NULL);
    check_read("broker.id=one\n", ERR_CORRUPT, 0, NULL, NULL);
    check_read("broker.id=99999999999\n", ERR_CORRUPT, 0, NULL, NULL);
    check_read("cluster.id=0123456789012345678901234567890123456789012345678901234567890123456789\n", ERR_CORRUPT, 0,
               NULL, NULL);
}

static void test_writes(void **state)
{
    (void)state;
    struct meta_env e;
    struct test_os os;
    struct meta_properties p = {.meta = {.present = true, .broker_id = 1, .cluster_id = "vTP-WIDjTsC3xrssAoPT_g"}};
    struct meta_properties back;
    size_t len;
    test_os_init(&os);
    os.now_wall_ms = 1795365309000;
    meta_start(&e, NULL);
    assert_int_equal(meta_properties_write(&os.os, e.path, &p), ERR_OK);
    char *text = test_file(e.path, &len);
    assert_string_equal(
        text, "#\n#Sun Nov 22 16:35:09 UTC 2026\nbroker.id=1\nversion=0\ncluster.id=vTP-WIDjTsC3xrssAoPT_g\n");
    free(text);
    snprintf(p.meta.cluster_id, sizeof p.meta.cluster_id, "%s", " odd: a=b\\c #!");
    snprintf(p.directory_id, sizeof p.directory_id, "%s", "kept");
    assert_int_equal(meta_properties_write(&os.os, e.path, &p), ERR_OK);
    assert_int_equal(meta_properties_read(os_real(), e.path, &back), ERR_OK);
    assert_string_equal(back.meta.cluster_id, p.meta.cluster_id);
    assert_string_equal(back.directory_id, "kept");
    test_dir_remove(e.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
