// SPDX-License-Identifier: Apache-2.0
//
// Shows that librdkafka's close() of a consumer can wait for ever, by its public functions alone:
//
//   close_race before|within|after [BOOTSTRAP]     at this broker, else at the simulated one within librdkafka
//
// A consumer is closed while one callback that revokes a partition waits, so a second one comes for the partition that
// it has left. The first one's rd_kafka_incremental_unassign() makes a closing consumer give up everything and leave
// its group; the second one's is asked of a group that may be ending at that moment. Between two events of librdkafka's
// main thread there is a window: from taking LeaveGroup's answer off its queue (rd_kafka_q_serve) until the group's own
// queue is closed (rd_kafka_cgrp_terminated). A call that comes in within it is thrown away afterwards, unanswered
// (rd_kafka_cgrp_op_serve), and its caller waits without a limit. The program holds the window open, for the main
// thread tells the application of LeaveGroup's answer, and lets the second callback call before the window opens,
// within it or after it has closed. Only within it close() hangs.
//
// Ends with 0 when close() returned, 1 when it did not, 2 when it did not come to the race. Librdkafka's log of the
// consumer goes to stderr.
#include <pthread.h>
#include <rdkafka.h>
#include <rdkafka_mock.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CLOSED = 0,
    HANGS = 1,
    NO_RACE = 2,
    PARTITIONS_MIN = 2, // one to give away, one to be left when it closes
    STEP_S = 60,        // no step before the close takes longer, nor the answer to LeaveGroup
    CLOSE_S = 10,       // what is not closed so long after the call never will be
    HOLD_S = 1,         // to be on the queue, or past the last line of a function, takes microseconds
    SLICE_US = 1000,
    SLICES_PER_S = 1000000 / SLICE_US
};

enum moment {
    BEFORE,
    WITHIN,
    AFTER
};

struct race {
    enum moment moment;       // of the second callback's call
    atomic_bool revoke_waits; // the first callback is on its way to the application
    atomic_bool answered;     // the main thread is telling of LeaveGroup's answer
    atomic_bool calling;      // the second callback calls, or has called
    atomic_bool closed;
    atomic_int revokes; // callbacks that began
    rd_kafka_t *consumer;
};

static void give_up(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    _exit(NO_RACE);
}

static bool await(atomic_bool *what, int seconds)
{
    for (int slice = 0; !*what && slice < seconds * SLICES_PER_S; slice++)
        usleep(SLICE_US);
    return *what;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char problem[256];
    if (rd_kafka_conf_set(conf, name, value, problem, sizeof(problem)) != RD_KAFKA_CONF_OK)
        give_up("%s: %s", name, problem);
}

// On the main thread of the consumer: until the second callback's call is on a queue.
static void hold(struct race *race)
{
    if (!await(&race->calling, STEP_S))
        give_up("the second callback has not called");
    sleep(HOLD_S);
}

// On the main thread of the consumer, between two steps of its group.
static void tell(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct race *race = (struct race *)rd_kafka_opaque(rk);
    rd_kafka_log_print(rk, level, facility, text);
    if (strstr(text, "delegating incremental revoke"))
        race->revoke_waits = true;
    if (strcmp(facility, "LEAVE") == 0 && race->moment == BEFORE)
        hold(race); // LeaveGroup will be sent
    if (strcmp(facility, "LEAVEGROUP") == 0 && strstr(text, "response")) {
        race->answered = true;
        if (race->moment == WITHIN)
            hold(race);
    }
}

static void check(rd_kafka_error_t *error)
{
    if (error)
        give_up("%s", rd_kafka_error_string(error));
}

// In the second callback, until it is the moment for its call.
static void await_moment(struct race *race)
{
    if (race->moment != BEFORE && !await(&race->answered, STEP_S))
        give_up("LeaveGroup was not answered");
    if (race->moment == AFTER) {
        while (!rd_kafka_consumer_closed(race->consumer))
            usleep(SLICE_US);
        sleep(HOLD_S);
    }
    race->calling = true;
}

static void rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *partitions,
                      void *opaque)
{
    struct race *race = (struct race *)opaque;
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        check(rd_kafka_incremental_assign(rk, partitions));
        return;
    }
    int number = ++race->revokes;
    if (number == 2)
        await_moment(race);
    printf("callback %d calls rd_kafka_incremental_unassign\n", number);
    fflush(stdout);
    check(rd_kafka_incremental_unassign(rk, partitions));
    printf("callback %d: it returned\n", number);
    fflush(stdout);
}

