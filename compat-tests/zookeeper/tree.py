# SPDX-License-Identifier: Apache-2.0
"""The znodes of Ottla are those of Apache Kafka: path, payload, versions and access lists.

The same is done to both, on chroots of one ZooKeeper: topics with and without configs are
created, grown, reconfigured and deleted, configs of brokers are set and removed, a producer asks
for an id, a group commits, the broker is started again. After each part the two trees must be
equal, but for what cannot be: ids, times and ports.
"""

import argparse
import os
import pathlib
import sys

import confluent_kafka as ck
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewPartitions, NewTopic)

import brokers
import rdkafka
import wire
import znodes
from records import Mismatch, await_true, expect

TIMEOUT_S = 30
SETTINGS = {
    "broker.id": 1,
    "zookeeper.session.timeout.ms": 6000,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 3,
    "group.initial.rebalance.delay.ms": 0,
    "broker.rack": "rack-a",
}
ANY = "*"
# Values that differ from one run to the next, in whatever node they stand.
CHANCE = {"topic_id", "timestamp", "id", "port", "endpoints"}


def comparable(node):
    said = znodes.value(node)
    if isinstance(said, dict):
        said = {key: ANY if key in CHANCE else given for key, given in said.items()}
    return node._replace(data=said)


def trees_compare(part, kafka, ottla):
    lines = []
    for path in sorted(set(kafka) | set(ottla)):
        wanted, got = kafka.get(path), ottla.get(path)
        wanted, got = (comparable(node) if node else None for node in (wanted, got))
        if wanted != got:
            lines.append("%s\n  Kafka %s\n  Ottla %s" % (path, wanted, got))
    if lines:
        raise Mismatch("%s: the trees differ:\n%s" % (part, "\n".join(lines)))


class Doer:
    """What is done to a cluster, in parts, by a client that does not know whose it is."""

    def __init__(self, broker, address):
        self.broker = broker
        self.address = address  # of its tree

    def admin(self):
        return AdminClient({"bootstrap.servers": self.broker.bootstrap})

    def alter(self, kind, name, **changes):
        """None removes a key."""
        entries = [ConfigEntry(key.replace("_", "."), given,
                               incremental_operation=AlterConfigOpType.DELETE if given is None
                               else AlterConfigOpType.SET)
                   for key, given in changes.items()]
        resource = ConfigResource(kind, name, incremental_configs=entries)
        admin = self.admin()  # it has to outlive the call
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(TIMEOUT_S)

    def start(self):
        self.broker.start()

    def topics(self):
        admin = self.admin()
        rdkafka.create_topic(admin, "plain")
        rdkafka.create_topic(admin, "doomed", 2)
        made = admin.create_topics([NewTopic("configured", 2, 1, config={
            "cleanup.policy": "compact", "retention.ms": "1000"})])
        made["configured"].result(TIMEOUT_S)
        rdkafka.await_leaders(admin, "configured", 2)

    def growth(self):
        admin = self.admin()
        admin.create_partitions([NewPartitions("plain", 5)])["plain"].result(TIMEOUT_S)
        rdkafka.await_leaders(admin, "plain", 5)

    def deletion(self):
        admin = self.admin()
        admin.delete_topics(["doomed"])["doomed"].result(TIMEOUT_S)
        with znodes.client(self.address) as zookeeper:
            await_true("doomed is gone", lambda: not any(
                zookeeper.exists(path + "/doomed") for path in
                ("/brokers/topics", "/config/topics", "/admin/delete_topics")))

    def configs(self):
        topic, broker = ConfigResource.Type.TOPIC, ConfigResource.Type.BROKER
        self.alter(topic, "configured", retention_ms="2000", segment_bytes="1048576")
        self.alter(topic, "configured", retention_ms=None)
        self.alter(topic, "plain", max_message_bytes="2000000")
        self.alter(broker, "1", log_retention_ms="3600000")
        expect("error of the configs of all brokers", 0, wire.alter_cluster_configs(
            self.broker.bootstrap, {"message.max.bytes": "1100000"}))
        self.alter(broker, "1", log_retention_ms=None)

    def clients(self):
        producer = ck.Producer({"bootstrap.servers": self.broker.bootstrap,
                                "enable.idempotence": True})
        producer.produce("plain", b"one", partition=0)
        if producer.flush(TIMEOUT_S):
            raise Mismatch("a record was not acknowledged")
        consumer = ck.Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "readers"})
        consumer.commit(offsets=[ck.TopicPartition("plain", 0, 1)], asynchronous=False)
        consumer.close()
        rdkafka.await_leaders(self.admin(), "__consumer_offsets", 3)

    def restart(self):
        self.broker.stop()
        self.broker.start()
        rdkafka.await_leaders(self.admin(), "plain", 5)


PARTS = (Doer.start, Doer.topics, Doer.growth, Doer.deletion, Doer.configs, Doer.clients,
         Doer.restart)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work_dir", type=pathlib.Path)
    work_dir = parser.parse_args().work_dir
    zookeeper = brokers.ZooKeeper(work_dir)
    kafka = brokers.Kafka(os.environ["KAFKA_LIBRARIES"], work_dir / "kafka", SETTINGS,
                          zookeeper=zookeeper, chroot="/kafka")
    ottla = brokers.Ottla(brokers.binary(), work_dir / "ottla", dict(
        SETTINGS, **{"zookeeper.connect": zookeeper.address + "/ottla"}))
    sides = [Doer(kafka, zookeeper.address + "/kafka"), Doer(ottla, zookeeper.address + "/ottla")]
    try:
        zookeeper.start()
        for part in PARTS:
            print(part.__name__, flush=True)
            for side in sides:
                part(side)
            trees_compare(part.__name__, *(znodes.dump(side.address) for side in sides))
    finally:
        for side in sides:
            side.broker.close()
        zookeeper.close()


if __name__ == "__main__":
    try:
        main()
    except (Mismatch, brokers.BrokerError) as problem:
        sys.exit(str(problem))
