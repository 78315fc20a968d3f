// SPDX-License-Identifier: Apache-2.0
//
// Three rates, and what they are configured by.
#include "broker/replica/throttle.h"

#include <stdlib.h>
#include <string.h>

#include "base/java_text.h"

enum err throttle_init(struct throttle *t, const struct os *os, const struct throttle_settings *s)
{
    *t = (struct throttle){.leader.limit = BYTE_RATE_NO_LIMIT};
    enum err err = byte_rate_init(&t->leader, os, s->windows, (int64_t)s->window_seconds * 1000);
    if (err == ERR_OK) {
        err = byte_rate_init(&t->follower, os, s->windows, (int64_t)s->window_seconds * 1000);
    }
    if (err == ERR_OK) {
        err = byte_rate_init(&t->moves, os, s->moves_windows, (int64_t)s->moves_window_seconds * 1000);
    }
    return err;
}

void throttle_release(struct throttle *t)
{
    byte_rate_release(&t->leader);
    byte_rate_release(&t->follower);
    byte_rate_release(&t->moves);
}

// A value that is no number was told of when it came, and has no effect.
static void rate_configure(struct byte_rate *r, const struct config_view *v, const char *key)
{
    int64_t limit = BYTE_RATE_NO_LIMIT;
    const char *text = config_view_dynamic(v, key);
    if (text == NULL || !java_integer_parse(text, &limit) || limit < 0) {
        limit = BYTE_RATE_NO_LIMIT;
    }
    byte_rate_limit(r, limit);
}

void throttle_configure(struct throttle *t, const struct config_view *v)
{
    rate_configure(&t->leader, v, "leader.replication.throttled.rate");
    rate_configure(&t->follower, v, "follower.replication.throttled.rate");
    rate_configure(&t->moves, v, "replica.alter.log.dirs.io.max.bytes.per.second");
}

bool throttle_lists(const char *replicas, int32_t partition, int32_t broker_id)
{
    struct slice item;
    if (replicas == NULL) {
        return false;
    }
    if (strcmp(replicas, "*") == 0) {
        return true;
    }
    for (const char *rest = java_list_begin(replicas); java_list_next(&rest, &item);) {
        char *colon; // the item lies in the list's text, and numbers end at what is no digit
        if (strtol((const char *)item.data, &colon, 10) == partition && *colon == ':' &&
            strtol(colon + 1, NULL, 10) == broker_id) {
            return true;
        }
    }
    return false;
}
