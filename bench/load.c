// SPDX-License-Identifier: Apache-2.0
//
// A load of exact shape over one raw connection: so many Produce or Fetch requests of so many bytes, so many of them
// under way at once. Prints one line: requests, bytes, seconds. Works the same against a broker and against `bare`.
//   load create  <port> <topic> <partitions>
//   load produce <port> <topic> <partitions> <requests> <record bytes> <records per request> <in flight>
//   load fetch   <port> <topic> <requests> <bytes per answer> <in flight>     from partition 0, always at offset 0
//   load metadata <port>                 connects until it is answered; prints nothing
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "protocol/protocol.h"

#define ANSWER_MAX          (128 * 1024 * 1024)
#define BATCH_HEADER        61
#define CONNECT_TRIES       5000
#define CONNECT_PAUSE_NS    1000000
#define RECORD_OVERHEAD_MAX 32

#define VERSION_PRODUCE  9
#define VERSION_FETCH    11
#define VERSION_CREATE   4
#define VERSION_METADATA 9

static int connect_to(int port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < CONNECT_TRIES; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
            int one = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            return fd;
        }
        close(fd);
        nanosleep(&(struct timespec){.tv_nsec = CONNECT_PAUSE_NS}, NULL);
    }
    fprintf(stderr, "load: no connection to port %d\n", port);
    exit(1);
}

static void send_full(int fd, const uint8_t *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = send(fd, data + done, len - done, MSG_NOSIGNAL);
        if (n <= 0) {
            perror("load: send");
            exit(1);
        }
        done += (size_t)n;
    }
}

static void recv_full(int fd, uint8_t *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = recv(fd, data + done, len - done, 0);
        if (n <= 0) {
            fprintf(stderr, "load: the connection was closed\n");
            exit(1);
        }
        done += (size_t)n;
    }
}

// Reads one answer into buf; its length without the size field.
static size_t answer_read(int fd, uint8_t *buf)
{
    uint8_t size_field[4];
    recv_full(fd, size_field, 4);
    size_t len = load_be32(size_field);
    ASSERT(len <= ANSWER_MAX);
    recv_full(fd, buf, len);
    return len;
}

// A whole frame: size, header, body.
static void frame_encode(int16_t key, int16_t version, const void *body, struct writer *w)
{
    const struct protocol_api *api = protocol_api_find(key);
    struct request_header h = {
        .request_api_key = key, .request_api_version = version, .correlation_id = 1, .client_id = slice_str("load")};
    w->len = 0;
    writer_u32(w, 0);
    enum err err = message_encode(&request_header_desc, protocol_request_header_version(key, version), &h, w, NULL);
    ASSERT(err == ERR_OK);
    err = message_encode(api->request, version, body, w, NULL);
    ASSERT(err == ERR_OK && !w->bad);
    store_be32(w->data, (uint32_t)(w->len - 4));
}

// A batch of equal records of the given value size, no keys.
static size_t batch_build(uint8_t *out, size_t record_bytes, int32_t count)
{
    struct writer w;
    writer_init_fixed(&w, out, BATCH_HEADER + ((size_t)record_bytes + RECORD_OVERHEAD_MAX) * (size_t)count);
    memset(writer_reserve(&w, BATCH_HEADER), 0, BATCH_HEADER);
    for (int32_t i = 0; i < count; i++) {
        size_t len = 1 + varlong_size(0) + varint_size(i) + varint_size(-1) + varint_size((int32_t)record_bytes) +
                     record_bytes + varint_size(0);
        writer_varint(&w, (int32_t)len);
        writer_u8(&w, 0);
        writer_varlong(&w, 0);
        writer_varint(&w, i);
        writer_varint(&w, -1);
        writer_varint(&w, (int32_t)record_bytes);
        memset(writer_reserve(&w, record_bytes), 'x', record_bytes);
        writer_varint(&w, 0);
    }
    ASSERT(!w.bad);
    uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    store_be32(out + 8, (uint32_t)(w.len - 12));
    store_be32(out + 12, UINT32_MAX);
    out[16] = 2;
    store_be32(out + 23, (uint32_t)(count - 1));
    store_be64(out + 27, now_ms);
    store_be64(out + 35, now_ms);
    store_be64(out + 43, UINT64_MAX);
    store_be16(out + 51, UINT16_MAX);
    store_be32(out + 53, UINT32_MAX);
    store_be32(out + 57, (uint32_t)count);
    store_be32(out + 17, crc32c(out + 21, w.len - 21));
    return w.len;
}

