# SPDX-License-Identifier: Apache-2.0
"""Writing and reading rows of records (see records.py) with confluent-kafka.

The tests that need a client for their own purpose are made of these.
Everything is bounded in time and raises Mismatch with the place where something differs.
"""

import time

import confluent_kafka as ck
from confluent_kafka.admin import NewTopic

import records
from records import PARTITIONS, Mismatch, Record, await_true, expect

TIMEOUT_S = 30


def create_topic(admin, topic, partitions=PARTITIONS):
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(TIMEOUT_S)
    await_leaders(admin, topic, partitions)


def await_leaders(client, topic, partitions=PARTITIONS):
    """A broker that has just started may answer before all its partitions have their leader."""
    await_true("topic %s has a leader for each of %d partitions" % (topic, partitions),
               lambda: leaders(client, topic) == partitions)


def leaders(client, topic):
    metadata = client.list_topics(timeout=TIMEOUT_S).topics.get(topic)
    if metadata is None:
        return 0
    return sum(1 for partition in metadata.partitions.values() if partition.leader >= 0)


def produce(bootstrap, topic, settings, batch, next_offset):
    """Sends the batch; the delivery reports must name the very next offsets."""
    reports = []
    producer = ck.Producer({
        "bootstrap.servers": bootstrap,
        "compression.type": settings.codec,
        "enable.idempotence": settings.idempotent,
        "acks": settings.acks,
        "linger.ms": 5,
        "batch.size": 30000,
        "message.timeout.ms": TIMEOUT_S * 1000,
    })
    for record in batch:
        producer.produce(topic, record.value, record.key, record.partition,
                         on_delivery=lambda error, message: reports.append((error, message)),
                         timestamp=record.timestamp_ms, headers=record.headers)
        producer.poll(0)
    left = producer.flush(TIMEOUT_S)
    expect("%s: records without an answer" % (settings,), 0, left)
    for error, message in reports:
        if error is not None:
            raise Mismatch("%s: partition %d: %s" % (settings, message.partition(), error))
    for partition in range(PARTITIONS):
        offsets = [message.offset() for _, message in reports if message.partition() == partition]
        if settings.acks != "0":
            first = next_offset[partition]
            expect("%s: partition %d: acknowledged offsets" % (settings, partition),
                   list(range(first, first + len(offsets))), offsets)
        next_offset[partition] += len(offsets)


def open_consumer(bootstrap):
    # The client insists on a group id; without subscribe and commit there is no group. A new
    # assignment is fetched only after the fetch in flight was answered, hence the short wait.
    return ck.Consumer({"bootstrap.servers": bootstrap, "group.id": "unused",
                        "enable.auto.commit": False, "auto.offset.reset": "error",
                        "check.crcs": True, "fetch.wait.max.ms": 20})


def as_record(message):
    kind, timestamp_ms = message.timestamp()
    expect("timestamp type", ck.TIMESTAMP_CREATE_TIME, kind)
    return Record(message.partition(), message.key(), message.value(), message.headers() or [],
                  timestamp_ms)


def read_all(bootstrap, topic, expected):
    consumer = open_consumer(bootstrap)
    consumer.assign([ck.TopicPartition(topic, p, ck.OFFSET_BEGINNING) for p in expected])
    next_offset = dict.fromkeys(expected, 0)
    left = sum(len(batch) for batch in expected.values())
    until = time.monotonic() + TIMEOUT_S
    while left > 0:
        message = consumer.poll(1)
        if message is None:
            if time.monotonic() > until:
                raise Mismatch("reading from the beginning: %d records are missing; read up to %s"
                               % (left, next_offset))
            continue
        if message.error():
            raise Mismatch("reading from the beginning: %s" % message.error())
        partition = message.partition()
        where = "partition %d offset %d" % (partition, next_offset[partition])
        expect(where + ": offset", next_offset[partition], message.offset())
        records.compare(where, expected[partition][message.offset()], as_record(message))
        next_offset[partition] += 1
        left -= 1
    for partition, batch in expected.items():
        expect("partition %d: earliest and latest offset" % partition, (0, len(batch)),
               consumer.get_watermark_offsets(ck.TopicPartition(topic, partition), TIMEOUT_S))
    consumer.close()


def read_by_time(bootstrap, topic, expected):
    consumer = open_consumer(bootstrap)
    for partition, batch in expected.items():
        for timestamp_ms, offset in records.time_questions(batch):
            expect("partition %d, offset for time %d" % (partition, timestamp_ms),
                   ck.OFFSET_END if offset is None else offset,
                   offset_for_time(consumer, topic, partition, timestamp_ms))
        middle = batch[len(batch) // 2]
        start = offset_for_time(consumer, topic, partition, middle.timestamp_ms)
        consumer.assign([ck.TopicPartition(topic, partition, start)])
        message = consumer.poll(TIMEOUT_S)
        where = "partition %d from time %d" % (partition, middle.timestamp_ms)
        if message is None or message.error():
            raise Mismatch("%s: no record: %s" % (where, message and message.error()))
        expect(where + ": offset", start, message.offset())
        records.compare(where, middle, as_record(message))
    consumer.close()


def offset_for_time(consumer, topic, partition, timestamp_ms):
    answer, = consumer.offsets_for_times([ck.TopicPartition(topic, partition, timestamp_ms)],
                                         TIMEOUT_S)
    if answer.error:
        raise Mismatch("partition %d, offset for time %d: %s"
                       % (partition, timestamp_ms, answer.error))
    return answer.offset
