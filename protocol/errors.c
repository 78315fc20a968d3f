// SPDX-License-Identifier: Apache-2.0
//
// Names of Kafka's error codes.
#include "protocol/errors.h"

const char *kafka_error_name(int16_t code)
{
    switch (code) {
#define KAFKA_ERROR_CASE(name, number)                                                                                 \
    case number:                                                                                                       \
        return #name;
        KAFKA_ERROR_TABLE(KAFKA_ERROR_CASE)
#undef KAFKA_ERROR_CASE
    default:
        return "UNKNOWN_CODE";
    }
}
