// SPDX-License-Identifier: Apache-2.0
//
// Errors inside the broker. Every fallible function returns `enum err`; ERR_OK is zero. These are not Kafka's
// codes: broker/api/errmap translates to those once, at the edge. An error says what happened, the log line
// beside it says where and to what.
#ifndef OTTLA_BASE_ERR_H
#define OTTLA_BASE_ERR_H

#define WARN_UNUSED __attribute__((warn_unused_result))

#define ERR_TABLE(X)                                                                                                   \
    X(OK, "success")                                                                                                   \
    X(NO_MEMORY, "out of memory")                                                                                      \
    X(IO, "input/output error")                                                                                        \
    X(NO_SPACE, "no space left")                                                                                       \
    X(NOT_FOUND, "not found")                                                                                          \
    X(EXISTS, "already exists")                                                                                        \
    X(LOCKED, "held by another process")                                                                               \
    X(INVALID, "invalid argument")                                                                                     \
    X(TOO_LARGE, "larger than its limit")                                                                              \
    X(FULL, "no room left in a bounded queue or table")                                                                \
    X(TRUNCATED, "bytes end too early")                                                                                \
    X(CORRUPT, "stored or received bytes are damaged")                                                                 \
    X(UNSUPPORTED, "not supported")                                                                                    \
    X(OUT_OF_RANGE, "offset outside the log")                                                                          \
    X(FAILED, "taken out of service by an earlier failure")                                                            \
    X(CLOSED, "closed or stopping")                                                                                    \
    X(TIMED_OUT, "timed out")                                                                                          \
    X(AGAIN, "not ready, try again")                                                                                   \
    X(BAD_VERSION, "version differs from the expected one")                                                            \
    X(NOT_EMPTY, "has children")                                                                                       \
    X(INVALID_RECORD, "record fails validation")                                                                       \
    X(INVALID_TIMESTAMP, "record timestamp out of range")                                                              \
    X(BATCH_TOO_LARGE, "record batch larger than max.message.bytes")                                                   \
    X(LIST_TOO_LARGE, "record set larger than segment.bytes")                                                          \
    X(UNSUPPORTED_CODEC, "compression codec unknown or data does not decompress")                                      \
    X(DUPLICATE_SEQUENCE, "batch was appended before")                                                                 \
    X(OUT_OF_ORDER_SEQUENCE, "sequence number does not follow")                                                        \
    X(PRODUCER_FENCED, "producer epoch is older than the known one")                                                   \
    X(INVALID_TXN_STATE, "not possible in the transaction's state")                                                    \
    X(NOT_LEADER, "this broker does not lead the partition")                                                           \
    X(FENCED_EPOCH, "leader epoch is older than the known one")                                                        \
    X(UNKNOWN_EPOCH, "leader epoch is newer than the known one")                                                       \
    X(OFFSET_NOT_AVAILABLE, "the new leader does not know yet what is committed")                                      \
    X(NOT_ENOUGH_REPLICAS, "fewer in-sync replicas than required")                                                     \
    X(INELIGIBLE, "a replica that may not be in sync now")                                                             \
    X(NOT_CONTROLLER, "this broker is not the controller")

enum err {
#define ERR_ENUM(name, text) ERR_##name,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

// The name ("NO_SPACE") and the sentence of an error. Static strings, never NULL.
const char *err_name(enum err e);
const char *err_text(enum err e);

// The sentence for an operator, asked for right after the call that failed: for IO, which says little, the system's
// words for errno ("Permission denied"), else err_text.
const char *err_explain(enum err e);

// Translates errno of a file operation: ENOSPC/EDQUOT -> NO_SPACE, ENOENT -> NOT_FOUND, EEXIST -> EXISTS,
// ENOMEM -> NO_MEMORY, EMFILE/ENFILE (no descriptor free) -> AGAIN, all else -> IO.
enum err err_from_errno(int errnum);

#endif