static rd_kafka_t *new_consumer(const char *bootstrap, const char *group, struct race *race)
{
    char problem[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "group.id", group);
    set(conf, "partition.assignment.strategy", "cooperative-sticky");
    set(conf, "allow.auto.create.topics", "true");
    set(conf, "session.timeout.ms", "6000"); // so long librdkafka's own broker takes to rebalance
    if (bootstrap)
        set(conf, "bootstrap.servers", bootstrap);
    else
        set(conf, "test.mock.num.brokers", "1");
    if (race) {
        set(conf, "debug", "cgrp");
        rd_kafka_conf_set_opaque(conf, race);
        rd_kafka_conf_set_log_cb(conf, tell);
        rd_kafka_conf_set_rebalance_cb(conf, rebalance);
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, problem, sizeof(problem));
    if (!rk)
        give_up("%s", problem);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

// To ask for a topic makes it.
static void await_topic(rd_kafka_t *rk, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    bool there = false;
    for (int second = 0; !there && second < STEP_S; second++) {
        const struct rd_kafka_metadata *metadata;
        if (second > 0)
            sleep(1);
        if (rd_kafka_metadata(rk, 0, topic, &metadata, STEP_S * 1000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            there = metadata->topic_cnt == 1 && metadata->topics[0].partition_cnt >= PARTITIONS_MIN;
            rd_kafka_metadata_destroy(metadata);
        }
    }
    rd_kafka_topic_destroy(topic);
    if (!there)
        give_up("the topic %s has not come into being with %d partitions", name, PARTITIONS_MIN);
}

static void subscribe(rd_kafka_t *rk, const char *topic)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(rk, topics);
    if (error)
        give_up("subscribe: %s", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(topics);
}

static int assigned(rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *partitions;
    if (rd_kafka_assignment(rk, &partitions))
        return 0;
    int count = partitions->cnt;
    rd_kafka_topic_partition_list_destroy(partitions);
    return count;
}

static void await_assignment(rd_kafka_t *rk)
{
    for (int second = 0; assigned(rk) < PARTITIONS_MIN; second++) {
        if (second == STEP_S)
            give_up("no partitions were assigned");
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 1000);
        if (message)
            rd_kafka_message_destroy(message);
    }
}

static void *close_consumer(void *argument)
{
    struct race *race = (struct race *)argument;
    rd_kafka_consumer_close(race->consumer);
    race->closed = true;
    return NULL;
}

static enum moment moment_named(const char *name)
{
    if (name && strcmp(name, "within") == 0)
        return WITHIN;
    if (name && strcmp(name, "after") == 0)
        return AFTER;
    if (!name || strcmp(name, "before") != 0)
        give_up("usage: close_race before|within|after [BOOTSTRAP]");
    return BEFORE;
}

static const char *mock_bootstrap(rd_kafka_t *rk)
{
    return rd_kafka_mock_cluster_bootstraps(rd_kafka_handle_mock_cluster(rk));
}

int main(int argc, char **argv)
{
    struct race race = {.moment = moment_named(argv[1])};
    char name[32];
    const char *bootstrap = argc > 2 ? argv[2] : NULL;
    snprintf(name, sizeof(name), "close-race-%d", (int)getpid());
    race.consumer = new_consumer(bootstrap, name, &race);
    await_topic(race.consumer, name);
    subscribe(race.consumer, name);
    await_assignment(race.consumer);
    // The other member does nothing but to be there; from here on nobody polls the consumer, so its callback waits.
    rd_kafka_t *other = new_consumer(bootstrap ? bootstrap : mock_bootstrap(race.consumer), name, NULL);
    subscribe(other, name);
    if (!await(&race.revoke_waits, STEP_S))
        give_up("the consumer was not asked to give a partition away");
    pthread_t closer;
    if (pthread_create(&closer, NULL, close_consumer, &race) != 0)
        give_up("no thread");
    if (!await(&race.calling, STEP_S))
        give_up("the second callback did not come");
    bool closed = await(&race.closed, CLOSE_S);
    printf("%s\n", closed ? "close() returned" : "close() does not return");
    fflush(stdout);
    _exit(closed ? CLOSED : HANGS); // what hangs cannot be destroyed
}
