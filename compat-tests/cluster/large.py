# SPDX-License-Identifier: Apache-2.0
"""Three brokers with 1,000 partitions of three replicas each: how long it takes, and what it costs.

All are created, and one broker is killed by kill -9. What must hold: the two others lead all of its
partitions, and no broker takes more memory than MEMORY_MIB. The times are printed, not judged.
"""

import time

from confluent_kafka.admin import NewTopic

from cluster import COUNT, SESSION_MS, TIMEOUT_S, main
from records import await_true, expect

TOPICS = 10
PARTITIONS = 100
MEMORY_MIB = 100


def resident_mib(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def create(cluster):
    began = time.monotonic()
    topics = [NewTopic("large-%d" % number, PARTITIONS, COUNT) for number in range(TOPICS)]
    for future in cluster.admin.create_topics(topics, request_timeout=TIMEOUT_S).values():
        future.result(TIMEOUT_S)
    cluster.await_full()
    print("%d partitions with %d replicas: created and all in sync after %.1f s"
          % (TOPICS * PARTITIONS, COUNT, time.monotonic() - began), flush=True)


def led_by(cluster, survivors):
    metadata = cluster.metadata()
    return metadata is not None and all(
        partition.leader in survivors
        for topic in metadata.topics.values() for partition in topic.partitions.values())


def kill_one(cluster):
    """Not the controller, whose work is what is looked at."""
    killed = next(number for number in cluster.brokers if number != cluster.controller())
    survivors = set(cluster.brokers) - {killed}
    began = time.monotonic()
    cluster.brokers[killed].kill()
    await_true("the others lead all partitions", lambda: led_by(cluster, survivors), TIMEOUT_S)
    print("kill -9 of broker %d: all partitions are led again after %.1f s; its session: %.1f s"
          % (killed, time.monotonic() - began, SESSION_MS / 1000), flush=True)
    cluster.brokers[killed].start()
    cluster.await_full()


def run(cluster):
    cluster.start()
    create(cluster)
    kill_one(cluster)
    memory = [resident_mib(broker.process.child.pid) for broker in cluster.brokers.values()]
    print("resident memory: %s MiB" % ", ".join("%.1f" % mib for mib in memory))
    expect("brokers that take too much memory", [], [mib for mib in memory if mib > MEMORY_MIB])
    cluster.stop()


if __name__ == "__main__":
    main(run)
