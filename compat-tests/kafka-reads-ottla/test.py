# SPDX-License-Identifier: Apache-2.0
"""A real Apache Kafka 3.9.1 takes over the two log directories of an Ottla, and Ottla takes them back.

1. Ottla writes topics with every codec (idempotent producers, several segments), keeps offsets of
   consumer groups, moves a partition from one directory to the other and back, and stops.
2. Kafka starts on these directories. What it needs besides, its ZooKeeper gets from the
   directories themselves: the cluster id of meta.properties and, for each folder of a partition,
   topic id and leader epoch. It serves the same records, by offset and by time, and appends some; it reports
   the same groups and offsets, and keeps newer ones.
3. Kafka stops; Ottla starts on the directory again and serves all, also what Kafka appended.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient

import brokers
import rdkafka
import records
from records import CODECS, PARTITIONS, Mismatch, Pass, expect

SEGMENT_BYTES = 1 << 18
FIRST_COUNT = 1200
MORE_COUNT = 30
SEED_TIMEOUT_S = 60
MOVE_TIMEOUT_S = 90
INTERNAL_TOPICS = {"offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 5,
                   "group.initial.rebalance.delay.ms": 0}
# Kafka's producer ids begin behind these, as they would in a cluster that Ottla is a member of.
LAST_PRODUCER_ID = 999999

PARTITION_FOLDER = re.compile(r"(.+)-(\d+)")

# What Kafka logs when it does not take a partition as it is.
DISTRUST = re.compile(r" (ERROR|FATAL) | WARN .*LogLoader|corrupt|ecovering unflushed"
                      r"|ebuilding index|runcating")

Partition = collections.namedtuple("Partition", "topic number topic_id leader_epoch")


def read_properties(path):
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def read_partition(folder):
    topic, number = PARTITION_FOLDER.fullmatch(folder.name).groups()
    metadata = dict(line.split(": ") for line in
                    (folder / "partition.metadata").read_text().splitlines())
    expect("%s: version of partition.metadata" % folder.name, "0", metadata["version"])
    # A version line, a count, then one line "epoch start-offset" per epoch.
    epochs = (folder / "leader-epoch-checkpoint").read_text().split("\n")[2:]
    latest = [int(line.split()[0]) for line in epochs if line]
    return Partition(topic, int(number), metadata["topic_id"], latest[-1] if latest else 0)


def read_partitions(data_dirs):
    return [read_partition(folder) for data_dir in data_dirs for folder in sorted(data_dir.iterdir())
            if folder.is_dir() and PARTITION_FOLDER.fullmatch(folder.name)]


def partition_folder(data_dirs, name):
    """The one folder of this name."""
    found = [data_dir / name for data_dir in data_dirs if (data_dir / name).is_dir()]
    expect("folders named %s" % name, 1, len(found))
    return found[0]


def move_replica(bootstrap, broker_id, topic, number, data_dir):
    """Java's admin client has a partition move to this log directory."""
    libraries = os.environ["KAFKA_LIBRARIES"]
    done = subprocess.run(["java", "-Xmx128m", "-cp", os.path.join(libraries, "*") + os.pathsep
                           + os.environ["KAFKA_CLASSES"], "MoveReplica", bootstrap,
                           str(broker_id), topic, str(number), str(data_dir)],
                          capture_output=True, text=True, timeout=MOVE_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise Mismatch("%s-%d does not move to %s:\n%s" % (topic, number, data_dir, done.stderr))


def move_there_and_back(bootstrap, data_dirs, topic):
    broker_id = int(read_properties(data_dirs[0] / "meta.properties")["broker.id"])
    home = partition_folder(data_dirs, topic + "-0").parent
    away = data_dirs[1 - data_dirs.index(home)]
    for place in (away, home, away):
        move_replica(bootstrap, broker_id, topic, 0, place)
        expect("where %s-0 lies" % topic, place, partition_folder(data_dirs, topic + "-0").parent)


def znodes(cluster_id, broker_id, partitions):
    """What a cluster with these partitions on this one broker has in its ZooKeeper."""
    yield "/cluster", ""
    yield "/cluster/id", json.dumps({"version": "1", "id": cluster_id})
    yield "/latest_producer_id_block", json.dumps({
        "version": 1, "broker": broker_id, "block_start": "0",
        "block_end": str(LAST_PRODUCER_ID)})
    yield "/brokers", ""
    yield "/brokers/topics", ""
    topics = collections.defaultdict(list)
    for partition in partitions:
        topics[partition.topic].append(partition)
    for topic, members in topics.items():
        ids = {member.topic_id for member in members}
        if len(ids) != 1:
            raise Mismatch("topic %s has several ids in its folders: %s" % (topic, ids))
        path = "/brokers/topics/" + topic
        yield path, json.dumps({
            "version": 3, "topic_id": ids.pop(), "adding_replicas": {}, "removing_replicas": {},
            "partitions": {str(member.number): [broker_id] for member in members}})
        yield path + "/partitions", ""
        for member in members:
            yield "%s/partitions/%d" % (path, member.number), ""
            yield "%s/partitions/%d/state" % (path, member.number), json.dumps({
                "version": 1, "leader": broker_id, "leader_epoch": member.leader_epoch,
                "isr": [broker_id], "controller_epoch": 1})


def seed_zookeeper(zookeeper, nodes, libraries, classes):
    text = "".join("%s\t%s\n" % node for node in nodes)
    done = subprocess.run(["java", "-Xmx64m", "-cp",
                           os.path.join(libraries, "*") + os.pathsep + classes,
                           "SeedZnodes", zookeeper.address],
                          input=text, capture_output=True, text=True, timeout=SEED_TIMEOUT_S,
                          check=False)
    if done.returncode != 0:
        raise Mismatch("ZooKeeper could not be filled:\n" + done.stderr)


class Archive:
    """Everything that was written, and the comparison with what a broker serves."""

    def __init__(self):
        self.base_ms = records.first_timestamp_ms()
        self.written = {"reads-" + codec: [] for codec in CODECS}

    def codec(self, topic):
        return topic.removeprefix("reads-")

    def create_topics(self, bootstrap):
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for topic in self.written:
            rdkafka.create_topic(admin, topic)

    def append(self, bootstrap, count):
        for topic, wrote in self.written.items():
            batch = [records.make(len(wrote) + i, self.base_ms) for i in range(count)]
            ends = {p: len(some) for p, some in records.by_partition(wrote).items()}
            rdkafka.produce(bootstrap, topic, Pass(self.codec(topic), True, "all", count), batch,
                            ends)
            wrote += batch

    def compare(self, bootstrap):
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for topic, wrote in self.written.items():
            rdkafka.await_leaders(admin, topic)
            expected = records.by_partition(wrote)
            rdkafka.read_all(bootstrap, topic, expected)
            rdkafka.read_by_time(bootstrap, topic, expected)


class Groups:
    """What consumer groups have committed, and the comparison with what a broker reports."""

    TOPIC = "reads-none"
    DELETED = "deleted"

    def __init__(self):
        self.committed = {}  # {group: {partition: (offset, metadata)}}

    def consume(self, bootstrap, group, count):
        """A member reads some records, commits by its own hand and leaves."""
        consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": group,
                                "enable.auto.commit": False, "auto.offset.reset": "earliest"})
        consumer.subscribe([self.TOPIC])
        got = 0
        while got < count:
            message = consumer.poll(rdkafka.TIMEOUT_S)
            if message is None or message.error():
                raise Mismatch("group %s: no record: %s" % (group, message and message.error()))
            got += 1
        places = [ck.TopicPartition(place.topic, place.partition, place.offset,
                                    metadata="after %d, n\u00e4chstes" % got)
                  for place in consumer.position(consumer.assignment()) if place.offset >= 0]
        consumer.commit(offsets=places, asynchronous=False)
        consumer.close()
        self.committed.setdefault(group, {}).update(
            {place.partition: (place.offset, place.metadata) for place in places})

    def commit_alone(self, bootstrap, group, offset):
        """A consumer that is in no group keeps its offset under the group's name."""
        consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": group,
                                "enable.auto.commit": False})
        place = ck.TopicPartition(self.TOPIC, 0, offset, metadata="")
        consumer.assign([place])
        consumer.commit(offsets=[place], asynchronous=False)
        consumer.close()
        self.committed.setdefault(group, {})[0] = (offset, "")

    def make(self, bootstrap):
        self.consume(bootstrap, "left", 100)
        self.consume(bootstrap, "left", 50)
        self.commit_alone(bootstrap, "alone", 7)
        self.commit_alone(bootstrap, self.DELETED, 3)
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.delete_consumer_groups([self.DELETED])[self.DELETED].result(rdkafka.TIMEOUT_S)
        del self.committed[self.DELETED]

    def compare(self, bootstrap):
        admin = AdminClient({"bootstrap.servers": bootstrap})
        records.await_true("the groups are those that were left: %s" % sorted(self.committed),
                           lambda: self.listed(admin) == sorted(self.committed))
        for group, expected in self.committed.items():
            asked = ck.ConsumerGroupTopicPartitions(
                group, [ck.TopicPartition(self.TOPIC, p) for p in range(PARTITIONS)])
            answer = admin.list_consumer_group_offsets([asked])[group].result(rdkafka.TIMEOUT_S)
            got = {place.partition: (place.offset, place.metadata or "")
                   for place in answer.topic_partitions if place.offset >= 0}
            expect("group %s: offsets" % group, expected, got)
            state = admin.describe_consumer_groups([group])[group].result(rdkafka.TIMEOUT_S)
            expect("group %s: state and members" % group, ("EMPTY", []),
                   (state.state.name, state.members))

    def listed(self, admin):
        try:
            found = admin.list_consumer_groups().result(rdkafka.TIMEOUT_S)
        except ck.KafkaException:
            return None  # still loading
        return None if found.errors else sorted(group.group_id for group in found.valid)


