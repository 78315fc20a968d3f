// SPDX-License-Identifier: Apache-2.0
//
// One Metadata request for no topic at all, on a blocking socket. A broker that has not found its place in the cluster
// yet does not answer it.
#include "broker/health.h"

#include "base/assert.h"
#include "protocol/protocol.h"
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    METADATA = 3,
    VERSION = 1,
    CORRELATION_ID = 1,
    REQUEST_MAX_BYTES = 128,
    ANSWER_MAX_BYTES = 1024 * 1024, // some hundred bytes for each broker of the cluster
    PORT_TEXT_BYTES = 8,
};

static int address_connect(const struct addrinfo *a)
{
    const struct timeval patience = {.tv_sec = HEALTH_PATIENCE_S};
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

// A connected socket, or -1. An empty host is every address of this machine, so also the one without a name.
static int host_connect(const char *host, uint16_t port)
{
    char service[PORT_TEXT_BYTES];
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(host[0] != '\0' ? host : NULL, service, &hints, &found) != 0) {
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = address_connect(a);
    }
    freeaddrinfo(found);
    return fd;
}

static bool request_send(int fd)
{
    uint8_t bytes[REQUEST_MAX_BYTES];
    struct writer w;
    struct metadata_request body;
    const struct request_header header = {.request_api_key = METADATA,
                                          .request_api_version = VERSION,
                                          .correlation_id = CORRELATION_ID,
                                          .client_id = slice_str("health-check")};
    message_init(&metadata_request_desc, &body);
    body.topics_count = 0;
    writer_init_fixed(&w, bytes, sizeof bytes);
    writer_u32(&w, 0);
    enum err err =
        message_encode(&request_header_desc, protocol_request_header_version(METADATA, VERSION), &header, &w, NULL);
    if (!err) {
        err = message_encode(&metadata_request_desc, VERSION, &body, &w, NULL);
    }
    ASSERT(err == ERR_OK);
    store_be32(bytes, (uint32_t)(w.len - sizeof(uint32_t)));
    return send(fd, bytes, w.len, MSG_NOSIGNAL) == (ssize_t)w.len;
}

static bool answer_is_good(struct slice frame, struct arena *a)
{
    struct reader r = reader_of(frame);
    struct metadata_response response;
    return reader_u32(&r) == CORRELATION_ID &&
           message_decode(&metadata_response_desc, VERSION, &r, a, &response) == ERR_OK && response.brokers_count > 0;
}

static bool answer_await(int fd)
{
    uint8_t size[sizeof(uint32_t)];
    if (recv(fd, size, sizeof size, MSG_WAITALL) != (ssize_t)sizeof size || load_be32(size) > ANSWER_MAX_BYTES) {
        return false;
    }
    struct arena a;
    arena_init(&a, 4 * ANSWER_MAX_BYTES);
    size_t len = load_be32(size);
    uint8_t *frame = arena_alloc(&a, len);
    bool good = frame && recv(fd, frame, len, MSG_WAITALL) == (ssize_t)len && answer_is_good(slice_of(frame, len), &a);
    arena_release(&a);
    return good;
}

const char *health_problem(const char *host, uint16_t port)
{
    if (port == 0) {
        return "the port of its first listener is 0, which stands for one that only the broker knows";
    }
    int fd = host_connect(host, port);
    if (fd < 0) {
        return "nobody listens on the first of its listeners";
    }
    bool good = request_send(fd) && answer_await(fd);
    close(fd);
    return good ? NULL : "it listens, but does not say which brokers there are";
}
