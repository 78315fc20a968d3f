# SPDX-License-Identifier: Apache-2.0
"""The load of the cluster tests, and the history that it leaves for the checker.

Idempotent producers write numbered records with acks=all to all partitions in turn; one reader
reads all partitions by assignment, two more as a group that commits all the time. All of them live
through every fault. Each client has a thread of its own, which alone notes what the client saw;
`Load.finish` ends the threads before it judges that.

A client that does not end is reported as a failure: 3 of some 20 runs beside other load. One cause is known, from the
stacks of the last of them: librdkafka 2.16.0 locks itself out when a broker has gone. Its main thread, in the answer to
an OffsetForLeaderEpoch, waits for the client's lock and holds the partition's (rd_kafka_topic_leader_query0); the
thread of the broker that has gone waits for the partition's in rd_kafka_toppar_forget_leader. Its native stacks tell
(gdb, "thread apply all bt"); upstream it is librdkafka's issue 5476, open.
"""

import os
import pathlib
import sys
import threading
import time
import traceback

import confluent_kafka as ck

import rdkafka
import replicas
from checker import ACKED, UNKNOWN, Assigned, Commit, History, Poll, Sent
from records import Mismatch, await_true

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "groups"))
import history as group_history  # noqa: E402

GROUP = "cluster"
PARTITIONS = 6
PRODUCERS = 2
MEMBERS = ("member-1", "member-2")
READER = "reader"
MAX_IN_FLIGHT_RECORDS = 200
WRITE_PAUSE_S = 0.01
TIMEOUT_S = 60
READ_TIMEOUT_S = 120
MESSAGE_TIMEOUT_S = 120
END_TIMEOUT_S = 60  # longer than any of a client's own timeouts: a step ends, and a consumer closes
METADATA_REFRESH_MS = 250  # librdkafka asks once when a leader is gone, then only at this interval
LOG_LEVEL_CRITICAL = 2
LOG_LEVEL_DEBUG = 7
PADDING = b"." * 100
# Told to a client for as long as a fault lasts; it goes on by itself.
PASSING = (ck.KafkaError._TRANSPORT, ck.KafkaError._ALL_BROKERS_DOWN, ck.KafkaError._TIMED_OUT,
           ck.KafkaError._RESOLVE, ck.KafkaError._TIMED_OUT_QUEUE)
# A commit that was not taken: it is made again, or is no longer this member's business.
NOT_COMMITTED = PASSING + (
    ck.KafkaError._NO_OFFSET, ck.KafkaError._WAIT_COORD, ck.KafkaError._STATE,
    ck.KafkaError.COORDINATOR_NOT_AVAILABLE, ck.KafkaError.NOT_COORDINATOR,
    ck.KafkaError.COORDINATOR_LOAD_IN_PROGRESS, ck.KafkaError.REQUEST_TIMED_OUT,
    ck.KafkaError.ILLEGAL_GENERATION, ck.KafkaError.UNKNOWN_MEMBER_ID,
    ck.KafkaError.REBALANCE_IN_PROGRESS)


def make_value(producer, sequence):
    return b"%d %d %s" % (producer, sequence, PADDING)


def parse_value(value):
    """-> (producer, sequence)."""
    producer, sequence, padding = value.split(b" ", 2)
    if padding != PADDING:
        raise Mismatch("a record has changed: %r" % value)
    return int(producer), int(sequence)


class Client:
    """A thread that takes steps until it is told to stop."""

    def __init__(self, settings):
        self.errors = []
        self.settings = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 500,
                         "socket.timeout.ms": 10000, "log_level": LOG_LEVEL_CRITICAL,
                         "topic.metadata.refresh.interval.ms": METADATA_REFRESH_MS,
                         "error_cb": self.on_error,
                         **settings}
        if os.environ.get("CHAOS_DEBUG"):
            self.settings.update({"debug": os.environ["CHAOS_DEBUG"], "log_level": LOG_LEVEL_DEBUG})
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def on_error(self, error):
        if error.code() not in PASSING:
            self.errors.append("%s: %s" % (type(self).__name__, error))

    def run(self):
        try:
            while not self.stopping.is_set():
                self.step()
            self.end()
        except Exception as problem:  # it is reported, whatever it is
            self.errors.append("%s ended: %r" % (type(self).__name__, problem))

    def end(self):
        """The last that its thread does."""

    def stop(self):
        """A call into the client that never returns must not keep the test for ever."""
        self.stopping.set()
        self.thread.join(END_TIMEOUT_S)
        if self.thread.is_alive():
            stack = traceback.format_stack(sys._current_frames()[self.thread.ident])
            self.errors.append("%s: was told to end %d s ago and has not; it is here:\n%s"
                               % (self.settings.get("client.id", type(self).__name__),
                                  END_TIMEOUT_S, "".join(stack)))


