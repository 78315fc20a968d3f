# SPDX-License-Identifier: Apache-2.0
"""Half an hour of mixed load on one broker: nothing is lost, and nothing grows.

Idempotent producers, one for each codec, write numbered records at a moderate rate. A consumer by
assignment and a group whose members come and go read them. Beside them topics come and go with all
that administrators do to them, configs change, connections come, misbehave and go, some are idle,
one reads too slowly. What must hold:

- a producer's records in a partition are 0, 1, 2 ... for the reader, and unchanged;
- the group leaves out no offset; in the end both have read all that was acknowledged;
- no call fails;
- memory, descriptors and threads of the broker do not grow after the warm-up (watch.py);
- the broker stops cleanly.

Environment: SOAK_MINUTES (30), SOAK_MEMORY_SLACK_MIB (4; a sanitizer's own memory grows for long).
"""

import argparse
import os
import pathlib
import sys
import threading
import time
import traceback

import brokers
import rdkafka
from actors import (Churn, Flood, GroupMembers, IdleConnections, Ledger, Questions, Reader,
                    SlowReader, Writer, TOPIC, PARTITIONS)
from confluent_kafka.admin import AdminClient, NewTopic
from records import CODECS, Mismatch
from watch import ProcessWatch

DRAIN_TIMEOUT_S = 120
JOIN_TIMEOUT_S = 120
RETENTION_MS = 120000  # so that old segments go during the run


class Soak:
    """All actors as threads. The first failure ends the run."""

    def __init__(self, broker, work_dir, memory_slack_mib):
        self.broker = broker
        self.work_dir = pathlib.Path(work_dir)
        self.memory_slack_mib = memory_slack_mib
        self.ledger = Ledger()
        self.failures = []
        self.failed = threading.Event()

    def guard(self, run, stopped):
        try:
            run(stopped)
        except Exception as problem:  # whatever it is, the run is over
            self.failures.append("%s: %s" % (type(problem).__name__, problem))
            traceback.print_exc()
            self.failed.set()

    def start(self, actors, stopped):
        threads = [threading.Thread(target=self.guard, args=(actor.run, stopped), daemon=True)
                   for actor in actors]
        for thread in threads:
            thread.start()
        return threads

    def stop(self, threads, stopped):
        stopped.set()
        until = time.monotonic() + JOIN_TIMEOUT_S
        for thread in threads:
            thread.join(max(0, until - time.monotonic()))
            if thread.is_alive():
                raise Mismatch("%s has not ended %d s after it was told to" % (thread.name,
                                                                              JOIN_TIMEOUT_S))
        self.check()

    def check(self):
        if self.failures:
            raise Mismatch("; ".join(self.failures))

    def create_topic(self):
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        topic = NewTopic(TOPIC, PARTITIONS, 1, config={"retention.ms": str(RETENTION_MS),
                                                       "segment.bytes": str(1 << 20)})
        admin.create_topics([topic])[TOPIC].result(rdkafka.TIMEOUT_S)
        rdkafka.await_leaders(admin, TOPIC, PARTITIONS)

    def drain(self):
        """The readers go on until they have all that was acknowledged."""
        until = time.monotonic() + DRAIN_TIMEOUT_S
        while not self.ledger.all_read():
            self.check()
            if time.monotonic() > until:
                raise Mismatch("%s after %d s without load" % (self.ledger.missing(),
                                                               DRAIN_TIMEOUT_S))
            time.sleep(0.2)

    def run(self, minutes):
        self.broker.start()
        self.create_topic()
        address = self.broker.bootstrap
        watch = ProcessWatch(self.broker.process.child.pid, self.work_dir / "samples.txt",
                             self.memory_slack_mib)
        load, reading = threading.Event(), threading.Event()
        readers = self.start([Reader(address, self.ledger), GroupMembers(address, self.ledger)],
                             reading)
        others = self.start([Churn(address), Questions(address), Flood(address),
                             SlowReader(address), IdleConnections(address), watch], load)
        writers = self.start([Writer(address, number, codec, self.ledger)
                              for number, codec in enumerate(CODECS)], load)
        self.failed.wait(minutes * 60)
        self.stop(writers + others, load)
        self.drain()
        self.stop(readers, reading)
        self.broker.stop()
        print(self.ledger.summary())
        for figure in watch.figures:
            print(figure.summary())
        problems = watch.problems()
        if problems:
            raise Mismatch("; ".join(problems))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work_dir")
    options = parser.parse_args()
    broker = brokers.from_environment(options.work_dir, {
        "connections.max.idle.ms": 60000,
        "log.retention.check.interval.ms": 10000,
        "log.segment.delete.delay.ms": 5000,
        "offsets.topic.num.partitions": 5,
    })
    try:
        Soak(broker, options.work_dir, float(os.environ.get("SOAK_MEMORY_SLACK_MIB") or 4)).run(
            float(os.environ.get("SOAK_MINUTES") or 30))
    except (Mismatch, brokers.BrokerError) as problem:
        sys.exit("soak: %s" % problem)
    finally:
        broker.close()


if __name__ == "__main__":
    main()
