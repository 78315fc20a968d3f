# SPDX-License-Identifier: Apache-2.0
"""One cluster of Ottla and Apache Kafka 3.9.1 brokers on one ZooKeeper.

  test.py WORK_DIR KINDS      KINDS: one letter for each broker, o(ttla) or k(afka)

Every broker is taken down once while a producer with acks=all goes on, by kill -9 and by SIGTERM in
turn, so that leaders, controllers and coordinators of either kind are replaced by the other, and comes
back. Checked after each: nothing acknowledged was refused or lost, the in-sync replicas are whole
again. At the end: every acknowledged record is read at its offset; the group's offsets outlive its
coordinator; the logs of the three replicas are the same byte for byte; the topic can be deleted.
"""

import argparse
import os
import pathlib
import sys

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic

import brokers
import rdkafka
from records import Mismatch, await_true, expect

TOPIC = "mixed"
PARTITIONS = 6
REPLICAS = 3
ROUND_RECORDS = 3000
GROUP = "readers"
OFFSETS = "__consumer_offsets"
ANSWER_S = 60  # longer than a session, an election and all retries
SETTINGS = {
    "zookeeper.session.timeout.ms": 6000,
    "offsets.topic.replication.factor": REPLICAS,
    "offsets.topic.num.partitions": 3,
    "min.insync.replicas": 2,
    "group.initial.rebalance.delay.ms": 0,
}


class Cluster:
    def __init__(self, kinds, work_dir):
        self.zookeeper = brokers.ZooKeeper(work_dir)
        self.brokers = []
        for broker_id, kind in enumerate(kinds, 1):
            settings = dict(SETTINGS, **{"broker.id": broker_id})
            place = work_dir / ("broker-%d" % broker_id)
            if kind == "k":
                broker = brokers.Kafka(os.environ["KAFKA_LIBRARIES"], place, settings,
                                       zookeeper=self.zookeeper)
            else:
                settings["zookeeper.connect"] = self.zookeeper.address
                broker = brokers.Ottla(brokers.binary(), place, settings)
            self.brokers.append(broker)

    def __enter__(self):
        self.zookeeper.start()
        for broker in self.brokers:
            broker.start()
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap()})
        await_true("all brokers know each other",
                   lambda: len(self.admin.list_topics(timeout=ANSWER_S).brokers) == len(self.brokers))
        return self

    def __exit__(self, *_):
        for broker in self.brokers:
            broker.close()
        self.zookeeper.close()

    def bootstrap(self):
        return ",".join(broker.bootstrap for broker in self.brokers)

    def partitions(self, topic):
        return self.admin.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions.values()

    def in_sync(self, topic):
        return all(len(partition.isrs) == REPLICAS for partition in self.partitions(topic))

    def await_in_sync(self, topic):
        await_true("all replicas of %s are in sync" % topic, lambda: self.in_sync(topic), ANSWER_S)


class Writer:
    """An idempotent producer; what was acknowledged, by partition and offset."""

    def __init__(self, bootstrap):
        self.producer = ck.Producer({
            "bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 5,
            "message.timeout.ms": ANSWER_S * 1000})
        self.acknowledged = {}
        self.refused = []
        self.next = 0

    def on_answer(self, error, message):
        if error is not None:
            self.refused.append(str(error))
        else:
            self.acknowledged[message.partition(), message.offset()] = message.value()

    def write(self, count):
        for number in range(self.next, self.next + count):
            value = b"%d" % number
            self.producer.produce(TOPIC, value, value, on_delivery=self.on_answer)
            self.producer.poll(0)
        self.next += count
        expect("records without an answer", 0, self.producer.flush(ANSWER_S))
        expect("records that were refused", [], self.refused)
        expect("records that were acknowledged", self.next, len(self.acknowledged))


def take_down(cluster, writer, index):
    """The broker goes, the producer goes on, the broker comes back."""
    broker = cluster.brokers[index]
    if index % 2 == 0:
        broker.kill()
    else:
        broker.stop()
    writer.write(ROUND_RECORDS)
    broker.start()
    cluster.await_in_sync(TOPIC)


def read_as_group(cluster, count):
    """Reads so many records that the group has not committed yet, and commits them; it begins where
    it was, whoever coordinates."""
    consumer = ck.Consumer({"bootstrap.servers": cluster.bootstrap(), "group.id": GROUP,
                            "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([TOPIC])
    got = {}

    def read_some():
        for message in consumer.consume(1000, 1):
            if message.error() is not None:
                raise Mismatch("reading: %s" % message.error())
            got[message.partition(), message.offset()] = message.value()
        return len(got) >= count

    await_true("the group reads %d more records" % count, read_some, ANSWER_S)
    consumer.commit(asynchronous=False)
    consumer.close()
    return got


def replica_bytes(broker, partition):
    folder = pathlib.Path(broker.data_dir) / ("%s-%d" % (TOPIC, partition))
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*.log")))


def compare_replicas(cluster):
    for partition in range(PARTITIONS):
        first, *others = [replica_bytes(broker, partition) for broker in cluster.brokers]
        expect("partition %d: the replicas' logs are the same" % partition, [True] * (REPLICAS - 1),
               [other == first for other in others])
        expect("partition %d: there are records" % partition, True, len(first) > 0)


def folders(cluster):
    return [path for broker in cluster.brokers
            for path in pathlib.Path(broker.data_dir).glob(TOPIC + "-*")
            if not path.name.endswith("-delete")]


def run(cluster):
    cluster.admin.create_topics([NewTopic(TOPIC, PARTITIONS, REPLICAS)])[TOPIC].result(ANSWER_S)
    rdkafka.await_leaders(cluster.admin, TOPIC, PARTITIONS)
    writer = Writer(cluster.bootstrap())
    writer.write(ROUND_RECORDS)
    got = read_as_group(cluster, ROUND_RECORDS)
    cluster.await_in_sync(OFFSETS)
    for index in range(len(cluster.brokers)):
        take_down(cluster, writer, index)
    cluster.await_in_sync(OFFSETS)
    got.update(read_as_group(cluster, ROUND_RECORDS * len(cluster.brokers)))
    expect("records that were read", writer.acknowledged, got)
    compare_replicas(cluster)
    cluster.admin.delete_topics([TOPIC])[TOPIC].result(ANSWER_S)
    await_true("the topic's folders are gone", lambda: not folders(cluster), ANSWER_S)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("kinds")
    arguments = parser.parse_args()
    with Cluster(arguments.kinds, arguments.work_dir) as cluster:
        run(cluster)


if __name__ == "__main__":
    try:
        main()
    except (Mismatch, brokers.BrokerError) as problem:
        sys.exit(str(problem))
