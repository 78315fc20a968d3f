// SPDX-License-Identifier: Apache-2.0
//
// The list of sessions is in order of their last use, oldest first. Which session makes room for a new one follows
// Kafka: first any that was unused for two minutes; else the least valuable one that is older than two minutes (of
// consumers before followers, then the smallest), and only for a more valuable one; a follower's pushes out consumers'
// of any age. The search for the latter goes over all sessions: it happens only when the cache is full.
#include "broker/api/fetch_session.h"

#include <stdlib.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#include "base/hash.h"

#include "base/assert.h"
#include "base/mutex.h"

#define ANSWER_BYTES_PER_PARTITION 1024 // more than a request needs for one partition of its answer

// A topic of a session, shared by its partitions.
struct session_topic {
    struct uuid id;
    int64_t number;
    int32_t partitions;
    size_t name_len;
    UT_hash_handle hh; // by name or by id, as the session does
    char name[];
};

struct partition_key {
    struct session_topic *topic;
    int64_t index;
};

struct fetch_session_partition {
    struct partition_key key;
    struct fetch_request_fetch_partition in; // what the client wants of it
    int64_t high_watermark;                  // as the client knows it
    int64_t log_start_offset;                // likewise
    UT_hash_handle hh;
    TAILQ_ENTRY(fetch_session_partition) order;
};

struct fetch_session {
    int32_t id;
    int32_t epoch; // of the next request
    bool privileged;
    bool by_id;
    bool cached; // still in the cache
    int32_t refs;
    int64_t created_ms;
    int64_t used_ms;
    bool evictable; // at its last use it was older than FETCH_SESSION_EVICTION_MS
    int32_t count;  // of partitions
    int64_t next_topic_number;
    struct session_topic *topics;
    struct fetch_session_partition *partitions;
    TAILQ_HEAD(, fetch_session_partition) order;
    UT_hash_handle hh;
    TAILQ_ENTRY(fetch_session) by_use;
};

struct fetch_sessions {
    const struct os *os;
    int32_t slots;
    struct mutex mu; // leaf
    int32_t count;
    int64_t partitions; // of all sessions, also those that are out of the cache but in use
    struct fetch_session *sessions;
    TAILQ_HEAD(, fetch_session) by_use;
};

enum err fetch_sessions_new(const struct os *os, int32_t slots, struct fetch_sessions **out)
{
    struct fetch_sessions *c = calloc(1, sizeof *c);
    *out = c;
    if (c == NULL) {
        return ERR_NO_MEMORY;
    }
    c->os = os;
    c->slots = slots;
    mutex_init(&c->mu, MUTEX_RANK_LEAF);
    TAILQ_INIT(&c->by_use);
    return ERR_OK;
}

// ---- the content of a session; all under the lock ------------------------------------------------------------------

static struct slice topic_key(bool by_id, const struct slice *name, const struct uuid *id)
{
    return by_id ? slice_of(id, sizeof *id) : *name;
}

static struct session_topic *topic_find(const struct fetch_session *s, struct slice name, const struct uuid *id)
{
    struct session_topic *t;
    struct slice key = topic_key(s->by_id, &name, id);
    HASH_FIND(hh, s->topics, key.data, key.len, t);
    return t;
}

static struct session_topic *topic_add(struct fetch_session *s, struct slice name, const struct uuid *id)
{
    struct session_topic *t = topic_find(s, name, id);
    if (t != NULL) {
        return t;
    }
    t = calloc(1, sizeof *t + name.len);
    if (t == NULL) {
        return NULL;
    }
    t->id = *id;
    t->number = s->next_topic_number++;
    t->name_len = name.len;
    memcpy(t->name, name.data == NULL ? (const uint8_t *)"" : name.data, name.len);
    if (s->by_id) {
        HASH_ADD(hh, s->topics, id, sizeof t->id, t);
    } else {
        HASH_ADD_KEYPTR(hh, s->topics, t->name, t->name_len, t);
    }
    if (!hash_added(&t->hh)) {
        free(t);
        return NULL;
    }
    return t;
}

static void topic_drop_if_unused(struct fetch_session *s, struct session_topic *t)
{
    if (t->partitions == 0) {
        HASH_DELETE(hh, s->topics, t);
        free(t);
    }
}

static struct fetch_session_partition *partition_find(const struct fetch_session *s, struct session_topic *t,
                                                      int32_t index)
{
    struct partition_key key = {t, index};
    struct fetch_session_partition *p;
    HASH_FIND(hh, s->partitions, &key, sizeof key, p);
    return p;
}

