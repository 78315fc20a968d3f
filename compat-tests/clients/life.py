# SPDX-License-Identifier: Apache-2.0
"""The life of a topic and of a consumer group, with one client: prints a line per feature.

  life.py --name CLIENT --agent COMMAND BOOTSTRAP

COMMAND starts the client's agent (README.md). Exits with 0 when no feature fails. Where env COMPAT_RESULTS names a
folder, what was printed is also left there, as CLIENT.json.

What always holds: whatever can be seen of the broker without the client (that a topic is there, who owns which
partition, what is committed) is asked over a bare socket, so that no client is its own witness.
"""

import argparse
import shlex
import sys
import time
import uuid

import agent
import records
import wire
from agents import Agent, Lacking
from features import LIFE
from records import CODECS, PARTITIONS, Mismatch, await_true, expect
from report import Report
from row import LIMITS, Row

POLL_MS = 200
SETTLE_S = 30
GROUP_ROUND = 30  # records that a group gets at a time
MORE_PARTITIONS = 5
SMALL_MESSAGE_BYTES = 1000

OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC, MESSAGE_TOO_LARGE = 1, 3, 10
INVALID_TOPIC, TOPIC_EXISTS, INVALID_REPLICATION, INVALID_CONFIG = 17, 36, 38, 40
NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND = 68, 69


