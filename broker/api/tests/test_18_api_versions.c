// SPDX-License-Identifier: Apache-2.0
//
// ApiVersions in every version, and the answers that clients of other times depend on, byte for byte.
#include "broker/api/tests/api_rig.h"

#include "base/tests/cmocka_all.h"
#include <sys/socket.h>
#include <unistd.h>

#define API_VERSIONS 18

static struct api_versions_request request_of(const char *name, const char *version)
{
    struct api_versions_request in;
    api_versions_request_init(&in);
    in.client_software_name = slice_str(name);
    in.client_software_version = slice_str(version);
    return in;
}

static void test_lists_what_is_served(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    for (int16_t v = 0; v <= 4; v++) {
        struct api_versions_request in = request_of("a.client-1", "1.0");
        const struct api_versions_response *out = rig_call(&rig, fd, API_VERSIONS, v, &in);
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        assert_int_equal(out->api_keys_count, api_count());
        for (size_t i = 0; i < api_count(); i++) {
            assert_int_equal(out->api_keys[i].api_key, api_at(i)->key);
            assert_int_equal(out->api_keys[i].min_version, api_at(i)->min_version);
            assert_int_equal(out->api_keys[i].max_version, api_at(i)->max_version);
        }
        assert_int_equal(out->finalized_features_epoch, v >= 3 ? 0 : -1);
        assert_int_equal(out->supported_features_count, 0);
    }
    close(fd);
    api_rig_close(&rig);
}

static void name_check(struct api_rig *rig, int fd, const char *name, const char *version, bool good)
{
    struct api_versions_request in = request_of(name, version);
    const struct api_versions_response *out = rig_call(rig, fd, API_VERSIONS, 3, &in);
    assert_int_equal(out->error_code, good ? KAFKA_ERROR_NONE : KAFKA_ERROR_INVALID_REQUEST);
    assert_int_equal(out->api_keys_count, good ? api_count() : 0);
}

static void test_client_names(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    name_check(&rig, fd, "a", "1", true);
    name_check(&rig, fd, "apache-kafka-java", "3.9.1", true);
    name_check(&rig, fd, "", "1", false);
    name_check(&rig, fd, "a", "", false);
    name_check(&rig, fd, "-a", "1", false);
    name_check(&rig, fd, "a.", "1", false);
    name_check(&rig, fd, "a b", "1", false);
    name_check(&rig, fd, "a", "1_0", false);
    close(fd);
    api_rig_close(&rig);
}

// The version-0 body with error 35 and the one row of this API.
static void answer_check(int fd, uint8_t correlation_id)
{
    const uint8_t expected[] = {0, 0, 0, 16, 0, 0, 0, correlation_id, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4};
    uint8_t got[sizeof expected];
    assert_int_equal(recv(fd, got, sizeof got, MSG_WAITALL), sizeof got);
    assert_memory_equal(got, expected, sizeof got);
}

static void test_unknown_versions(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_write(fd, "\0\0\0\x15\0\x12\0\5\0\0\0\1\0\2rt\0junk body", 25); // v5: the body is not looked at
    answer_check(fd, 1);
    rig_write(fd, "\0\0\0\xb\0\x12\x7f\xff\0\0\0\2\0\0\0", 15);
    answer_check(fd, 2);
    rig_write(fd, "\0\0\0\xa\0\x12\xff\xff\0\0\0\3\0\0", 14); // v-1: its header is a v1
    answer_check(fd, 3);
    struct api_versions_request in = request_of("a", "1");
    rig_call(&rig, fd, API_VERSIONS, 4, &in);             // the connection goes on
    rig_write(fd, "\0\0\0\xa\0\x12\0\5\0\0\0\4\0\0", 14); // v5 without the tags its header must have
    rig_expect_end(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_what_is_served),
        cmocka_unit_test(test_client_names),
        cmocka_unit_test(test_unknown_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
