# SPDX-License-Identifier: Apache-2.0
"""A consumer group of real clients through everything that happens to one.

  test.py WORK_DIR [OPTION ...] -- COMMAND ...

COMMAND starts one member: it consumes TOPIC in GROUP at BOOTSTRAP (environment; also CLIENT_ID,
STRATEGY, and INSTANCE_ID when it is a static member), prints "record PARTITION OFFSET GENERATION"
for each record as it gets it (generation -1: it is in none), commits at least every second, and
closes its consumer at SIGTERM. Records are produced all the while. Members join one by one; the
topic grows; one leaves, one is killed, one comes late; the broker is killed and started again.
With --static members have instance ids, and one that comes back within its session causes no
rebalance.

What must hold:
- whenever the group is Stable, its members have each partition exactly once
- committed offsets never go back, and in the end are the end of the partitions
- every record was given to a member
- in one generation nobody reads a partition but the member that it is assigned to, which reads
  every record once and leaves none out; generations and commits follow one another (history.py)
"""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewPartitions

import brokers
import history
import rdkafka
import wire
from records import Mismatch, await_true, expect

PARTITIONS = 4
MORE_PARTITIONS = 6
TOPIC = "grouped"
GROUP = "readers"
PRODUCE_PAUSE_S = 0.02
SETTLE_S = 40
SESSION_MS = 3000
STATIC_SESSION_MS = 6000
BROKER = {
    "group.initial.rebalance.delay.ms": 300,
    "group.min.session.timeout.ms": 1000,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 5,
}


class Member:
    """One client process; a thread notes what it says."""

    def __init__(self, command, bootstrap, name, options, work_dir):
        self.name = name
        self.records = []  # (partition, offset, generation)
        environment = dict(os.environ, BOOTSTRAP=bootstrap, GROUP=GROUP, TOPIC=TOPIC,
                           CLIENT_ID=name, STRATEGY=options.strategy,
                           SESSION_MS=str(STATIC_SESSION_MS if options.static else SESSION_MS))
        if options.static:
            environment["INSTANCE_ID"] = "instance-" + name
        self.log_path = work_dir / ("member-%s.log" % name)
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                          stdout=subprocess.PIPE, stderr=log, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with open(self.log_path.with_suffix(".output"), "a") as output:
            for line in self.child.stdout:
                output.write(line)
                words = line.split()
                if words[:1] == ["record"]:
                    self.records.append((int(words[1]), int(words[2]), int(words[3])))

    def finish(self, number):
        self.child.send_signal(number)
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise Mismatch("member %s did not end within 30 s of signal %d" % (self.name, number)
                           ) from None
        self.reader.join(10)

    def leave(self):
        self.finish(signal.SIGTERM)

    def kill(self):
        self.finish(signal.SIGKILL)


class Load:
    """Produces without a pause, also while the broker is away; counts what was acknowledged."""

    def __init__(self, bootstrap):
        self.ends = dict.fromkeys(range(PARTITIONS), 0)
        self.partitions = PARTITIONS
        self.problem = None
        self.stopping = threading.Event()
        self.producer = ck.Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True,
                                     "message.timeout.ms": 60000, "linger.ms": 0,
                                     "reconnect.backoff.max.ms": 500})
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def delivered(self, error, message):
        if error is not None:
            self.problem = "a record was not written: %s" % error
        else:
            self.ends[message.partition()] = max(self.ends[message.partition()],
                                                 message.offset() + 1)

    def grow(self, partitions):
        """Once the producer knows of them, the new partitions get records, too."""
        await_true("the producer sees %d partitions" % partitions,
                   lambda: rdkafka.leaders(self.producer, TOPIC) == partitions)
        self.ends.update(dict.fromkeys(range(self.partitions, partitions), 0))
        self.partitions = partitions

    def run(self):
        number = 0
        while not self.stopping.wait(PRODUCE_PAUSE_S):
            self.producer.produce(TOPIC, b"record %d" % number, partition=number % self.partitions,
                                  on_delivery=self.delivered)
            self.producer.poll(0)
            number += 1

    def stop(self):
        self.stopping.set()
        self.thread.join()
        left = self.producer.flush(60)
        expect("records without an answer", 0, left)
        if self.problem:
            raise Mismatch(self.problem)


