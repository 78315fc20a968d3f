# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random points of a produce load, again and again on one log directory.

Idempotent producers write numbered records with acks=all to several partitions, one producer per
codec. Some live through all the kills, so the broker has to know them again after each restart;
one more per round dies with the broker. What must hold after each restart, and at the end from
the first offset on:

- every acknowledged record stands at the offset that was acknowledged,
- the numbers of a producer in a partition are 0, 1, 2 ... without a gap or a repetition,
- offsets have no gaps, and no byte has changed.

Every third restart is itself killed while the broker recovers. With --flush the broker runs with
log.flush.interval.messages=1. The seed of all chance is printed and can be set by COMPAT_SEED.

--writer COMMAND adds a producer of another client, a process (writers/) that lives through all the
kills. It is told by its environment: BOOTSTRAP, TOPIC, PARTITIONS, its number WRITER, and how many
records it writes PER_SECOND, to the partitions in turn. For each record it writes the line
`ack <partition> <offset> <sequence>` or `error <text>`. After SIGTERM it ends when all it has sent
is acknowledged.
"""

import argparse
import os
import queue
import random
import shlex
import signal
import subprocess
import sys
import threading
import time

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient

import brokers
import rdkafka
from records import CODECS, Mismatch

TOPIC = "crash"
PARTITIONS = 4
TIMEOUT_S = 60
LOG_LEVEL_CRITICAL = 2  # A client that lost its broker would tell so on each attempt.
TOPIC_UNKNOWN = (ck.KafkaError._UNKNOWN_TOPIC, ck.KafkaError._UNKNOWN_PARTITION,
                 ck.KafkaError.UNKNOWN_TOPIC_OR_PART)
MAX_IN_FLIGHT_RECORDS = 400
MAX_PADDING_BYTES = 800
MAX_ACKS_BEFORE_KILL = 1500
MAX_MORE_LOAD_S = 0.15
WRITE_PAUSE_S = 0.002
PROCESS_RECORDS_PER_SECOND = 500


def make_value(writer, partition, sequence):
    """Tells who wrote it and as which; its length and its bytes follow from that."""
    front = b"%d %d %d " % (writer, partition, sequence)
    size = (writer * 7919 + partition * 104729 + sequence * 1299709) % MAX_PADDING_BYTES
    return front + (front * (size // len(front) + 1))[:size]


class Writer:
    """One idempotent producer and what it knows of its records."""

    def __init__(self, bootstrap, number, codec):
        self.number = number
        self.codec = codec
        self.next_sequence = [0] * PARTITIONS
        self.acknowledged = []
        self.errors = []
        self.producer = ck.Producer({
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": codec,
            "linger.ms": 2,
            "batch.num.messages": 50,
            "message.timeout.ms": 0,
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 200,
            "retry.backoff.ms": 20,
            "retry.backoff.max.ms": 200,
            "socket.timeout.ms": 10000,
            "log_level": LOG_LEVEL_CRITICAL,
        })

    def write_some(self, rng):
        while len(self.producer) < MAX_IN_FLIGHT_RECORDS:
            partition = rng.randrange(PARTITIONS)
            sequence = self.next_sequence[partition]
            try:
                self.producer.produce(TOPIC, make_value(self.number, partition, sequence),
                                      partition=partition, on_delivery=self.delivered(sequence))
            except ck.KafkaException as problem:
                self.errors.append(problem.args[0])
                return
            self.next_sequence[partition] += 1
        self.producer.poll(0)

    def delivered(self, sequence):
        def report(error, message):
            if error is None:
                self.acknowledged.append((message.partition(), message.offset(), sequence))
            else:
                self.errors.append(error)
        return report

    def lost_its_topic(self):
        return all(error.code() in TOPIC_UNKNOWN for error in self.errors)

    def flush(self):
        """How many records are still not acknowledged."""
        return self.producer.flush(TIMEOUT_S)

    def close(self):
        """Gives up what was not acknowledged: it may be in the log, or not."""
        self.producer.purge()
        self.producer.poll(0)


class ProcessWriter:
    """A producer of another client. It writes all the time, by itself; what it was told by the
    broker counts when it is collected."""

    def __init__(self, bootstrap, number, command):
        self.number = number
        self.acknowledged = []
        self.errors = []
        self.lines = queue.SimpleQueue()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            env=dict(os.environ, BOOTSTRAP=bootstrap, TOPIC=TOPIC, PARTITIONS=str(PARTITIONS),
                     WRITER=str(number), PER_SECOND=str(PROCESS_RECORDS_PER_SECOND)))
        self.reader = threading.Thread(target=self.read_lines, daemon=True)
        self.reader.start()

    def read_lines(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def write_some(self, _rng):
        if self.process.poll() is not None:
            raise Mismatch("producer %d: its process ended with code %d"
                           % (self.number, self.process.returncode))
        self.collect()

    def collect(self):
        while not self.lines.empty():
            word, rest = self.lines.get().rstrip().split(" ", 1)
            if word == "ack":
                self.acknowledged.append(tuple(int(field) for field in rest.split()))
            else:
                self.errors.append(rest)

    def lost_its_topic(self):
        return False

    def flush(self):
        """How many records are not acknowledged: it does not say, so one when it does not end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return 1
        self.reader.join()
        self.collect()
        # Java's exit code says that it was asked to end.
        if code not in (0, 128 + signal.SIGTERM):
            raise Mismatch("producer %d: its process ended with code %d" % (self.number, code))
        return 0

    def close(self):
        self.process.kill()
        self.process.wait()


