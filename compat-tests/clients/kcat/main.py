# SPDX-License-Identifier: Apache-2.0
"""The agent of kcat, as Debian ships it. What it is told: ../README.md.

A process per call; records that have their headers and their nulls in common are written by one.
"""

import functools
import io
import itertools
import json
import re
import subprocess
import sys

import agent
from agent import Refused
from member import Member
from records import Record

TIMEOUT_S = 30
# Text in front of '|', then exactly as many bytes of key and value as it announces.
FORMAT = r"%p %o %T %K %S %h|%k%s\n"
KEY_END, RECORD_END = "<key ends>", "<record ends>"
NO_ADMIN = "kcat has no administration"
LACKS = {
    **dict.fromkeys(["create-topic", "delete-topic", "create-partitions", "describe-config", "alter-config",
                     "delete-records", "list-groups", "describe-group", "committed", "alter-offsets",
                     "delete-offsets", "delete-group"], NO_ADMIN),
    "timestamp": "kcat does not set timestamps",
    "acknowledged-offsets": "kcat does not tell offsets",
    "null-key-and-value": "kcat writes no record without key and value",
    "empty-and-null": "kcat takes what is empty for null everywhere in a record, or nowhere",
    "many-records": "a process for each call",
}


def kcat(bootstrap, *arguments, stdin=b""):
    done = subprocess.run(["kcat", "-b", bootstrap, "-m", str(TIMEOUT_S), *arguments], input=stdin,
                          capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise Refused(None, done.stderr.decode(errors="replace"))
    return done.stdout


def header(text):
    name, content = text.split("=", 1)
    return name, None if content == "NULL" else content.encode()


def take_record(read):
    """The next record of what kcat writes in FORMAT; read(count) gives so many bytes, fewer at the end."""
    front = b""
    while not front.endswith(b"|"):
        byte = read(1)
        if not byte:
            return None
        front += byte
    partition, offset, time, key_size, value_size, headers = front[:-1].decode().split(" ", 5)
    key = read(int(key_size)) if int(key_size) >= 0 else None
    value = read(int(value_size)) if int(value_size) >= 0 else None
    read(1)  # the end of the line
    record = Record(int(partition), key, value, [header(one) for one in headers.split(",") if one], int(time))
    return agent.placed(record, int(offset))


def taken_records(stdout):
    return iter(lambda: take_record(stdout.read), None)


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.member = None

    def _metadata(self):
        return json.loads(kcat(self.bootstrap, "-L", "-J"))

    def list_topics(self):
        return {"topics": {topic["topic"]: sum(1 for p in topic["partitions"] if p["leader"] >= 0)
                           for topic in self._metadata()["topics"]}}

    def describe_cluster(self):
        found = self._metadata()
        return {"brokers": [broker["id"] for broker in found["brokers"]], "controller": found["controllerid"]}

    # Records

    def produce(self, topic, codec, idempotent, acks, records):
        settings = ["-z", codec, "-X", "linger.ms=5", "-X", "acks=" + acks,
                    "-X", "enable.idempotence=%s" % str(idempotent).lower()]

        def alike(record):
            return (record.partition, record.key is None, None in (record.key, record.value), record.headers)

        for _, group in itertools.groupby(sorted(map(agent.from_json, records), key=lambda one: one.partition), alike):
            self._produce_alike(topic, settings, list(group))
        return {"offsets": [-1] * len(records)}

    def _produce_alike(self, topic, settings, batch):
        first = batch[0]
        words = ["-P", "-t", topic, "-p", str(first.partition), "-D", RECORD_END, *settings]
        for name, content in first.headers:
            words += ["-H", name if content is None else "%s=%s" % (name, content.decode())]
        if first.key is not None:
            words += ["-K", KEY_END]
            if first.value is None:
                words.append("-Z")
        lines = [b"" if one.key is None else one.key + KEY_END.encode() for one in batch]
        kcat(self.bootstrap, *words, stdin=b"".join(
            line + (one.value or b"") + RECORD_END.encode() for line, one in zip(lines, batch)))

    def read(self, topic, partition, starts, count):
        reads = []
        for start in starts:
            text = kcat(self.bootstrap, "-C", "-q", "-t", topic, "-p", str(partition), "-o", str(start),
                        "-c", str(count), "-f", FORMAT, "-X", "check.crcs=true",
                        "-X", "topic.auto.offset.reset=error")
            reads.append(list(iter(functools.partial(take_record, io.BytesIO(text).read), None)))
        return {"reads": reads}

    def _query(self, topic, partition, time):
        text = kcat(self.bootstrap, "-Q", "-t", "%s:%d:%d" % (topic, partition, time)).decode()
        return int(text.split()[-1])  # topic [partition] offset N

    def offsets(self, topic, partition):
        return {"earliest": self._query(topic, partition, -2), "latest": self._query(topic, partition, -1)}

    def offset_at(self, topic, partition, timestamp):
        offset = self._query(topic, partition, timestamp)
        return {"offset": None if offset < 0 else offset}

    # A group

    def join(self, group, topic):
        self.member = Member(["kcat", "-b", self.bootstrap, "-u", "-q", "-f", FORMAT,
                              "-X", "auto.commit.interval.ms=200", "-X", "auto.offset.reset=earliest",
                              "-X", "heartbeat.interval.ms=300", "-G", group, topic], taken_records)

    def poll(self, wait_ms):
        return {"records": self.member.take(wait_ms / 1000)}

    def commit(self):
        """kcat commits by itself."""

    def leave(self):
        self.member.stop()


if __name__ == "__main__":
    VERSION = subprocess.run(["kcat", "-V"], capture_output=True, text=True, check=True).stdout
    agent.serve("kcat %s, librdkafka %s" % re.search(r"Version (\S+) .*librdkafka (\S+)", VERSION, re.DOTALL).groups(),
                agent.verbs(Client(sys.argv[1])), LACKS, lambda problem: None)
