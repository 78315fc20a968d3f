// SPDX-License-Identifier: Apache-2.0
//
// See leader.h. It decodes and encodes by the tables of protocol/, and keeps no fetch session of its own: it answers
// every request of one as if all had been named, and counts those that began one.
#include "broker/replica/tests/leader.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/tests/cmocka_all.h"
#include "broker/replica/tests/scene.h"
#include "protocol/protocol.h"

#define FRAME_MAX  (1 << 20) // of requests
#define ANSWER_MAX (64 << 20)
#define SESSION_ID 77

static bool read_all(int fd, uint8_t *to, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, to, len);
        if (n <= 0) {
            return false;
        }
        to += n;
        len -= (size_t)n;
    }
    return true;
}

static void answer_send(int fd, int32_t correlation_id, int16_t header_version, const struct message_desc *desc,
                        int16_t version, const void *body)
{
    struct writer w;
    struct response_header header;
    response_header_init(&header);
    header.correlation_id = correlation_id;
    writer_init(&w, 256, ANSWER_MAX);
    writer_u32(&w, 0);
    assert_int_equal(message_encode(&response_header_desc, header_version, &header, &w, NULL), ERR_OK);
    assert_int_equal(message_encode(desc, version, body, &w, NULL), ERR_OK);
    store_be32(w.data, (uint32_t)(w.len - 4));
    for (size_t done = 0; done < w.len;) {
        ssize_t sent = send(fd, w.data + done, w.len - done, MSG_NOSIGNAL);
        if (sent <= 0) {
            break; // the other side has gone
        }
        done += (size_t)sent;
    }
    writer_release(&w);
}

// Under mu.
static void partition_answer(struct leader *l, const struct fetch_request_fetch_partition *in, uint8_t *batch,
                             struct fetch_response_partition_data *out)
{
    fetch_response_partition_data_init(out);
    out->aborted_transactions_count = -1;
    out->high_watermark = l->high_watermark;
    out->last_stable_offset = l->high_watermark;
    out->log_start_offset = l->start;
    out->records.data = batch;
    bool in_new = in->last_fetched_epoch == l->new_epoch;
    if (l->refuse_partition != 0) {
        out->error_code = l->refuse_partition;
        l->refuse_partition = 0;
    } else if (in->fetch_offset < l->start || in->fetch_offset > l->end) {
        out->error_code = KAFKA_ERROR_OFFSET_OUT_OF_RANGE;
    } else if (in->last_fetched_epoch >= 0 && !in_new &&
               (in->last_fetched_epoch > l->old_epoch || in->fetch_offset > l->split)) {
        out->diverging_epoch.epoch = l->old_epoch;
        out->diverging_epoch.end_offset = l->split;
    } else if (l->insists && in->fetch_offset == l->end) {
        out->diverging_epoch.epoch = l->new_epoch;
        out->diverging_epoch.end_offset = l->end;
    } else if (in->fetch_offset < l->end) {
        out->records.len = l->large != NULL ? l->large_len : scene_batch(batch, 1);
        batch = l->large != NULL ? l->large : batch;
        out->records.data = batch;
        store_be64(batch, (uint64_t)in->fetch_offset);
        store_be32(batch + 12, (uint32_t)(in->fetch_offset < l->split ? l->old_epoch : l->new_epoch));
    }
}

// Long poll: until there is more than the follower has, or something to do.
static void poll_wait(struct leader *l, int64_t offset, int32_t wait_ms)
{
    int64_t deadline_us = os_mono_us(os_real()) + wait_ms * 1000;
    while (offset == l->end && !l->insists && l->refuse_request == 0 && l->refuse_partition == 0 && !l->hang_up &&
           !l->babble && !l->stopping && os_mono_us(os_real()) < deadline_us) {
        mutex_unlock(&l->mu);
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
        mutex_lock(&l->mu);
    }
}

// The wish the session remembers.
static bool fetch_answer(struct leader *l, int fd, int32_t correlation_id, int16_t version,
                         const struct fetch_request *in, struct fetch_request_fetch_partition *wish)
{
    struct fetch_response out;
    struct fetch_response_fetchable_topic_response topic;
    struct fetch_response_partition_data partition;
    uint8_t batch[SCENE_BATCH_MAX];
    if (in->topics_count == 1 && in->topics[0].partitions_count == 1) {
        *wish = in->topics[0].partitions[0];
    }
    fetch_response_init(&out);
    fetch_response_fetchable_topic_response_init(&topic);
    mutex_lock(&l->mu);
    l->fetches++;
    l->full_fetches += in->session_epoch == 0;
    l->last_offset = wish->fetch_offset;
    l->last_epoch = wish->current_leader_epoch;
    l->last_start = wish->log_start_offset;
    l->last_replica_id = in->replica_state.replica_id;
    poll_wait(l, wish->fetch_offset, in->max_wait_ms);
    bool go_on = !l->hang_up;
    out.session_id = SESSION_ID;
    out.error_code = l->refuse_request;
    if (l->refuse_request == 0) {
        partition_answer(l, wish, batch, &partition);
        topic.topic_id = l->topic_id;
        topic.partitions = &partition;
        topic.partitions_count = 1;
        out.responses = &topic;
        out.responses_count = 1;
    }
    l->refuse_request = 0;
    l->hang_up = false;
    correlation_id += l->babble;
    l->babble = false;
    cond_broadcast(&l->changed);
    mutex_unlock(&l->mu);
    if (go_on) {
        answer_send(fd, correlation_id, 1, &fetch_response_desc, version, &out);
    }
    return go_on;
}

