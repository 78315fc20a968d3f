# SPDX-License-Identifier: Apache-2.0
"""A broker takes over partitions of `__consumer_offsets` that Apache Kafka 3.9.1 wrote.

The broker makes the topic, stops, and gets Kafka's folders in the place of its own; only the topic's
id stays (partition.metadata), as a cluster that goes on has its own. Started again, and once more
after that, it must answer ListGroups, DescribeGroups and OffsetFetch as Kafka did from the same
records: groups with members, static and not, an Empty one, one that only commits, one whose offset
was deleted, one whose last transaction was aborted, and one that was deleted.
"""

import argparse
import json
import pathlib
import shutil
import sys

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient

import brokers
import rdkafka
import wire
from records import Mismatch, await_true, expect

PARTITIONS = 3
BROKER = {
    "offsets.topic.num.partitions": PARTITIONS,
    "offsets.topic.replication.factor": 1,
    "offsets.retention.minutes": 2147483647,  # the records keep the age they have
}


def facts(fixture):
    return {group["group"]: group
            for group in json.loads((fixture / "GROUPS.json").read_text())["groups"]}


def put_in(fixture, data_dir):
    """Kafka's folders and checkpoints in the place of the broker's."""
    for path in fixture.glob("*-checkpoint"):
        shutil.copy(path, data_dir / path.name)
    for partition in range(PARTITIONS):
        name = "__consumer_offsets-%d" % partition
        metadata = (data_dir / name / "partition.metadata").read_bytes()
        shutil.rmtree(data_dir / name)
        shutil.copytree(fixture / name, data_dir / name)
        (data_dir / name / "partition.metadata").write_bytes(metadata)


def place(topic_partition):
    return "%s-%d" % (topic_partition.topic, topic_partition.partition)


def described(admin, group):
    """In the words of the facts."""
    told = admin.describe_consumer_groups([group])[group].result(rdkafka.TIMEOUT_S)
    members = [{
        "memberId": member.member_id,
        "instanceId": member.group_instance_id,
        "clientId": member.client_id,
        "host": member.host,
        "assignment": "[%s]" % ", ".join(map(place, member.assignment.topic_partitions)),
    } for member in told.members]
    return {"group": group, "state": told.state.name.capitalize(),
            "assignor": told.partition_assignor or "", "members": by_id(members)}


def by_id(members):
    return sorted(members, key=lambda member: member["memberId"])


def offsets(bootstrap, group):
    return sorted(({"partition": place(one), "offset": one.offset,
                    "leaderEpoch": None if one.leader_epoch == -1 else one.leader_epoch,
                    "metadata": one.metadata}
                   for one in wire.group_offsets(bootstrap, group)),
                  key=lambda one: one["partition"])


def listed(admin):
    """None: the groups are still being loaded."""
    told = admin.list_consumer_groups().result(rdkafka.TIMEOUT_S)
    if told.errors:
        return None
    return {group.group_id: group.state.name.capitalize() for group in told.valid}


def compare(bootstrap, groups):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    alive = {name: group["state"] for name, group in groups.items() if group["state"] != "Dead"}
    await_true("once they are loaded, ListGroups tells %s" % alive, lambda: listed(admin) == alive)
    for name, group in groups.items():
        expected = {key: group[key] for key in ("group", "state", "assignor")}
        expect("DescribeGroups", dict(expected, members=by_id(group["members"])),
               described(admin, name))
        expect("OffsetFetch for " + name,
               sorted(group["offsets"], key=lambda one: one["partition"]), offsets(bootstrap, name))


def run(broker, fixture):
    broker.start()
    await_true("the topic is there",
               lambda: wire.coordinator_error(broker.bootstrap, "any") == 0)
    broker.stop()
    put_in(fixture, broker.data_dir)
    groups = facts(fixture)
    for _ in range(2):
        broker.start()
        compare(broker.bootstrap, groups)
        broker.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("fixture", type=pathlib.Path)
    options = parser.parse_args()
    broker = brokers.from_environment(options.work_dir / "broker", BROKER)
    try:
        run(broker, options.fixture)
    except (Mismatch, ck.KafkaException, brokers.BrokerError) as problem:
        sys.exit("ottla-reads-kafka: %s\nThe broker's log ends:\n%s"
                 % (problem, brokers.tail(broker.process.log_path)))
    finally:
        broker.close()


if __name__ == "__main__":
    main()
