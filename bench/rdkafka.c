// SPDX-License-Identifier: Apache-2.0
//
// A load by librdkafka, the library under most clients that are not Java's: batching, partitioning, codecs and retries
// are the library's own. What is measured is printed as one JSON object; a record that fails ends the program.
//
//   rdkafka produce topic= [records= bytes=] SETTING=VALUE...     latency: from produce() to the delivery report
//   rdkafka consume topic= [records=] SETTING=VALUE...            all partitions from their beginning, until so many
//   rdkafka version                                               says which library it is, and whose
//
// A SETTING is librdkafka's (bootstrap.servers, acks, compression.type, linger.ms, ...). Values are pieces of one text
// of words from a fixed seed, which the codecs make about three times smaller.
#include <rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/histogram.h"

#define TEXT_LEN       (1 << 20)
#define TEXT_STEP      977 // from one record's piece to the next one's
#define BATCH_MAX      10000
#define POLL_MS        100
#define FLUSH_MS       120000
#define METADATA_MS    30000
#define CONSUME_IDLE_S 30
#define ERROR_TEXT_LEN 512

struct load {
    const char *topic;
    int64_t records;
    size_t bytes;
    rd_kafka_t *client;
    struct histogram latency;
};

_Noreturn static void fail(const char *what, const char *why)
{
    fprintf(stderr, "rdkafka: %s: %s\n", what, why);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void options_parse(struct load *load, rd_kafka_conf_t *conf, int n, char **args)
{
    char error[ERROR_TEXT_LEN];
    for (int i = 0; i < n; i++) {
        char *value = strchr(args[i], '=');
        if (value == NULL) {
            fail("no value", args[i]);
        }
        *value++ = 0;
        if (strcmp(args[i], "topic") == 0) {
            load->topic = value;
        } else if (strcmp(args[i], "records") == 0) {
            load->records = atoll(value);
        } else if (strcmp(args[i], "bytes") == 0) {
            load->bytes = (size_t)atoll(value);
        } else if (rd_kafka_conf_set(conf, args[i], value, error, sizeof error) != RD_KAFKA_CONF_OK) {
            fail(args[i], error);
        }
    }
    if (load->topic == NULL || load->records <= 0 || load->bytes == 0 || load->bytes > TEXT_LEN / 2) {
        fail("usage", "see the head of bench/rdkafka.c");
    }
}

static void print_result(const struct load *load, int64_t bytes, int64_t begin_ns)
{
    printf("{\"records\": %lld, \"bytes\": %lld, \"seconds\": %.6f", (long long)load->records, (long long)bytes,
           (double)(now_ns() - begin_ns) / 1e9);
    histogram_print(&load->latency);
    printf("}\n");
}

// ---- produce -------------------------------------------------------------------------------------------------------

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    struct load *load = opaque;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail("a record was not delivered", rd_kafka_err2str(message->err));
    }
    histogram_add(&load->latency, now_ns() - (int64_t)(intptr_t)message->_private);
}

static char *text_new(void)
{
    char *text = malloc(TEXT_LEN);
    uint32_t seed = 1;
    for (size_t i = 0; text != NULL && i < TEXT_LEN;) {
        seed = seed * 1664525 + 1013904223;
        char word[16];
        snprintf(word, sizeof word, "%x ", (seed >> 18) * 2654435761u >> (seed >> 30) * 4);
        for (size_t k = 0; word[k] != 0 && i < TEXT_LEN; k++) {
            text[i++] = word[k];
        }
    }
    if (text == NULL) {
        fail("text", "no memory");
    }
    return text;
}

static void produce_one(struct load *load, rd_kafka_topic_t *topic, char *value)
{
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, load->bytes, NULL, 0,
                            (void *)(intptr_t)now_ns()) != 0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
        }
        rd_kafka_poll(load->client, POLL_MS);
    }
    rd_kafka_poll(load->client, 0);
}