// Adds a partition at the end. NULL: no room or memory.
static struct fetch_session_partition *partition_add(struct fetch_sessions *c, struct fetch_session *s,
                                                     struct session_topic *t, int32_t index)
{
    bool room = c->partitions < FETCH_SESSION_PARTITIONS_MAX && s->count < FETCH_SESSION_ONE_MAX;
    struct fetch_session_partition *p = room ? calloc(1, sizeof *p) : NULL;
    if (p == NULL) {
        return NULL;
    }
    p->key = (struct partition_key){t, index};
    p->high_watermark = -1;
    p->log_start_offset = -1;
    HASH_ADD(hh, s->partitions, key, sizeof p->key, p);
    if (!hash_added(&p->hh)) {
        free(p);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&s->order, p, order);
    t->partitions++;
    s->count++;
    c->partitions++;
    return p;
}

// Adds a partition or changes what is wanted of it. NULL: no room or memory.
static struct fetch_session_partition *partition_put(struct fetch_sessions *c, struct fetch_session *s,
                                                     struct slice name, const struct uuid *id,
                                                     const struct fetch_request_fetch_partition *in)
{
    struct session_topic *t = topic_add(s, name, id);
    if (t == NULL) {
        return NULL;
    }
    struct fetch_session_partition *p = partition_find(s, t, in->partition);
    if (p == NULL && (p = partition_add(c, s, t, in->partition)) == NULL) {
        topic_drop_if_unused(s, t);
        return NULL;
    }
    p->in = *in;
    return p;
}

static void partition_remove(struct fetch_sessions *c, struct fetch_session *s, struct fetch_session_partition *p)
{
    struct session_topic *t = p->key.topic;
    HASH_DELETE(hh, s->partitions, p);
    TAILQ_REMOVE(&s->order, p, order);
    free(p);
    t->partitions--;
    s->count--;
    c->partitions--;
    topic_drop_if_unused(s, t);
}

static void session_free(struct fetch_sessions *c, struct fetch_session *s)
{
    struct fetch_session_partition *p;
    while ((p = TAILQ_FIRST(&s->order)) != NULL) {
        partition_remove(c, s, p);
    }
    free(s);
}

static void session_drop_ref(struct fetch_sessions *c, struct fetch_session *s)
{
    if (--s->refs == 0) {
        session_free(c, s);
    }
}

// ---- the cache; all under the lock ---------------------------------------------------------------------------------

static struct fetch_session *session_find(const struct fetch_sessions *c, int32_t id)
{
    struct fetch_session *s;
    HASH_FIND_INT(c->sessions, &id, s);
    return s;
}

// Into the cache; without memory the session is freed. Answers its id, 0 = none.
static int32_t session_keep(struct fetch_sessions *c, struct fetch_session *s)
{
    HASH_ADD_INT(c->sessions, id, s);
    if (!hash_added(&s->hh)) {
        session_free(c, s);
        return 0;
    }
    s->cached = true;
    TAILQ_INSERT_TAIL(&c->by_use, s, by_use);
    c->count++;
    return s->id;
}

static void session_remove(struct fetch_sessions *c, struct fetch_session *s)
{
    HASH_DEL(c->sessions, s);
    TAILQ_REMOVE(&c->by_use, s, by_use);
    c->count--;
    s->cached = false;
    session_drop_ref(c, s);
}

static void session_touch(struct fetch_sessions *c, struct fetch_session *s, int64_t now_ms)
{
    TAILQ_REMOVE(&c->by_use, s, by_use);
    TAILQ_INSERT_TAIL(&c->by_use, s, by_use);
    s->used_ms = now_ms;
    s->evictable = now_ms - s->created_ms > FETCH_SESSION_EVICTION_MS;
}

// The cache's value of a session: a follower's before a consumer's, then the larger.
static bool less_valuable(const struct fetch_session *s, bool privileged, int32_t count)
{
    return s->privileged != privileged ? privileged : s->count < count;
}

