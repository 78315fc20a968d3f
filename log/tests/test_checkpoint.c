// SPDX-License-Identifier: Apache-2.0
//
// Checkpoint files: what is written comes back, what Kafka takes is taken, all else is refused as a whole.
#include "log/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "log/tests/batch_builder.h"

struct fixture {
    char *dir;
    char path[TEST_PATH_MAX_BYTES];
    struct test_os os;
    char seen[256]; // "topic number offset;" of all entries
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = test_dir_new();
    test_path(f->path, f->dir, "some-checkpoint");
    test_os_init(&f->os);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    test_dir_remove(f->dir);
    free(f);
    return 0;
}

static void note(void *ctx, const struct checkpoint_entry *e)
{
    struct fixture *f = ctx;
    size_t used = strlen(f->seen);
    snprintf(f->seen + used, sizeof f->seen - used, "%s %d %lld;", e->topic == NULL ? "-" : e->topic, e->number,
             (long long)e->offset);
}

static enum err read_text(struct fixture *f, const char *text, size_t len, bool with_topic)
{
    assert_int_equal(os_replace_file(os_real(), f->path, text, len), ERR_OK);
    f->seen[0] = '\0';
    return checkpoint_read(&f->os.os, f->path, with_topic, note, f);
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    const struct checkpoint_entry offsets[] = {{"a.b_c-d", 0, 17}, {"__consumer_offsets", 49, INT64_MAX}};
    assert_int_equal(checkpoint_write(&f->os.os, f->path, offsets, 2, true), ERR_OK);
    size_t len;
    char *text = test_file(f->path, &len);
    assert_string_equal(text, "0\n2\na.b_c-d 0 17\n__consumer_offsets 49 9223372036854775807\n");
    free(text);
    assert_int_equal(checkpoint_read(&f->os.os, f->path, true, note, f), ERR_OK);
    assert_string_equal(f->seen, "a.b_c-d 0 17;__consumer_offsets 49 9223372036854775807;");

    const struct checkpoint_entry epochs[] = {{NULL, 0, 0}, {NULL, 4, 38}};
    assert_int_equal(checkpoint_write(&f->os.os, f->path, epochs, 2, true), ERR_OK);
    f->seen[0] = '\0';
    assert_int_equal(checkpoint_read(&f->os.os, f->path, false, note, f), ERR_OK);
    assert_string_equal(f->seen, "- 0 0;- 4 38;");

    assert_int_equal(checkpoint_write(&f->os.os, f->path, NULL, 0, true), ERR_OK);
    text = test_file(f->path, &len);
    assert_string_equal(text, "0\n0\n");
    free(text);
}

static void test_missing_file_has_no_entries(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(checkpoint_read(&f->os.os, f->path, true, note, f), ERR_OK);
    assert_string_equal(f->seen, "");
}

static void test_what_is_taken_and_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        bool with_topic;
        enum err err;
        const char *seen;
    } cases[] = {
        {"", true, ERR_OK, ""},
        {"0\n", true, ERR_OK, ""},
        {"0\n0\n", true, ERR_OK, ""},
        {"0\n1\nt 3 7\n", true, ERR_OK, "t 3 7;"},
        {"0\n1\nt 3 7", true, ERR_OK, "t 3 7;"},
        {"0\r\n1\r\nt\t3  7\r\n", true, ERR_OK, "t 3 7;"},
        {"0\n1\n3 7\n", false, ERR_OK, "- 3 7;"},
        {"1\n0\n", true, ERR_CORRUPT, ""},
        {"\n", true, ERR_CORRUPT, ""},
        {"x\n0\n", true, ERR_CORRUPT, ""},
        {"0 0\n0\n", true, ERR_CORRUPT, ""},
        {"0\n2\nt 3 7\n", true, ERR_CORRUPT, ""},
        {"0\n0\nt 3 7\n", true, ERR_CORRUPT, ""},
        {"0\n1\nt 3 7\n\n", true, ERR_CORRUPT, ""},
        {"0\n1\n3 7\n", true, ERR_CORRUPT, ""},
        {"0\n1\nt 3 7\n", false, ERR_CORRUPT, ""},
        {"0\n1\nt 3 7 9\n", true, ERR_CORRUPT, ""},
        {"0\n1\n t 3 7\n", true, ERR_CORRUPT, ""},
        {"0\n1\nt 3 -7\n", true, ERR_CORRUPT, ""},
        {"0\n1\nt 3x 7\n", true, ERR_CORRUPT, ""},
        {"0\n1\nt 2147483648 7\n", true, ERR_CORRUPT, ""},
        {"0\n1\nt 3 9223372036854775808\n", true, ERR_CORRUPT, ""},
        {"0\n2\nt 3 7\nt 4\n", true, ERR_CORRUPT, ""}, // the good line before is not handed out either
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_text(f, cases[i].text, strlen(cases[i].text), cases[i].with_topic), cases[i].err);
        assert_string_equal(f->seen, cases[i].seen);
    }
    assert_int_equal(read_text(f, "0\n1\nt\0u 3 7\n", 12, true), ERR_CORRUPT);
}

static void test_failing_disk_keeps_the_old_file(void **state)
{
    struct fixture *f = *state;
    const struct checkpoint_entry first = {"t", 0, 1};
    const struct checkpoint_entry second = {"t", 0, 2};
    assert_int_equal(checkpoint_write(&f->os.os, f->path, &first, 1, true), ERR_OK);
    f->os.fail_errno = ENOSPC;
    f->os.fail_from[TEST_OS_PWRITEV] = f->os.calls[TEST_OS_PWRITEV] + 1;
    assert_int_equal(checkpoint_write(&f->os.os, f->path, &second, 1, true), ERR_NO_SPACE);
    assert_int_equal(checkpoint_read(&f->os.os, f->path, true, note, f), ERR_OK);
    assert_string_equal(f->seen, "t 0 1;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_file_has_no_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_taken_and_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_disk_keeps_the_old_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
