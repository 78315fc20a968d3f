// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into librdkafka's test runner for runs on one broker: topics that the tests create with three replicas,
// which is written into them, get one. Everything else of the call goes to the library unchanged.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

#define FUNCTION "rd_kafka_NewTopic_new"

enum {
    WRITTEN_IN = 3,
    ON_ONE_BROKER = 1
};

typedef void *new_topic_fn(const char *topic, int partitions, int replicas, char *error, size_t error_size);

// Has the name of the library's function, and is found before it: the runner calls through the dynamic linker.
new_topic_fn new_topic_clamped __asm__(FUNCTION);

void *new_topic_clamped(const char *topic, int partitions, int replicas, char *error, size_t error_size)
{
    new_topic_fn *library = (new_topic_fn *)dlsym(RTLD_NEXT, FUNCTION);
    return library(topic, partitions, replicas == WRITTEN_IN ? ON_ONE_BROKER : replicas, error, error_size);
}