static void produce_encode(const char *topic, int32_t partition, const uint8_t *batch, size_t len, struct writer *w)
{
    struct produce_request_partition_produce_data p = {.index = partition, .records = {.data = batch, .len = len}};
    struct produce_request_topic_produce_data t = {
        .name = slice_str(topic), .partition_data = &p, .partition_data_count = 1};
    struct produce_request q;
    produce_request_init(&q);
    q.acks = -1;
    q.timeout_ms = 30000;
    q.topic_data = &t;
    q.topic_data_count = 1;
    frame_encode(0, VERSION_PRODUCE, &q, w);
}

static void fetch_encode(const char *topic, int32_t bytes, struct writer *w)
{
    struct fetch_request_fetch_partition p;
    fetch_request_fetch_partition_init(&p);
    p.partition_max_bytes = bytes;
    struct fetch_request_fetch_topic t;
    fetch_request_fetch_topic_init(&t);
    t.topic = slice_str(topic);
    t.partitions = &p;
    t.partitions_count = 1;
    struct fetch_request q;
    fetch_request_init(&q);
    q.max_wait_ms = 1000;
    q.min_bytes = 1;
    q.max_bytes = bytes;
    q.topics = &t;
    q.topics_count = 1;
    frame_encode(1, VERSION_FETCH, &q, w);
}

// Sends frames in turn, with so many under way, until `requests` are answered.
static void drive(int fd, const struct writer *frames, int n_frames, int64_t requests, int in_flight)
{
    uint8_t *answer = malloc(ANSWER_MAX);
    int64_t sent = 0, answered = 0, bytes_out = 0, bytes_in = 0;
    struct timespec begin, end;
    ASSERT(answer != NULL);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (answered < requests) {
        while (sent < requests && sent - answered < in_flight) {
            const struct writer *w = &frames[sent++ % n_frames];
            send_full(fd, w->data, w->len);
            bytes_out += (int64_t)w->len;
        }
        bytes_in += (int64_t)answer_read(fd, answer);
        answered++;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%lld %lld %lld %.6f\n", (long long)answered, (long long)bytes_out, (long long)bytes_in, seconds);
    free(answer);
}

static void run_produce(int port, char **arg)
{
    int partitions = atoi(arg[1]), records = atoi(arg[4]);
    size_t record_bytes = (size_t)atoll(arg[3]);
    uint8_t *batch = malloc(BATCH_HEADER + (record_bytes + RECORD_OVERHEAD_MAX) * (size_t)records);
    struct writer *frames = calloc((size_t)partitions, sizeof *frames);
    ASSERT(batch != NULL && frames != NULL);
    size_t len = batch_build(batch, record_bytes, records);
    for (int i = 0; i < partitions; i++) {
        writer_init(&frames[i], len + 1024, len + 65536);
        produce_encode(arg[0], i, batch, len, &frames[i]);
    }
    int fd = connect_to(port);
    drive(fd, frames, partitions, atoll(arg[2]), atoi(arg[5]));
    close(fd);
    for (int i = 0; i < partitions; i++) {
        writer_release(&frames[i]);
    }
    free(frames);
    free(batch);
}

static void run_fetch(int port, char **arg)
{
    struct writer frame;
    writer_init(&frame, 1024, 65536);
    fetch_encode(arg[0], atoi(arg[2]), &frame);
    int fd = connect_to(port);
    drive(fd, &frame, 1, atoll(arg[1]), atoi(arg[3]));
    close(fd);
    writer_release(&frame);
}

static void run_once(int port, int16_t key, int16_t version, const void *body)
{
    struct writer frame;
    uint8_t *answer = malloc(ANSWER_MAX);
    ASSERT(answer != NULL);
    writer_init(&frame, 1024, 65536);
    frame_encode(key, version, body, &frame);
    int fd = connect_to(port);
    send_full(fd, frame.data, frame.len);
    answer_read(fd, answer);
    close(fd);
    writer_release(&frame);
    free(answer);
}

static void run_create(int port, char **arg)
{
    struct create_topics_request_creatable_topic t;
    create_topics_request_creatable_topic_init(&t);
    t.name = slice_str(arg[0]);
    t.num_partitions = atoi(arg[1]);
    t.replication_factor = 1;
    struct create_topics_request q;
    create_topics_request_init(&q);
    q.topics = &t;
    q.topics_count = 1;
    q.timeout_ms = 30000;
    run_once(port, 19, VERSION_CREATE, &q);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    int port = argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(what, "produce") == 0 && argc == 9) {
        run_produce(port, argv + 3);
    } else if (strcmp(what, "fetch") == 0 && argc == 7) {
        run_fetch(port, argv + 3);
    } else if (strcmp(what, "create") == 0 && argc == 5) {
        run_create(port, argv + 3);
    } else if (strcmp(what, "metadata") == 0 && argc == 3) {
        struct metadata_request q;
        metadata_request_init(&q);
        run_once(port, 3, VERSION_METADATA, &q);
    } else {
        fprintf(stderr, "usage: see the head of bench/load.c\n");
        return 2;
    }
    return 0;
}