static void offsets_answer(struct leader *l, int fd, int32_t correlation_id, int16_t version,
                           const struct list_offsets_request *in)
{
    struct list_offsets_response out;
    struct list_offsets_response_list_offsets_topic_response topic;
    struct list_offsets_response_list_offsets_partition_response partition;
    list_offsets_response_init(&out);
    list_offsets_response_list_offsets_topic_response_init(&topic);
    list_offsets_response_list_offsets_partition_response_init(&partition);
    mutex_lock(&l->mu);
    l->offset_lookups++;
    partition.offset = in->topics[0].partitions[0].timestamp == -1 ? l->end : l->start;
    mutex_unlock(&l->mu);
    topic.name = in->topics[0].name;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    out.topics = &topic;
    out.topics_count = 1;
    answer_send(fd, correlation_id, 1, &list_offsets_response_desc, version, &out);
}

static bool request_serve(struct leader *l, int fd, struct slice frame, struct arena *a,
                          struct fetch_request_fetch_partition *wish)
{
    struct reader r = reader_of(frame);
    struct request_header header;
    assert_int_equal(message_decode(&request_header_desc, 2, &r, a, &header), ERR_OK);
    if (header.request_api_key == 2) {
        struct list_offsets_request in;
        assert_int_equal(message_decode(&list_offsets_request_desc, header.request_api_version, &r, a, &in), ERR_OK);
        offsets_answer(l, fd, header.correlation_id, header.request_api_version, &in);
        return true;
    }
    struct fetch_request in;
    assert_int_equal(header.request_api_key, 1);
    assert_int_equal(message_decode(&fetch_request_desc, header.request_api_version, &r, a, &in), ERR_OK);
    return fetch_answer(l, fd, header.correlation_id, header.request_api_version, &in, wish);
}

static void connection_serve(struct leader *l, int fd)
{
    struct fetch_request_fetch_partition wish = {0};
    struct arena arena;
    uint8_t *frame = malloc(FRAME_MAX);
    bool go_on = frame != NULL;
    arena_init(&arena, 1 << 20);
    while (go_on) {
        uint8_t size[4];
        go_on = read_all(fd, size, 4) && load_be32(size) <= FRAME_MAX && read_all(fd, frame, load_be32(size)) &&
                request_serve(l, fd, slice_of(frame, load_be32(size)), &arena, &wish);
        arena_reset(&arena);
    }
    arena_release(&arena);
    free(frame);
}

static void *leader_run(void *arg)
{
    struct leader *l = arg;
    int fd;
    while ((fd = accept(l->listener, NULL, NULL)) >= 0) {
        mutex_lock(&l->mu);
        l->connection = fd;
        l->connections++;
        bool stopping = l->stopping;
        mutex_unlock(&l->mu);
        if (!stopping) {
            connection_serve(l, fd);
        }
        mutex_lock(&l->mu);
        l->connection = -1;
        mutex_unlock(&l->mu);
        close(fd);
    }
    return NULL;
}

void leader_start(struct leader *l, const struct uuid *topic_id)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *l = (struct leader){.topic_id = *topic_id, .connection = -1, .split = INT64_MAX};
    mutex_init(&l->mu, MUTEX_RANK_LEAF);
    cond_init(&l->changed);
    l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(l->listener >= 0);
    assert_int_equal(bind(l->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(l->listener, 8), 0);
    assert_int_equal(getsockname(l->listener, (struct sockaddr *)&address, &len), 0);
    l->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&l->thread, NULL, leader_run, l), 0);
}

void leader_stop(struct leader *l)
{
    mutex_lock(&l->mu);
    l->stopping = true;
    if (l->connection >= 0) {
        shutdown(l->connection, SHUT_RDWR);
    }
    mutex_unlock(&l->mu);
    shutdown(l->listener, SHUT_RDWR);
    pthread_join(l->thread, NULL);
    close(l->listener);
    mutex_destroy(&l->mu);
    cond_destroy(&l->changed);
}

void leader_grow(struct leader *l, int64_t end)
{
    mutex_lock(&l->mu);
    l->end = l->high_watermark = end;
    mutex_unlock(&l->mu);
}
