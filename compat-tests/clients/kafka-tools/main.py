# SPDX-License-Identifier: Apache-2.0
"""The agent of Kafka's own command line tools. What it is told: ../README.md.

The console producer and consumer are processes of their own, the other tools run in one virtual machine.
"""

import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import agent
import kafka_tools
from agent import Refused
from member import Member
from records import Record

TIMEOUT_S = 50
PRODUCER, CONSUMER = "kafka.tools.ConsoleProducer", "org.apache.kafka.tools.consumer.ConsoleConsumer"
KEY_AND_VALUE = "\x1f"
FORMAT = ["print.partition=true", "print.offset=true", "print.timestamp=true", "print.headers=true",
          "print.key=true", "print.value=true", "null.literal=NULL", "key.separator=" + KEY_AND_VALUE]
ERROR_CODES = {"TopicExistsException": 36, "InvalidTopicException": 17, "InvalidReplicationFactorException": 38,
               "InvalidConfigurationException": 40, "GroupNotEmptyException": 68, "GroupIdNotFoundException": 69,
               "RecordTooLargeException": 10}
LACKS = {
    "partition": "the console producer does not choose the partition",
    "timestamp": "the console producer does not set timestamps",
    "binary": "the console producer takes lines of text",
    "acknowledged-offsets": "the console producer does not tell offsets",
    "many-records": "a virtual machine for each call",
    "describe-cluster": "none of the tools tells the controller",
    "error-too-large": "the console producer only logs what was refused",
    "error-offset": "the console consumer begins elsewhere by itself",
}


def refuse(text):
    name = re.search(r"\b(\w+Exception)\b", text)
    raise Refused(ERROR_CODES.get(name.group(1)) if name else None, text)


def unmark(text):
    return None if text == "NULL" else text.encode()


def parse(line):
    """A line of the console consumer."""
    time, partition, offset, headers, key, value = line.rstrip("\n").split(KEY_AND_VALUE, 5)
    pairs = [] if headers == "NO_HEADERS" else [one.split(":", 1) for one in headers.split(",")]
    return agent.placed(Record(int(partition.split(":")[1]), unmark(key), unmark(value),
                               [(name, unmark(content)) for name, content in pairs],
                               int(time.split(":")[1])), int(offset.split(":")[1]))


def as_line(record):
    def mark(data):
        return "NULL" if data is None else data.decode()
    headers = ",".join("%s:%s" % (name, mark(content)) for name, content in record.headers)
    return "\t".join([headers or "NULL", mark(record.key), mark(record.value)]) + "\n"


def printed_records(stdout):
    return (parse(line) for line in io.TextIOWrapper(stdout, "utf-8"))


