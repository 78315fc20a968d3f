# SPDX-License-Identifier: Apache-2.0
"""What a group has done, by its own records: every generation with its assignment, every commit.

The group's partition of `__consumer_offsets` has them in the order in which they took effect, also
what no look at the running group would have caught. Beside it stands what the members say they
read, and in which generation. `check` holds the two against each other.
"""

import collections

import confluent_kafka as ck

import rdkafka
import wire
from records import Mismatch

OFFSETS_TOPIC = "__consumer_offsets"
KEY_OFFSET, KEY_GROUP = 1, 2
VALUE_VERSION = 3

# owners: {partition: the client id of the member it is assigned to}
Generation = collections.namedtuple("Generation", "number owners")
Commit = collections.namedtuple("Commit", "partition offset")
# What one process read: (partition, offset, generation) in its order.
Reading = collections.namedtuple("Reading", "client_id records")


def parse_generation(value, topic):
    """A group's record. A partition that is assigned twice is a Mismatch."""
    value.string()  # the protocol type
    number = value.take("i")
    value.string(), value.string(), value.take("q")  # protocol, leader, time
    owners = {}

    def member():
        value.string(), value.string()  # member id, instance id
        client_id = value.string()
        value.string(), value.take("ii"), value.octets()  # host, timeouts, subscription
        for partition in wire.assigned_partitions(value.octets(), topic):
            if partition in owners:
                raise Mismatch("generation %d assigns partition %d to %s and to %s"
                               % (number, partition, owners[partition], client_id))
            owners[partition] = client_id

    value.array(member)
    return Generation(number, owners)


def parse(key, value, group, topic):
    """A record of `__consumer_offsets`; None: it is not about this group and topic."""
    key, value = wire.Reader(key), value and wire.Reader(value)
    kind, name = key.take("h"), key.string()
    if name != group or not value:
        return None
    version = value.take("h")
    if version != VALUE_VERSION:
        raise Mismatch("a record of the group has version %d" % version)
    if kind == KEY_GROUP:
        return parse_generation(value, topic)
    if kind != KEY_OFFSET or key.string() != topic:
        return None
    return Commit(key.take("i"), value.take("q"))


def read(bootstrap, group, topic):
    """Everything there is about the group, in its order."""
    consumer = rdkafka.open_consumer(bootstrap)
    partitions = sorted(consumer.list_topics(OFFSETS_TOPIC, rdkafka.TIMEOUT_S)
                        .topics[OFFSETS_TOPIC].partitions)
    history = []
    for partition in partitions:
        place = ck.TopicPartition(OFFSETS_TOPIC, partition, ck.OFFSET_BEGINNING)
        _, end = consumer.get_watermark_offsets(place, rdkafka.TIMEOUT_S)
        consumer.assign([place])
        offset = 0
        while offset < end:
            message = consumer.poll(rdkafka.TIMEOUT_S)
            if message is None or message.error():
                raise Mismatch("%s-%d at %d of %d: no record: %s" % (
                    OFFSETS_TOPIC, partition, offset, end, message and message.error()))
            offset = message.offset() + 1
            found = parse(message.key(), message.value(), group, topic)
            if found:
                history.append(found)
    consumer.close()
    return history


def check_commits(history):
    """Committed offsets never go back."""
    committed = {}
    for entry in history:
        if isinstance(entry, Commit):
            before = committed.get(entry.partition, -1)
            if entry.offset < before:
                raise Mismatch("partition %d: a commit of %d follows one of %d"
                               % (entry.partition, entry.offset, before))
            committed[entry.partition] = entry.offset


def check_generations(history):
    """Generations follow one another. Returns {generation: owners}; one that was written twice,
    for a static member that came back, says the same both times."""
    owners, last = {}, 0
    for entry in history:
        if isinstance(entry, Generation):
            if entry.number < last:
                raise Mismatch("generation %d follows %d" % (entry.number, last))
            last = entry.number
            if owners.setdefault(last, entry.owners) != entry.owners:
                raise Mismatch("generation %d has two assignments: %s and %s"
                               % (last, owners[last], entry.owners))
    return owners


def check_ownership(owners, readings, cooperative):
    """Whoever reads a partition owns it in that generation. (A cooperative member reads on while
    it joins, until it hears what it has to give up.)"""
    for reading in readings:
        joined = [g for g in sorted(owners) if reading.client_id in owners[g].values()]
        for partition, offset, generation in reading.records:
            allowed = [generation]
            if cooperative:
                allowed += [g for g in joined if g < generation][-1:]
            if generation >= 0 and reading.client_id not in [
                    owners.get(g, {}).get(partition) for g in allowed]:
                raise Mismatch(
                    "member %s read partition %d offset %d in generation %d, where it is %s's"
                    % (reading.client_id, partition, offset, generation,
                       owners.get(generation, {}).get(partition)))


def check_reading(readings, may_reread):
    """In one generation one member at most reads a partition, each record once, and none is
    left out between two that it reads. (may_reread: it may go back to what it read before.)"""
    reader, seen = {}, set()
    for reading in readings:
        last = {}
        for partition, offset, generation in reading.records:
            if generation < 0:  # the member has been told that it is no member any more
                continue
            place = "partition %d offset %d in generation %d" % (partition, offset, generation)
            other = reader.setdefault((partition, generation), reading.client_id)
            if other != reading.client_id:
                raise Mismatch("%s: read by %s, but %s reads this partition"
                               % (place, reading.client_id, other))
            again = (partition, offset, generation) in seen
            if again and not may_reread:
                raise Mismatch("%s: read twice, by %s" % (place, reading.client_id))
            seen.add((partition, offset, generation))
            before = last.get((partition, generation), offset - 1)
            if offset != before + 1 and not again:
                raise Mismatch("%s: read by %s straight after offset %d"
                               % (place, reading.client_id, before))
            last[(partition, generation)] = offset


def check(history, readings, cooperative, may_reread):
    check_commits(history)
    owners = check_generations(history)
    check_ownership(owners, readings, cooperative)
    check_reading(readings, may_reread)
    return owners
