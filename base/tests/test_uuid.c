// SPDX-License-Identifier: Apache-2.0
//
// The text form is Kafka's, both ways; random ids are version 4 and never begin with '-'.
#include "base/uuid.h"

#include "base/tests/cmocka_all.h"
#include <string.h>

static void test_text_form(void **state)
{
    (void)state;
    struct uuid u;
    char text[UUID_TEXT_LEN + 1];
    memset(u.b, 0, sizeof u.b);
    assert_true(uuid_is_zero(&u));
    uuid_format(&u, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
    u.b[15] = 1;
    assert_false(uuid_is_zero(&u));
    uuid_format(&u, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAQ");
    memset(u.b, 0xff, sizeof u.b);
    uuid_format(&u, text);
    assert_string_equal(text, "_____________________w");
    for (size_t i = 0; i < sizeof u.b; i++) {
        u.b[i] = (uint8_t)i;
    }
    uuid_format(&u, text);
    assert_string_equal(text, "AAECAwQFBgcICQoLDA0ODw");
}

static void test_parse(void **state)
{
    (void)state;
    struct uuid u;
    const uint8_t counted[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    assert_int_equal(uuid_parse("AAECAwQFBgcICQoLDA0ODw", &u), ERR_OK);
    assert_memory_equal(u.b, counted, sizeof counted);
    assert_int_equal(uuid_parse("_____________________w", &u), ERR_OK);
    assert_int_equal(u.b[15], 0xff);

    memset(u.b, 7, sizeof u.b);
    static const char *const bad[] = {
        "",
        "AAECAwQFBgcICQoLDA0OD",   // one too short
        "AAECAwQFBgcICQoLDA0ODww", // one too long
        "AAECAwQFBgcICQoLDA0O+w",  // the other base64 alphabet
        "AAECAwQFBgcICQoLDA0O/w",
        "AAECAwQFBgcICQoLDA0O=w",
        "AAECAwQFBgcICQoLDA0ODx", // unused bits set: not the text of any id
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(uuid_parse(bad[i], &u), ERR_INVALID);
    }
    assert_int_equal(u.b[0], 7); // a failed parse leaves the result alone
}

static void test_random(void **state)
{
    (void)state;
    struct uuid before = {{0}};
    for (int i = 0; i < 1000; i++) {
        struct uuid u, back;
        char text[UUID_TEXT_LEN + 1];
        uuid_random(os_real(), &u);
        assert_false(uuid_equal(&u, &before));
        assert_int_equal(u.b[6] & 0xf0, 0x40);
        assert_int_equal(u.b[8] & 0xc0, 0x80);
        uuid_format(&u, text);
        assert_int_equal(strlen(text), UUID_TEXT_LEN);
        assert_int_equal(uuid_parse(text, &back), ERR_OK);
        assert_true(uuid_equal(&u, &back));
        before = u;
    }
}

// Gives 0xf8... first, whose text begins with '-', then zeros.
static void random_dash_first(const struct os *os, void *buf, size_t len)
{
    int *calls = os->ctx;
    memset(buf, (*calls)++ == 0 ? 0xf8 : 0, len);
}

static void test_random_never_begins_with_dash(void **state)
{
    (void)state;
    int calls = 0;
    struct os os = *os_real();
    os.random = random_dash_first;
    os.ctx = &calls;
    struct uuid u;
    char text[UUID_TEXT_LEN + 1];
    uuid_random(&os, &u);
    uuid_format(&u, text);
    assert_int_equal(calls, 2);
    assert_int_not_equal(text[0], '-');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_form),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_random_never_begins_with_dash),
    };
    return cmocka_run_group_tests_name("base/uuid", tests, NULL, NULL);
}
