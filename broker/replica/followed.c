// SPDX-License-Identifier: Apache-2.0
//
// Topics are kept together, because requests name them so. What has been removed while the session knew it waits in a
// list until a request has said so; a new session begins with an empty list.
#include "broker/replica/followed.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void followed_init(struct followed_set *s)
{
    *s = (struct followed_set){0};
    TAILQ_INIT(&s->topics);
    STAILQ_INIT(&s->gone);
}

static void gone_clear(struct followed_set *s)
{
    while (!STAILQ_EMPTY(&s->gone)) {
        struct followed_gone *g = STAILQ_FIRST(&s->gone);
        STAILQ_REMOVE_HEAD(&s->gone, entry);
        free(g);
    }
}

void followed_release(struct followed_set *s)
{
    ASSERT(s->count == 0);
    gone_clear(s);
}

// ---------------------------------------------------------------------------------------------------------------
// The table

static struct followed_topic *topic_find(struct followed_set *s, const char *name)
{
    struct followed_topic *t;
    HASH_FIND_STR(s->by_name, name, t);
    return t;
}

// False without memory: until it has been tried again the topic goes by its name, like one without an id.
static bool id_add(struct followed_set *s, struct followed_topic *t, const struct uuid *id)
{
    t->id = *id;
    if (!uuid_is_zero(id)) {
        HASH_ADD(hh_id, s->by_id, id, sizeof t->id, t);
        if (hash_added(&t->hh_id)) {
            return true;
        }
        t->id = (struct uuid){0};
    }
    s->without_id++;
    return uuid_is_zero(id);
}

static void id_remove(struct followed_set *s, struct followed_topic *t)
{
    if (uuid_is_zero(&t->id)) {
        s->without_id--;
    } else {
        HASH_DELETE(hh_id, s->by_id, t);
    }
}

static void topic_remove(struct followed_set *s, struct followed_topic *t)
{
    HASH_DELETE(hh, s->by_name, t);
    id_remove(s, t);
    TAILQ_REMOVE(&s->topics, t, entry);
    free(t);
}

static struct followed_topic *topic_add(struct followed_set *s, const char *name, const struct uuid *id)
{
    size_t len = strlen(name);
    struct followed_topic *t = calloc(1, sizeof *t + len + 1);
    if (t == NULL) {
        return NULL;
    }
    memcpy(t->name, name, len);
    TAILQ_INIT(&t->order);
    HASH_ADD_KEYPTR(hh, s->by_name, t->name, len, t);
    if (!hash_added(&t->hh)) {
        free(t);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&s->topics, t, entry);
    if (!id_add(s, t, id)) {
        topic_remove(s, t);
        return NULL;
    }
    return t;
}

// A topic of that name was deleted and made again; what is left of the old one's partitions is of the new one.
static bool topic_rename(struct followed_set *s, struct followed_topic *t, const struct uuid *id)
{
    id_remove(s, t);
    followed_session_lost(s, false);
    return id_add(s, t, id);
}

static struct followed *topic_partition(struct followed_topic *t, int32_t index)
{
    struct followed *p = NULL;
    if (t != NULL) {
        HASH_FIND(hh, t->partitions, &index, sizeof index, p);
    }
    return p;
}

static struct followed *partition_add(struct followed_set *s, struct followed_topic *t, int32_t index)
{
    struct followed *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->topic = t;
    p->index = index;
    HASH_ADD(hh, t->partitions, index, sizeof p->index, p);
    if (!hash_added(&p->hh)) {
        free(p);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&t->order, p, entry);
    t->count++;
    s->count++;
    return p;
}

struct followed *followed_put(struct followed_set *s, const char *topic, const struct uuid *topic_id, int32_t index)
{
    struct followed_topic *t = topic_find(s, topic);
    if (t == NULL) {
        t = topic_add(s, topic, topic_id);
        if (t == NULL) {
            return NULL;
        }
    } else if (!uuid_equal(&t->id, topic_id) && !topic_rename(s, t, topic_id)) {
        return NULL;
    }
    struct followed *p = topic_partition(t, index);
    if (p == NULL && (p = partition_add(s, t, index)) == NULL && t->count == 0) {
        topic_remove(s, t);
    }
    return p;
}

struct followed *followed_find(struct followed_set *s, const char *topic, int32_t index)
{
    return topic_partition(topic_find(s, topic), index);
}