class Audit:
    """Reads on where it stopped and checks each record; remembers what it saw."""

    def __init__(self):
        self.next_offset = [0] * PARTITIONS
        self.next_sequence = {}
        self.at_offset = [[] for _ in range(PARTITIONS)]

    def read_to_end(self, bootstrap):
        consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": "unused",
                                "enable.auto.commit": False, "auto.offset.reset": "error",
                                "check.crcs": True, "fetch.wait.max.ms": 20,
                                "log_level": LOG_LEVEL_CRITICAL})
        rdkafka.await_leaders(consumer, TOPIC, PARTITIONS)
        ends = [self.end_offset(consumer, partition) for partition in range(PARTITIONS)]
        consumer.assign([ck.TopicPartition(TOPIC, partition, self.next_offset[partition])
                         for partition in range(PARTITIONS)
                         if self.next_offset[partition] < ends[partition]])
        until = time.monotonic() + TIMEOUT_S
        while any(now < end for now, end in zip(self.next_offset, ends)):
            if time.monotonic() > until:
                raise Mismatch("read up to %s of %s in %d s"
                               % (self.next_offset, ends, TIMEOUT_S))
            for message in consumer.consume(1000, 0.1):
                if message.error():
                    raise Mismatch("reading partition %s: %s" % (message.partition(),
                                                                 message.error()))
                self.check(message.partition(), message.offset(), message.value())
        consumer.close()

    def end_offset(self, consumer, partition):
        low, high = consumer.get_watermark_offsets(ck.TopicPartition(TOPIC, partition), TIMEOUT_S)
        if low != 0 or high < self.next_offset[partition]:
            raise Mismatch("partition %d: has offsets %d to %d, but was read up to %d before"
                           % (partition, low, high, self.next_offset[partition]))
        return high

    def check(self, partition, offset, value):
        where = "partition %d offset %d" % (partition, offset)
        if offset != self.next_offset[partition]:
            raise Mismatch("%s: offset %d is missing" % (where, self.next_offset[partition]))
        writer, home, sequence = (int(field) for field in value.split(b" ", 3)[:3])
        wanted = self.next_sequence.get((writer, partition), 0)
        if sequence != wanted or home != partition:
            raise Mismatch("%s: record %d of producer %d for partition %d, record %d is next"
                           % (where, sequence, writer, home, wanted))
        if value != make_value(writer, partition, sequence):
            raise Mismatch("%s: record %d of producer %d has changed" % (where, sequence, writer))
        self.next_offset[partition] += 1
        self.next_sequence[(writer, partition)] = sequence + 1
        self.at_offset[partition].append((writer, sequence))

    def check_acknowledged(self, writer):
        for partition, offset, sequence in writer.acknowledged:
            there = self.at_offset[partition]
            if offset >= len(there):
                raise Mismatch("partition %d: record %d of producer %d was acknowledged at offset "
                               "%d; the log ends at %d"
                               % (partition, sequence, writer.number, offset, len(there)))
            if there[offset] != (writer.number, sequence):
                raise Mismatch("partition %d offset %d: record %d of producer %d was acknowledged "
                               "there; there is record %d of producer %d"
                               % (partition, offset, sequence, writer.number, there[offset][1],
                                  there[offset][0]))


