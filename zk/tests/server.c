// SPDX-License-Identifier: Apache-2.0
//
// The server's process, and the gate, which moves bytes without waiting for anybody.
#include "zk/tests/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/tests/testing.h"

#define POLL_US 20000

// ---- sockets ----

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int socket_new(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(fd >= 0);
    return fd;
}

// port 0 becomes a free one.
static int socket_listen(uint16_t *port)
{
    struct sockaddr_in address = loopback(*port);
    socklen_t len = sizeof address;
    int fd = socket_new();
    int on = 1;
    int failed = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    failed |= bind(fd, (struct sockaddr *)&address, len);
    failed |= listen(fd, 8);
    failed |= getsockname(fd, (struct sockaddr *)&address, &len);
    ASSERT(failed == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

// -1 when nobody listens.
static int socket_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket_new();
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void socket_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

// ---- the server ----

static uint16_t port_free(void)
{
    uint16_t port = 0;
    int fd = socket_listen(&port);
    close(fd);
    return port;
}

static bool server_answers(const struct server *s)
{
    char answer[256] = "";
    int fd = socket_connect(s->port);
    if (fd < 0)
        return false;
    bool asked = write(fd, "srvr", 4) == 4;
    ssize_t n = asked ? read(fd, answer, sizeof answer - 1) : -1;
    close(fd);
    return n > 0 && strstr(answer, "Zookeeper version") != NULL;
}

static _Noreturn void server_exec(const struct server *s)
{
    const char *root = getenv("OTTLA_SOURCE_DIR");
    char program[TEST_PATH_MAX_BYTES], log[TEST_PATH_MAX_BYTES], port[8];
    test_path(program, root == NULL ? "." : root, "tools/zookeeper");
    test_path(log, s->dir, "server.log");
    snprintf(port, sizeof port, "%d", s->port);
    int fd = open(log, O_CREAT | O_WRONLY, 0644);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        _exit(1);
    execl(program, program, s->dir, port, (char *)NULL);
    _exit(1);
}

void server_start(struct server *s)
{
    s->dir = test_dir_new();
    s->port = port_free();
    s->pid = fork();
    ASSERT(s->pid >= 0);
    if (s->pid == 0)
        server_exec(s);
    while (!server_answers(s)) {
        int status;
        ASSERT(waitpid(s->pid, &status, WNOHANG) == 0); // it ended: see server.log in its directory
        usleep(POLL_US);
    }
}

void server_stop(struct server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    test_dir_remove(s->dir);
}

// ---- the gate ----

void gate_open(struct gate *g, const struct server *s)
{
    *g = (struct gate){.server_port = s->port, .client = -1, .server = -1};
    g->listener = socket_listen(&g->port);
}

void gate_release(struct gate *g)
{
    socket_close(&g->client);
    socket_close(&g->server);
    socket_close(&g->listener);
}

void gate_set(struct gate *g, enum gate_mode mode)
{
    g->mode = mode;
    if (mode == GATE_CLOSED)
        gate_release(g);
    else if (g->listener < 0)
        g->listener = socket_listen(&g->port);
}

int gate_fds(const struct gate *g, struct pollfd fds[GATE_MAX_FDS])
{
    const int all[GATE_MAX_FDS] = {g->listener, g->client, g->server};
    int n = 0;
    for (int i = 0; i < GATE_MAX_FDS; i++) {
        if (all[i] >= 0)
            fds[n++] = (struct pollfd){.fd = all[i], .events = POLLIN};
    }
    return n;
}

// How many bytes came: 0 none, -1 the end.
static ssize_t bytes_take(int fd, char *bytes, size_t max)
{
    ssize_t n = recv(fd, bytes, max, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    return n == 0 ? -1 : n;
}

// False: the connection has ended.
static bool bytes_pass(int from, int to)
{
    char bytes[65536];
    ssize_t n = bytes_take(from, bytes, sizeof bytes);
    return n == 0 || (n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n);
}

static void gate_accept(struct gate *g)
{
    struct pollfd fd = {.fd = g->listener, .events = POLLIN};
    if (g->listener < 0 || poll(&fd, 1, 0) != 1)
        return;
    socket_close(&g->client);
    socket_close(&g->server);
    g->client = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC);
    g->server = socket_connect(g->server_port);
}

void gate_run(struct gate *g)
{
    char swallowed[65536];
    gate_accept(g);
    if (g->client < 0)
        return;
    bool goes_on = bytes_pass(g->client, g->server);
    if (g->mode == GATE_CUT) {
        if (bytes_take(g->server, swallowed, sizeof swallowed) != 0)
            gate_set(g, GATE_CLOSED);
    } else if (!goes_on || !bytes_pass(g->server, g->client)) {
        socket_close(&g->client);
        socket_close(&g->server);
    }
}