struct followed *followed_find_answered(struct followed_set *s, struct slice topic, const struct uuid *topic_id,
                                        int32_t index)
{
    struct followed_topic *t;
    if (s->session_by_id) {
        HASH_FIND(hh_id, s->by_id, topic_id, sizeof *topic_id, t);
    } else {
        HASH_FIND(hh, s->by_name, topic.data, topic.len, t);
    }
    return topic_partition(t, index);
}

// Without memory for the note the session is given up: a new one forgets by itself.
static void gone_note(struct followed_set *s, const struct followed *p)
{
    size_t len = strlen(p->topic->name);
    struct followed_gone *g = calloc(1, sizeof *g + len + 1);
    if (g == NULL) {
        followed_session_lost(s, false);
        return;
    }
    g->topic_id = p->topic->id;
    g->index = p->index;
    memcpy(g->topic, p->topic->name, len);
    STAILQ_INSERT_TAIL(&s->gone, g, entry);
}

void followed_remove(struct followed_set *s, struct followed *p)
{
    struct followed_topic *t = p->topic;
    if (p->in_session) {
        gone_note(s, p);
    }
    HASH_DELETE(hh, t->partitions, p);
    TAILQ_REMOVE(&t->order, p, entry);
    free(p);
    s->count--;
    if (--t->count == 0) {
        topic_remove(s, t);
    }
}

int64_t followed_next_ready_ms(const struct followed_set *s)
{
    int64_t first = INT64_MAX;
    const struct followed_topic *t;
    const struct followed *p;
    TAILQ_FOREACH (t, &s->topics, entry) {
        TAILQ_FOREACH (p, &t->order, entry) {
            if (p->follower.phase != FOLLOWER_FAILED && !p->held && p->follower.ready_ms < first) {
                first = p->follower.ready_ms;
            }
        }
    }
    return first;
}

// ---------------------------------------------------------------------------------------------------------------
// The session

static void session_forget(struct followed_set *s)
{
    struct followed_topic *t;
    struct followed *p;
    gone_clear(s);
    TAILQ_FOREACH (t, &s->topics, entry) {
        TAILQ_FOREACH (p, &t->order, entry) {
            p->in_session = false;
        }
    }
}

void followed_session_lost(struct followed_set *s, bool unknown)
{
    s->session_id = unknown ? 0 : s->session_id;
    s->session_epoch = 0;
    session_forget(s);
}

void followed_answered(struct followed_set *s, int32_t session_id)
{
    if (session_id == 0) { // the leader has no room for sessions
        followed_session_lost(s, true);
    } else if (s->session_epoch == 0) {
        s->session_id = session_id;
        s->session_epoch = 1;
    } else {
        s->session_epoch = s->session_epoch == INT32_MAX ? 1 : s->session_epoch + 1;
    }
}

static bool same_wish(const struct fetch_request_fetch_partition *a, const struct fetch_request_fetch_partition *b)
{
    return a->current_leader_epoch == b->current_leader_epoch && a->fetch_offset == b->fetch_offset &&
           a->last_fetched_epoch == b->last_fetched_epoch && a->log_start_offset == b->log_start_offset &&
           a->partition_max_bytes == b->partition_max_bytes;
}

struct asking {
    struct followed_set *set;
    struct fetch_request *out;
    int32_t partition_max_bytes;
    int64_t now_ms;
    struct arena *arena;
    int32_t count; // asked for, named or not
    int32_t forgotten_room;
};

// Names the partition in the request if the leader does not know what is wanted of it.
static void partition_ask(struct asking *k, struct followed *p, struct fetch_request_fetch_topic *topic)
{
    struct fetch_request_fetch_partition wish;
    fetch_request_fetch_partition_init(&wish);
    wish.partition = p->index;
    wish.current_leader_epoch = p->follower.leader_epoch;
    wish.fetch_offset = p->end_offset;
    wish.last_fetched_epoch = p->latest_epoch;
    wish.log_start_offset = p->start_offset;
    wish.partition_max_bytes = k->partition_max_bytes;
    p->asked = true;
    k->count++;
    if (!p->in_session || !same_wish(&wish, &p->sent)) {
        topic->partitions[topic->partitions_count++] = wish;
        p->sent = wish;
        p->in_session = true;
    }
}

