// SPDX-License-Identifier: Apache-2.0
//
// A switch over all errors without a default: the compiler names the one that a new row of ERR_TABLE lacks here.
#include "broker/api/errmap.h"

int16_t errmap_code(enum err e)
{
    switch (e) {
    case ERR_OK:
        return KAFKA_ERROR_NONE;
    // The machine is wrong: the client may try again, another replica may serve it.
    case ERR_IO:
    case ERR_NO_SPACE:
    case ERR_FAILED:
    case ERR_LOCKED:
        return KAFKA_ERROR_KAFKA_STORAGE_ERROR;
    case ERR_FULL:
    case ERR_AGAIN:
    case ERR_TIMED_OUT:
        return KAFKA_ERROR_REQUEST_TIMED_OUT;
    case ERR_CLOSED:
        return KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER; // stopping: sends clients to look where things are now
    // The partition is not as the client thinks.
    case ERR_NOT_LEADER:
        return KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    case ERR_FENCED_EPOCH:
        return KAFKA_ERROR_FENCED_LEADER_EPOCH;
    case ERR_UNKNOWN_EPOCH:
        return KAFKA_ERROR_UNKNOWN_LEADER_EPOCH;
    case ERR_NOT_ENOUGH_REPLICAS:
        return KAFKA_ERROR_NOT_ENOUGH_REPLICAS;
    case ERR_NOT_CONTROLLER:
        return KAFKA_ERROR_NOT_CONTROLLER;
    case ERR_INELIGIBLE:
        return KAFKA_ERROR_INELIGIBLE_REPLICA;
    case ERR_OFFSET_NOT_AVAILABLE:
        return KAFKA_ERROR_OFFSET_NOT_AVAILABLE;
    case ERR_OUT_OF_RANGE:
        return KAFKA_ERROR_OFFSET_OUT_OF_RANGE;
    case ERR_NOT_FOUND:
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    case ERR_EXISTS:
        return KAFKA_ERROR_TOPIC_ALREADY_EXISTS;
    case ERR_BAD_VERSION:
        return KAFKA_ERROR_INVALID_UPDATE_VERSION;
    // What the client sent is wrong.
    case ERR_INVALID:
        return KAFKA_ERROR_INVALID_REQUEST;
    case ERR_UNSUPPORTED:
        return KAFKA_ERROR_UNSUPPORTED_VERSION;
    case ERR_TRUNCATED:
    case ERR_CORRUPT:
        return KAFKA_ERROR_CORRUPT_MESSAGE;
    case ERR_INVALID_RECORD:
        return KAFKA_ERROR_INVALID_RECORD;
    case ERR_INVALID_TIMESTAMP:
        return KAFKA_ERROR_INVALID_TIMESTAMP;
    case ERR_TOO_LARGE:
    case ERR_BATCH_TOO_LARGE:
        return KAFKA_ERROR_MESSAGE_TOO_LARGE;
    case ERR_LIST_TOO_LARGE:
        return KAFKA_ERROR_RECORD_LIST_TOO_LARGE;
    // Its producer is.
    case ERR_DUPLICATE_SEQUENCE:
        return KAFKA_ERROR_DUPLICATE_SEQUENCE_NUMBER;
    case ERR_OUT_OF_ORDER_SEQUENCE:
        return KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case ERR_PRODUCER_FENCED:
        return KAFKA_ERROR_INVALID_PRODUCER_EPOCH; // what a partition says; PRODUCER_FENCED is the coordinator's word
    case ERR_INVALID_TXN_STATE:
        return KAFKA_ERROR_INVALID_TXN_STATE;
    // Kafka has no better word: for data that does not decompress it says this, too.
    case ERR_UNSUPPORTED_CODEC:
    case ERR_NO_MEMORY:
    case ERR_NOT_EMPTY:
        return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
    return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
}
