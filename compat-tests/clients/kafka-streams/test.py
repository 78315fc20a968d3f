# SPDX-License-Identifier: Apache-2.0
"""Kafka Streams: a stateful word count, at least once, that is killed, stopped and loses its files.

  test.py WORK_DIR -- COMMAND ...

COMMAND is Java with WordCount on its class path. Words are counted here too; what Streams has counted is read from its
output topic, the last count of each word.
"""

import collections
import shutil
import struct
import subprocess
import sys

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

import brokers
import rdkafka
import story
import wire
from features import STREAMS
from records import PARTITIONS, Mismatch, await_true, expect

APPLICATION = "word-count"
CHANGELOG, REPARTITION = APPLICATION + "-counted-changelog", APPLICATION + "-words-repartition"
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda"]
SETTLE_S = 60


class Story:
    def __init__(self, command, work_dir, broker):
        self.command, self.work_dir, self.broker = command, work_dir, broker
        self.state_dir = work_dir / "state"
        self.child = None
        self.sent = 0
        self.expected = collections.Counter()
        self.counted = {}

    def open(self):
        self.broker.start()
        common = {"bootstrap.servers": self.broker.bootstrap}
        self.admin = AdminClient(common)
        for topic in ("lines", "counts"):
            rdkafka.create_topic(self.admin, topic)
        self.producer = ck.Producer({**common, "enable.idempotence": True})
        self.reader = rdkafka.open_consumer(self.broker.bootstrap)
        self.reader.assign([ck.TopicPartition("counts", p, 0) for p in range(PARTITIONS)])

    def checks(self):
        return {"count": self.count, "internal-topics": self.internal_topics, "stopped": self.stopped,
                "killed": self.killed, "restored": self.restored}

    def start_streams(self):
        with open(self.work_dir / "streams.log", "ab") as log:
            self.child = subprocess.Popen([*self.command, APPLICATION, str(self.state_dir), self.broker.bootstrap],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop_streams(self):
        self.child.terminate()
        expect("exit code after SIGTERM", 143, self.child.wait(SETTLE_S))

    def send(self, count):
        for number in range(self.sent, self.sent + count):
            words = [WORDS[number % len(WORDS)], WORDS[number * 7 % 5], "word-%d" % (number % 50)]
            self.expected.update(words)
            self.producer.produce("lines", " ".join(words).encode(), partition=number % PARTITIONS)
        self.sent += count
        expect("records without an answer", 0, self.producer.flush(30))

    def read_counts(self):
        for message in self.reader.consume(1000, 0.2):
            if message.error():
                raise ck.KafkaException(message.error())
            self.counted[message.key().decode()] = struct.unpack(">q", message.value())[0]

    def await_counts(self, what, reached):
        def settled():
            if self.child.poll() is not None:
                raise Mismatch("Streams ended with exit code %s:\n%s"
                               % (self.child.returncode, brokers.tail(self.work_dir / "streams.log")))
            self.read_counts()
            return reached()
        await_true(what, settled, SETTLE_S)

    def await_exact(self):
        self.await_counts("every word is counted as often as it was written", lambda: self.counted == self.expected)

    def caught_up(self):
        """All that was written is processed, and committed."""
        for topic in ("lines", REPARTITION):
            committed = wire.committed_offsets(self.broker.bootstrap, APPLICATION, topic, PARTITIONS)
            for partition, offset in committed.items():
                _, end = self.reader.get_watermark_offsets(ck.TopicPartition(topic, partition), 10)
                if max(offset, 0) < end:
                    return False
        return True

    # The features

    def count(self):
        self.start_streams()
        self.send(300)
        self.await_exact()

    def internal_topics(self):
        for topic, policy in ((CHANGELOG, "compact"), (REPARTITION, "delete")):
            expect("partitions of " + topic, PARTITIONS, wire.leaders(self.broker.bootstrap, topic))
            resource = ConfigResource(ResourceType.TOPIC, topic)
            configs = self.admin.describe_configs([resource])[resource].result(30)
            expect("cleanup.policy of " + topic, policy, configs["cleanup.policy"].value)
        expect("retention.ms of " + REPARTITION, "-1", configs["retention.ms"].value)

    def stopped(self):
        self.await_counts("all is committed", self.caught_up)
        self.stop_streams()
        self.send(100)
        self.start_streams()
        self.await_exact()

    def killed(self):
        self.send(500)
        self.child.kill()
        self.child.wait()
        self.send(100)
        self.start_streams()
        self.await_counts("no word is lost", lambda: all(
            self.counted.get(word, 0) >= count for word, count in self.expected.items()))
        self.await_counts("all is committed", self.caught_up)
        self.expected = collections.Counter(self.counted)  # what was counted twice, too

    def restored(self):
        self.stop_streams()
        shutil.rmtree(self.state_dir)
        self.send(50)
        self.start_streams()
        self.await_exact()

    def end(self):
        """In order, so that nobody misses the broker."""
        self.stop_streams()
        self.reader.close()
        self.admin = self.producer = None

    def close(self):
        if self.child and self.child.poll() is None:
            self.child.kill()
            self.child.wait()


if __name__ == "__main__":
    sys.exit(story.tell(__doc__, "kafka-streams", "Kafka Streams 3.9.1", STREAMS, Story))
