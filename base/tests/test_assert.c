// SPDX-License-Identifier: Apache-2.0
//
// A broken invariant ends the process and says which one it was; a kept one costs nothing.
#include "base/assert.h"

#include "base/tests/cmocka_all.h"
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_failure_names_the_condition(void **state)
{
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(pipe_fds[1], STDERR_FILENO);
        int two = 2;
        ASSERT(two == 2);
        ASSERT(two == 3);
        _exit(0);
    }
    close(pipe_fds[1]);
    char text[4096];
    size_t len = 0;
    for (ssize_t n = 1; n > 0 && len<sizeof text - 1; len += n> 0 ? (size_t)n : 0) {
        n = read(pipe_fds[0], text + len, sizeof text - 1 - len);
    }
    text[len] = '\0';
    close(pipe_fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "two == 3"));
    assert_null(strstr(text, "two == 2"));
    assert_non_null(strstr(text, "test_assert.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_names_the_condition),
    };
    return cmocka_run_group_tests_name("base/assert", tests, NULL, NULL);
}
