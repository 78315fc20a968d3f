# SPDX-License-Identifier: Apache-2.0
"""Disks that are full or broken, under a running broker.

A preloaded library (lib/shim.c) lets calls on the files of the log directory fail. Whatever
fails: what was acknowledged is read while the fault lasts, and after it, once, at its offset; the
broker never dies; it ends up as docs/OPERATING.md says.

  full-disk   writes find no room, some of them half way: producers and commits are refused, new
              topics wait, consumers read on; with room again all goes on by itself
  bad-sync    an fsync fails: writing never goes on, not even when the disk works again; what was
              fsynced is read; a restart recovers everything
  bad-write   the n-th write fails, for several n; then kill -9 and restart
  small-disk  a real file system of a few MiB fills up and is cleared again (root only)
"""

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import time
from errno import EIO

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic

import brokers
import rdkafka
from records import Mismatch, await_true, expect
from shim import RENAME, SYNC, TRUNCATE, WRITE, Shim

TOPIC = "faults"
TIMEOUT_S = 30
POLL_S = 0.1
STORAGE_ERROR = ck.KafkaError.KAFKA_STORAGE_ERROR


class Writer:
    """Writes numbered records one by one; knows which were acknowledged, and where."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.number = 0
        self.acknowledged = {}  # offset -> number

    def write(self, retries=0, timeout_s=TIMEOUT_S):
        """One record; returns None, or the code of the error it ended with."""
        reports = []
        producer = ck.Producer({"bootstrap.servers": self.bootstrap, "acks": "all",
                                "retries": retries, "message.timeout.ms": timeout_s * 1000,
                                "linger.ms": 0, "log_level": 2})
        number = self.number
        self.number += 1
        producer.produce(TOPIC, value(number), partition=0,
                         on_delivery=lambda error, message: reports.append((error, message)))
        producer.flush(timeout_s + 5)
        if not reports:
            raise Mismatch("record %d has no answer after %d s" % (number, timeout_s + 5))
        error, message = reports[0]
        if error is not None:
            return error.code()
        self.acknowledged[message.offset()] = number
        return None

    def write_good(self, count):
        for _ in range(count):
            expect("error of record %d" % self.number, None, self.write())

    def await_good(self):
        """Writing works again before the time is over, without anybody doing anything."""
        until = time.monotonic() + TIMEOUT_S
        while self.write() is not None:
            if time.monotonic() > until:
                raise Mismatch("no record is taken %d s after the fault has ended" % TIMEOUT_S)
            time.sleep(POLL_S)

    def check(self):
        """All that was acknowledged is read, at its offset, and nothing that was never written."""
        last = max(self.acknowledged)
        consumer = rdkafka.open_consumer(self.bootstrap)
        consumer.assign([ck.TopicPartition(TOPIC, 0, ck.OFFSET_BEGINNING)])
        found = {}
        until = time.monotonic() + TIMEOUT_S
        while last not in found:
            message = consumer.poll(1)
            if message is not None and message.error():
                raise Mismatch("reading: %s" % message.error())
            if message is not None:
                found[message.offset()] = message.value()
            if time.monotonic() > until:
                raise Mismatch("read %d of %d acknowledged records in %d s"
                               % (len(found), len(self.acknowledged), TIMEOUT_S))
        consumer.close()
        for offset, number in self.acknowledged.items():
            expect("record at offset %d" % offset, value(number), found.get(offset))
        written = {value(number) for number in range(self.number)}
        strange = [offset for offset, content in found.items() if content not in written]
        expect("offsets with records that nobody wrote", [], strange)


def value(number):
    """Every third is large."""
    return (b"record %d " % number) * (1 + number % 3 // 2 * 3000)


@contextlib.contextmanager
def running(work_dir, name, overrides, data_dir=None):
    """A broker with a topic, its faults and a writer that has written a little."""
    folder = brokers.empty_folder(work_dir / name)
    broker = brokers.Ottla(os.environ["OTTLA"], folder, overrides)
    broker.data_dir = data_dir or broker.data_dir
    shim = Shim(folder, broker.data_dir)
    broker.environment = shim.environment
    try:
        broker.start()
        rdkafka.create_topic(AdminClient({"bootstrap.servers": broker.bootstrap}), TOPIC, 1)
        writer = Writer(broker.bootstrap)
        writer.write_good(5)
        yield broker, shim, writer
    finally:
        broker.close()


def restart(broker, writer, clean):
    if clean:
        broker.stop()
    else:
        broker.kill()
    broker.start()
    writer.check()
    writer.write_good(2)
    writer.check()


def log_has(broker, text):
    return text in pathlib.Path(broker.process.log_path).read_text(errors="replace")


class Committer:
    """A member of a group that never reads, only commits."""

    def __init__(self, bootstrap):
        self.consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": "committer",
                                     "enable.auto.commit": False, "log_level": 2})

    def commit(self, offset):
        """Returns None, or the code of the error."""
        try:
            done = self.consumer.commit(offsets=[ck.TopicPartition(TOPIC, 0, offset)],
                                        asynchronous=False)
        except ck.KafkaException as problem:
            return problem.args[0].code()
        return done[0].error and done[0].error.code()

    def committed(self):
        return self.consumer.committed([ck.TopicPartition(TOPIC, 0)], TIMEOUT_S)[0].offset


def full_disk(work_dir):
    with running(work_dir, "full-disk", {}) as (broker, shim, writer):
        admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 2})
        committer = Committer(broker.bootstrap)
        expect("error of a commit", None, committer.commit(1))
        shim.fill()
        for _ in range(3):
            expect("error while the disk is full", STORAGE_ERROR, writer.write())
            writer.check()
        expect("a commit on a full disk", True, committer.commit(2) is not None)
        waiting = admin.create_topics([NewTopic("later", 1, 1)])["later"]
        expect("a line that says so", True, log_has(broker, "nothing is written to it until"))
        expect("calls that failed", True, shim.hits() > 0)
        shim.clear()
        writer.await_good()
        waiting.result(TIMEOUT_S)
        await_true("a commit is taken", lambda: committer.commit(3) is None)
        expect("committed offset", 3, committer.committed())
        committer.consumer.close()
        expect("a line that says so", True, log_has(broker, "has room again"))
        writer.write_good(3)
        writer.check()
        restart(broker, writer, clean=True)
        shim.fill()
        expect("error while the disk is full", STORAGE_ERROR, writer.write())
        shim.clear()
        restart(broker, writer, clean=False)
        broker.stop()


def bad_sync(work_dir):
    with running(work_dir, "bad-sync", {"log.flush.interval.messages": 1}) as (broker, shim, writer):
        shim.fail(SYNC, EIO)
        expect("error of an fsync", STORAGE_ERROR, writer.write())
        shim.clear()
        for _ in range(3):
            expect("error after a failed fsync", STORAGE_ERROR, writer.write())
        writer.check()
        broker.kill()
        broker.start()
        writer.check()
        writer.write_good(2)
        writer.check()
        broker.stop()


def bad_write(work_dir):
    with running(work_dir, "bad-write", {"log.segment.bytes": 1 << 17}) as (broker, shim, writer):
        for skip in (0, 1, 2, 4, 7, 12):
            shim.fail(WRITE | RENAME | TRUNCATE, EIO, skip=skip, halves=skip % 2)
            for _ in range(40):
                if writer.write() is not None:
                    break
            expect("error after a failed write", STORAGE_ERROR, writer.write())
            writer.check()
            shim.clear()
            expect("error after a failed write", STORAGE_ERROR, writer.write())
            restart(broker, writer, clean=False)
        broker.stop()


def small_disk(work_dir):
    data_dir = work_dir / "small"
    data_dir.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", data_dir], check=False,
        stderr=subprocess.DEVNULL).returncode == 0
    if not mounted:
        print("small-disk: left out, this user may not mount")
        return
    try:
        ballast = data_dir / "ballast"
        ballast.write_bytes(bytes(4 << 20))
        overrides = {"log.segment.bytes": 1 << 20}
        with running(work_dir, "small-disk", overrides, data_dir) as (broker, _, writer):
            fill(writer)
            writer.check()
            ballast.unlink()
            writer.await_good()
            writer.write_good(3)
            writer.check()
            restart(broker, writer, clean=True)
            broker.stop()
    finally:
        subprocess.run(["umount", "-l", data_dir], check=True)


def fill(writer):
    """Writes until there is no room."""
    for _ in range(2000):
        error = writer.write()
        if error is not None:
            expect("error on a full disk", STORAGE_ERROR, error)
            return
    raise Mismatch("the disk does not fill up")


CASES = {"full-disk": full_disk, "bad-sync": bad_sync, "bad-write": bad_write,
         "small-disk": small_disk}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_args()
    if os.environ["COMPAT_BROKER"] == "kafka":
        print("left out: the library is for the calls of a C program, not for Java's")
        return
    for name in options.cases or CASES:
        before = time.monotonic()
        try:
            CASES[name](options.work_dir)
        except (Mismatch, ck.KafkaException, brokers.BrokerError) as problem:
            sys.exit("%s: %s" % (name, problem))
        print("%s: %.1f s" % (name, time.monotonic() - before), flush=True)


if __name__ == "__main__":
    main()
