// SPDX-License-Identifier: Apache-2.0
//
// The API table and the header versions.
#include "protocol/protocol.h"

#include "base/tests/cmocka_all.h"

static void test_find(void **state)
{
    (void)state;
    const struct protocol_api *fetch = protocol_api_find(1);

    assert_string_equal(fetch->name, "Fetch");
    assert_int_equal(fetch->key, 1);
    assert_int_equal(fetch->min_version, 0);
    assert_int_equal(fetch->max_version, 17);
    assert_int_equal(fetch->flexible_from, 12);
    assert_ptr_equal(fetch->request, &fetch_request_desc);
    assert_ptr_equal(fetch->response, &fetch_response_desc);
    assert_int_equal(protocol_api_find(17)->flexible_from, INT16_MAX);
    for (int key = INT16_MIN; key <= INT16_MAX; key++) {
        const struct protocol_api *api = protocol_api_find((int16_t)key);
        // 52-55, 59, 62-64, 70 and 73 belong to KRaft quorums, 76 and up to share groups and KRaft.
        bool known = (key >= 0 && key <= 51) || (key >= 56 && key <= 58) || (key >= 60 && key <= 61) ||
                     (key >= 65 && key <= 69) || (key >= 71 && key <= 72) || (key >= 74 && key <= 75);
        assert_int_equal(api != NULL, known);
        if (api != NULL)
            assert_int_equal(api->key, key);
    }
}

static void test_request_header_version(void **state)
{
    (void)state;
    assert_int_equal(protocol_request_header_version(0, 8), 1);
    assert_int_equal(protocol_request_header_version(0, 9), 2);
    assert_int_equal(protocol_request_header_version(7, 0), 0); // ControlledShutdown
    assert_int_equal(protocol_request_header_version(7, 1), 1);
    assert_int_equal(protocol_request_header_version(7, 3), 2);
    assert_int_equal(protocol_request_header_version(17, 1), 1); // SaslHandshake is never flexible
    assert_int_equal(protocol_request_header_version(17, 2), 2); // above max
    assert_int_equal(protocol_request_header_version(18, 2), 1);
    assert_int_equal(protocol_request_header_version(18, 3), 2);
    assert_int_equal(protocol_request_header_version(18, 5), 2); // above max
    assert_int_equal(protocol_request_header_version(18, -1), 1);
    assert_int_equal(protocol_request_header_version(999, 0), 2); // unknown
    assert_int_equal(protocol_request_header_version(-1, 0), 2);
}

static void test_response_header_version(void **state)
{
    (void)state;
    assert_int_equal(protocol_response_header_version(0, 8), 0);
    assert_int_equal(protocol_response_header_version(0, 9), 1);
    assert_int_equal(protocol_response_header_version(7, 0), 0);
    assert_int_equal(protocol_response_header_version(17, 1), 0);
    assert_int_equal(protocol_response_header_version(17, 2), 1); // above max
    assert_int_equal(protocol_response_header_version(999, 0), 1);
    for (int16_t version = 0; version <= 5; version++)
        assert_int_equal(protocol_response_header_version(18, version), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_request_header_version),
        cmocka_unit_test(test_response_header_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
