// SPDX-License-Identifier: Apache-2.0
//
// One event is one line in the documented form; peers cannot forge lines; long lines are cut; levels are kept.
#include "base/logging.h"

#include "base/tests/cmocka_all.h"
#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct capture {
    FILE *file;
    int saved_stderr;
    char text[64 * 1024];
};

static void capture_start(struct capture *c)
{
    c->file = tmpfile();
    assert_non_null(c->file);
    c->saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(c->file), STDERR_FILENO);
}

static void capture_stop(struct capture *c)
{
    dup2(c->saved_stderr, STDERR_FILENO);
    close(c->saved_stderr);
    rewind(c->file);
    size_t n = fread(c->text, 1, sizeof c->text - 1, c->file);
    c->text[n] = '\0';
    fclose(c->file);
}

static int count_newlines(const char *s)
{
    int n = 0;
    for (; *s; s++) {
        n += *s == '\n';
    }
    return n;
}

static void test_form(void **state)
{
    (void)state;
    static struct capture c;
    capture_start(&c);
    log_info("net", "accepted %s:%d", "127.0.0.1", 4711);
    log_error("log", "no space");
    capture_stop(&c);
    regex_t form;
    assert_int_equal(regcomp(&form,
                             "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z INFO  \\[net\\] "
                             "accepted 127\\.0\\.0\\.1:4711\n[^\n]*Z ERROR \\[log\\] no space\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    assert_int_equal(regexec(&form, c.text, 0, NULL, 0), 0);
    regfree(&form);
}

static void test_no_forged_lines(void **state)
{
    (void)state;
    static struct capture c;
    const char peer[] = "x\n2026-01-01T00:00:00.000Z ERROR [log] forged\r\x1b[31m\x7f\xc3\xa9";
    capture_start(&c);
    log_info("net", "client id %.*s", (int)sizeof peer - 1, peer);
    capture_stop(&c);
    assert_int_equal(count_newlines(c.text), 1);
    assert_non_null(strstr(c.text, "client id x?2026-01-01"));
    assert_non_null(strstr(c.text, "forged??[31m?\xc3\xa9\n")); // other bytes of UTF-8 stay
}

static void test_long_line_is_cut(void **state)
{
    (void)state;
    static struct capture c;
    static char big[40000];
    memset(big, 'a', sizeof big - 1);
    capture_start(&c);
    log_info("net", "%s", big);
    log_info("net", "next");
    capture_stop(&c);
    assert_int_equal(count_newlines(c.text), 2);
    assert_non_null(strstr(c.text, "aaa...\n"));
    assert_true(strlen(c.text) < 17000);
}

static void test_levels(void **state)
{
    (void)state;
    static struct capture c;
    capture_start(&c);
    assert_false(logging_enabled(LOG_DEBUG));
    log_debug("net", "unseen");
    logging_set_level(LOG_ERROR);
    log_warn("net", "unseen");
    log_error("net", "seen 1");
    logging_set_level(LOG_DEBUG);
    log_debug("net", "seen 2");
    logging_set_level(LOG_INFO);
    capture_stop(&c);
    assert_null(strstr(c.text, "unseen"));
    assert_non_null(strstr(c.text, "seen 1\n"));
    assert_non_null(strstr(c.text, "DEBUG [net] seen 2\n"));
}

static void test_errno_is_kept(void **state)
{
    (void)state;
    static struct capture c;
    capture_start(&c);
    errno = ENOSPC;
    log_info("log", "%s", "text");
    assert_int_equal(errno, ENOSPC);
    capture_stop(&c);
}

static void *lines_run(void *arg)
{
    for (int i = 0; i < 100; i++) {
        log_info("net", "%s", (const char *)arg);
    }
    return NULL;
}

static void test_threads_do_not_mix_lines(void **state)
{
    (void)state;
    static struct capture c;
    static const char *const texts[] = {"aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb"};
    pthread_t threads[2];
    capture_start(&c);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, lines_run, (void *)(uintptr_t)texts[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    capture_stop(&c);
    assert_int_equal(count_newlines(c.text), 200);
    int whole = 0;
    for (char *save, *line = strtok_r(c.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *tail = strstr(line, "[net] ");
        assert_non_null(tail);
        whole += strcmp(tail + 6, texts[0]) == 0 || strcmp(tail + 6, texts[1]) == 0;
    }
    assert_int_equal(whole, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_no_forged_lines),
        cmocka_unit_test(test_long_line_is_cut),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_errno_is_kept),
        cmocka_unit_test(test_threads_do_not_mix_lines),
    };
    return cmocka_run_group_tests_name("base/logging", tests, NULL, NULL);
}
