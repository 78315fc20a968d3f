# SPDX-License-Identifier: Apache-2.0
"""Who does what in the soak. An actor has run(stopped), which a thread of its own calls and which
returns soon after the event `stopped` is set; whatever it raises fails the test. The ledger is what
they share.
"""

import contextlib
import random
import socket
import struct
import threading
import time

import confluent_kafka as ck
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewPartitions, NewTopic, OffsetSpec)
from records import Mismatch

import wire

TOPIC = "soak"
GROUP = "soak-group"
PARTITIONS = 6
TIMEOUT_S = 60
RECORDS_PER_SECOND = 150  # of one producer
MAX_PADDING_BYTES = 600
LOG_LEVEL_CRITICAL = 2
MEMBERS = 3
MEMBER_LIFE_S = 12
CHURN_PAUSE_S = 1
FLOOD_PAUSE_S = 0.05
IDLE_CONNECTIONS = 200
API_FETCH = 1
SLOW_READER_LIFE_S = 40


def make_value(writer, partition, sequence):
    """Tells who wrote it and as which; its length and its bytes follow from that."""
    front = b"%d %d " % (writer, sequence)
    size = (writer * 7919 + partition * 104729 + sequence * 1299709) % MAX_PADDING_BYTES
    return front + (front * (size // len(front) + 1))[:size]


class Ledger:
    """What was acknowledged, and what was read of it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged = {}           # (writer, partition): records, without a gap
        self.read = {}                   # the same, by the reader
        self.ends = [0] * PARTITIONS     # one past the last offset acknowledged
        self.by_group = [0] * PARTITIONS  # one past the last offset the group has read
        self.again = 0                   # records the group has read more than once

    def note_acknowledged(self, writer, partition, offset):
        with self.lock:
            key = (writer, partition)
            self.acknowledged[key] = self.acknowledged.get(key, 0) + 1
            self.ends[partition] = max(self.ends[partition], offset + 1)

    def note_read(self, partition, value):
        writer, sequence = (int(field) for field in value.split(b" ", 2)[:2])
        wanted = self.read.get((writer, partition), 0)
        if sequence != wanted:
            raise Mismatch("partition %d: record %d of producer %d, record %d is next"
                           % (partition, sequence, writer, wanted))
        if value != make_value(writer, partition, sequence):
            raise Mismatch("partition %d: record %d of producer %d has changed"
                           % (partition, sequence, writer))
        self.read[(writer, partition)] = sequence + 1

    def note_by_group(self, partition, offset):
        with self.lock:
            if offset > self.by_group[partition]:
                raise Mismatch("the group has left out offsets %d to %d of partition %d"
                               % (self.by_group[partition], offset - 1, partition))
            self.again += offset < self.by_group[partition]
            self.by_group[partition] = max(self.by_group[partition], offset + 1)

    def all_read(self):
        with self.lock:
            return (all(self.read.get(key, 0) >= count for key, count in self.acknowledged.items())
                    and all(got >= end for got, end in zip(self.by_group, self.ends)))

    def missing(self):
        return ("the reader has %d of %d records, the group has read up to %s of %s"
                % (sum(self.read.values()), sum(self.acknowledged.values()), self.by_group,
                   self.ends))

    def summary(self):
        return ("%d records acknowledged, all read by both readers; the group has read %d again"
                % (sum(self.acknowledged.values()), self.again))


class Writer:
    """One idempotent producer."""

    def __init__(self, bootstrap, number, codec, ledger):
        self.number, self.ledger = number, ledger
        self.errors = []
        self.producer = ck.Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all",
            "compression.type": codec, "linger.ms": 20, "message.timeout.ms": TIMEOUT_S * 1000,
            "log_level": LOG_LEVEL_CRITICAL,
        })

    def delivered(self, error, message):
        if error is None:
            self.ledger.note_acknowledged(self.number, message.partition(), message.offset())
        else:
            self.errors.append(error)

    def run(self, stopped):
        next_sequence = [0] * PARTITIONS
        rng = random.Random(self.number)
        while not stopped.wait(0.05):
            for _ in range(int(RECORDS_PER_SECOND * 0.05)):
                partition = rng.randrange(PARTITIONS)
                self.producer.produce(
                    TOPIC, make_value(self.number, partition, next_sequence[partition]),
                    partition=partition, on_delivery=self.delivered)
                next_sequence[partition] += 1
            self.producer.poll(0)
            self.check()
        left = self.producer.flush(TIMEOUT_S)
        self.check()
        if left:
            raise Mismatch("producer %d: %d records have no answer" % (self.number, left))

    def check(self):
        if self.errors:
            raise Mismatch("producer %d: %s" % (self.number, self.errors[0]))


def open_consumer(bootstrap, **more):
    return ck.Consumer({"bootstrap.servers": bootstrap, "auto.offset.reset": "error",
                        "check.crcs": True, "log_level": LOG_LEVEL_CRITICAL,
                        "queued.max.messages.kbytes": 4096, **more})


def consume(consumer):
    for message in consumer.consume(500, 0.2):
        if message.error():
            raise Mismatch("reading: %s" % message.error())
        yield message


class Reader:
    """Reads by assignment, from the first record on, and looks at every byte."""

    def __init__(self, bootstrap, ledger):
        self.bootstrap, self.ledger = bootstrap, ledger

    def run(self, stopped):
        consumer = open_consumer(self.bootstrap, **{"group.id": "unused",
                                                    "enable.auto.commit": False})
        consumer.assign([ck.TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
        while not stopped.is_set():
            for message in consume(consumer):
                self.ledger.note_read(message.partition(), message.value())
        consumer.close()


class Member(threading.Thread):
    """One member of the group; each polls for itself, whatever the others wait for."""

    def __init__(self, bootstrap, ledger):
        super().__init__(daemon=True)
        self.bootstrap, self.ledger = bootstrap, ledger
        self.leaving = threading.Event()
        self.is_assigned = False
        self.problem = None
        self.start()

    def run(self):
        consumer = open_consumer(self.bootstrap, **{
            "group.id": GROUP, "partition.assignment.strategy": "cooperative-sticky",
            "auto.offset.reset": "earliest", "auto.commit.interval.ms": 500,
            "session.timeout.ms": 10000})
        consumer.subscribe([TOPIC])
        try:
            while not self.leaving.is_set():
                for message in consume(consumer):
                    self.ledger.note_by_group(message.partition(), message.offset())
                self.is_assigned = len(consumer.assignment()) > 0
        except Exception as problem:  # told by check()
            self.problem = problem
        consumer.close()

    def check(self):
        if self.problem is not None:
            raise self.problem

    def leave(self):
        self.leaving.set()
        self.join(TIMEOUT_S)
        self.check()
        if self.is_alive():
            raise Mismatch("a member did not leave the group within %d s" % TIMEOUT_S)


class GroupMembers:
    """A group of which one member at a time leaves for another one, once all have their share."""

    def __init__(self, bootstrap, ledger):
        self.bootstrap, self.ledger = bootstrap, ledger

    def run(self, stopped):
        members = [Member(self.bootstrap, self.ledger) for _ in range(MEMBERS)]
        leave_s = time.monotonic() + MEMBER_LIFE_S
        while not stopped.wait(0.2):
            for member in members:
                member.check()
            if time.monotonic() > leave_s and all(member.is_assigned for member in members):
                members.pop(0).leave()
                members.append(Member(self.bootstrap, self.ledger))
                leave_s = time.monotonic() + MEMBER_LIFE_S
        for member in members:
            member.leave()


def results(futures):
    return [future.result(TIMEOUT_S) for future in futures.values()]


class Churn:
    """Topics that come, are worked on, and go; settings that change back and forth."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap,
                                  "log_level": LOG_LEVEL_CRITICAL})

    def run(self, stopped):
        number = 0
        while not stopped.wait(CHURN_PAUSE_S):
            number += 1
            self.topic_life("soak-churn-%d" % number)
            codec = ("producer", "gzip", "zstd", "uncompressed")[number % 4]
            self.set_config(ConfigResource.Type.TOPIC, TOPIC, "compression.type", codec)
            self.set_config(ConfigResource.Type.TOPIC, TOPIC, "max.message.bytes",
                            str(1000000 + number % 10))
            self.set_config(ConfigResource.Type.BROKER, self.broker_id(), "message.max.bytes",
                            str(2000000 + number % 10))

    def broker_id(self):
        return str(next(iter(self.admin.list_topics(timeout=TIMEOUT_S).brokers)))

    def set_config(self, kind, name, key, value):
        results(self.admin.incremental_alter_configs([ConfigResource(
            kind, name, incremental_configs=[ConfigEntry(
                key, value, incremental_operation=AlterConfigOpType.SET)])]))

    def topic_life(self, name):
        results(self.admin.create_topics([NewTopic(name, 2, 1, config={"retention.ms": "60000"})]))
        results(self.admin.create_partitions([NewPartitions(name, 4)]))
        producer = ck.Producer({"bootstrap.servers": self.bootstrap, "acks": 1,
                                "log_level": LOG_LEVEL_CRITICAL})
        errors = []
        for i in range(200):
            producer.produce(name, b"value %d" % i, partition=i % 2, on_delivery=lambda error, _:
                             errors.append(error) if error is not None else None)
        if producer.flush(TIMEOUT_S) or errors:
            raise Mismatch("writing to %s: %s" % (name, errors[:1]))
        results(self.admin.delete_records([ck.TopicPartition(name, 0, 50)]))
        offsets = self.admin.list_offsets({ck.TopicPartition(name, 0): OffsetSpec.earliest()})
        first, = results(offsets)
        if first.offset != 50:
            raise Mismatch("%s begins at %d, 50 was asked for" % (name, first.offset))
        results(self.admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name)]))
        results(self.admin.delete_topics([name], operation_timeout=TIMEOUT_S))


