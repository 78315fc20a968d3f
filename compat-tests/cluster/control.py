# SPDX-License-Identifier: Apache-2.0
"""What the controller of three brokers does when it is asked to.

- leaders of a new topic are spread over the brokers
- a topic is deleted while a broker is away: it is gone for clients at once, and for good when that
  broker is back
- partitions get other replicas (/admin/reassign_partitions, as tools write it), with their records
- a reassignment waits while its replicas are throttled, as kafka-reassign-partitions does it, and
  those in sync do not
- the preferred replicas lead again (/admin/preferred_replica_election)
- records are deleted: when that is answered, on all replicas
- brokers are in racks, and the replicas of a topic in as many of them as there are replicas
- the only replica in sync is away: another leads when unclean elections are allowed for the topic
- a log directory fails: others lead, and its replicas are offline until it is back
- a topic is created by being used, at a broker that is not the controller
"""

import json

import confluent_kafka as ck
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewTopic)

import znodes
from cluster import COUNT, TIMEOUT_S, main
from records import Mismatch, await_true, expect

PARTITIONS = 6
RECORDS = 600
PADDING = " " * 8192  # so that the records are more than a follower fetches at once


def partitions(cluster, topic):
    """What some broker says, once it has heard of the topic."""
    found = []

    def known():
        metadata = cluster.metadata()
        if metadata and topic in metadata.topics:
            found.append(metadata.topics[topic].partitions)
        return bool(found)

    await_true("topic %s is known" % topic, known)
    return found[0]


def create(cluster, topic):
    """Also when the controller has just changed, and this client does not know it yet."""
    def created():
        try:
            cluster.admin.create_topics([topic])[topic.topic].result(TIMEOUT_S)
        except ck.KafkaException as refused:
            if refused.args[0].code() != ck.KafkaError.NOT_CONTROLLER:
                raise
            return False
        return True

    await_true("topic %s is created" % topic.topic, created)


def leaders(cluster, topic):
    return sorted(partition.leader for partition in partitions(cluster, topic).values())


def spread(cluster):
    cluster.create_topic("spread", PARTITIONS)
    expect("leaders of a new topic", [1, 1, 2, 2, 3, 3], leaders(cluster, "spread"))


def delete_with_one_away(cluster):
    cluster.create_topic("gone", 2)
    away = next(number for number in cluster.brokers if number != cluster.controller())
    cluster.brokers[away].stop()
    cluster.admin.delete_topics(["gone"])["gone"].result(TIMEOUT_S)
    expect("the topic is in the metadata", False, "gone" in cluster.metadata().topics)
    with znodes.client(cluster.zookeeper.address) as zookeeper:
        expect("its znode waits for the broker that is away", True,
               bool(zookeeper.exists("/brokers/topics/gone")))
        cluster.brokers[away].start()
        await_true("its znodes are gone", lambda: not zookeeper.exists("/admin/delete_topics/gone"))
        expect("its config is gone, too", None, zookeeper.exists("/config/topics/gone"))
    for folder in cluster.data_dirs().values():
        expect("its folder on a broker", [], list(folder.glob("gone-[0-9]")))
    cluster.await_full()


def write(bootstrap, topic):
    failed = []
    producer = ck.Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for number in range(RECORDS):
        producer.produce(topic, str(number) + PADDING, partition=0,
                         on_delivery=lambda error, _: error and failed.append(str(error)))
    expect("records without an answer", 0, producer.flush(TIMEOUT_S))
    expect("failed produces", [], failed)


def read(bootstrap, topic):
    consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": "reader"})
    consumer.assign([ck.TopicPartition(topic, 0, 0)])
    values = []
    while len(values) < RECORDS:
        message = consumer.poll(TIMEOUT_S)
        if message is None or message.error():
            raise Mismatch("after %d records: %s" % (len(values), message and message.error()))
        values.append(int(message.value()))
    consumer.close()
    return values


def configure(cluster, kind, name, entries):
    changes = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET if value
                           else AlterConfigOpType.DELETE) for key, value in entries.items()]
    resource = ConfigResource(kind, name, incremental_configs=changes)
    for future in cluster.admin.incremental_alter_configs([resource]).values():
        future.result(TIMEOUT_S)


