// SPDX-License-Identifier: Apache-2.0
//
// The keys of server.properties as the cluster knows them: types, limits, defaults, what this broker's file says, and
// which of them may be changed while the broker runs (KIP-226). main makes the table out of its own configuration; it
// is constant as long as the broker lives, and sorted by name.
#ifndef OTTLA_CLUSTER_BROKER_KEYS_H
#define OTTLA_CLUSTER_BROKER_KEYS_H

#include "base/arena.h"
#include "base/err.h"

// Kafka's ConfigType numbers.
enum broker_key_type {
    BROKER_KEY_UNKNOWN, // a plug-in's own: its value is nobody's business
    BROKER_KEY_BOOLEAN,
    BROKER_KEY_STRING,
    BROKER_KEY_INT,
    BROKER_KEY_SHORT,
    BROKER_KEY_LONG,
    BROKER_KEY_DOUBLE,
    BROKER_KEY_LIST,
    BROKER_KEY_CLASS,
    BROKER_KEY_PASSWORD,
};

// How Kafka lets a key be changed.
enum broker_key_scope {
    BROKER_KEY_READ_ONLY,    // by a restart only
    BROKER_KEY_PER_LISTENER, // of one broker, written as listener.name.<listener>.<key>
    BROKER_KEY_PER_BROKER,   // of one broker
    BROKER_KEY_CLUSTER_WIDE, // of one broker or of all
};

struct broker_key {
    const char *name;
    enum broker_key_type type;
    enum broker_key_scope scope;
    const char *documentation; // what Kafka says about it; NULL = nothing
    const char *default_value; // NULL = null
    const char *given;         // by server.properties; NULL = it does not say
    bool hidden;               // listed only while it has been set
    bool fixed;                // Kafka changes it while it runs, this broker cannot
    bool threads;              // a number of threads: Kafka doubles or halves it at most
    bool version;              // the name of a release of Kafka
    bool has_min, has_max;
    int64_t min, max;
    bool or_minus_one;  // -1 is allowed beside min..max
    const char *one_of; // comma list of allowed words, NULL = any; of a list, each item
    // Why a value with a form of its own is refused, NULL when it is not; in the arena. May be NULL.
    const char *(*refusal)(const char *value, struct arena *a);
};

struct broker_keys {
    const struct broker_key *list; // by name
    int32_t count;
};

// NULL when Kafka has no such key. What follows "listener.name.<listener>." is looked up as well.
const struct broker_key *broker_key_find(const struct broker_keys *k, const char *name);
bool broker_key_is_sensitive(const struct broker_key *key); // NULL: it is
// ERR_INVALID: *why is Kafka's sentence, e.g. "Invalid value x for configuration num.io.threads: Not a number of type
// INT". In the arena.
enum err broker_key_check(const struct broker_key *key, const char *value, struct arena *a,
                          const char **why) WARN_UNUSED;
// The value as Kafka shows it: numbers and booleans in their plain form, lists without blanks. NULL without memory.
const char *broker_key_show(const struct broker_key *key, const char *value, struct arena *a);

// Calls visit for every item of a comma list, without the blanks around it; empty items are left out.
struct slice broker_list_next(const char **rest); // data NULL at the end

#endif
