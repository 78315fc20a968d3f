# SPDX-License-Identifier: Apache-2.0
"""What `make cluster` starts: it says where it is, keeps three replicas, goes on without a broker that was killed,
ends on Ctrl-C with all its processes, and comes back with its data."""

import argparse
import os
import pathlib
import signal
import subprocess
import sys

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic

import brokers
from records import Mismatch, await_true, expect

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOPIC = "kept"
RECORDS = 100
ANSWER_S = 30
STOP_S = 60


class Tool:
    def __init__(self, work_dir):
        self.work_dir = work_dir
        self.child = None

    def __enter__(self):
        self.child = subprocess.Popen([str(ROOT / "tools" / "cluster"), "--dir", str(self.work_dir)],
                                      stdout=subprocess.PIPE, text=True)
        self.child.stdout.readline()
        self.bootstrap = self.child.stdout.readline().strip()
        self.pids = [int(pid) for pid in self.child.stdout.readline().split(": ")[1].split(", ")]
        return self

    def lose_one(self):
        os.kill(self.pids[0], signal.SIGKILL)
        expect("what is said of it", True, "has ended, 2 go on" in self.child.stdout.readline())

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        expect("exit code after Ctrl-C", 0, self.child.wait(STOP_S))

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.terminate()
            self.child.wait(STOP_S)


def processes_in(folder):
    """Command lines of this machine that name the folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if os.fsencode(folder) in command and int(entry.name) != os.getpid():
            found.append(command)
    return found


def write(tool):
    bootstrap = tool.bootstrap
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(TOPIC, 1)])[TOPIC].result(ANSWER_S)
    partition = admin.list_topics(TOPIC, timeout=ANSWER_S).topics[TOPIC].partitions[0]
    expect("replicas", 3, len(partition.replicas))
    refused = []
    producer = ck.Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for number in range(RECORDS):
        producer.produce(TOPIC, b"%d" % number,
                         on_delivery=lambda error, _: error and refused.append(error))
    expect("records without an answer", 0, producer.flush(ANSWER_S))
    expect("records that were refused", [], refused)


def read(tool):
    """From two brokers of three."""
    tool.lose_one()
    consumer = ck.Consumer({"bootstrap.servers": tool.bootstrap, "group.id": "g",
                            "auto.offset.reset": "earliest"})
    consumer.assign([ck.TopicPartition(TOPIC, 0, 0)])
    got = []

    def read_some():
        got.extend(message.value() for message in consumer.consume(RECORDS, 1)
                   if message.error() is None)
        return len(got) >= RECORDS
    await_true("all records are read", read_some, ANSWER_S)
    consumer.close()
    expect("records", [b"%d" % number for number in range(RECORDS)], got)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work_dir", type=pathlib.Path)
    folder = parser.parse_args().work_dir / "cluster"
    for use in (write, read):
        with Tool(folder) as tool:
            use(tool)
            tool.stop()
        expect("processes that are left", [], processes_in(folder))


if __name__ == "__main__":
    try:
        main()
    except (Mismatch, brokers.BrokerError) as problem:
        sys.exit(str(problem))
