// SPDX-License-Identifier: Apache-2.0
//
// A failing machine is KAFKA_STORAGE_ERROR, a full queue a retriable time-out, what must not happen
// UNKNOWN_SERVER_ERROR.
#include "broker/api/errmap.h"

#include "protocol/errors.h"

int16_t errmap_code(enum err e)
{
    switch (e) {
    case ERR_OK:
        return KAFKA_ERROR_NONE;
    case ERR_IO:
    case ERR_NO_SPACE:
    case ERR_FAILED:
    case ERR_LOCKED:
        return KAFKA_ERROR_KAFKA_STORAGE_ERROR;
    case ERR_OUT_OF_RANGE:
        return KAFKA_ERROR_OFFSET_OUT_OF_RANGE;
    case ERR_CORRUPT:
    case ERR_TRUNCATED:
        return KAFKA_ERROR_CORRUPT_MESSAGE;
    case ERR_INVALID_RECORD:
        return KAFKA_ERROR_INVALID_RECORD;
    case ERR_INVALID_TIMESTAMP:
        return KAFKA_ERROR_INVALID_TIMESTAMP;
    case ERR_BATCH_TOO_LARGE:
        return KAFKA_ERROR_MESSAGE_TOO_LARGE;
    case ERR_LIST_TOO_LARGE:
        return KAFKA_ERROR_RECORD_LIST_TOO_LARGE;
    case ERR_OUT_OF_ORDER_SEQUENCE:
        return KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case ERR_DUPLICATE_SEQUENCE:
        return KAFKA_ERROR_DUPLICATE_SEQUENCE_NUMBER;
    case ERR_PRODUCER_FENCED:
        return KAFKA_ERROR_INVALID_PRODUCER_EPOCH;
    case ERR_INVALID_TXN_STATE:
        return KAFKA_ERROR_INVALID_TXN_STATE;
    case ERR_NOT_LEADER:
    case ERR_CLOSED:
        return KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    case ERR_FENCED_EPOCH:
        return KAFKA_ERROR_FENCED_LEADER_EPOCH;
    case ERR_UNKNOWN_EPOCH:
        return KAFKA_ERROR_UNKNOWN_LEADER_EPOCH;
    case ERR_NOT_ENOUGH_REPLICAS:
        return KAFKA_ERROR_NOT_ENOUGH_REPLICAS;
    case ERR_UNSUPPORTED:
        return KAFKA_ERROR_UNSUPPORTED_VERSION;
    case ERR_FULL:
    case ERR_TIMED_OUT:
    case ERR_AGAIN:
        return KAFKA_ERROR_REQUEST_TIMED_OUT;
    case ERR_UNSUPPORTED_CODEC: // what Kafka answers for data that does not decompress
    case ERR_NO_MEMORY:
    case ERR_NOT_FOUND:
    case ERR_EXISTS:
    case ERR_INVALID:
    case ERR_TOO_LARGE:
    case ERR_BAD_VERSION:
    case ERR_NOT_EMPTY:
        return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
    return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
}
