# SPDX-License-Identifier: Apache-2.0
"""Three brokers on one ZooKeeper live through what clusters live through, and lose nothing.

Under load (load.py) a leader, the controller and a follower are killed by kill -9 and come back;
then each broker is restarted by SIGTERM, one after the other. What must hold: clients go on after
each fault without one failed record, all replicas come back in sync, and the checker finds no
anomaly in the history.
"""

import time

import checker
from cluster import SESSION_MS, main
from load import PARTITIONS, Load
from records import Mismatch

TOPIC = "cluster"
SHOWN_ANOMALIES = 5  # of each kind


def another(cluster, *taken):
    return next(number for number in cluster.brokers if number not in taken)


def kill(cluster, load, what, number):
    """kill -9; the others go on when its session has ended, and it comes back in sync."""
    load.longest_gap_s()
    cluster.brokers[number].kill()
    load.await_service(time.monotonic())
    gap_s = load.longest_gap_s()
    cluster.brokers[number].start()
    cluster.await_full()
    print("kill -9 of %s, broker %d: no acknowledgement for %.1f s; its session: %.1f s"
          % (what, number, gap_s, SESSION_MS / 1000), flush=True)


def restart(cluster, load, number):
    load.longest_gap_s()
    cluster.brokers[number].stop()
    load.await_service(time.monotonic())
    gap_s = load.longest_gap_s()
    load.check_writers()
    cluster.brokers[number].start()
    cluster.await_full()
    print("SIGTERM of broker %d: no acknowledgement for %.1f s, and no failed record so far"
          % (number, gap_s), flush=True)


def run(cluster):
    cluster.start()
    cluster.create_topic(TOPIC, PARTITIONS)
    load = Load(cluster.bootstrap, TOPIC)
    load.await_service(time.monotonic())
    kill(cluster, load, "a leader", cluster.leader(TOPIC, 0))
    kill(cluster, load, "the controller", cluster.controller())
    kill(cluster, load, "a follower", another(cluster, cluster.leader(TOPIC, 0),
                                              cluster.controller()))
    for number in cluster.brokers:
        restart(cluster, load, number)
    history = load.finish(cluster)
    anomalies = checker.check(history)
    print("%d records acknowledged, %d anomalies" % (load.acknowledged(), len(anomalies)))
    if anomalies:
        raise Mismatch(checker.shown(anomalies, SHOWN_ANOMALIES))


if __name__ == "__main__":
    main(run)
