// SPDX-License-Identifier: Apache-2.0
//
// The cursor of an answer walks memory and files in their order, whatever is sent at a time.
#include "broker/net/answer.h"

#include "base/tests/cmocka_all.h"
#include <string.h>

// Walks in steps of at most `step` bytes and writes memory as it is, bytes of a file as the digit of its fd.
static void walk(struct answer a, size_t step, const char *expected)
{
    char seen[64] = "";
    size_t len = 0;
    assert_int_equal(answer_left(&a), strlen(expected));
    for (;;) {
        struct answer_piece p = answer_next(&a);
        if (p.len == 0) {
            break;
        }
        size_t n = step < p.len ? step : p.len;
        for (size_t i = 0; i < n; i++) {
            seen[len++] = p.data ? (char)p.data[i] : (char)('0' + p.fd);
        }
        if (!p.data) {
            assert_int_equal(p.position, 1000 * p.fd + (int64_t)a.file_sent);
        }
        answer_advance(&a, n);
        assert_int_equal(answer_left(&a), strlen(expected) - len);
    }
    assert_string_equal(seen, expected);
}

static void test_pieces(void **state)
{
    (void)state;
    static const struct answer_file between[] = {
        {.at = 2, .fd = 1, .position = 1000, .len = 3},
        {.at = 2, .fd = 2, .position = 2000, .len = 0},
        {.at = 2, .fd = 3, .position = 3000, .len = 1},
        {.at = 4, .fd = 4, .position = 4000, .len = 2},
    };
    static const struct answer_file ends[] = {
        {.at = 0, .fd = 1, .position = 1000, .len = 2},
        {.at = 6, .fd = 2, .position = 2000, .len = 2},
        {.at = 6, .fd = 3, .position = 3000, .len = 0},
    };
    const uint8_t *bytes = (const uint8_t *)"abcdef";
    for (size_t step = 1; step < 8; step++) {
        walk((struct answer){.bytes = bytes, .len = 6}, step, "abcdef");
        walk((struct answer){.bytes = bytes, .len = 6, .files = between, .files_count = 4}, step, "ab1113cd44ef");
        walk((struct answer){.bytes = bytes, .len = 6, .files = ends, .files_count = 3}, step, "11abcdef22");
    }
    walk((struct answer){0}, 1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