class Life:
    def __init__(self, command, bootstrap):
        self.command, self.bootstrap = command, bootstrap
        self.agents = []
        self.agent = self.start_agent()
        name = uuid.uuid4().hex[:8]
        self.topic, self.shared, self.group = "life-" + name, "shared-" + name, "group-" + name
        self.missing = "missing-" + name
        self.row = Row(self)
        self.row_problem = "nothing was written"
        self.group_sent = 0
        self.members = {}

    def start_agent(self):
        one = Agent(self.command, self.bootstrap)
        self.agents.append(one)
        return one

    def close(self):
        for one in self.agents:
            one.close()

    # A topic

    def has_topic(self, topic, partitions):
        return wire.leaders(self.bootstrap, topic) == partitions

    def need_configs(self, configs):
        """Of a topic that is created; some clients give it none."""
        if configs:
            self.agent.need("topic-configs")

    def make_topic(self, topic, partitions, **configs):
        """By the client if it can, for it may remember for a while which topics there are; else without it."""
        try:
            self.need_configs(configs)
            self.agent.tell("create-topic", topic=topic, partitions=partitions, replicas=1, configs=configs)
        except Lacking:
            expect("error code of CreateTopics", 0,
                   wire.create_topic(self.bootstrap, topic, partitions, configs=configs))
        await_true("topic %s has its leaders" % topic, lambda: self.has_topic(topic, partitions))

    def prepare(self):
        self.make_topic(self.topic, self.row.partitions)
        self.make_topic(self.shared, PARTITIONS)

    def create_topic(self):
        self.agent.need("create-topic")
        created = self.topic + "-created"
        configs = {"max.message.bytes": str(SMALL_MESSAGE_BYTES)}
        self.agent.tell("create-topic", topic=created, partitions=PARTITIONS, replicas=1,
                        configs={} if "topic-configs" in self.agent.lacks else configs)
        await_true("topic %s is there" % created, lambda: self.has_topic(created, PARTITIONS))

    def list_topics(self):
        def listed():
            return self.agent.tell("list-topics")["topics"].get(self.shared)
        await_true("%s is listed with %d partitions" % (self.shared, PARTITIONS),
                   lambda: listed() == PARTITIONS)

    def refuse(self, code, verb, **fields):
        """The client must be told of exactly this error; a client without codes must be told of some error."""
        try:
            self.agent.tell(verb, **fields)
        except agent.Refused as refused:
            if refused.code is not None:
                expect("error code of %s (%s)" % (verb, refused), code, refused.code)
            return
        raise Mismatch("%s was not refused" % verb)

    def refuse_topic(self, code, topic=None, replicas=1, **configs):
        self.need_configs(configs)
        self.refuse(code, "create-topic", topic=topic or self.missing, partitions=1, replicas=replicas,
                    configs=configs)

    def refuse_large(self):
        """A record beyond the topic's max.message.bytes, which the client lets through."""
        self.agent.need("error-too-large")
        topic = self.topic + "-small"
        # From the beginning: a Kafka that is told later may still take the record.
        self.make_topic(topic, 1, **{"max.message.bytes": str(SMALL_MESSAGE_BYTES)})
        record = self.row.make()._replace(partition=0, key=b"large", value=b"x" * 5000, headers=[])
        self.refuse(MESSAGE_TOO_LARGE, "produce", topic=topic, codec="none", idempotent=False, acks="1",
                    records=[agent.to_json(record)])

    def refuse_offset(self):
        self.agent.need("error-offset")
        self.refuse(OFFSET_OUT_OF_RANGE, "read", topic=self.topic, partition=0,
                    starts=[10_000_000], count=1)

    # Records

    def write_and_read(self):
        """What the features about records are judged by."""
        self.row_problem = None
        try:
            self.row.write()
            self.row.read_all()
        except (Mismatch, agent.Refused, Lacking) as problem:
            self.row_problem = str(problem)

    def produced(self, tag, *traits):
        self.agent.need(*traits)
        self.row.check(tag)

    def seek(self):
        """Ahead, and back again, on one consumer."""
        self.row.check()
        found = self.row.read[0]
        starts = [len(found) // 2, 3, len(found) - 2]
        answer = self.agent.tell("read", topic=self.topic, partition=0, starts=starts, count=2)
        for start, reads in zip(starts, answer["reads"]):
            expect("read after a seek to %d" % start, found[start:start + 2],
                   [(one["offset"], agent.from_json(one)) for one in reads])

    def offsets(self):
        for partition, written in self.row.written.items():
            answer = self.agent.tell("offsets", topic=self.topic, partition=partition)
            expect("partition %d: earliest and latest offset" % partition, (0, len(written)),
                   (answer["earliest"], answer["latest"]))

    def offset_at(self):
        self.agent.need("offset-at")
        self.row.check()
        for partition, found in self.row.read.items():
            stamps = [record.timestamp_ms for _, record in found]
            for stamp in (stamps[0] - 1, stamps[0], stamps[len(stamps) // 2], stamps[len(stamps) // 2] + 1,
                          stamps[-1], max(stamps) + 1):
                first = next((n for n, one in enumerate(stamps) if one >= stamp), None)
                answer = self.agent.tell("offset-at", topic=self.topic, partition=partition, timestamp=stamp)
                expect("partition %d, offset for time %d" % (partition, stamp), first, answer["offset"])

    # A group

    def send_group(self, count):
        """Sends numbered records to the group's topic, over all its partitions; returns their values."""
        numbers = range(self.group_sent, self.group_sent + count)
        self.group_sent += count
        values = [b"shared %d" % number for number in numbers]
        batch = [records.Record(number % PARTITIONS, b"key %d" % number, value, [],
                                self.row.base_ms + number)
                 for number, value in zip(numbers, values)]
        self.agent.tell("produce", topic=self.shared, codec="none", idempotent=False, acks="all",
                        records=[agent.to_json(record) for record in batch])
        return set(values)

    def join(self, name):
        self.members[name] = self.start_agent() if self.members else self.agent
        self.members[name].tell("join", group=self.group, topic=self.shared)

    def poll(self, wanted):
        """Until the members together have read these values; returns what each of them read, in order."""
        read = {name: [] for name in self.members}
        until = time.monotonic() + SETTLE_S
        while wanted - set().union(*read.values()):
            if time.monotonic() > until:
                raise Mismatch("the group has not read %d of %d records"
                               % (len(wanted - set().union(*read.values())), len(wanted)))
            for name, member in self.members.items():
                read[name] += [agent.unpack(one["value"])
                               for one in member.tell("poll", wait_ms=POLL_MS)["records"]]
        return read

    def owned(self):
        """How many partitions each member has; None while the group is not settled."""
        group = wire.describe_group(self.bootstrap, self.group)
        owned = [wire.assigned_partitions(one, self.shared) for one in group.members.values()]
        if group.state != "Stable" or sorted(sum(owned, [])) != list(range(PARTITIONS)):
            return None
        return sorted(len(one) for one in owned)

    def settle(self, wanted):
        def settled():
            for member in self.members.values():
                member.tell("poll", wait_ms=POLL_MS)
            return self.owned() == wanted
        await_true("the group's members have %s partitions" % wanted, settled, SETTLE_S)

    def commit_all(self):
        for member in self.members.values():
            member.tell("commit")
        committed = {}

        def all_committed():
            committed.update(wire.committed_offsets(self.bootstrap, self.group, self.shared, PARTITIONS))
            return sum(committed.values()) == self.group_sent
        await_true("%d records are committed" % self.group_sent, all_committed)
        return committed

    def consume_group(self):
        self.agent.need("join")
        wanted = self.send_group(GROUP_ROUND)
        self.join("a")
        read = self.poll(wanted)["a"]
        expect("records that the first member read", sorted(wanted), sorted(read))

    def commit(self):
        self.agent.need("join", "commit")
        self.commit_all()

    def rebalance(self):
        """A second member comes, both read; the first leaves, the second goes on alone."""
        self.agent.need("join")
        self.join("b")
        self.settle([1, 2])
        read = self.poll(self.send_group(GROUP_ROUND))
        for name, values in read.items():
            if not values:
                raise Mismatch("member %s read nothing" % name)

    def list_groups(self):
        self.agent.need("join")
        if self.group not in self.agent.tell("list-groups")["groups"]:
            raise Mismatch("the group is not listed")

    def describe_group(self):
        self.agent.need("join")
        answer = self.agent.tell("describe-group", group=self.group)
        expect("state and members", ("Stable", len(self.members)), (answer["state"], answer["members"]))

    def refuse_busy_group(self):
        self.agent.need("join")
        self.refuse(NON_EMPTY_GROUP, "delete-group", group=self.group)

    def resume(self):
        """Who leaves, leaves its partitions to others; who comes later begins at the commits."""
        self.agent.need("join", "commit")
        self.commit_all()
        self.members.pop("a").tell("leave")
        self.settle([PARTITIONS])
        self.members.pop("b").tell("leave")
        wanted = self.send_group(GROUP_ROUND)
        self.join("a")
        expect("records read from the commits on", sorted(wanted), sorted(self.poll(wanted)["a"]))
        self.commit_all()
        self.members.pop("a").tell("leave")
        await_true("the group is empty",
                   lambda: wire.describe_group(self.bootstrap, self.group).state == "Empty")

    def committed(self):
        self.agent.need("join")
        answer = self.agent.tell("committed", group=self.group, topic=self.shared)
        expect("committed offsets",
               wire.committed_offsets(self.bootstrap, self.group, self.shared, PARTITIONS),
               {int(partition): offset for partition, offset in answer["offsets"].items()})

    def alter_offsets(self):
        self.agent.need("join")
        self.agent.tell("alter-offsets", group=self.group, topic=self.shared, offsets={"0": 1, "1": 2, "2": 3})
        expect("committed offsets", {0: 1, 1: 2, 2: 3},
               wire.committed_offsets(self.bootstrap, self.group, self.shared, PARTITIONS))

    def delete_offsets(self):
        self.agent.need("join")
        self.agent.tell("delete-offsets", group=self.group, topic=self.shared)
        expect("committed offset of partition 0", -1,
               wire.committed_offsets(self.bootstrap, self.group, self.shared, 1)[0])

    def delete_group(self):
        self.agent.need("join")
        self.agent.tell("delete-group", group=self.group)
        expect("state of the group", "Dead", wire.describe_group(self.bootstrap, self.group).state)

    def refuse_unknown_group(self):
        self.refuse(GROUP_ID_NOT_FOUND, "delete-group", group=self.missing)

    # Administration

    def describe_cluster(self):
        answer = self.agent.tell("describe-cluster")
        ids = wire.broker_ids(self.bootstrap)
        expect("brokers", sorted(ids), sorted(answer["brokers"]))
        if answer["controller"] not in ids:
            raise Mismatch("the controller is %s, the brokers are %s" % (answer["controller"], ids))

    def describe_config(self):
        configs = self.agent.tell("describe-config", topic=self.topic)["configs"]
        expect("retention.ms of the topic", str(7 * 24 * 3600 * 1000), configs.get("retention.ms"))

    def alter_config(self):
        self.agent.tell("alter-config", topic=self.topic, name="retention.ms", value="86400000")

        def altered():
            configs = self.agent.tell("describe-config", topic=self.topic)["configs"]
            return configs.get("retention.ms") == "86400000"
        await_true("the topic's retention.ms is changed", altered)

    def create_partitions(self):
        self.agent.tell("create-partitions", topic=self.shared, count=MORE_PARTITIONS)
        await_true("the topic has %d partitions" % MORE_PARTITIONS,
                   lambda: self.has_topic(self.shared, MORE_PARTITIONS))

    def delete_records(self):
        self.row.check()
        self.agent.tell("delete-records", topic=self.topic, partition=0, offset=5)
        expect("first offset", 5, wire.first_offset(self.bootstrap, self.topic, 0))

    def delete_topic(self):
        self.agent.tell("delete-topic", topic=self.shared)
        await_true("topic %s is gone" % self.shared, lambda: self.has_topic(self.shared, 0))


def record_check(tag, *traits):
    return lambda life: life.produced(tag, *traits)


# How each feature is tried, in this order.
CHECKS = {
    "create-topic": Life.create_topic,
    "list-topics": Life.list_topics,
    **{"codec-" + codec: record_check("codec-" + codec, "codec-" + codec) for codec in CODECS},
    "idempotent": record_check("idempotent", "idempotent"),
    "acks-1": record_check("acks-1", "acks-1"),
    "acks-0": record_check("acks-0", "acks-0"),
    "keys": record_check("key"),
    "values": record_check("value"),
    "headers": record_check("headers", "headers"),
    "timestamps": record_check("timestamp_ms", "timestamp"),
    "seek": Life.seek,
    "offsets": Life.offsets,
    "offset-at": Life.offset_at,
    "group": Life.consume_group,
    "commit": Life.commit,
    "rebalance": Life.rebalance,
    "list-groups": Life.list_groups,
    "describe-group": Life.describe_group,
    "error-group-in-use": Life.refuse_busy_group,
    "resume": Life.resume,
    "committed": Life.committed,
    "alter-offsets": Life.alter_offsets,
    "delete-offsets": Life.delete_offsets,
    "delete-group": Life.delete_group,
    "describe-cluster": Life.describe_cluster,
    "describe-config": Life.describe_config,
    "alter-config": Life.alter_config,
    "create-partitions": Life.create_partitions,
    "delete-records": Life.delete_records,
    "error-topic-exists": lambda life: life.refuse_topic(TOPIC_EXISTS, life.topic),
    "error-topic-name": lambda life: life.refuse_topic(INVALID_TOPIC, "no/name"),
    "error-replicas": lambda life: life.refuse_topic(INVALID_REPLICATION, replicas=3),
    "error-config": lambda life: life.refuse_topic(INVALID_CONFIG, **{"cleanup.policy": "nonsense"}),
    "error-unknown-topic": lambda life: life.refuse(UNKNOWN_TOPIC, "delete-topic", topic=life.missing),
    "error-unknown-group": Life.refuse_unknown_group,
    "error-too-large": Life.refuse_large,
    "error-offset": Life.refuse_offset,
    "delete-topic": Life.delete_topic,
}


def try_feature(life, check):
    """(state, detail)"""
    try:
        check(life)
        return "ok", ""
    except Lacking as lacking:
        return "n/a", str(lacking)
    except (Mismatch, agent.Refused, OSError) as problem:
        return "fails", " ".join(str(problem).split())


def live(life, report):
    """Every feature, in turn."""
    life.prepare()
    life.write_and_read()
    for feature, check in CHECKS.items():
        report.tell(feature, *try_feature(life, check))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True)
    parser.add_argument("--agent", required=True, type=shlex.split)
    parser.add_argument("bootstrap")
    options = parser.parse_args()
    life = Life(options.agent, options.bootstrap)
    limits = [life.agent.lacks[trait] for trait in LIMITS if trait in life.agent.lacks]
    report = Report(options.name, life.agent.client, LIFE, limits)
    try:
        live(life, report)
    finally:
        life.close()
    return report.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Mismatch, Lacking, agent.Refused, OSError) as problem:
        sys.exit("life: %s" % problem)
