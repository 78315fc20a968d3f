# SPDX-License-Identifier: Apache-2.0
"""The agent of confluent-kafka (librdkafka). What it is told: ../README.md."""

import sys
import time

import confluent_kafka as ck
from confluent_kafka import admin as ckadmin

import agent
from agent import Refused
from records import Record

TIMEOUT_S = 30


def refusal(problem):
    """Codes below zero are the library's own."""
    if not isinstance(problem, ck.KafkaException):
        return None
    code = problem.args[0].code()
    # The library tells a reader of an offset out of range in a code of its own.
    return 1 if code == ck.KafkaError._AUTO_OFFSET_RESET else code


class Client:
    def __init__(self, bootstrap):
        self.common = {"bootstrap.servers": bootstrap}
        self.admin = ckadmin.AdminClient(self.common)
        self.member = None

    # A topic

    def create_topic(self, topic, partitions, replicas, configs):
        new = ckadmin.NewTopic(topic, partitions, replicas, config=configs)
        self.admin.create_topics([new])[topic].result(TIMEOUT_S)

    def list_topics(self):
        found = self.admin.list_topics(timeout=TIMEOUT_S).topics
        return {"topics": {name: sum(1 for p in topic.partitions.values() if p.leader >= 0)
                           for name, topic in found.items()}}

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])[topic].result(TIMEOUT_S)

    def create_partitions(self, topic, count):
        self.admin.create_partitions([ckadmin.NewPartitions(topic, count)])[topic].result(TIMEOUT_S)

    def describe_config(self, topic):
        resource = ckadmin.ConfigResource(ckadmin.ResourceType.TOPIC, topic)
        found = self.admin.describe_configs([resource])[resource].result(TIMEOUT_S)
        return {"configs": {name: entry.value for name, entry in found.items()}}

    def alter_config(self, topic, name, value):
        entry = ckadmin.ConfigEntry(name, value,
                                    incremental_operation=ckadmin.AlterConfigOpType.SET)
        resource = ckadmin.ConfigResource(ckadmin.ResourceType.TOPIC, topic,
                                          incremental_configs=[entry])
        self.admin.incremental_alter_configs([resource])[resource].result(TIMEOUT_S)

    def describe_cluster(self):
        found = self.admin.describe_cluster().result(TIMEOUT_S)
        return {"brokers": [node.id for node in found.nodes], "controller": found.controller.id}

    def delete_records(self, topic, partition, offset):
        place = ck.TopicPartition(topic, partition, offset)
        self.admin.delete_records([place])[place].result(TIMEOUT_S)

    def offsets(self, topic, partition):
        place = ck.TopicPartition(topic, partition)
        earliest, latest = (
            self.admin.list_offsets({place: spec})[place].result(TIMEOUT_S).offset
            for spec in (ckadmin.OffsetSpec.earliest(), ckadmin.OffsetSpec.latest()))
        return {"earliest": earliest, "latest": latest}

    # Records

    def produce(self, topic, codec, idempotent, acks, records):
        offsets = [-1] * len(records)
        problems = []

        def delivered(number):
            def report(error, message):
                if error is not None:
                    problems.append(error)
                elif acks != "0":
                    offsets[number] = message.offset()
            return report

        producer = ck.Producer({**self.common, "compression.type": codec, "acks": acks,
                                "enable.idempotence": idempotent, "linger.ms": 5,
                                "batch.size": 30000, "message.timeout.ms": TIMEOUT_S * 1000})
        for number, one in enumerate(map(agent.from_json, records)):
            producer.produce(topic, one.value, one.key, one.partition,
                             on_delivery=delivered(number), timestamp=one.timestamp_ms,
                             headers=one.headers)
            producer.poll(0)
        if producer.flush(TIMEOUT_S):
            raise Refused(None, "records without an answer")
        if problems:
            raise ck.KafkaException(problems[0])
        return {"offsets": offsets}

    def _open_consumer(self, **settings):
        # A new assignment is fetched only after the fetch in flight was answered: a short wait.
        return ck.Consumer({**self.common, "enable.auto.commit": False, "check.crcs": True,
                            "fetch.wait.max.ms": 20, **settings})

    def read(self, topic, partition, starts, count):
        # The client insists on a group id; without subscribe and commit there is no group.
        consumer = self._open_consumer(**{"group.id": "unused", "auto.offset.reset": "error"})
        consumer.assign([ck.TopicPartition(topic, partition, starts[0])])
        reads = []
        for start in starts:
            if reads:
                consumer.seek(ck.TopicPartition(topic, partition, start))
            reads.append([placed(message) for message in self._take(consumer, count)])
        consumer.close()
        return {"reads": reads}

    @staticmethod
    def _take(consumer, count):
        taken = []
        until = time.monotonic() + TIMEOUT_S
        while len(taken) < count:
            message = consumer.poll(0.5)
            if message is None:
                if time.monotonic() > until:
                    raise Refused(None, "only %d records in %d s" % (len(taken), TIMEOUT_S))
            elif message.error():
                raise ck.KafkaException(message.error())
            else:
                taken.append(message)
        return taken

    def offset_at(self, topic, partition, timestamp):
        consumer = self._open_consumer(**{"group.id": "unused"})
        answer, = consumer.offsets_for_times([ck.TopicPartition(topic, partition, timestamp)],
                                             TIMEOUT_S)
        consumer.close()
        if answer.error:
            raise ck.KafkaException(answer.error)
        return {"offset": None if answer.offset == ck.OFFSET_END else answer.offset}

    # A group

    def join(self, group, topic):
        self.member = self._open_consumer(**{
            "group.id": group, "auto.offset.reset": "earliest", "heartbeat.interval.ms": 300,
            "partition.assignment.strategy": "cooperative-sticky"})
        self.member.subscribe([topic])

    def poll(self, wait_ms):
        messages = self.member.consume(1000, wait_ms / 1000)
        for message in messages:
            if message.error():
                raise ck.KafkaException(message.error())
        return {"records": [placed(message) for message in messages]}

    def commit(self):
        for place in self.member.commit(asynchronous=False):
            if place.error:
                raise ck.KafkaException(place.error)

    def leave(self):
        self.member.close()

    def list_groups(self):
        return {"groups": [one.group_id for one in self.admin.list_consumer_groups()
                           .result(TIMEOUT_S).valid]}

    def describe_group(self, group):
        found = self.admin.describe_consumer_groups([group])[group].result(TIMEOUT_S)
        return {"state": found.state.name.capitalize(), "members": len(found.members)}

    def committed(self, group, topic):
        asked = ck.ConsumerGroupTopicPartitions(group)
        found = self.admin.list_consumer_group_offsets([asked])[group].result(TIMEOUT_S)
        return {"offsets": {place.partition: place.offset for place in found.topic_partitions
                            if place.topic == topic}}

    def alter_offsets(self, group, topic, offsets):
        wanted = ck.ConsumerGroupTopicPartitions(
            group, [ck.TopicPartition(topic, int(p), offset) for p, offset in offsets.items()])
        self.admin.alter_consumer_group_offsets([wanted])[group].result(TIMEOUT_S)

    def delete_group(self, group):
        self.admin.delete_consumer_groups([group])[group].result(TIMEOUT_S)


def placed(message):
    _, timestamp_ms = message.timestamp()
    return agent.placed(Record(message.partition(), message.key(), message.value(),
                               message.headers() or [], timestamp_ms), message.offset())


LACKS = {"delete-offsets": "the client has no call for it"}


if __name__ == "__main__":
    agent.serve("confluent-kafka %s, librdkafka %s" % (ck.__version__, ck.libversion()[0]),
                agent.verbs(Client(sys.argv[1])), LACKS, refusal)
