# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka (librdkafka) against a broker: argument 1 is its address.

Creates a topic, produces with every codec, with and without idempotence and without
acknowledgement, reads from the beginning and by time, lists offsets, deletes the topic.
"""

import sys
import time
import uuid

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

import records
from records import PARTITIONS, Mismatch, Record, await_true, expect

TIMEOUT_S = 30


def create_topic(admin, topic):
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(TIMEOUT_S)
    await_true("topic %s is in the metadata with a leader for each partition" % topic,
               lambda: leaders(admin, topic) == PARTITIONS)


def leaders(admin, topic):
    metadata = admin.list_topics(timeout=TIMEOUT_S).topics.get(topic)
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
    extra = consumer.poll(0.5)
    if extra is not None and not extra.error():
        raise Mismatch("one record too many at partition %d offset %d"
                       % (extra.partition(), extra.offset()))
    consumer.close()


def read_by_time(bootstrap, topic, expected):
    consumer = open_consumer(bootstrap)
    for partition, batch in expected.items():
        for timestamp_ms, offset in records.time_questions(batch):
            answer, = consumer.offsets_for_times([ck.TopicPartition(topic, partition,
                                                                    timestamp_ms)], TIMEOUT_S)
            where = "partition %d, offset for time %d" % (partition, timestamp_ms)
            if answer.error:
                raise Mismatch("%s: %s" % (where, answer.error))
            expect(where, ck.OFFSET_END if offset is None else offset, answer.offset)
            if offset is not None:
                consumer.assign([ck.TopicPartition(topic, partition, offset)])
                message = consumer.poll(TIMEOUT_S)
                if message is None or message.error():
                    raise Mismatch("%s: no record: %s" % (where, message and message.error()))
                expect(where + ": record's offset", offset, message.offset())
                records.compare(where, batch[offset], as_record(message))
    consumer.close()


def list_offsets(bootstrap, admin, topic, expected):
    consumer = open_consumer(bootstrap)
    for partition, batch in expected.items():
        place = ck.TopicPartition(topic, partition)
        expect("partition %d: earliest and latest offset" % partition,
               (0, len(batch)), consumer.get_watermark_offsets(place, TIMEOUT_S))
        for spec, offset in ((OffsetSpec.earliest(), 0),
                             (OffsetSpec.latest(), len(batch)),
                             (OffsetSpec.max_timestamp(), len(batch) - 1)):
            answer = admin.list_offsets({place: spec})[place].result(TIMEOUT_S)
            expect("partition %d: ListOffsets %s" % (partition, type(spec).__name__),
                   offset, answer.offset)
    consumer.close()


def delete_topic(admin, topic):
    admin.delete_topics([topic], operation_timeout=TIMEOUT_S)[topic].result(TIMEOUT_S)
    await_true("topic %s is gone" % topic,
               lambda: topic not in admin.list_topics(timeout=TIMEOUT_S).topics)


def main(bootstrap):
    topic = "compat-confluent-" + uuid.uuid4().hex[:8]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    create_topic(admin, topic)
    base_ms = records.first_timestamp_ms()
    written, next_offset = [], dict.fromkeys(range(PARTITIONS), 0)
    for settings in records.passes():
        batch = [records.make(len(written) + i, base_ms) for i in range(settings.count)]
        produce(bootstrap, topic, settings, batch, next_offset)
        written += batch
    expected = records.by_partition(written)
    read_all(bootstrap, topic, expected)
    read_by_time(bootstrap, topic, expected)
    list_offsets(bootstrap, admin, topic, expected)
    delete_topic(admin, topic)
    print("confluent-kafka %s, librdkafka %s: %d records"
          % (ck.__version__,
             ck.libversion()[0], len(written)))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (Mismatch, ck.KafkaException) as problem:
        sys.exit("confluent-kafka: %s" % problem)
