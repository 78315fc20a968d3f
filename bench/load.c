// SPDX-License-Identifier: Apache-2.0
//
// A load of exact shape over raw sockets, from one thread. Works the same against any broker, and as far as Produce and
// Fetch go against `bare`. What is measured is printed as one JSON object; an answer with an error ends the program.
//
//   load produce  port= topic= [partitions= bytes= records= acks= like=] [DRIVE]
//   load fetch    port= topic= [bytes= offset= spread= wait_ms= wake=] [DRIVE]
//   load commit   port= topic= [groups=] [DRIVE]
//   load hello    port= [DRIVE]                         ApiVersions
//   load latency  port= topic= rate= [seconds= warm= bytes= records= acks= consumers=]
//   load hold     port= [connections=]                  says hello on each, prints a line, ends with its input
//   load create   port= topic= [partitions= replicas= config=NAME:VALUE]
//   load await    port= topic= [partitions=]            until this broker leads them all, in order
//   load metadata port=                                 connects until it is answered
//
// DRIVE: connections= in_flight= requests= seconds= rate=
//
// produce: `records` records of `bytes` each per request, the partitions in turn; with like=TOPIC the first batch of
// that topic's partition 0 instead, whatever its codec. fetch: partition 0, always from the same offset (-1: its end),
// or from each of the offsets below `spread`, one far from the other; answers of `bytes`, woken up by each `wake` bytes
// of them. commit: for each of `groups` groups in turn. Closed loop with `in_flight` requests per connection, or with
// rate= an open loop of so many requests per second (drive.h). latency: from the producer's due time to the consumers
// (latency.h).
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench/ask.h"
#include "bench/drive.h"
#include "bench/latency.h"
#include "bench/sockets.h"

#define FRAME_MAX        (256 * 1024 * 1024)
#define REQUESTS_ENDLESS INT64_MAX
#define LIKE_BYTES_MAX   (16 * 1024 * 1024)
#define LIKE_WAIT_MS     5000
#define GROUP_NAME_MAX   32
#define SPREAD_STEP      7919 // a prime: each offset is taken once, unless there are as many
#define LEADERS_TRIES    6000
#define LEADERS_PAUSE_US 5000

struct options {
    const char *topic, *like;
    char *config;
    int port, partitions, replicas, connections, in_flight, bytes, records, acks, wait_ms, consumers, spread, groups,
        wake;
    int64_t requests, offset;
    double seconds, rate, warm;
};

static bool option_take(struct options *o, const char *name, char *value)
{
    const struct {
        const char *name;
        int *place;
    } ints[] = {
        {"port", &o->port},         {"partitions", &o->partitions}, {"connections", &o->connections},
        {"bytes", &o->bytes},       {"in_flight", &o->in_flight},   {"records", &o->records},
        {"acks", &o->acks},         {"wait_ms", &o->wait_ms},       {"consumers", &o->consumers},
        {"replicas", &o->replicas}, {"spread", &o->spread},         {"groups", &o->groups},
        {"wake", &o->wake},
    };
    const struct {
        const char *name;
        double *place;
    } doubles[] = {{"seconds", &o->seconds}, {"rate", &o->rate}, {"warm", &o->warm}};
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        if (strcmp(ints[i].name, name) == 0) {
            *ints[i].place = atoi(value);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++) {
        if (strcmp(doubles[i].name, name) == 0) {
            *doubles[i].place = atof(value);
            return true;
        }
    }
    if (strcmp(name, "topic") == 0) {
        o->topic = value;
    } else if (strcmp(name, "like") == 0) {
        o->like = value;
    } else if (strcmp(name, "config") == 0) {
        o->config = value;
    } else if (strcmp(name, "requests") == 0) {
        o->requests = atoll(value);
    } else if (strcmp(name, "offset") == 0) {
        o->offset = atoll(value);
    } else {
        return false;
    }
    return true;
}

static void options_parse(struct options *o, int n, char **args)
{
    *o = (struct options){.partitions = 1,
                          .connections = 1,
                          .in_flight = 1,
                          .bytes = 100,
                          .records = 1,
                          .acks = -1,
                          .wait_ms = 500,
                          .consumers = 1,
                          .replicas = 1,
                          .spread = 1,
                          .groups = 1};
    for (int i = 0; i < n; i++) {
        char *equals = strchr(args[i], '=');
        if (equals != NULL) {
            *equals = 0;
        }
        if (equals == NULL || !option_take(o, args[i], equals + 1)) {
            fprintf(stderr, "load: what is %s?\n", args[i]);
            exit(2);
        }
    }
    if (o->requests == 0) {
        o->requests = o->seconds > 0 ? REQUESTS_ENDLESS : 1;
    }
    if (o->port <= 0 || o->connections <= 0 || o->in_flight <= 0 || o->partitions <= 0 || o->records <= 0 ||
        o->spread <= 0 || o->groups <= 0) {
        fprintf(stderr, "load: see the head of bench/load.c\n");
        exit(2);
    }
}