// The topic's part of the list of what to forget, to be filled by the caller. NULL without memory.
static struct fetch_request_forgotten_topic *forgotten_add(struct asking *k, struct slice name, const struct uuid *id,
                                                           int32_t room)
{
    struct fetch_request_forgotten_topic *f = &k->out->forgotten_topics_data[k->out->forgotten_topics_data_count++];
    ASSERT(k->out->forgotten_topics_data_count <= k->forgotten_room);
    fetch_request_forgotten_topic_init(f);
    f->topic = name;
    f->topic_id = *id;
    f->partitions = arena_array(k->arena, (size_t)room, sizeof *f->partitions);
    return f->partitions == NULL ? NULL : f;
}

static bool topic_ask(struct asking *k, struct followed_topic *t)
{
    struct fetch_request_forgotten_topic *forgotten = NULL;
    struct fetch_request_fetch_topic *topic = &k->out->topics[k->out->topics_count];
    fetch_request_fetch_topic_init(topic);
    topic->topic = slice_str(t->name);
    topic->topic_id = t->id;
    topic->partitions = arena_array(k->arena, (size_t)t->count, sizeof *topic->partitions);
    if (topic->partitions == NULL) {
        return false;
    }
    struct followed *p;
    TAILQ_FOREACH (p, &t->order, entry) {
        p->asked = false;
        if (follower_is_ready(&p->follower, FOLLOWER_FETCHING, k->now_ms) && !p->held) {
            partition_ask(k, p, topic);
        } else if (p->in_session) {
            forgotten = forgotten != NULL ? forgotten : forgotten_add(k, topic->topic, &t->id, t->count);
            if (forgotten == NULL) {
                return false;
            }
            forgotten->partitions[forgotten->partitions_count++] = p->index;
            p->in_session = false;
        }
    }
    k->out->topics_count += topic->partitions_count > 0;
    return true;
}

// One entry for each, also where they are of one topic. A partition that has come back meanwhile is not forgotten.
static bool gone_ask(struct asking *k)
{
    struct followed_gone *g;
    STAILQ_FOREACH (g, &k->set->gone, entry) {
        const struct followed *back = followed_find(k->set, g->topic, g->index);
        if (back != NULL && back->in_session && uuid_equal(&back->topic->id, &g->topic_id)) {
            continue;
        }
        const char *name = arena_strdup(k->arena, g->topic);
        struct fetch_request_forgotten_topic *f =
            name == NULL ? NULL : forgotten_add(k, slice_str(name), &g->topic_id, 1);
        if (f == NULL) {
            return false;
        }
        f->partitions[f->partitions_count++] = g->index;
    }
    gone_clear(k->set);
    return true;
}

static bool lists_make(struct asking *k)
{
    int32_t topics = (int32_t)HASH_COUNT(k->set->by_name);
    struct followed_gone *g;
    k->forgotten_room = topics;
    STAILQ_FOREACH (g, &k->set->gone, entry) {
        k->forgotten_room++;
    }
    k->out->topics = arena_array(k->arena, (size_t)topics, sizeof *k->out->topics);
    k->out->topics_count = 0;
    k->out->forgotten_topics_data =
        arena_array(k->arena, (size_t)k->forgotten_room, sizeof *k->out->forgotten_topics_data);
    k->out->forgotten_topics_data_count = 0;
    return k->out->topics != NULL && k->out->forgotten_topics_data != NULL;
}

int32_t followed_ask(struct followed_set *s, struct fetch_request *out, bool *by_id, int32_t partition_max_bytes,
                     int64_t now_ms, struct arena *a)
{
    struct asking k = {.set = s, .out = out, .partition_max_bytes = partition_max_bytes, .now_ms = now_ms, .arena = a};
    *by_id = s->without_id == 0;
    if (*by_id != s->session_by_id) {
        followed_session_lost(s, false);
        s->session_by_id = *by_id;
    }
    bool ok = lists_make(&k);
    struct followed_topic *t;
    TAILQ_FOREACH (t, &s->topics, entry) {
        ok = ok && topic_ask(&k, t);
    }
    ok = ok && gone_ask(&k);
    if (!ok || k.count == 0) {
        followed_session_lost(s, false); // nothing is sent, whatever the marks say
        return ok ? 0 : -1;
    }
    out->session_id = s->session_id;
    out->session_epoch = s->session_epoch;
    return k.count;
}
