// SPDX-License-Identifier: Apache-2.0
//
// The check value of CRC-32C, the vectors of RFC 3720 B.4, and the chaining rule.
#include "base/crc32c.h"

#include "base/tests/cmocka_all.h"
#include <string.h>

static void test_known_values(void **state)
{
    (void)state;
    uint8_t buf[32];
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c("", 0), 0);
    memset(buf, 0, sizeof buf);
    assert_int_equal(crc32c(buf, sizeof buf), 0x8a9136aa);
    memset(buf, 0xff, sizeof buf);
    assert_int_equal(crc32c(buf, sizeof buf), 0x62a8ab43);
    for (size_t i = 0; i < sizeof buf; i++) {
        buf[i] = (uint8_t)i;
    }
    assert_int_equal(crc32c(buf, sizeof buf), 0x46dd794e);
}

static void test_chaining(void **state)
{
    (void)state;
    uint8_t data[257];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 31);
    }
    uint32_t whole = crc32c(data, sizeof data);
    for (size_t cut = 0; cut <= sizeof data; cut++) {
        assert_int_equal(crc32c_add(crc32c(data, cut), data + cut, sizeof data - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_chaining),
    };
    return cmocka_run_group_tests_name("base/crc32c", tests, NULL, NULL);
}
