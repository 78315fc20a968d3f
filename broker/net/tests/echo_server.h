// SPDX-License-Identifier: Apache-2.0
//
// A listener for tests whose frames say what shall be done with them, and a client's side of a socket.
// A frame is a letter, a tag and any further bytes:
//   e  echo at once                            s  skip (no answer)
//   w  park until echo_release(tag)            c  close
//   o  as w, but may be overtaken              n  as w, but answered when the listener drains
//   x  as o, but closes when released
//   b  answer of `big_bytes` bytes             f  answer "f<tag>" + the file + "F"
// An echo is the frame itself.
#ifndef OTTLA_NET_TESTS_ECHO_SERVER_H
#define OTTLA_NET_TESTS_ECHO_SERVER_H

#include "broker/net/listener.h"

#define ECHO_LOOPS 2

struct parked;
TAILQ_HEAD(parked_list, parked);

struct echo_server {
    struct listener_options options; // may be changed before echo_start
    struct conn_handler handler;
    struct loop *loops[ECHO_LOOPS];
    struct conn_limits *limits;
    struct intake_options intake_options; // may be changed before echo_start
    struct intake *intake;
    struct listener *listener;
    size_t big_bytes;
    int file_fd;
    size_t file_len;
    struct mutex mu; // leaf; guards the rest
    struct cond changed;
    struct parked_list parked;
    int n_parked;
    int released;
    int frames;
    int done;
    int aborted;
    size_t outstanding;     // bytes answered and not done
    size_t max_outstanding; // when a frame came in
    char events[256];       // "e1" frame, "-1" done, "!1" aborted
};

void echo_init(struct echo_server *s);
void echo_start(struct echo_server *s);
void echo_release_all(struct echo_server *s); // closes the listener and frees everything

// Answers (or, when its connection is gone, releases) the parked exchange with this tag; returns when that is done.
void echo_release(struct echo_server *s, char tag);
void echo_await_parked(struct echo_server *s, int n);
void echo_await_frames(struct echo_server *s, int n);
void echo_await_aborted(struct echo_server *s, int n);
void echo_await_done(struct echo_server *s, int n);

// A connection is counted until after its end has been seen by the client.
void echo_await_connections(struct listener *l, int32_t n);

// How many frames have come, and how many exchanges are done, by now.
int echo_frames(struct echo_server *s);
int echo_done(struct echo_server *s);

int client_connect(const struct echo_server *s);
void client_connect_with(const struct echo_server *s, int fd);
void client_send(int fd, const char *payload); // as one frame
void client_write(int fd, const void *data, size_t len);
// The next frame is this text.
void client_expect(int fd, const char *payload);
void client_read(int fd, void *buf, size_t len);
void client_expect_end(int fd); // end of stream or reset, and nothing before
void client_reset(int fd);      // closes with RST

#endif
