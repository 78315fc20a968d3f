# SPDX-License-Identifier: Apache-2.0
"""A broker and its ZooKeeper session: what happens when either of them goes away.

One after the other, each on a chroot and a log directory of its own:

- killed: a broker that comes back before its old session has ended waits for that
- expired: a broker that was stopped for longer than its session takes part again by itself
- away: ZooKeeper is gone for longer than a session; producing and reading go on, a topic cannot be
  created, and all is well when it is back
- taken: a second broker with the id of a living one ends, and says so
- nobody: a broker without a ZooKeeper ends, and says so
- ids: brokers without an id get the next ones
"""

import argparse
import pathlib
import signal
import sys

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic

import brokers
import rdkafka
import records
import wire
import znodes
from records import Mismatch, Pass, await_true, expect

TOPIC = "sessions"
SESSION_MS = 2000
ADMIN_TIMEOUT_S = 3
SETTINGS = {"zookeeper.session.timeout.ms": SESSION_MS, "group.initial.rebalance.delay.ms": 0}
FIRST_GENERATED_ID = 1001
TIMED_OUT = (ck.KafkaError._TIMED_OUT, ck.KafkaError.REQUEST_TIMED_OUT)


class Bench:
    """One broker with its chroot, and the records it must have."""

    def __init__(self, zookeeper, work_dir, name, overrides=None):
        self.zookeeper = zookeeper
        self.address = "%s/%s" % (zookeeper.address, name)
        self.work_dir = work_dir / name
        self.broker = self.another({"broker.id": 1} if overrides is None else overrides)
        self.written = []
        self.ends = dict.fromkeys(range(records.PARTITIONS), 0)

    def another(self, overrides, name="broker"):
        settings = dict(SETTINGS, **{"zookeeper.connect": self.address})
        return brokers.Ottla(brokers.binary(), self.work_dir / name, dict(settings, **overrides))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.broker.close()

    def admin(self):
        return AdminClient({"bootstrap.servers": self.broker.bootstrap})

    def begin(self):
        self.broker.start()
        rdkafka.create_topic(self.admin(), TOPIC)
        self.go_on()

    def go_on(self):
        """Some more records, and all of them back."""
        base_ms = records.first_timestamp_ms()
        batch = [records.make(len(self.written) + i, base_ms) for i in range(30)]
        rdkafka.produce(self.broker.bootstrap, TOPIC, Pass("none", True, "all", 30), batch,
                        self.ends)
        self.written += batch
        rdkafka.read_all(self.broker.bootstrap, TOPIC, records.by_partition(self.written))

    def registered(self):
        with znodes.client(self.address) as zookeeper:
            return bool(zookeeper.exists("/brokers/ids/1"))

    def says(self, text):
        return text in pathlib.Path(self.broker.process.log_path).read_text()

    def await_says(self, text):
        await_true("the broker says: " + text, lambda: self.says(text))


def killed(bench):
    bench.begin()
    bench.broker.kill()
    bench.broker.start()
    expect("the broker waits for its last life to end", True, bench.says("waiting up to"))
    bench.go_on()
    rdkafka.create_topic(bench.admin(), "after")
    bench.broker.stop()
    expect("registered after a clean stop", False, bench.registered())


def expired(bench):
    bench.begin()
    bench.broker.process.child.send_signal(signal.SIGSTOP)
    await_true("the session has ended", lambda: not bench.registered())
    bench.broker.process.child.send_signal(signal.SIGCONT)
    bench.await_says("has joined the cluster again")
    expect("registered again", True, bench.registered())
    bench.go_on()
    rdkafka.create_topic(bench.admin(), "after")
    bench.broker.stop()


def create_fails(bench, topic):
    admin = bench.admin()  # it has to outlive the call
    future = admin.create_topics([NewTopic(topic, 1, 1)], operation_timeout=ADMIN_TIMEOUT_S / 2,
                                 request_timeout=ADMIN_TIMEOUT_S)[topic]
    try:
        future.result(ADMIN_TIMEOUT_S * 4)
    except ck.KafkaException as problem:
        if problem.args[0].code() not in TIMED_OUT:
            raise Mismatch("%s cannot be created: %s" % (topic, problem)) from None
        return
    raise Mismatch("%s was created without a ZooKeeper" % topic)


def away(bench):
    bench.begin()
    bench.zookeeper.kill()
    bench.await_says("is lost")
    bench.go_on()
    create_fails(bench, "later")  # takes longer than the session would last
    bench.go_on()
    bench.zookeeper.start()
    rdkafka.create_topic(bench.admin(), "after")
    rdkafka.await_leaders(bench.admin(), "later", 1)  # asked for, and done now
    bench.go_on()
    bench.broker.stop()


def ends(broker, text):
    """It does not start, with exit code 1 and this in its log."""
    broker.spawn()
    try:
        expect("exit code", 1, broker.process.child.wait(brokers.START_TIMEOUT_S))
        expect("the log says: " + text, True,
               text in pathlib.Path(broker.process.log_path).read_text())
    finally:
        broker.close()


def taken(bench):
    bench.begin()
    ends(bench.another({"broker.id": 1}, "second"), "another broker lives with id 1")
    bench.go_on()
    bench.broker.stop()


def nobody(bench):
    bench.address = "127.0.0.1:%d" % brokers.free_port()
    ends(bench.another({"broker.id": 1, "zookeeper.connection.timeout.ms": 500}, "alone"),
         "no ZooKeeper has answered")


def ids(bench):
    bench.broker.start()
    expect("the first id", [FIRST_GENERATED_ID], wire.broker_ids(bench.broker.bootstrap))
    bench.broker.stop()
    bench.broker.start()
    expect("it is kept", [FIRST_GENERATED_ID], wire.broker_ids(bench.broker.bootstrap))
    bench.broker.stop()
    bench.broker = bench.another({}, "second")
    bench.broker.start()
    expect("the second id", [FIRST_GENERATED_ID + 1], wire.broker_ids(bench.broker.bootstrap))
    bench.broker.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work_dir", type=pathlib.Path)
    work_dir = parser.parse_args().work_dir
    zookeeper = brokers.ZooKeeper(work_dir)
    zookeeper.start()
    try:
        for scenario in (killed, expired, away, taken, nobody, ids):
            print(scenario.__name__, flush=True)
            overrides = {} if scenario is ids else None
            with Bench(zookeeper, work_dir, scenario.__name__, overrides) as bench:
                scenario(bench)
    finally:
        zookeeper.close()


if __name__ == "__main__":
    try:
        main()
    except (Mismatch, brokers.BrokerError) as problem:
        sys.exit(str(problem))