class Writer(Client):
    def __init__(self, bootstrap, topic, number):
        super().__init__({"bootstrap.servers": bootstrap, "enable.idempotence": True,
                          "acks": "all", "linger.ms": 2, "batch.num.messages": 50,
                          "message.timeout.ms": MESSAGE_TIMEOUT_S * 1000,
                          "retry.backoff.ms": 20, "retry.backoff.max.ms": 200})
        self.topic = topic
        self.number = number
        self.sent = []
        self.producer = ck.Producer(self.settings)
        self.count = 0
        self.pending = {}   # (partition, sequence): when it was sent
        self.newest = [0.0] * PARTITIONS  # when the newest acknowledged record was sent
        self.ends = [0] * PARTITIONS      # the offset after the last acknowledged record
        self.last_ack = [time.monotonic()] * PARTITIONS
        self.longest_gap_s = 0.0          # between two acknowledgements of a partition

    def step(self):
        if len(self.producer) < MAX_IN_FLIGHT_RECORDS:
            self.send(self.count % PARTITIONS, self.count // PARTITIONS)
        self.producer.poll(WRITE_PAUSE_S)

    def send(self, partition, sequence):
        self.producer.produce(self.topic, make_value(self.number, sequence),
                              partition=partition, on_delivery=self.delivered(sequence))
        self.pending[partition, sequence] = time.monotonic()
        self.count += 1

    def delivered(self, sequence):
        def report(error, message):
            partition, now = message.partition(), time.monotonic()
            sent_at = self.pending.pop((partition, sequence))
            if error is not None:
                self.errors.append("producer %d: partition %d record %d: %s"
                                   % (self.number, partition, sequence, error))
                self.add(partition, sequence, UNKNOWN, None)
                return
            self.add(partition, sequence, ACKED, message.offset())
            self.newest[partition] = max(self.newest[partition], sent_at)
            if message.offset() is not None:
                self.ends[partition] = max(self.ends[partition], message.offset() + 1)
            self.longest_gap_s = max(self.longest_gap_s, now - self.last_ack[partition])
            self.last_ack[partition] = now
        return report

    def add(self, partition, sequence, outcome, offset):
        self.sent.append(Sent(self.number, sequence, partition, outcome, offset))

    def finish(self):
        self.stop()
        if self.producer.flush(TIMEOUT_S):
            self.errors.append("producer %d: %d records without an answer after %d s"
                               % (self.number, len(self.producer), TIMEOUT_S))
        for partition, sequence in self.pending:
            self.add(partition, sequence, UNKNOWN, None)


class Reader(Client):
    """Reads all partitions from the first offset on."""

    def __init__(self, bootstrap, topic, settings=None):
        super().__init__({"bootstrap.servers": bootstrap, "group.id": "unused",
                          "enable.auto.commit": False, "auto.offset.reset": "error",
                          "check.crcs": True, "fetch.wait.max.ms": 50, **(settings or {})})
        self.events = []
        self.next_offset = {}
        self.consumer = ck.Consumer(self.settings)
        self.begin(topic)

    def begin(self, topic):
        self.consumer.assign([ck.TopicPartition(topic, partition, 0)
                              for partition in range(PARTITIONS)])

    def step(self):
        messages = self.consumer.consume(500, 0.1)
        for message in messages:
            if message.error():
                self.on_error(message.error())
                continue
            partition, offset = message.partition(), message.offset()
            self.events.append(Poll(partition, offset, parse_value(message.value())))
            self.next_offset[partition] = offset + 1
        if messages:
            self.after_reading()

    def after_reading(self):
        pass

    def end(self):
        self.consumer.close()

    def finish(self):
        self.stop()


class Member(Reader):
    def __init__(self, bootstrap, topic, name):
        super().__init__(bootstrap, topic, {
            "group.id": GROUP, "client.id": name, "auto.offset.reset": "earliest",
            "session.timeout.ms": 10000, "heartbeat.interval.ms": 1000})

    def begin(self, topic):
        self.consumer.subscribe([topic], on_assign=self.on_assign)

    def on_assign(self, _consumer, partitions):
        self.events.append(Assigned([place.partition for place in partitions]))

    def after_reading(self):
        try:
            self.consumer.commit(asynchronous=False)
        except ck.KafkaException as problem:
            if problem.args[0].code() not in NOT_COMMITTED:
                self.errors.append("a commit: %s" % problem)


class Load:
    def __init__(self, bootstrap, topic):
        self.bootstrap, self.topic = bootstrap, topic
        self.writers = [Writer(bootstrap, topic, number) for number in range(PRODUCERS)]
        self.readers = {READER: Reader(bootstrap, topic),
                        **{name: Member(bootstrap, topic, name) for name in MEMBERS}}
        for client in self.clients():
            client.thread.start()

    def clients(self):
        return [*self.writers, *self.readers.values()]

    def acknowledged(self):
        return sum(record.outcome == ACKED for writer in self.writers for record in writer.sent)

    def serves_since(self, moment):
        """Each producer has an acknowledgement in every partition for a record sent after this."""
        self.check_alive()
        return all(newest > moment for writer in self.writers for newest in writer.newest)

    def check_alive(self):
        """A client that has ended will not be served, however long one waits."""
        for client in self.clients():
            if not client.thread.is_alive():
                raise Mismatch("\n".join(client.errors))

    def check_writers(self):
        """No record has failed so far."""
        errors = [text for writer in self.writers for text in writer.errors]
        if errors:
            raise Mismatch("\n".join(errors))

    def await_service(self, moment):
        await_true("all partitions are written to", lambda: self.serves_since(moment), TIMEOUT_S)

    def await_read(self, names):
        """All that is acknowledged now has been given to one of these readers."""
        ends = [max(writer.ends[partition] for writer in self.writers)
                for partition in range(PARTITIONS)]
        def is_given_all():
            self.check_alive()
            return self.has_read(names, enumerate(ends))

        await_true("%s is given all records" % "/".join(names), is_given_all, READ_TIMEOUT_S)

    def longest_gap_s(self):
        """The longest time since it was last asked in which a partition acknowledged nothing."""
        longest = max(writer.longest_gap_s for writer in self.writers)
        for writer in self.writers:
            writer.longest_gap_s = 0.0
        return longest

    def finish(self, cluster):
        """Ends the load, reads everything, stops the brokers; returns the history."""
        for writer in self.writers:
            writer.finish()
        cluster.await_full()
        final = read_all(self.bootstrap, self.topic)
        ends = {partition: len(values) and values[-1][0] + 1 for partition, values in final.items()}
        errors = []
        for what, names in (("the reader", [READER]), ("the group", MEMBERS)):
            try:
                await_true(what + " has read all", lambda names=names: self.has_read(names, ends.items()),
                           TIMEOUT_S)
            except Mismatch as problem:
                errors.append(str(problem))
        for reader in self.readers.values():
            reader.finish()
        commits = [Commit(*entry) for entry in group_history.read(self.bootstrap, GROUP, self.topic)
                   if isinstance(entry, group_history.Commit)]
        cluster.stop()
        return History([record for writer in self.writers for record in writer.sent],
                       {name: reader.events for name, reader in self.readers.items()}, MEMBERS,
                       commits, final, replicas.read(cluster.data_dirs()),
                       errors + [text for client in self.clients() for text in client.errors])

    def has_read(self, names, ends):
        """ends: pairs of a partition and the offset after its last record."""
        return all(max(self.readers[name].next_offset.get(partition, 0) for name in names) >= end
                   for partition, end in ends)


def read_all(bootstrap, topic):
    """{partition: [(offset, value)]} of all there is."""
    consumer = rdkafka.open_consumer(bootstrap)
    final = {partition: [] for partition in range(PARTITIONS)}
    ends = {partition: consumer.get_watermark_offsets(ck.TopicPartition(topic, partition),
                                                      TIMEOUT_S)[1] for partition in final}
    consumer.assign([ck.TopicPartition(topic, partition, 0) for partition in final])
    until = time.monotonic() + TIMEOUT_S
    while any((final[partition] or [(-1, None)])[-1][0] + 1 < end
              for partition, end in ends.items()):
        if time.monotonic() > until:
            raise Mismatch("the final read is not done after %d s" % TIMEOUT_S)
        for message in consumer.consume(1000, 0.1):
            if message.error():
                raise Mismatch("the final read: %s" % message.error())
            final[message.partition()].append((message.offset(), parse_value(message.value())))
    consumer.close()
    return final