class Questions:
    """What administrators and monitoring ask for."""

    def __init__(self, bootstrap):
        self.admin = AdminClient({"bootstrap.servers": bootstrap,
                                  "log_level": LOG_LEVEL_CRITICAL})

    def run(self, stopped):
        while not stopped.wait(0.5):
            self.admin.list_topics(timeout=TIMEOUT_S)
            self.admin.list_groups(timeout=TIMEOUT_S)
            self.admin.describe_cluster(request_timeout=TIMEOUT_S).result(TIMEOUT_S)
            self.admin.list_consumer_groups().result(TIMEOUT_S)
            results(self.admin.describe_consumer_groups([GROUP]))
            results(self.admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, TOPIC)]))
            results(self.admin.list_offsets(
                {ck.TopicPartition(TOPIC, partition): OffsetSpec.latest()
                 for partition in range(PARTITIONS)}))


def connect(bootstrap):
    return socket.create_connection(wire.split_address(bootstrap), TIMEOUT_S)


def frame(api_key, version, body, client="soak"):
    name = client.encode()
    request = struct.pack(">hhih", api_key, version, 1, len(name)) + name + body
    return struct.pack(">i", len(request)) + request


class Flood:
    """Connections that come and go: with a question, half of one, nothing, or nonsense."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.rng = random.Random(7)

    def run(self, stopped):
        question = frame(wire.API_VERSIONS, 0, b"")
        while not stopped.wait(FLOOD_PAUSE_S):
            kind = self.rng.randrange(6)
            with connect(self.bootstrap) as sock, contextlib.suppress(ConnectionError):
                if kind == 0:
                    continue
                if kind == 1:
                    sock.sendall(question[:self.rng.randrange(1, len(question))])
                elif kind == 2:
                    sock.sendall(self.rng.randbytes(self.rng.randrange(1, 2000)))
                elif kind == 3:  # a well-formed frame around nonsense
                    sock.sendall(frame(self.rng.randrange(70), self.rng.randrange(18),
                                       self.rng.randbytes(self.rng.randrange(200))))
                elif kind == 4:  # answered into a connection that is reset
                    sock.sendall(question * 50)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    sock.sendall(question)
                    sock.shutdown(socket.SHUT_WR)
                    if len(sock.recv(4)) != 4:
                        raise Mismatch("a half-closed connection got no answer")


class SlowReader:
    """Asks for much and takes it byte by byte; later it goes and comes again."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def fetch(self, offset):
        name = TOPIC.encode()
        body = struct.pack(">iiiibi", -1, 100, 1, 50 << 20, 0, 1)
        body += struct.pack(">h", len(name)) + name + struct.pack(">i", PARTITIONS)
        body += b"".join(struct.pack(">iqi", partition, offset, 10 << 20)
                         for partition in range(PARTITIONS))
        return frame(API_FETCH, 4, body)

    def run(self, stopped):
        while not stopped.is_set():
            question = self.fetch(wire.first_offset(self.bootstrap, TOPIC, 0))
            with connect(self.bootstrap) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.settimeout(1)
                sock.sendall(question * 20)
                until = time.monotonic() + SLOW_READER_LIFE_S
                while time.monotonic() < until and not stopped.wait(0.5):
                    with contextlib.suppress(TimeoutError):
                        if not sock.recv(100):
                            raise Mismatch("the slow reader's connection was closed")


class IdleConnections:
    """Many that say nothing; the broker closes them after their time, and they come again."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def run(self, stopped):
        idle = []
        while not stopped.wait(1):
            idle = [sock for sock in idle if not self.closed(sock)]
            while len(idle) < IDLE_CONNECTIONS:
                idle.append(connect(self.bootstrap))
                idle[-1].setblocking(False)
        for sock in idle:
            sock.close()

    def closed(self, sock):
        try:
            sock.recv(1)
        except BlockingIOError:
            return False
        sock.close()
        return True