class CrashTest:
    def __init__(self, broker, rng):
        self.broker = broker
        self.rng = rng
        self.start_s = 0.0
        self.writers = []    # All there ever were, by number.
        self.active = []     # Those that write; the first ones live through the kills.
        self.audit = Audit()

    def open_writer(self, codec):
        writer = Writer(self.broker.bootstrap, len(self.writers), codec)
        self.writers.append(writer)
        self.active.append(writer)
        return writer

    def close_writer(self, writer):
        writer.close()
        self.active.remove(writer)

    def acknowledged(self):
        return sum(len(writer.acknowledged) for writer in self.writers)

    def start(self):
        before = time.monotonic()
        self.broker.start()
        self.start_s = time.monotonic() - before

    def create_topic(self):
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        rdkafka.create_topic(admin, TOPIC, PARTITIONS)

    def write_until_killed(self):
        """Load on all partitions; the kill comes after a random number of acknowledgements and a
        random time, in the midst of requests."""
        mortal = self.open_writer(self.rng.choice(CODECS))
        wanted = self.acknowledged() + self.rng.randint(1, MAX_ACKS_BEFORE_KILL)
        until = time.monotonic() + TIMEOUT_S
        while self.acknowledged() < wanted:
            if time.monotonic() > until:
                raise Mismatch("%d acknowledgements are missing after %d s of load"
                               % (wanted - self.acknowledged(), TIMEOUT_S))
            self.write_on()
        until = time.monotonic() + self.rng.uniform(0, MAX_MORE_LOAD_S)
        while time.monotonic() < until:
            self.write_on()
        self.broker.kill()
        if mortal in self.active:
            self.close_writer(mortal)

    def write_on(self):
        for writer in list(self.active):
            writer.write_some(self.rng)
            self.check_alive(writer)
        time.sleep(WRITE_PAUSE_S)

    def check_alive(self, writer):
        """No record is ever given up. Only Apache Kafka may answer, for a moment after its start,
        that there is no such topic; the client believes it, and goes on as a new one."""
        if not writer.errors:
            return
        if not (self.broker.FORGETS_TOPICS_AT_START and writer.lost_its_topic()):
            raise Mismatch("producer %d: a record was given up: %s"
                           % (writer.number, writer.errors[0]))
        self.close_writer(writer)
        self.open_writer(writer.codec)

    def finish(self):
        """All that was written is acknowledged in the end."""
        for writer in list(self.active):
            left = writer.flush()
            self.check_alive(writer)
            if left:
                raise Mismatch("producer %d: %d records are still not acknowledged after %d s"
                               % (writer.number, left, TIMEOUT_S))

    def kill_while_recovering(self):
        self.broker.spawn()
        time.sleep(self.rng.uniform(0, self.start_s))
        self.broker.process.kill()

    def check(self, audit):
        audit.read_to_end(self.broker.bootstrap)
        for writer in self.writers:
            audit.check_acknowledged(writer)

    def open_processes(self, commands):
        for command in commands:
            writer = ProcessWriter(self.broker.bootstrap, len(self.writers), shlex.split(command))
            self.writers.append(writer)
            self.active.append(writer)

    def close(self):
        for writer in self.active:
            writer.close()

    def run(self, rounds, commands):
        self.start()
        self.create_topic()
        for codec in CODECS:
            self.open_writer(codec)
        self.open_processes(commands)
        for number in range(1, rounds + 1):
            before = self.acknowledged()
            self.write_until_killed()
            if number % 3 == 0:
                self.kill_while_recovering()
            self.start()
            self.check(self.audit)
            print("round %d: %d acknowledged, restarted in %.2f s, log ends at %s"
                  % (number, self.acknowledged() - before, self.start_s, self.audit.next_offset),
                  flush=True)
        self.finish()
        self.check(Audit())
        self.check_clean_restart()
        print("%d records acknowledged in %d rounds (%d of them by the processes), all there, once, "
              "in order" % (self.acknowledged(), rounds,
                            sum(len(writer.acknowledged) for writer in self.writers
                                if isinstance(writer, ProcessWriter))))

    def check_clean_restart(self):
        self.broker.stop()
        self.start()
        self.check(Audit())
        self.broker.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work_dir")
    parser.add_argument("--rounds", type=int, default=22)
    parser.add_argument("--flush", action="store_true")
    parser.add_argument("--writer", action="append", default=[], metavar="COMMAND")
    options = parser.parse_args()
    seed = int(os.environ.get("COMPAT_SEED") or random.SystemRandom().randrange(1 << 32))
    print("seed %d (set COMPAT_SEED=%d to repeat)" % (seed, seed), flush=True)
    overrides = {"log.flush.interval.messages": 1} if options.flush else {}
    # Small segments, so that kills also meet rolls and recovery more than one segment.
    overrides["log.segment.bytes"] = 1 << 20
    broker = brokers.from_environment(options.work_dir, overrides)
    test = CrashTest(broker, random.Random(seed))
    try:
        test.run(options.rounds, options.writer)
    except (Mismatch, ck.KafkaException, brokers.BrokerError) as problem:
        sys.exit("crash (seed %d): %s" % (seed, problem))
    finally:
        test.close()
        broker.close()


if __name__ == "__main__":
    main()
