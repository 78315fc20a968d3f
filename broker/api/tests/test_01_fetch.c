// SPDX-License-Identifier: Apache-2.0
//
// Fetch: what becomes of the files that were found for an answer.
#include "broker/api/tests/api_rig.h"

#include "base/tests/cmocka_all.h"
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#define PRODUCE       0
#define FETCH         1
#define DELETE_TOPICS 20

// How many descriptors of this process are open on files whose path contains the text.
static int open_files(const char *text)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[64 + sizeof e->d_name];
        char target[TEST_PATH_MAX_BYTES];
        snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
        ssize_t len = readlink(path, target, sizeof target - 1);
        target[len > 0 ? len : 0] = '\0';
        n += strstr(target, text) != NULL;
    }
    closedir(dir);
    return n;
}

static void topic_delete(struct api_rig *rig, int fd, const char *name)
{
    struct delete_topics_request in;
    struct slice names[] = {slice_str(name)};
    delete_topics_request_init(&in);
    in.topic_names = names;
    in.topic_names_count = 1;
    in.timeout_ms = 30000;
    const struct delete_topics_response *out = rig_call(rig, fd, DELETE_TOPICS, 5, &in);
    assert_int_equal(out->responses[0].error_code, KAFKA_ERROR_NONE);
}

// Versions that cannot carry batches of magic 2: the file that was found is given back, not sent.
static void test_what_cannot_be_sent_is_given_back(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "given-back", 1);
    rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "given-back", "value", 1));
    for (int16_t version = 0; version <= 3; version++) {
        const struct fetch_response *out =
            rig_call(&rig, fd, FETCH, version, rig_fetch_request(&rig, "given-back", 0, 0));
        assert_int_equal(out->responses[0].partitions[0].error_code, KAFKA_ERROR_UNSUPPORTED_VERSION);
        assert_int_equal(out->responses[0].partitions[0].records.len, 0);
    }
    const struct fetch_response *out = rig_call(&rig, fd, FETCH, 4, rig_fetch_request(&rig, "given-back", 0, 0));
    assert_true(out->responses[0].partitions[0].records.len > 0);
    assert_int_equal(open_files("given-back"), 1);
    topic_delete(&rig, fd, "given-back");
    assert_int_equal(open_files("given-back"), 0);
    close(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be_sent_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
