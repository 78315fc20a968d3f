# SPDX-License-Identifier: Apache-2.0
"""The proof that the cluster tests see a loss: records that were acknowledged are taken away.

A broker is left alone with what its cluster has acknowledged (the others are killed, and leave the
in-sync replicas); then it is killed as well, and half of each of its logs is cut off, as by a disk
that had not kept what it had promised to keep. It comes back as the only one that may lead, so the
others cut their logs to the same length. All replicas agree then, and nothing in the cluster knows
of the loss; the checker must find each record of it, and no loss beside it.
"""

import time

import checker
from cluster import TIMEOUT_S, main
from load import PARTITIONS, Load
from records import await_true, expect

TOPIC = "prove"


def is_alone(cluster, number):
    """All partitions are led by this broker, and no other is in sync."""
    metadata = cluster.metadata()
    return metadata is not None and all(
        partition.leader == number and partition.isrs == [number]
        for partition in metadata.topics[TOPIC].partitions.values())


def cut_logs(data_dir):
    for path in data_dir.glob(TOPIC + "-*/*.log"):
        data = path.read_bytes()
        path.write_bytes(data[:len(data) // 2])


def lose_records(cluster):
    last, *others = cluster.brokers
    for number in others:
        cluster.brokers[number].kill()
    await_true("one broker has all for itself", lambda: is_alone(cluster, last), TIMEOUT_S)
    cluster.brokers[last].kill()
    cut_logs(cluster.brokers[last].data_dir)
    cluster.brokers[last].start()
    for number in others:
        cluster.brokers[number].start()


def lost(history):
    """What stood beyond the ends that the logs have now."""
    return ["%s" % (record,) for record in history.sent if record.outcome == checker.ACKED
            and record.offset >= len(history.final[record.partition])]


def run(cluster):
    cluster.start()
    cluster.create_topic(TOPIC, PARTITIONS)
    load = Load(cluster.bootstrap, TOPIC)
    load.await_service(time.monotonic())
    for writer in load.writers:
        writer.finish()
    lose_records(cluster)
    history = load.finish(cluster)
    anomalies = checker.check(history)
    found = [anomaly.text for anomaly in anomalies if anomaly.kind == "lost"]
    print("%d of %d acknowledged records were taken away; the checker found %d lost"
          % (len(lost(history)), load.acknowledged(), len(found)))
    expect("records are missing", True, len(found) > 0)
    expect("lost records", sorted(lost(history)), sorted(found))


if __name__ == "__main__":
    main(run)
