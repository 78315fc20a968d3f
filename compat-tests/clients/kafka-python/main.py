# SPDX-License-Identifier: Apache-2.0
"""The agent of kafka-python. What it is told: ../README.md."""

import logging
import sys
import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import KafkaError, OffsetOutOfRangeError

import agent
from agent import Refused
from records import Record

TIMEOUT_S = 30
TIMEOUT_MS = TIMEOUT_S * 1000


def refusal(problem):
    code = getattr(problem, "errno", None) if isinstance(problem, KafkaError) else None
    return OffsetOutOfRangeError.errno if isinstance(problem, OffsetOutOfRangeError) else code


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_MS)
        self.member = None

    # A topic

    def create_topic(self, topic, partitions, replicas, configs):
        self.admin.create_topics({topic: {"num_partitions": partitions, "configs": configs,
                                          "replication_factor": replicas}}, timeout_ms=TIMEOUT_MS)

    def list_topics(self):
        return {"topics": {topic["name"]: sum(1 for p in topic["partitions"] if p["leader_id"] >= 0)
                           for topic in self.admin.describe_topics()}}

    def delete_topic(self, topic):
        self.admin.delete_topics([topic], timeout_ms=TIMEOUT_MS)

    def create_partitions(self, topic, count):
        self.admin.create_partitions({topic: count}, timeout_ms=TIMEOUT_MS)

    def describe_config(self, topic):
        found = self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)],
                                            config_filter="all")
        return {"configs": {name: entry["value"] for of_kind in found.values()
                            for configs in of_kind.values() for name, entry in configs.items()}}

    def alter_config(self, topic, name, value):
        self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})])

    def describe_cluster(self):
        found = self.admin.describe_cluster()
        return {"brokers": [broker["broker_id"] for broker in found["brokers"]],
                "controller": found["controller_id"]}

    def delete_records(self, topic, partition, offset):
        self.admin.delete_records({TopicPartition(topic, partition): offset}, timeout_ms=TIMEOUT_MS)

    def offsets(self, topic, partition):
        place = TopicPartition(topic, partition)
        earliest, latest = (self.admin.list_partition_offsets({place: spec})[place].offset
                            for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST))
        return {"earliest": earliest, "latest": latest}

    # Records

    def produce(self, topic, codec, idempotent, acks, records):
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap, enable_idempotence=idempotent,
            compression_type=None if codec == "none" else codec,
            acks="all" if acks == "all" else int(acks),
            linger_ms=5, delivery_timeout_ms=TIMEOUT_MS, request_timeout_ms=TIMEOUT_MS // 2)
        sent = [producer.send(topic, one.value, one.key, one.headers, one.partition,
                              one.timestamp_ms) for one in map(agent.from_json, records)]
        producer.flush(TIMEOUT_S)
        answers = [future.get(TIMEOUT_S) for future in sent]
        producer.close(TIMEOUT_S)
        return {"offsets": [-1 if acks == "0" else answer.offset for answer in answers]}

    def _open_consumer(self, **settings):
        return KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False,
                             check_crcs=True, fetch_max_wait_ms=50, **settings)

    def read(self, topic, partition, starts, count):
        consumer = self._open_consumer(group_id=None, auto_offset_reset="none")
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        reads = []
        for start in starts:
            consumer.seek(place, start)
            reads.append([placed(message) for message in self._take(consumer, place, count)])
        consumer.close()
        return {"reads": reads}

    @staticmethod
    def _take(consumer, place, count):
        taken = []
        until = time.monotonic() + TIMEOUT_S
        while len(taken) < count:
            if time.monotonic() > until:
                raise Refused(None, "only %d records in %d s" % (len(taken), TIMEOUT_S))
            taken += consumer.poll(500, count - len(taken)).get(place, [])
        return taken

    def offset_at(self, topic, partition, timestamp):
        consumer = self._open_consumer(group_id=None)
        place = TopicPartition(topic, partition)
        answer = consumer.offsets_for_times({place: timestamp}, TIMEOUT_MS)[place]
        consumer.close()
        return {"offset": None if answer is None else answer.offset}

    # A group

    def join(self, group, topic):
        self.member = self._open_consumer(group_id=group, auto_offset_reset="earliest",
                                          heartbeat_interval_ms=300)
        self.member.subscribe([topic])

    def poll(self, wait_ms):
        return {"records": [placed(message) for messages in self.member.poll(wait_ms).values()
                            for message in messages]}

    def commit(self):
        self.member.commit()

    def leave(self):
        self.member.close()

    def list_groups(self):
        return {"groups": [group["group_id"] for group in self.admin.list_groups()]}

    def describe_group(self, group):
        found = self.admin.describe_groups([group])[group]
        return {"state": found["group_state"], "members": len(found["members"])}

    def committed(self, group, topic):
        found = self.admin.list_group_offsets({group: None})[group]
        return {"offsets": {place.partition: one.offset for place, one in found.items()
                            if place.topic == topic}}

    def alter_offsets(self, group, topic, offsets):
        refused(self.admin.alter_group_offsets(group, {
            TopicPartition(topic, int(partition)): OffsetAndMetadata(offset, "", -1)
            for partition, offset in offsets.items()}).values())

    def delete_offsets(self, group, topic):
        refused(self.admin.delete_group_offsets(group, [TopicPartition(topic, 0)]).values())

    def delete_group(self, group):
        name = self.admin.delete_groups([group])[group]  # 'OK', or the name of an exception
        if name != "OK":
            raise Refused(getattr(kafka.errors, name).errno, name)


def refused(errors):
    """Raises the first that is not NoError."""
    for error in errors:
        if error.errno:
            raise Refused(error.errno, error.__name__)


def placed(message):
    return agent.placed(Record(message.partition, message.key, message.value,
                               list(message.headers), message.timestamp), message.offset)


LACKS = {
    "null-header": "the client refuses a header that is null",
    "null-key-and-value": "the client refuses a record without key and value",
}


if __name__ == "__main__":
    # The client reports what it retries as warnings; only what it gives up on matters here.
    logging.getLogger("kafka").setLevel(logging.ERROR)
    agent.serve("kafka-python " + kafka.__version__, agent.verbs(Client(sys.argv[1])), LACKS, refusal)