// ---- what is driven ------------------------------------------------------------------------------------------------

static void drive_and_print(const struct options *o, enum frame_kind kind, int32_t records, const struct writer *frames,
                            int n_frames)
{
    struct drive_plan plan = {.port = o->port,
                              .connections = o->connections,
                              .in_flight = o->in_flight,
                              .requests = o->requests,
                              .seconds = o->seconds,
                              .rate = o->rate,
                              .unanswered = kind == FRAME_PRODUCE && o->acks == 0,
                              .wake_bytes = o->wake,
                              .kind = kind,
                              .frames = frames,
                              .n_frames = n_frames};
    struct drive_result *result = calloc(1, sizeof *result);
    ASSERT(result != NULL);
    drive(&plan, result);
    printf("{\"requests\": %lld, \"records\": %lld, \"bytes_out\": %lld, \"bytes_in\": %lld, \"seconds\": %.6f",
           (long long)result->requests, (long long)result->requests * records, (long long)result->bytes_out,
           (long long)result->bytes_in, result->seconds);
    histogram_print(&result->latency);
    printf("}\n");
    free(result);
}

// The first batch of a topic, as it is stored; `answer`, to be freed, holds its bytes.
static struct slice batch_fetch(const struct options *o, uint8_t **answer)
{
    struct frame_fetch_range range = {.max_bytes = LIKE_BYTES_MAX, .max_wait_ms = LIKE_WAIT_MS};
    struct writer w;
    size_t records, at;
    writer_init(&w, 256, FRAME_MAX);
    frame_fetch(&w, o->like, &range);
    struct slice whole = ask(o->port, &w, answer);
    writer_release(&w);
    int error = frame_answer_check(FRAME_FETCH, whole, &records, &at);
    size_t len = records >= BATCH_HEADER ? batch_len(whole.data + at) : 0;
    if (error != 0 || len == 0 || len > records) {
        fprintf(stderr, "load: %s has no batch to be like (error %d)\n", o->like, error);
        exit(1);
    }
    return slice_of(whole.data + at, len);
}

static struct writer *frames_new(int n)
{
    struct writer *frames = calloc((size_t)n, sizeof *frames);
    ASSERT(frames != NULL);
    for (int i = 0; i < n; i++) {
        writer_init(&frames[i], 256, FRAME_MAX);
    }
    return frames;
}

static void frames_free(struct writer *frames, int n)
{
    for (int i = 0; i < n; i++) {
        writer_release(&frames[i]);
    }
    free(frames);
}

static void run_produce(const struct options *o)
{
    struct frame_records records = {.acks = o->acks, .record_bytes = (size_t)o->bytes, .count = (int32_t)o->records};
    uint8_t *answer = NULL;
    if (o->like != NULL) {
        records.batch = batch_fetch(o, &answer);
        records.count = batch_count(records.batch.data);
    }
    struct writer *frames = frames_new(o->partitions);
    for (int i = 0; i < o->partitions; i++) {
        frame_produce(&frames[i], o->topic, i, &records);
    }
    drive_and_print(o, FRAME_PRODUCE, records.count, frames, o->partitions);
    frames_free(frames, o->partitions);
    free(answer);
}

static void run_fetch(const struct options *o)
{
    struct frame_fetch_range range = {.max_bytes = o->bytes, .max_wait_ms = o->wait_ms};
    struct writer *frames = frames_new(o->spread);
    for (int i = 0; i < o->spread; i++) {
        range.offset = o->spread > 1    ? (int64_t)i * SPREAD_STEP % o->spread
                       : o->offset >= 0 ? o->offset
                                        : ask_end_offset(o->port, o->topic);
        frame_fetch(&frames[i], o->topic, &range);
    }
    drive_and_print(o, FRAME_FETCH, 0, frames, o->spread);
    frames_free(frames, o->spread);
}

static void run_commit(const struct options *o)
{
    struct writer *frames = frames_new(o->groups);
    for (int i = 0; i < o->groups; i++) {
        char group[GROUP_NAME_MAX];
        snprintf(group, sizeof group, "bench-%d", i);
        frame_commit(&frames[i], group, o->topic, 0, 1);
    }
    drive_and_print(o, FRAME_COMMIT, 0, frames, o->groups);
    frames_free(frames, o->groups);
}