static bool make_room(struct fetch_sessions *c, bool privileged, int32_t count, int64_t now_ms)
{
    if (c->count < c->slots) {
        return true;
    }
    struct fetch_session *oldest = TAILQ_FIRST(&c->by_use);
    if (oldest == NULL) {
        return false;
    }
    if (now_ms - oldest->used_ms > FETCH_SESSION_EVICTION_MS) {
        session_remove(c, oldest);
        return true;
    }
    struct fetch_session *least = NULL;
    struct fetch_session *s;
    TAILQ_FOREACH (s, &c->by_use, by_use) {
        bool candidate = s->evictable || (privileged && !s->privileged);
        if (candidate && (least == NULL || less_valuable(s, least->privileged, least->count))) {
            least = s;
        }
    }
    if (least == NULL || !less_valuable(least, privileged, count)) {
        return false;
    }
    session_remove(c, least);
    return true;
}

static int32_t new_id(const struct fetch_sessions *c)
{
    uint32_t id = 0;
    while (id == 0 || session_find(c, (int32_t)id) != NULL) {
        c->os->random(c->os, &id, sizeof id);
        id &= INT32_MAX;
    }
    return (int32_t)id;
}

static struct fetch_session *session_new(struct fetch_sessions *c, bool privileged, bool by_id, int64_t now_ms)
{
    struct fetch_session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->id = new_id(c);
    s->epoch = 1;
    s->privileged = privileged;
    s->by_id = by_id;
    s->refs = 1;
    s->created_ms = now_ms;
    s->used_ms = now_ms;
    TAILQ_INIT(&s->order);
    return s;
}

// ---- what handlers call --------------------------------------------------------------------------------------------

void fetch_sessions_free(struct fetch_sessions *c)
{
    if (c == NULL) {
        return;
    }
    struct fetch_session *s;
    while ((s = TAILQ_FIRST(&c->by_use)) != NULL) {
        session_remove(c, s);
    }
    ASSERT(c->partitions == 0);
    mutex_destroy(&c->mu);
    free(c);
}

int32_t fetch_sessions_count(struct fetch_sessions *c)
{
    mutex_lock(&c->mu);
    int32_t count = c->count;
    mutex_unlock(&c->mu);
    return count;
}

void fetch_sessions_close(struct fetch_sessions *c, int32_t id)
{
    mutex_lock(&c->mu);
    struct fetch_session *s = session_find(c, id);
    if (s != NULL) {
        session_remove(c, s);
    }
    mutex_unlock(&c->mu);
}

void fetch_sessions_create(struct fetch_sessions *c, bool privileged, bool by_id, const struct fetch_want *wants,
                           const struct fetch_response_partition_data *outs, int32_t count, int64_t now_ms, int32_t *id)
{
    *id = 0;
    mutex_lock(&c->mu);
    struct fetch_session *s =
        make_room(c, privileged, count, now_ms) ? session_new(c, privileged, by_id, now_ms) : NULL;
    for (int32_t i = 0; s != NULL && i < count; i++) {
        struct fetch_session_partition *p = partition_put(c, s, wants[i].topic, &wants[i].topic_id, wants[i].in);
        if (p == NULL) {
            session_free(c, s);
            s = NULL;
        } else {
            p->high_watermark = outs[i].high_watermark;
            p->log_start_offset = outs[i].log_start_offset;
        }
    }
    if (s != NULL) {
        *id = session_keep(c, s);
    }
    mutex_unlock(&c->mu);
}

// What the request adds and changes, then what it forgets. False: no room or memory.
static bool session_update(struct fetch_sessions *c, struct fetch_session *s, const struct fetch_request *in)
{
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct fetch_request_fetch_topic *t = &in->topics[i];
        for (int32_t k = 0; k < t->partitions_count; k++) {
            if (partition_put(c, s, t->topic, &t->topic_id, &t->partitions[k]) == NULL) {
                return false;
            }
        }
    }
    for (int32_t i = 0; i < in->forgotten_topics_data_count; i++) {
        const struct fetch_request_forgotten_topic *f = &in->forgotten_topics_data[i];
        for (int32_t k = 0; k < f->partitions_count; k++) {
            struct session_topic *t = topic_find(s, f->topic, &f->topic_id); // the last partition takes it along
            struct fetch_session_partition *p = t == NULL ? NULL : partition_find(s, t, f->partitions[k]);
            if (p != NULL) {
                partition_remove(c, s, p);
            }
        }
    }
    return true;
}

