# SPDX-License-Identifier: Apache-2.0
"""Faults at random, one after the other, on three brokers under load; then the checker judges.

Each fault is made, lasts for a random time that may or may not outlive a session, and is mended;
then every partition must take records again within SERVICE_S. Half of the time the next fault
comes at once, without all replicas being in sync. CHAOS_FAULTS says how many there are, CHAOS_SEED
makes the same choices again (not the same moments), CHAOS_KINDS (names, with commas) takes only some.
With --short there are few, always of the same seed, and service may take longer to come back.

What the machine took is not held against the brokers: a thread that was ready and got no CPU.
"""

import argparse
import collections
import os
import pathlib
import random
import signal
import sys
import time

import brokers
import checker
import cpu_wait
import links
from cluster import SESSION_MS, Cluster
from load import MEMBERS, PARTITIONS, READER, Load
from records import Mismatch
from shim import Shim

TOPIC = "chaos"
FAULTS = 200
SHORT_FAULTS, SHORT_SEED = 5, 105
SERVICE_S = 10
MAX_FAULT_S = SESSION_MS / 1000 * 1.5
AFTER_SESSION_S = 2
SHOWN_ANOMALIES = 5  # of each kind


class Chaos:
    """The faults: each method breaks something, mends it, and returns when it was mended."""

    def __init__(self, cluster, load, rng, disks):
        """disks: {number of a broker: the Shim of its log directory}."""
        self.cluster, self.load, self.rng, self.disks = cluster, load, rng, disks

    def last(self, at_least_s=0.0):
        time.sleep(at_least_s + self.rng.uniform(0, MAX_FAULT_S))

    def leader(self):
        partition = self.rng.randrange(PARTITIONS)
        number = self.cluster.leader(TOPIC, partition)
        return number if number in self.cluster.brokers else self.anyone()

    def anyone(self):
        return self.rng.choice(sorted(self.cluster.brokers))

    def kill(self, *numbers):
        for number in numbers:
            self.cluster.brokers[number].kill()
        self.last()
        for number in numbers:
            self.cluster.brokers[number].spawn()
        return time.monotonic()

    def kill_leader(self):
        return self.kill(self.leader())

    def kill_controller(self):
        number = self.cluster.controller()
        return self.kill(number if number in self.cluster.brokers else self.anyone())

    def kill_follower(self):
        leader = self.leader()
        return self.kill(self.rng.choice([n for n in self.cluster.brokers if n != leader]))

    def kill_all(self):
        return self.kill(*self.cluster.brokers)

    def rolling(self):
        """As an operator does it: the next one only when all replicas are in sync."""
        for broker in self.cluster.brokers.values():
            self.cluster.await_full()
            broker.stop()
            broker.spawn()
            mended = time.monotonic()
            broker.await_ready()
        return mended

    def pause_leader(self):
        """For longer than its session: when it wakes it thinks that it still leads."""
        child = self.cluster.brokers[self.leader()].process.child
        child.send_signal(signal.SIGSTOP)
        try:
            self.last(SESSION_MS / 1000 + AFTER_SESSION_S)
        finally:
            child.send_signal(signal.SIGCONT)
        return time.monotonic()

    def kill_zookeeper(self):
        self.cluster.zookeeper.kill()
        self.last()
        self.cluster.zookeeper.start()
        return time.monotonic()

    def fill_disk(self):
        """A follower falls behind, a leader takes nothing; both go on by themselves."""
        disk = self.disks[self.leader() if self.rng.random() < 0.5 else self.anyone()]
        disk.fill()
        self.last()
        disk.clear()
        return time.monotonic()

    def cut(self, link, sender=None):
        link.cut(self.rng.choice([(links.TO_SERVER,), (links.FROM_SERVER,),
                                  (links.TO_SERVER, links.FROM_SERVER)]), sender)
        self.last()
        link.mend()
        return time.monotonic()

    def cut_from_brokers(self):
        """Others cannot reach this broker, or do not hear its answers; it reaches them."""
        return self.cut(self.cluster.to_brokers[self.anyone()])

    def cut_pair(self):
        """What one broker asks of one other, or its answer, does not arrive; all else does."""
        sender, receiver = self.rng.sample(sorted(self.cluster.brokers), 2)
        return self.cut(self.cluster.to_brokers[receiver], sender)

    def cut_from_zookeeper(self):
        return self.cut(self.cluster.to_zookeeper[self.anyone()])

    def cut_from_clients(self):
        return self.cut(self.cluster.to_clients[self.anyone()])