static void run_hello(const struct options *o)
{
    struct writer frame;
    writer_init(&frame, 256, FRAME_MAX);
    frame_api_versions(&frame);
    drive_and_print(o, FRAME_API_VERSIONS, 0, &frame, 1);
    writer_release(&frame);
}

static void run_latency(const struct options *o)
{
    struct latency_plan plan = {.port = o->port,
                                .topic = o->topic,
                                .acks = o->acks,
                                .record_bytes = (size_t)o->bytes,
                                .records = o->records,
                                .rate = o->rate,
                                .seconds = o->seconds,
                                .warm_s = o->warm,
                                .consumers = o->consumers};
    struct latency_result *result = calloc(1, sizeof *result);
    ASSERT(result != NULL && plan.rate > 0 && plan.seconds > 0 && plan.acks != 0);
    latency_measure(&plan, result);
    printf("{\"requests\": %lld, \"records\": %lld, \"bytes_out\": %lld, \"bytes_in\": %lld, \"seconds\": %.6f",
           (long long)result->requests, (long long)result->requests * o->records, (long long)result->bytes_out,
           (long long)result->bytes_in, result->seconds);
    histogram_print(&result->delivered);
    printf(", \"produced_p99_us\": %.1f}\n", histogram_percentile_us(&result->produced, 0.99));
    free(result);
}

// ---- what is only done ---------------------------------------------------------------------------------------------

static void run_hold(const struct options *o)
{
    struct writer w;
    size_t len;
    writer_init(&w, 256, 1024);
    frame_api_versions(&w);
    for (int i = 0; i < o->connections; i++) {
        free(bench_ask(bench_connect(o->port), &w, &len)); // the connections stay open until the end
    }
    writer_release(&w);
    printf("%d\n", o->connections);
    fflush(stdout);
    while (getchar() != EOF) {
    }
}

static void run_create(const struct options *o)
{
    char *colon = o->config != NULL ? strchr(o->config, ':') : NULL;
    struct frame_topic topic = {
        .name = o->topic, .partitions = (int32_t)o->partitions, .replicas = (int16_t)o->replicas};
    if (colon != NULL) {
        *colon = 0;
        topic.config = o->config;
        topic.value = colon + 1;
    }
    struct writer w;
    uint8_t *answer;
    writer_init(&w, 256, 1024);
    frame_create_topic(&w, &topic);
    int error = frame_create_topic_answer(ask(o->port, &w, &answer));
    free(answer);
    writer_release(&w);
    if (error != 0) {
        fprintf(stderr, "load: %s is not created (error %d)\n", o->topic, error);
        exit(1);
    }
}

// Partition by partition the end offset is asked for, which only a leader tells.
static void run_await(const struct options *o)
{
    struct writer w;
    size_t len;
    int fd = bench_connect(o->port), tries = 0;
    writer_init(&w, 256, 1024);
    for (int i = 0; i < o->partitions;) {
        frame_end_offset(&w, o->topic, i);
        uint8_t *answer = bench_ask(fd, &w, &len);
        bool led = frame_end_offset_answer(slice_of(answer, len)) >= 0;
        free(answer);
        i += led ? 1 : 0;
        if (!led && tries++ > LEADERS_TRIES) {
            fprintf(stderr, "load: partition %d of %s has no leader here\n", i, o->topic);
            exit(1);
        }
        if (!led) {
            usleep(LEADERS_PAUSE_US);
        }
    }
    close(fd);
    writer_release(&w);
}

static void run_metadata(const struct options *o)
{
    struct writer w;
    uint8_t *answer;
    writer_init(&w, 256, 1024);
    frame_metadata(&w, NULL);
    (void)ask(o->port, &w, &answer);
    free(answer);
    writer_release(&w);
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(const struct options *o);
        bool needs_topic;
    } commands[] = {
        {"produce", run_produce, true}, {"fetch", run_fetch, true},     {"commit", run_commit, true},
        {"hello", run_hello, false},    {"latency", run_latency, true}, {"hold", run_hold, false},
        {"create", run_create, true},   {"await", run_await, true},     {"metadata", run_metadata, false},
    };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { // a connection is a file
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof commands[0]; i++) {
        struct options o;
        if (strcmp(commands[i].name, argv[1]) == 0) {
            options_parse(&o, argc - 2, argv + 2);
            if (commands[i].needs_topic && o.topic == NULL) {
                break;
            }
            commands[i].run(&o);
            return 0;
        }
    }
    fprintf(stderr, "usage: see the head of bench/load.c\n");
    return 2;
}