// Copies what the session reads: the session may change or go while the request waits. A request by session is small
// however much it stands for, so the arena is allowed what its answer takes.
static bool session_copy(const struct fetch_session *s, struct arena *a, struct fetch_session_use *out)
{
    a->limit += (size_t)s->count * ANSWER_BYTES_PER_PARTITION;
    out->wants = arena_array(a, (size_t)s->count, sizeof *out->wants);
    struct fetch_request_fetch_partition *ins = arena_array(a, (size_t)s->count, sizeof *ins);
    if (out->wants == NULL || ins == NULL) {
        return false;
    }
    const struct session_topic *topic = NULL;
    struct slice name = slice_str("");
    struct fetch_session_partition *p;
    out->count = 0;
    TAILQ_FOREACH (p, &s->order, order) {
        const struct session_topic *t = p->key.topic;
        if (t != topic && !s->by_id) {
            const char *copy = arena_strndup(a, t->name, t->name_len);
            if (copy == NULL) {
                return false;
            }
            name = slice_of(copy, t->name_len);
        }
        topic = t;
        ins[out->count] = p->in;
        out->wants[out->count] = (struct fetch_want){name, t->id, t->number, &ins[out->count], p};
        out->count++;
    }
    return true;
}

static int32_t next_epoch(int32_t epoch)
{
    return epoch == INT32_MAX ? 1 : epoch + 1;
}

static int16_t session_begin(struct fetch_sessions *c, const struct fetch_request *in, bool by_id, int64_t now_ms,
                             struct arena *a, struct fetch_session_use *out)
{
    struct fetch_session *s = session_find(c, in->session_id);
    if (s == NULL) {
        return KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (s->epoch != in->session_epoch) {
        return KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH;
    }
    if (s->by_id != by_id) {
        return KAFKA_ERROR_FETCH_SESSION_TOPIC_ID_ERROR;
    }
    s->epoch = next_epoch(s->epoch); // first: an older request that still waits must not look at what goes now
    bool ok = session_update(c, s, in);
    if (ok && s->count > 0) {
        ok = session_copy(s, a, out);
    }
    if (!ok || s->count == 0) {
        session_remove(c, s);
        return ok ? KAFKA_ERROR_NONE : KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND;
    }
    session_touch(c, s, now_ms);
    s->refs++;
    out->session = s;
    return KAFKA_ERROR_NONE;
}

int16_t fetch_session_begin(struct fetch_sessions *c, const struct fetch_request *in, bool by_id, int64_t now_ms,
                            struct arena *a, struct fetch_session_use *out)
{
    *out = (struct fetch_session_use){.session = NULL};
    mutex_lock(&c->mu);
    int16_t error_code = session_begin(c, in, by_id, now_ms, a, out);
    mutex_unlock(&c->mu);
    return error_code;
}

static bool partition_answer(struct fetch_session *s, struct fetch_session_partition *p,
                             const struct fetch_response_partition_data *out)
{
    bool changed = out->records.len > 0 || out->high_watermark != p->high_watermark ||
                   out->log_start_offset != p->log_start_offset || out->preferred_read_replica >= 0 ||
                   out->error_code != KAFKA_ERROR_NONE || out->diverging_epoch.epoch >= 0;
    // After an error it is to be sent again when all is well, even if nothing else changes.
    p->high_watermark = out->error_code == KAFKA_ERROR_NONE ? out->high_watermark : -1;
    p->log_start_offset = out->log_start_offset;
    if (out->records.len > 0) {
        TAILQ_REMOVE(&s->order, p, order);
        TAILQ_INSERT_TAIL(&s->order, p, order);
    }
    return changed;
}

int16_t fetch_session_end(struct fetch_sessions *c, struct fetch_session_use *use, const struct fetch_request *in,
                          const struct fetch_response_partition_data *outs, bool *changed)
{
    struct fetch_session *s = use->session;
    int16_t error_code = KAFKA_ERROR_NONE;
    mutex_lock(&c->mu);
    if (s->epoch != next_epoch(in->session_epoch)) {
        error_code = KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH;
    }
    for (int32_t i = 0; error_code == KAFKA_ERROR_NONE && i < use->count; i++) {
        changed[i] = partition_answer(s, use->wants[i].cached, &outs[i]);
    }
    mutex_unlock(&c->mu);
    return error_code;
}

int32_t fetch_session_id(const struct fetch_session *s)
{
    return s->id;
}

void fetch_session_unref(struct fetch_sessions *c, struct fetch_session *s)
{
    if (s == NULL) {
        return;
    }
    mutex_lock(&c->mu);
    session_drop_ref(c, s);
    mutex_unlock(&c->mu);
}
