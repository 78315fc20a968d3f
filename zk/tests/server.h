// SPDX-License-Identifier: Apache-2.0
//
// A real ZooKeeper for tests (tools/zookeeper), and a gate before it: connections that the test can break at the worst
// moment, namely when a request was done and its answer is on its way.
#ifndef OTTLA_ZK_TESTS_SERVER_H
#define OTTLA_ZK_TESTS_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct server {
    char *dir;
    uint16_t port;
    pid_t pid;
};

// Answers when it serves. It dies with the test.
void server_start(struct server *s);
void server_stop(struct server *s);

enum gate_mode {
    GATE_OPEN,   // passes everything on
    GATE_CUT,    // swallows the next answer, then breaks the connection and is GATE_CLOSED
    GATE_CLOSED, // breaks and accepts nothing
};

struct gate {
    enum gate_mode mode;
    uint16_t port;
    uint16_t server_port;
    int listener; // -1 while closed
    int client;   // -1 = nobody is connected
    int server;
};

#define GATE_MAX_FDS 3

void gate_open(struct gate *g, const struct server *s);
void gate_release(struct gate *g);
void gate_set(struct gate *g, enum gate_mode mode);
// For the test's loop: what to poll, how many, and what to do after that.
int gate_fds(const struct gate *g, struct pollfd fds[GATE_MAX_FDS]);
void gate_run(struct gate *g);

#endif