class Watch:
    """Looks at the group all the time: assignments that overlap, offsets that go back."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.committed = dict.fromkeys(range(MORE_PARTITIONS), -1)
        self.unstable_seen = threading.Event()
        self.problem = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def look(self):
        group = wire.describe_group(self.bootstrap, GROUP, 5)
        if group.error == 0 and group.state == "Stable":
            owned = sorted(p for a in group.members.values()
                           for p in wire.assigned_partitions(a, TOPIC))
            if len(owned) != len(set(owned)):
                self.problem = "a Stable group has partitions twice: %s" % owned
        elif group.error == 0:
            self.unstable_seen.set()
        for partition, offset in wire.committed_offsets(self.bootstrap, GROUP, TOPIC,
                                                        MORE_PARTITIONS, 5).items():
            if offset < self.committed[partition]:
                self.problem = ("partition %d: the committed offset went back from %d to %d"
                                % (partition, self.committed[partition], offset))
            self.committed[partition] = max(self.committed[partition], offset)

    def run(self):
        while not self.stopping.wait(0.05):
            with contextlib.suppress(OSError):  # the broker is away, or loads the group
                self.look()

    def check(self):
        if self.problem:
            raise Mismatch(self.problem)

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.check()


class Story:
    def __init__(self, options, broker):
        self.options = options
        self.broker = broker
        self.members = {}
        self.all_members = []
        self.load = self.watch = None
        self.partitions = PARTITIONS
        self.may_lose = 0

    def say(self, text):
        print("%6.1f s  %s" % (time.monotonic() - self.began, text), flush=True)

    def join(self, name):
        member = Member(self.options.command, self.broker.bootstrap, name, self.options,
                        self.options.work_dir)
        self.members[name] = member
        self.all_members.append(member)

    def settled(self, count):
        """Stable, so many members, each partition owned once, each reading."""
        try:
            group = wire.describe_group(self.broker.bootstrap, GROUP)
        except OSError:
            return False
        owned = sorted(p for a in group.members.values()
                       for p in wire.assigned_partitions(a, TOPIC))
        return (group.state == "Stable" and len(group.members) == count
                and owned == list(range(self.partitions)))

    def await_members(self, count, why):
        for member in self.members.values():
            if member.child.poll() is not None:
                raise Mismatch("member %s ended with exit code %s:\n%s"
                               % (member.name, member.child.poll(),
                                  brokers.tail(member.log_path)))
        await_true("%s: %d members share all partitions" % (why, count),
                   lambda: self.settled(count), SETTLE_S)
        self.watch.check()
        self.say("%s: %d members" % (why, count))

    def come_back(self, name):
        """A static member that is started again within its session: nobody else notices."""
        self.watch.unstable_seen.clear()
        self.members.pop(name).leave()
        self.join(name)
        await_true("member %s reads again" % name,
                   lambda: self.members[name].records, SETTLE_S)
        if self.watch.unstable_seen.is_set():
            raise Mismatch("a static member that came back within its session made the group "
                           "rebalance")
        self.await_members(len(self.members), name + " came back")

    def restart_broker(self):
        self.broker.kill()
        self.broker.start()
        before = {m: len(m.records) for m in self.members.values()}
        await_true("every member reads after the broker came back",
                   lambda: all(len(m.records) > before[m] for m in self.members.values()),
                   SETTLE_S)
        self.await_members(len(self.members), "the broker was killed and came back")

    def grow(self):
        """The topic gets more partitions; the members find out by themselves."""
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        admin.create_partitions([NewPartitions(TOPIC, MORE_PARTITIONS)])[TOPIC].result(SETTLE_S)
        self.load.grow(MORE_PARTITIONS)
        self.partitions = MORE_PARTITIONS
        self.await_members(len(self.members), "the topic has grown")

    def tell(self):
        self.began = time.monotonic()
        self.join("a")
        self.await_members(1, "a joined")
        self.join("b")
        self.await_members(2, "b joined")
        self.join("c")
        self.await_members(3, "c joined")
        if self.options.static:
            self.come_back("b")
        self.grow()
        self.members.pop("b").leave()
        self.may_lose += self.options.leaving_loses
        self.await_members(2, "b left")
        self.members.pop("c").kill()
        self.await_members(1, "c was killed")
        self.join("d")
        self.await_members(2, "d joined")
        self.restart_broker()
        self.finish()

    def finish(self):
        self.load.stop()
        written = {(p, o) for p, end in self.load.ends.items() for o in range(end)}
        try:
            await_true("all %d records were read" % len(written),
                       lambda: not self.unread(written), SETTLE_S)
        except Mismatch as problem:
            raise Mismatch("%s; missing (partition, offset): %s"
                           % (problem, sorted(self.unread(written))[:20])) from None
        for member in self.members.values():
            member.leave()
        await_true("all is committed", self.all_committed, SETTLE_S)
        self.watch.stop()
        generations = self.check_history()
        self.say("%d records read and committed in %d generations" % (len(written), generations))

    def check_history(self):
        readings = [history.Reading(m.name, m.records) for m in self.all_members]
        if not any(generation >= 0 for r in readings for _, _, generation in r.records):
            raise Mismatch("the members do not tell their generations")
        return len(history.check(history.read(self.broker.bootstrap, GROUP, TOPIC), readings,
                                 "cooperative" in self.options.strategy,
                                 self.options.may_reread))

    def unread(self, written):
        read = {(partition, offset) for m in self.all_members for partition, offset, _ in m.records}
        missing = written - read
        return set() if len(missing) <= self.may_lose else missing

    def all_committed(self):
        return self.load.ends == wire.committed_offsets(self.broker.bootstrap, GROUP, TOPIC,
                                                        self.partitions)

    def run(self):
        self.broker.start()
        rdkafka.create_topic(AdminClient({"bootstrap.servers": self.broker.bootstrap}), TOPIC,
                             PARTITIONS)
        await_true("there is a coordinator",
                   lambda: wire.coordinator_error(self.broker.bootstrap, GROUP) == 0)
        self.load = Load(self.broker.bootstrap)
        self.watch = Watch(self.broker.bootstrap)
        try:
            self.tell()
        finally:
            for member in self.all_members:
                if member.child.poll() is None:
                    member.child.kill()
        self.broker.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("--static", action="store_true")
    parser.add_argument("--leaving-loses", type=int, default=0, metavar="N",
                        help="records that this client commits without giving them out when it "
                             "is told to stop")
    parser.add_argument("--may-reread", action="store_true",
                        help="this client may join the generation it is in again, and then begins "
                             "at the last commit")
    parser.add_argument("--strategy", default="range")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    broker = brokers.from_environment(options.work_dir / "broker", BROKER)
    try:
        Story(options, broker).run()
    except (Mismatch, ck.KafkaException, brokers.BrokerError) as problem:
        sys.exit("groups: %s\nThe broker's log ends:\n%s"
                 % (problem, brokers.tail(broker.process.log_path)))
    finally:
        broker.close()


if __name__ == "__main__":
    main()
