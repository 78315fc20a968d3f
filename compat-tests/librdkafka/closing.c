// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into librdkafka's test runner for tests that close a consumer while a callback of a rebalance waits
// (plan.CLOSE_RACES). Without it their close() hangs now and then, whatever the broker: close_race.c shows it.
//
// The first call with which such a callback answers makes a closing consumer give up all its partitions and leave its
// group. Nothing is left to be done by the calls after it; librdkafka answers them at once when the group is gone, and
// never when it is going at that moment. Here they are answered as it answers them when the group is gone. Everything
// else of these functions goes to the library unchanged, and so does everything that the brokers get to see.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <rdkafka.h>

enum stage {
    OPEN,
    CLOSING,
    LEAVING // closing, and the first call was made
};

// Callbacks are called by the thread that closes.
static _Thread_local enum stage stage;

typedef rd_kafka_resp_err_t close_fn(rd_kafka_t *rk);
typedef const char *protocol_fn(rd_kafka_t *rk);
typedef rd_kafka_error_t *change_fn(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions);

static rd_kafka_error_t *change(const char *name, rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions)
{
    change_fn *library = (change_fn *)dlsym(RTLD_NEXT, name);
    if (stage == LEAVING)
        return NULL;
    rd_kafka_error_t *error = library(rk, partitions);
    if (stage == CLOSING)
        stage = LEAVING;
    return error;
}

rd_kafka_error_t *rd_kafka_incremental_assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions)
{
    return change("rd_kafka_incremental_assign", rk, partitions);
}

rd_kafka_error_t *rd_kafka_incremental_unassign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions)
{
    return change("rd_kafka_incremental_unassign", rk, partitions);
}

const char *rd_kafka_rebalance_protocol(rd_kafka_t *rk)
{
    protocol_fn *library = (protocol_fn *)dlsym(RTLD_NEXT, "rd_kafka_rebalance_protocol");
    return stage == LEAVING ? NULL : library(rk);
}

rd_kafka_resp_err_t rd_kafka_consumer_close(rd_kafka_t *rk)
{
    close_fn *library = (close_fn *)dlsym(RTLD_NEXT, "rd_kafka_consumer_close");
    stage = CLOSING;
    rd_kafka_resp_err_t error = library(rk);
    stage = OPEN;
    return error;
}