def check_folders(data_dirs, archive):
    """The directories have what this test is about: every partition, and several segments."""
    partitions = read_partitions(data_dirs)
    for data_dir in data_dirs:
        if not read_partitions([data_dir]):
            raise Mismatch("there is no partition in %s" % data_dir)
        if not (data_dir / ".kafka_cleanshutdown").is_file():
            raise Mismatch("there is no .kafka_cleanshutdown in %s after a clean stop" % data_dir)
    for topic in archive.written:
        for number in range(PARTITIONS):
            folder = partition_folder(data_dirs, "%s-%d" % (topic, number))
            segments = len(list(folder.glob("*.log")))
            if segments < 2:
                raise Mismatch("%s has %d segments; several are wanted" % (folder, segments))
    return partitions


def check_kafka_log(path):
    """Kafka trusted the directory: it recovered nothing and rebuilt nothing."""
    text = pathlib.Path(path).read_text(errors="replace")
    if "since clean shutdown file was found" not in text:
        raise Mismatch("Kafka did not find the clean-shutdown marker; its log: %s" % path)
    for line in text.splitlines():
        if DISTRUST.search(line):
            raise Mismatch("Kafka's log tells: %s\n(%s)" % (line, path))


def serve_by_kafka(data_dirs, partitions, archive, groups, work_dir):
    meta = read_properties(data_dirs[0] / "meta.properties")
    expect("version of meta.properties", "0", meta["version"])
    broker_id = int(meta["broker.id"])
    libraries = os.environ["KAFKA_LIBRARIES"]
    work_dir.mkdir()
    zookeeper = brokers.ZooKeeper(work_dir)
    # No id: Kafka takes the one in meta.properties, also one that was generated.
    kafka = brokers.Kafka(libraries, work_dir,
                          {"broker.id": -1, "log.dirs": names_of(data_dirs), **INTERNAL_TOPICS},
                          zookeeper=zookeeper)
    try:
        zookeeper.start()
        seed_zookeeper(zookeeper, znodes(meta["cluster.id"], broker_id, partitions), libraries,
                       os.environ["KAFKA_CLASSES"])
        kafka.start()
        archive.compare(kafka.bootstrap)
        archive.append(kafka.bootstrap, MORE_COUNT)
        groups.compare(kafka.bootstrap)
        groups.consume(kafka.bootstrap, "left", 50)
        groups.commit_alone(kafka.bootstrap, "new", 9)
        kafka.stop()
        check_kafka_log(kafka.process.log_path)
    finally:
        kafka.close()