KINDS = ("kill_leader", "kill_controller", "kill_follower", "kill_all", "rolling", "pause_leader",
         "kill_zookeeper", "fill_disk", "cut_from_brokers", "cut_pair", "cut_from_zookeeper",
         "cut_from_clients")


# Seconds since a fault was mended until the clients were served, and how many of them until the reader
# was served some thread had waited for a CPU.
Back = collections.namedtuple("Back", "writers reader group cpu_wait")


def pids(cluster):
    processes = [cluster.zookeeper.process, *(one.process for one in cluster.brokers.values())]
    return [os.getpid(), *(process.child.pid for process in processes)]


def await_back(cluster, load, mended, waits):
    """Until all clients are served again; waits: of all threads when it was mended."""
    load.await_service(mended)
    writers_s = time.monotonic() - mended
    load.await_read([READER])
    reader_s = time.monotonic() - mended
    cpu_wait_s = cpu_wait.longest(waits, cpu_wait.of_threads(pids(cluster)))
    load.await_read(MEMBERS)
    return Back(writers_s, reader_s, time.monotonic() - mended, cpu_wait_s)


def make_faults(chaos, count, kinds):
    """Returns {kind: [Back]}."""
    back = collections.defaultdict(list)
    for number in range(1, count + 1):
        kind = chaos.rng.choice(kinds)
        mended = getattr(chaos, kind)()
        waits = cpu_wait.of_threads(pids(chaos.cluster))
        back[kind].append(await_back(chaos.cluster, chaos.load, mended, waits))
        print("%s fault %d: %s; after %.1f s it is written again, after %.1f s read, after %.1f s by "
              "the group; waited for a CPU: %.1f s"
              % (time.strftime("%H:%M:%S"), number, kind, *back[kind][-1]), flush=True)
        for broker in chaos.cluster.brokers.values():
            broker.await_ready()
        if chaos.rng.random() < 0.5:
            chaos.cluster.await_full()
    return back


def report(back, history, anomalies, limit_s):
    for kind, times in sorted(back.items()):
        print("%-20s %3d times; written again after %.1f s at most, read after %.1f s, by the group "
              "after %.1f s; waited for a CPU: %.1f s" % (kind, len(times), *(max(column) for column in zip(*times))))
    outcomes = collections.Counter(record.outcome for record in history.sent)
    print("%d records acknowledged, %d without an answer; %d commits; %d anomalies"
          % (outcomes[checker.ACKED], outcomes[checker.UNKNOWN], len(history.commits),
             len(anomalies)))
    slow = ["%s: served again only after %.1f s; waited for a CPU: %.1f s"
            % (kind, one.reader, one.cpu_wait)
            for kind, times in back.items() for one in times if one.reader - one.cpu_wait > limit_s]
    if anomalies or slow:
        raise Mismatch("\n".join([*slow, checker.shown(anomalies, SHOWN_ANOMALIES)]))


def run(cluster, rng, count, kinds, limit_s):
    disks = {}
    for number, broker in cluster.brokers.items():
        disks[number] = Shim(broker.work_dir, broker.data_dir)
        broker.environment = disks[number].environment
    cluster.start()
    cluster.create_topic(TOPIC, PARTITIONS)
    load = Load(cluster.bootstrap, TOPIC)
    load.await_service(time.monotonic())
    back = make_faults(Chaos(cluster, load, rng, disks), count, kinds)
    history = load.finish(cluster)
    report(back, history, checker.check(history), limit_s)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    seed, count, limit_s = SHORT_SEED, SHORT_FAULTS, float("inf")
    if not options.short:
        seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
        count, limit_s = int(os.environ.get("CHAOS_FAULTS") or FAULTS), SERVICE_S
    kinds = tuple((os.environ.get("CHAOS_KINDS") or ",".join(KINDS)).split(","))
    print("CHAOS_SEED=%d CHAOS_FAULTS=%d" % (seed, count), flush=True)
    if not set(kinds) <= set(KINDS):
        raise Mismatch("CHAOS_KINDS: there are " + ", ".join(KINDS))
    net = links.Links()
    try:
        with Cluster(brokers.binary(), options.work_dir, net) as cluster:
            run(cluster, random.Random(seed), count, kinds, limit_s)
    finally:
        net.close()


if __name__ == "__main__":
    try:
        main()
    except (Mismatch, brokers.BrokerError) as problem:
        sys.exit(str(problem))