def throttle(cluster, topic, rate, leaders, followers):
    """None takes a config away."""
    for number in cluster.brokers:
        configure(cluster, ConfigResource.Type.BROKER, str(number),
                  {"leader.replication.throttled.rate": rate,
                   "follower.replication.throttled.rate": rate})
    configure(cluster, ConfigResource.Type.TOPIC, topic,
              {"leader.replication.throttled.replicas": leaders,
               "follower.replication.throttled.replicas": followers})


def move_throttled(cluster):
    topic = NewTopic("slow", 1, replica_assignment=[[1, 2]])
    create(cluster, topic)
    write(cluster.bootstrap, "slow")
    throttle(cluster, "slow", "1", "0:1,0:2", "0:3")
    plan = {"version": 1, "partitions": [{"topic": "slow", "partition": 0, "replicas": [1, 3]}]}
    with znodes.client(cluster.zookeeper.address) as zookeeper:
        zookeeper.create("/admin/reassign_partitions", json.dumps(plan).encode())
        log = cluster.data_dirs()[3] / "slow-0" / ("0" * 20 + ".log")
        await_true("the new replica has the first of the records",
                   lambda: log.exists() and log.stat().st_size > 0)
        write(cluster.bootstrap, "slow")
        expect("the reassignment goes on", True,
               bool(zookeeper.exists("/admin/reassign_partitions")))
        expect("in-sync replicas", [1, 2], sorted(partitions(cluster, "slow")[0].isrs))
        throttle(cluster, "slow", None, None, None)
        await_true("the reassignment is over",
                   lambda: not zookeeper.exists("/admin/reassign_partitions"))
    await_true("the others are in sync",
               lambda: sorted(partitions(cluster, "slow")[0].isrs) == [1, 3])


def move(cluster):
    topic = NewTopic("moved", 1, replica_assignment=[[1, 2]])
    cluster.admin.create_topics([topic])["moved"].result(TIMEOUT_S)
    write(cluster.bootstrap, "moved")
    plan = {"version": 1, "partitions": [{"topic": "moved", "partition": 0, "replicas": [3, 2]}]}
    with znodes.client(cluster.zookeeper.address) as zookeeper:
        zookeeper.create("/admin/reassign_partitions", json.dumps(plan).encode())
        await_true("the reassignment is over",
                   lambda: not zookeeper.exists("/admin/reassign_partitions"))
        node = json.loads(zookeeper.get("/brokers/topics/moved")[0])
    expect("the replicas", {"0": [3, 2]}, node["partitions"])
    expect("replicas on their way", ({}, {}), (node["adding_replicas"], node["removing_replicas"]))
    await_true("replicas in the metadata",
               lambda: partitions(cluster, "moved")[0].replicas == [3, 2])
    await_true("the others are in sync",
               lambda: sorted(partitions(cluster, "moved")[0].isrs) == [2, 3])
    expect("the folder it has left", [], list(cluster.data_dirs()[1].glob("moved-0")))
    expect("its records", list(range(RECORDS)), read(cluster.bootstrap, "moved"))


def prefer(cluster):
    number = next(n for n in cluster.brokers if n != cluster.controller())
    cluster.brokers[number].stop()
    expect("leaders while broker %d is away" % number, False,
           number in leaders(cluster, "spread"))
    cluster.brokers[number].start()
    await_true("all of the topic's replicas are in sync",
               lambda: all(len(p.isrs) == COUNT for p in partitions(cluster, "spread").values()))
    plan = {"version": 1, "partitions": [{"topic": "spread", "partition": partition}
                                         for partition in range(PARTITIONS)]}
    with znodes.client(cluster.zookeeper.address) as zookeeper:
        zookeeper.create("/admin/preferred_replica_election", json.dumps(plan).encode())
        await_true("the election is over",
                   lambda: not zookeeper.exists("/admin/preferred_replica_election"))
    await_true("leaders are where they were", lambda: leaders(cluster, "spread") == [1, 1, 2, 2, 3, 3])