static void run_produce(struct load *load)
{
    char *text = text_new();
    rd_kafka_topic_t *topic = rd_kafka_topic_new(load->client, load->topic, NULL);
    if (topic == NULL) {
        fail(load->topic, rd_kafka_err2str(rd_kafka_last_error()));
    }
    int64_t begin_ns = now_ns();
    for (int64_t i = 0; i < load->records; i++) {
        produce_one(load, topic, text + (size_t)(i * TEXT_STEP) % (TEXT_LEN - load->bytes));
    }
    if (rd_kafka_flush(load->client, FLUSH_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail("flush", "not all records were delivered in time");
    }
    print_result(load, load->records * (int64_t)load->bytes, begin_ns);
    rd_kafka_topic_destroy(topic);
    free(text);
}

// ---- consume -------------------------------------------------------------------------------------------------------

static void assign_all(struct load *load, rd_kafka_topic_t *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err = rd_kafka_metadata(load->client, 0, topic, &metadata, METADATA_MS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR || metadata->topic_cnt != 1) {
        fail("metadata", rd_kafka_err2str(err));
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(metadata->topics[0].partition_cnt);
    for (int i = 0; i < metadata->topics[0].partition_cnt; i++) {
        rd_kafka_topic_partition_list_add(list, load->topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    err = rd_kafka_assign(load->client, list);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail("assign", rd_kafka_err2str(err));
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(metadata);
}

static int64_t take_batch(rd_kafka_queue_t *queue, int64_t *bytes)
{
    rd_kafka_message_t *messages[BATCH_MAX];
    ssize_t n = rd_kafka_consume_batch_queue(queue, POLL_MS, messages, BATCH_MAX);
    int64_t records = 0;
    for (ssize_t i = 0; i < n; i++) {
        if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            *bytes += (int64_t)messages[i]->len;
            records++;
        } else if (messages[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            fail("consume", rd_kafka_message_errstr(messages[i]));
        }
        rd_kafka_message_destroy(messages[i]);
    }
    return records;
}

static void run_consume(struct load *load)
{
    int64_t begin_ns = now_ns(), bytes = 0, records = 0;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(load->client, load->topic, NULL);
    if (topic == NULL) {
        fail(load->topic, rd_kafka_err2str(rd_kafka_last_error()));
    }
    rd_kafka_poll_set_consumer(load->client);
    assign_all(load, topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(load->client);
    for (int64_t last_ns = now_ns(); records < load->records;) {
        int64_t n = take_batch(queue, &bytes);
        records += n;
        last_ns = n > 0 ? now_ns() : last_ns;
        if (now_ns() - last_ns > (int64_t)CONSUME_IDLE_S * 1000000000) {
            fail("consume", "no more records come");
        }
    }
    load->records = records;
    print_result(load, bytes, begin_ns);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(topic);
    rd_kafka_consumer_close(load->client);
}

int main(int argc, char **argv)
{
    char error[ERROR_TEXT_LEN];
    if (argc > 1 && strcmp(argv[1], "version") == 0) {
        printf("librdkafka %s, %s\n", rd_kafka_version_str(), LIBRDKAFKA_ORIGIN);
        return 0;
    }
    bool produce = argc > 1 && strcmp(argv[1], "produce") == 0;
    if (!produce && (argc < 2 || strcmp(argv[1], "consume") != 0)) {
        fail("usage", "see the head of bench/rdkafka.c");
    }
    struct load *load = calloc(1, sizeof *load);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (load == NULL) {
        fail("load", "no memory");
    }
    load->records = 1;
    load->bytes = 100;
    options_parse(load, conf, argc - 2, argv + 2);
    rd_kafka_conf_set_opaque(conf, load);
    if (produce) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    } else if (rd_kafka_conf_set(conf, "group.id", "unused", error, sizeof error) != RD_KAFKA_CONF_OK) {
        fail("group.id", error); // the library wants one; nobody joins it
    }
    load->client = rd_kafka_new(produce ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (load->client == NULL) {
        fail("client", error);
    }
    if (produce) {
        run_produce(load);
    } else {
        run_consume(load);
    }
    rd_kafka_destroy(load->client);
    free(load);
    return 0;
}
