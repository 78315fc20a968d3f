# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka (librdkafka) against a broker: argument 1 is its address.

Creates a topic, produces with every codec, with and without idempotence and without
acknowledgement, reads from the beginning and by time, lists offsets, deletes the topic.
"""

import sys
import uuid

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, OffsetSpec

import rdkafka
import records
from rdkafka import TIMEOUT_S
from records import PARTITIONS, Mismatch, await_true, expect


def list_offsets(admin, topic, expected):
    for partition, batch in expected.items():
        place = ck.TopicPartition(topic, partition)
        for spec, offset in ((OffsetSpec.earliest(), 0),
                             (OffsetSpec.latest(), len(batch)),
                             (OffsetSpec.max_timestamp(), len(batch) - 1)):
            answer = admin.list_offsets({place: spec})[place].result(TIMEOUT_S)
            expect("partition %d: ListOffsets %s" % (partition, type(spec).__name__),
                   offset, answer.offset)


def delete_topic(admin, topic):
    admin.delete_topics([topic], operation_timeout=TIMEOUT_S)[topic].result(TIMEOUT_S)
    await_true("topic %s is gone" % topic,
               lambda: topic not in admin.list_topics(timeout=TIMEOUT_S).topics)


def main(bootstrap):
    topic = "compat-confluent-" + uuid.uuid4().hex[:8]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    rdkafka.create_topic(admin, topic)
    base_ms = records.first_timestamp_ms()
    written, next_offset = [], dict.fromkeys(range(PARTITIONS), 0)
    for settings in records.passes():
        batch = [records.make(len(written) + i, base_ms) for i in range(settings.count)]
        rdkafka.produce(bootstrap, topic, settings, batch, next_offset)
        written += batch
    expected = records.by_partition(written)
    rdkafka.read_all(bootstrap, topic, expected)
    rdkafka.read_by_time(bootstrap, topic, expected)
    list_offsets(admin, topic, expected)
    delete_topic(admin, topic)
    print("confluent-kafka %s, librdkafka %s: %d records"
          % (ck.__version__, ck.libversion()[0], len(written)))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (Mismatch, ck.KafkaException) as problem:
        sys.exit("confluent-kafka: %s" % problem)