def delete_records(cluster):
    create(cluster, NewTopic("shortened", 1, COUNT))
    write(cluster.bootstrap, "shortened")
    until = ck.TopicPartition("shortened", 0, RECORDS // 2)
    for future in cluster.admin.delete_records([until]).values():
        expect("the low watermark", RECORDS // 2, future.result(TIMEOUT_S).low_watermark)
    consumer = ck.Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader"})
    expect("first and last offset", (RECORDS // 2, RECORDS),
           consumer.get_watermark_offsets(ck.TopicPartition("shortened", 0), TIMEOUT_S))
    consumer.close()


RACKS = {1: "a", 2: "b", 3: "a"}


def racks(cluster):
    topic = NewTopic("racked", PARTITIONS, 2)
    create(cluster, topic)
    for number, partition in partitions(cluster, "racked").items():
        expect("racks of partition %d" % number, ["a", "b"],
               sorted(RACKS[broker] for broker in partition.replicas))


def leads(cluster, topic, number):
    return partitions(cluster, topic)[0].leader == number


def unclean(cluster):
    topic = NewTopic("unclean", 1, replica_assignment=[[1, 2]],
                     config={"min.insync.replicas": "1"})
    create(cluster, topic)
    cluster.brokers[2].stop()
    write(cluster.bootstrap, "unclean")
    cluster.brokers[1].stop()
    cluster.brokers[2].start()
    await_true("nobody leads", lambda: leads(cluster, "unclean", -1))
    configure(cluster, ConfigResource.Type.TOPIC, "unclean",
              {"unclean.leader.election.enable": "true"})
    await_true("who has nothing leads", lambda: leads(cluster, "unclean", 2))
    cluster.brokers[1].start()
    await_true("both are in sync",
               lambda: sorted(partitions(cluster, "unclean")[0].isrs) == [1, 2])
    consumer = ck.Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "reader"})
    expect("offsets after the loss", (0, 0),
           consumer.get_watermark_offsets(ck.TopicPartition("unclean", 0), TIMEOUT_S))
    consumer.close()


def in_sync(cluster, topic):
    return all(len(p.isrs) == COUNT for p in partitions(cluster, topic).values())


def fail_log_dir(cluster):
    """Broker 3 gets a second log directory, which is then taken away."""
    broker = cluster.brokers[3]
    folder = broker.data_dir.with_name("second")
    broker.stop()
    broker.overrides["log.dirs"] = "%s,%s" % (broker.data_dir, folder)
    broker.start()
    topic = NewTopic("disk", 1, replica_assignment=[[3, 1, 2]])
    create(cluster, topic)
    await_true("all replicas are in sync",
               lambda: in_sync(cluster, "disk") and in_sync(cluster, "spread"))
    expect("the new partition lies where the fewest are", True, (folder / "disk-0").exists())
    folder.rename(folder.with_name("broken"))
    await_true("another leads, and the replica is out of sync",
               lambda: not leads(cluster, "disk", 3)
               and sorted(partitions(cluster, "disk")[0].isrs) == [1, 2])
    expect("replicas in the other directory are in sync", True, in_sync(cluster, "spread"))
    write(cluster.bootstrap, "disk")
    broker.kill()  # a clean stop it is not, with a directory that cannot be closed
    folder.with_name("broken").rename(folder)
    broker.start()
    await_true("it has come back", lambda: in_sync(cluster, "disk"))


def create_by_use(cluster):
    number = next(n for n in cluster.brokers if n != cluster.controller())
    admin = AdminClient({"bootstrap.servers": cluster.brokers[number].bootstrap,
                         "allow.auto.create.topics": True})
    await_true("the topic has a leader and all its replicas", lambda: used(admin))


def used(admin):
    topic = admin.list_topics("used", TIMEOUT_S).topics["used"]
    return bool(topic.partitions) and all(p.leader >= 0 and len(p.isrs) == COUNT
                                          for p in topic.partitions.values())


def run(cluster):
    for number, broker in cluster.brokers.items():
        broker.overrides.update({"auto.create.topics.enable": "true",
                                 "auto.leader.rebalance.enable": "false",
                                 "replica.high.watermark.checkpoint.interval.ms": "500",
                                 "broker.rack": RACKS[number]})
    cluster.start()
    for scenario in (spread, delete_with_one_away, move, move_throttled, prefer, delete_records,
                     racks, unclean, fail_log_dir, create_by_use):
        print(scenario.__name__, flush=True)
        scenario(cluster)
    cluster.stop()


if __name__ == "__main__":
    main(run)