class Client:
    def __init__(self, bootstrap, work_dir):
        self.bootstrap, self.work_dir = bootstrap, work_dir
        self.tools = kafka_tools.Tools(bootstrap, work_dir)
        self.member = None

    def _run(self, *words):
        *lines, code = self.tools.run(words)
        text = "\n".join(lines)
        if code != "exit code 0" or re.search(r"(?m)^Error[: ]|Exception:", text):
            refuse(text)
        return lines

    def _java(self, *words):
        return [*kafka_tools.java(self.work_dir, 64), words[0], "--bootstrap-server", self.bootstrap, *words[1:]]

    def _run_alone(self, *words, stdin=""):
        done = subprocess.run(self._java(*words), input=stdin, capture_output=True, timeout=TIMEOUT_S,
                              text=True, encoding="utf-8", check=False)
        if done.returncode != 0:
            refuse(done.stdout + done.stderr)
        return done.stdout.splitlines()

    # A topic

    def create_topic(self, topic, partitions, replicas, configs):
        more = [word for name, value in configs.items() for word in ("--config", "%s=%s" % (name, value))]
        self._run("kafka-topics", "--create", "--topic", topic, "--partitions", str(partitions),
                  "--replication-factor", str(replicas), *more)

    def list_topics(self):
        found = {}
        for line in self._run("kafka-topics", "--describe"):
            one = re.match(r"\tTopic: (\S+)\tPartition: \d+\tLeader: \d", line)
            if one:
                found[one.group(1)] = found.get(one.group(1), 0) + 1
        return {"topics": found}

    def delete_topic(self, topic):
        self._run("kafka-topics", "--delete", "--topic", topic)

    def create_partitions(self, topic, count):
        self._run("kafka-topics", "--alter", "--topic", topic, "--partitions", str(count))

    def describe_config(self, topic):
        lines = self._run("kafka-configs", "--describe", "--all", "--entity-type", "topics", "--entity-name", topic)
        return {"configs": dict(re.findall(r"(?m)^  ([\w.]+)=(\S*) sensitive", "\n".join(lines)))}

    def alter_config(self, topic, name, value):
        self._run("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", topic,
                  "--add-config", "%s=%s" % (name, value))

    def delete_records(self, topic, partition, offset):
        file = self.work_dir / "delete-records.json"
        file.write_text(json.dumps({"version": 1, "partitions": [
            {"topic": topic, "partition": partition, "offset": offset}]}))
        self._run("kafka-delete-records", "--offset-json-file", str(file))

    def _offset(self, topic, partition, time):
        lines = self._run("kafka-get-offsets", "--topic", topic, "--partitions", str(partition), "--time", str(time))
        found = re.fullmatch(r".*:%d:(\d*)" % partition, lines[-1]) if lines else None
        return int(found.group(1)) if found and found.group(1) else None

    def offsets(self, topic, partition):
        return {"earliest": self._offset(topic, partition, -2), "latest": self._offset(topic, partition, -1)}

    def offset_at(self, topic, partition, timestamp):
        found = self._offset(topic, partition, timestamp)
        # The tool prints the end of the partition where no record is that young.
        return {"offset": None if found == self._offset(topic, partition, -1) else found}

    # Records

    def produce(self, topic, codec, idempotent, acks, records):
        settings = ["enable.idempotence=%s" % str(idempotent).lower(), "acks=" + acks, "linger.ms=5"]
        reading = ["parse.key=true", "parse.headers=true", "null.marker=NULL"]
        self._run_alone(PRODUCER, "--topic", topic, "--compression-codec", codec,
                        *[word for one in settings for word in ("--producer-property", one)],
                        *[word for one in reading for word in ("--property", one)],
                        stdin="".join(as_line(agent.from_json(one)) for one in records))
        return {"offsets": [-1] * len(records)}

    def read(self, topic, partition, starts, count):
        return {"reads": [[parse(line) for line in self._run_alone(
            CONSUMER, "--topic", topic, "--partition", str(partition), "--offset", str(start),
            "--max-messages", str(count), "--timeout-ms", str(TIMEOUT_S * 500),
            *[word for one in FORMAT for word in ("--property", one)])] for start in starts]}

    # A group

    def join(self, group, topic):
        settings = ["auto.commit.interval.ms=200", "auto.offset.reset=earliest", "heartbeat.interval.ms=300"]
        self.member = Member(self._java(
            CONSUMER, "--topic", topic, "--group", group,
            *[word for one in settings for word in ("--consumer-property", one)],
            *[word for one in FORMAT for word in ("--property", one)]), printed_records)

    def poll(self, wait_ms):
        return {"records": self.member.take(wait_ms / 1000)}

    def commit(self):
        """The console consumer commits by itself."""

    def leave(self):
        self.member.stop()

    def list_groups(self):
        return {"groups": self._run("kafka-consumer-groups", "--list")}

    def describe_group(self, group):
        *_, line = self._run("kafka-consumer-groups", "--describe", "--state", "--group", group)
        *_, state, members = line.split()
        return {"state": state, "members": int(members)}

    def committed(self, group, topic):
        rows = (line.split() for line in self._run("kafka-consumer-groups", "--describe", "--group", group))
        return {"offsets": {row[2]: int(row[3]) for row in rows if row[1:2] == [topic]}}

    def alter_offsets(self, group, topic, offsets):
        file = self.work_dir / "offsets.csv"
        file.write_text("".join("%s,%s,%d\n" % (topic, p, offset) for p, offset in offsets.items()))
        self._run("kafka-consumer-groups", "--reset-offsets", "--group", group, "--from-file", str(file), "--execute")

    def delete_offsets(self, group, topic):
        self._run("kafka-consumer-groups", "--delete-offsets", "--group", group, "--topic", topic + ":0")

    def delete_group(self, group):
        self._run("kafka-consumer-groups", "--delete", "--group", group)


def main():
    names = " ".join(os.listdir(os.environ["TOOLS_LIBRARIES"]))
    version = re.search(r"kafka-tools-([\d.]+)\.jar", names).group(1)
    with tempfile.TemporaryDirectory() as work_dir:
        client = Client(sys.argv[1], pathlib.Path(work_dir))
        agent.serve("Kafka's tools " + version, agent.verbs(client), LACKS, lambda problem: None)
        client.tools.close()


main()