def names_of(data_dirs):
    return ",".join(str(data_dir) for data_dir in data_dirs)


def run(work_dir):
    archive = Archive()
    groups = Groups()
    data_dirs = [(work_dir / "writer" / name).resolve() for name in ("data-1", "data-2")]
    broker = brokers.from_environment(work_dir / "writer",
                                      {"log.segment.bytes": SEGMENT_BYTES,
                                       "log.dirs": names_of(data_dirs), **INTERNAL_TOPICS})
    try:
        broker.start()
        archive.create_topics(broker.bootstrap)
        archive.append(broker.bootstrap, FIRST_COUNT)
        archive.compare(broker.bootstrap)
        groups.make(broker.bootstrap)
        groups.compare(broker.bootstrap)
        move_there_and_back(broker.bootstrap, data_dirs, Groups.TOPIC)
        archive.compare(broker.bootstrap)
        broker.stop()
        print("written, moved and stopped", flush=True)
        partitions = check_folders(data_dirs, archive)
        serve_by_kafka(data_dirs, partitions, archive, groups, work_dir / "kafka")
        print("served by Apache Kafka", flush=True)
        broker.start()
        archive.compare(broker.bootstrap)
        groups.compare(broker.bootstrap)
        archive.append(broker.bootstrap, MORE_COUNT)
        move_there_and_back(broker.bootstrap, data_dirs, Groups.TOPIC)
        archive.compare(broker.bootstrap)
        broker.stop()
        print("served by the first broker again")
    finally:
        broker.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work_dir", type=pathlib.Path)
    options = parser.parse_args()
    try:
        run(options.work_dir)
    except (Mismatch, ck.KafkaException, brokers.BrokerError) as problem:
        sys.exit("kafka-reads-ottla: %s" % problem)


if __name__ == "__main__":
    main()
