// SPDX-License-Identifier: Apache-2.0
//
// The table of Kafka's broker keys (config_keys.def) and the check of one value against its row.
#ifndef OTTLA_BROKER_CONFIG_KEYS_H
#define OTTLA_BROKER_CONFIG_KEYS_H

#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>

enum config_type {
    CONFIG_BOOLEAN,
    CONFIG_STRING,
    CONFIG_INT,
    CONFIG_SHORT,
    CONFIG_LONG,
    CONFIG_DOUBLE,
    CONFIG_LIST,
    CONFIG_CLASS,
    CONFIG_PASSWORD,
};

enum config_use {
    CONFIG_KNOWN, // a key of Kafka that Ottla does not act on yet
    CONFIG_ACTED,
};

struct config_key {
    const char *name;
    enum config_type type;
    const char *default_value; // Kafka's; NULL = null
    bool has_min;
    bool has_max;
    int64_t min;
    int64_t max;
    bool or_minus_one;  // -1 is allowed beside min..max
    bool version;       // the name of a release of Kafka
    const char *one_of; // comma list of allowed words, NULL = any; of a LIST, each item
    enum config_use use;
};

int32_t config_key_count(void);
const struct config_key *config_key_at(int32_t i);
// Index of a key, -1 when Kafka has none of this name.
int32_t config_key_find(const char *name);
// Kafka also knows any key after "listener.name.<listener>.".
bool config_key_is_listener_prefixed(const char *name);
// The key of a prefixed name that may be set for a listener alone; NULL when there is no such key.
const char *config_key_of_listener(const char *name);

// Whether the value (trimmed) parses as the key's type and lies in its range.
bool config_key_allows(const struct config_key *k, const char *value);
// What is allowed, as the end of a sentence: "an integer from 1 to 2147483647". NULL when memory is out.
const char *config_key_allowed(const struct config_key *k, struct arena *a);

// Cuts the next item of a comma list, without the blanks around it: false at the end. *rest moves on. Unlike Java's own
// lists, "a," has one item.
bool config_next_item(const char **rest, struct slice *item);

#endif
