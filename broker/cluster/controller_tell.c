// SPDX-License-Identifier: Apache-2.0
//
// Telling brokers: which effects say what to whom. Each effect is for one broker and one topic; who carries them out
// puts those of one step and one kind together. The order is Kafka's: LeaderAndIsr to all, then UpdateMetadata to all,
// then StopReplica. Only who knows nothing yet is told of all partitions first: a broker that knows who lives, and of
// no topic, answers clients that there is none.
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

static struct controller_effect *tell_add(struct step *s, enum controller_effect_type type, int32_t broker)
{
    struct controller *c = s->c;
    struct controller_effect *e = effect_add(s, type);
    if (c->brokers_shown == NULL) {
        c->brokers_shown = must_arena_copy(&s->out->arena, c->brokers, (size_t)c->brokers_count * sizeof *c->brokers);
    }
    e->broker = broker;
    e->brokers = c->brokers_shown;
    e->brokers_count = c->brokers_count;
    return e;
}

void tell_joined(struct step *s, int32_t broker)
{
    tell_add(s, CONTROLLER_BROKER_JOINED, broker);
}

void works_of_all(struct controller *c)
{
    works_clear(c);
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        for (int32_t i = 0; !t->marked && i < t->partitions_count; i++) {
            works_add(c, t, &t->partitions[i]);
        }
    }
}

void tell_brokers(struct step *s, int32_t broker)
{
    for (int32_t i = 0; i < s->c->brokers_count; i++) {
        if (broker == TELL_EVERYBODY || broker == s->c->brokers[i]->id) {
            tell_add(s, CONTROLLER_UPDATE_METADATA, s->c->brokers[i]->id);
        }
    }
}

static bool work_concerns(const struct work *w, enum controller_effect_type type, int32_t broker, unsigned flags)
{
    const struct controller_partition *p = w->partition;
    if (w->state != WORK_WRITTEN && (flags & TELL_ALL) == 0) {
        return false;
    }
    switch (type) {
    case CONTROLLER_UPDATE_METADATA:
        return p->has_state;
    case CONTROLLER_STOP_REPLICA:
        return (flags & TELL_ANYWAY) != 0 || partition_replica_at(p, broker) >= 0;
    default:
        return p->has_state && partition_replica_at(p, broker) >= 0;
    }
}

// Of the works from `first` on those of the same topic; answers where the next topic begins.
static int32_t topic_tell(struct step *s, enum controller_effect_type type, int32_t broker, unsigned flags,
                          int32_t first)
{
    const struct controller *c = s->c;
    const struct controller_topic *t = c->works[first].topic;
    int32_t end = first, count = 0;
    while (end < c->works_count && c->works[end].topic == t) {
        count += work_concerns(&c->works[end++], type, broker, flags);
    }
    if (count == 0) {
        return end;
    }
    const struct controller_partition **list = must_arena_array(&s->out->arena, (size_t)count, sizeof *list);
    struct controller_effect *e = tell_add(s, type, broker);
    e->topic = must_have(arena_strdup(&s->out->arena, t->name));
    e->topic_id = t->id;
    e->partitions = list;
    e->is_new = (flags & TELL_NEW) != 0;
    e->erase = (flags & TELL_ERASE) != 0;
    e->deleted = (flags & TELL_DELETED) != 0;
    for (int32_t i = first; i < end; i++) {
        if (work_concerns(&c->works[i], type, broker, flags)) {
            list[e->partitions_count++] = c->works[i].partition;
        }
    }
    return end;
}

void works_tell(struct step *s, enum controller_effect_type type, int32_t broker, unsigned flags)
{
    const struct controller *c = s->c;
    for (int32_t b = 0; b < c->brokers_count; b++) {
        int32_t id = c->brokers[b]->id;
        for (int32_t i = 0; (broker == TELL_EVERYBODY || broker == id) && i < c->works_count;) {
            i = topic_tell(s, type, id, flags, i);
        }
    }
}

void tell_replicas(struct step *s, int32_t broker)
{
    works_of_all(s->c);
    works_tell(s, CONTROLLER_LEADER_AND_ISR, broker, TELL_ALL);
}

void tell_everything(struct step *s, int32_t broker)
{
    works_of_all(s->c);
    tell_brokers(s, broker); // also when there is no partition
    works_tell(s, CONTROLLER_UPDATE_METADATA, broker, TELL_ALL);
    works_tell(s, CONTROLLER_LEADER_AND_ISR, broker, TELL_ALL);
}

void works_tell_states(struct step *s, unsigned flags)
{
    works_tell(s, CONTROLLER_LEADER_AND_ISR, TELL_EVERYBODY, flags);
    works_tell(s, CONTROLLER_UPDATE_METADATA, TELL_EVERYBODY, flags);
}
