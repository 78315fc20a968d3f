# SPDX-License-Identifier: Apache-2.0
"""Several brokers on one ZooKeeper, and what they say of themselves.

The brokers have the ids 1, 2, 3; every topic has a replica on each, and a record is acknowledged
when two have it. Nothing here judges what was written: that is the checker's business.
"""

import argparse
import pathlib
import re
import sys

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic

import brokers
from records import Mismatch, await_true

COUNT = 3
SESSION_MS = 6000
TIMEOUT_S = 60
ASK_TIMEOUT_S = 5
LOG_LEVEL_CRITICAL = 2  # A client that lost its broker would tell so on each attempt.


def sending_broker(client_id):
    """The id of the broker that calls itself this: as a follower, or a controller, as Kafka's do."""
    return int(re.fullmatch(r"(?:broker-)?(\d+)(?:-fetcher-\d+)?", client_id)[1])


class Cluster:
    def __init__(self, binary, work_dir, links=None):
        """links: a Links, over which all go to brokers and they to ZooKeeper (self.to_...)."""
        work_dir = pathlib.Path(work_dir)
        self.zookeeper = brokers.ZooKeeper(work_dir)
        self.brokers = {}
        self.to_clients, self.to_brokers, self.to_zookeeper = {}, {}, {}  # Link by broker
        for number in range(1, COUNT + 1):
            self.brokers[number] = brokers.Ottla(binary, work_dir / ("broker-%d" % number), {
                "broker.id": number,
                "zookeeper.connect": self.zookeeper.address,
                "zookeeper.session.timeout.ms": SESSION_MS,
                "min.insync.replicas": COUNT - 1,
                "default.replication.factor": COUNT,
                "offsets.topic.replication.factor": COUNT,
                "offsets.topic.num.partitions": 3,
                "auto.create.topics.enable": "false",
            })
            if links:
                self.lead_over(links, number)
        self.bootstrap = ",".join(link.address for link in self.to_clients.values()) or ",".join(
            broker.bootstrap for broker in self.brokers.values())
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "socket.timeout.ms": 5000,
                                  "reconnect.backoff.max.ms": 500,
                                  "log_level": LOG_LEVEL_CRITICAL})

    def lead_over(self, links, number):
        """Clients, the other brokers and ZooKeeper are each behind a link of this broker's."""
        broker, port = self.brokers[number], brokers.free_port()
        self.to_clients[number] = links.open(broker.port)
        self.to_brokers[number] = links.open(port, sending_broker)
        self.to_zookeeper[number] = links.open(self.zookeeper.port)
        broker.overrides.update({
            "listeners": "PLAINTEXT://%s,BROKERS://127.0.0.1:%d" % (broker.bootstrap, port),
            "advertised.listeners": "PLAINTEXT://%s,BROKERS://%s" % (
                self.to_clients[number].address, self.to_brokers[number].address),
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,BROKERS:PLAINTEXT",
            "inter.broker.listener.name": "BROKERS",
            "zookeeper.connect": self.to_zookeeper[number].address,
        })

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for broker in self.brokers.values():
            broker.close()
        self.zookeeper.close()

    def start(self):
        self.zookeeper.start()
        self.start_brokers()

    def start_brokers(self):
        for broker in self.brokers.values():
            broker.spawn()
        for broker in self.brokers.values():
            broker.await_ready()
        await_true("each broker knows all", lambda: self.metadata_has(COUNT), TIMEOUT_S)

    def stop(self):
        """Clean stop of all, one after the other."""
        for broker in self.brokers.values():
            broker.stop()

    def create_topic(self, topic, partitions):
        self.admin.create_topics([NewTopic(topic, partitions, COUNT)])[topic].result(TIMEOUT_S)
        self.await_full()

    def metadata(self):
        """What any of the brokers says; None: nobody has answered in time."""
        try:
            return self.admin.list_topics(timeout=ASK_TIMEOUT_S)
        except ck.KafkaException:
            return None

    def metadata_has(self, count):
        metadata = self.metadata()
        return metadata is not None and len(metadata.brokers) == count

    def controller(self):
        metadata = self.metadata()
        return metadata.controller_id if metadata else -1

    def leader(self, topic, partition):
        metadata = self.metadata()
        return metadata.topics[topic].partitions[partition].leader if metadata else -1

    def await_full(self):
        """Until every replica of every partition is in sync."""
        await_true("all replicas are in sync", self.is_full, TIMEOUT_S)

    def is_full(self):
        metadata = self.metadata()
        return metadata is not None and len(metadata.brokers) == COUNT and all(
            partition.leader >= 0 and len(partition.isrs) == COUNT
            for topic in metadata.topics.values() for partition in topic.partitions.values())

    def data_dirs(self):
        return {number: broker.data_dir for number, broker in self.brokers.items()}


def main(run):
    """A test program, WORK_DIR its argument, that is run(cluster): what is wrong is its last word."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work_dir", type=pathlib.Path)
    try:
        with Cluster(brokers.binary(), parser.parse_args().work_dir) as cluster:
            run(cluster)
    except (Mismatch, brokers.BrokerError) as problem:
        sys.exit(str(problem))
