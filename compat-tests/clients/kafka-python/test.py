# SPDX-License-Identifier: Apache-2.0
"""kafka-python against a broker: argument 1 is its address.

Creates a topic, produces with every codec, with and without idempotence and without
acknowledgement, reads from the beginning and by time, lists offsets, deletes the topic.
"""

import logging
import sys
import time
import uuid

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import __version__ as client_version
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

import records
from records import PARTITIONS, Mismatch, Record, await_true, expect

TIMEOUT_S = 30
TIMEOUT_MS = TIMEOUT_S * 1000
CREATE_TIME = 0


def produce(bootstrap, topic, settings, batch, next_offset):
    """Sends the batch; the answers must name the very next offsets."""
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        compression_type=None if settings.codec == "none" else settings.codec,
        enable_idempotence=settings.idempotent,
        acks="all" if settings.acks == "all" else int(settings.acks),
        linger_ms=5,
        delivery_timeout_ms=TIMEOUT_MS,
        request_timeout_ms=TIMEOUT_MS // 2)
    sent = [producer.send(topic, record.value, record.key, record.headers, record.partition,
                          record.timestamp_ms) for record in batch]
    producer.flush(TIMEOUT_S)
    for record, future in zip(batch, sent):
        answer = future.get(TIMEOUT_S)
        if settings.acks != "0":
            expect("%s: acknowledged place" % (settings,),
                   (record.partition, next_offset[record.partition]),
                   (answer.partition, answer.offset))
        next_offset[record.partition] += 1
    producer.close(TIMEOUT_S)


def open_consumer(bootstrap):
    return KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="none",
                         enable_auto_commit=False, check_crcs=True, fetch_max_wait_ms=50)


def as_record(message):
    expect("timestamp type", CREATE_TIME, message.timestamp_type)
    return Record(message.partition, message.key, message.value, list(message.headers),
                  message.timestamp)


def read_all(bootstrap, topic, expected):
    consumer = open_consumer(bootstrap)
    places = [TopicPartition(topic, partition) for partition in expected]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    next_offset = dict.fromkeys(expected, 0)
    left = sum(len(batch) for batch in expected.values())
    until = time.monotonic() + TIMEOUT_S
    while left > 0:
        if time.monotonic() > until:
            raise Mismatch("reading from the beginning: %d records are missing; read up to %s"
                           % (left, next_offset))
        for place, messages in consumer.poll(timeout_ms=1000).items():
            for message in messages:
                offset = next_offset[place.partition]
                where = "partition %d offset %d" % (place.partition, offset)
                expect(where + ": offset", offset, message.offset)
                records.compare(where, expected[place.partition][offset], as_record(message))
                next_offset[place.partition] += 1
                left -= 1
    extra = consumer.poll(timeout_ms=500)
    if extra:
        raise Mismatch("more records than were written: %s" % records.shorten(extra))
    consumer.close()


def read_by_time(bootstrap, topic, expected):
    consumer = open_consumer(bootstrap)
    for partition, batch in expected.items():
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        for timestamp_ms, offset in records.time_questions(batch):
            answer = consumer.offsets_for_times({place: timestamp_ms}, TIMEOUT_MS)[place]
            where = "partition %d, offset for time %d" % (partition, timestamp_ms)
            expect(where, offset, None if answer is None else answer.offset)
            if offset is not None:
                expect(where + ": timestamp", batch[offset].timestamp_ms, answer.timestamp)
                consumer.seek(place, offset)
                message = consumer.poll(timeout_ms=TIMEOUT_MS, max_records=1)[place][0]
                expect(where + ": record's offset", offset, message.offset)
                records.compare(where, batch[offset], as_record(message))
    consumer.close()


def list_offsets(bootstrap, admin, topic, expected):
    consumer = open_consumer(bootstrap)
    places = {TopicPartition(topic, partition): len(batch)
              for partition, batch in expected.items()}
    expect("earliest offsets", dict.fromkeys(places, 0),
           consumer.beginning_offsets(list(places), TIMEOUT_MS))
    expect("latest offsets", places, consumer.end_offsets(list(places), TIMEOUT_MS))
    consumer.close()
    answer = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.MAX_TIMESTAMP))
    expect("offsets of the highest timestamps",
           {place: count - 1 for place, count in places.items()},
           {place: found.offset for place, found in answer.items()})


def main(bootstrap):
    # The client reports what it retries as warnings; only what it gives up on matters here.
    logging.getLogger("kafka").setLevel(logging.ERROR)
    topic = "compat-kafka-python-" + uuid.uuid4().hex[:8]
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_MS)
    admin.create_topics({topic: {"num_partitions": PARTITIONS, "replication_factor": 1}},
                        timeout_ms=TIMEOUT_MS)
    admin.wait_for_topics([topic], TIMEOUT_MS)
    base_ms = records.first_timestamp_ms()
    written, next_offset = [], dict.fromkeys(range(PARTITIONS), 0)
    for settings in records.passes():
        batch = [records.make(len(written) + i, base_ms, nulls=False)
                 for i in range(settings.count)]
        produce(bootstrap, topic, settings, batch, next_offset)
        written += batch
    expected = records.by_partition(written)
    read_all(bootstrap, topic, expected)
    read_by_time(bootstrap, topic, expected)
    list_offsets(bootstrap, admin, topic, expected)
    admin.delete_topics([topic], timeout_ms=TIMEOUT_MS)
    await_true("topic %s is gone" % topic, lambda: topic not in admin.list_topics())
    admin.close()
    print("kafka-python %s: %d records" % (client_version, len(written)))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (Mismatch, KafkaError) as problem:
        sys.exit("kafka-python: %s" % problem)
