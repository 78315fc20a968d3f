# SPDX-License-Identifier: Apache-2.0
"""A member of a group by kafka-python. What it is told: ../test.py."""

import os
import signal

from kafka import KafkaConsumer
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

STRATEGIES = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor,
              "sticky": StickyPartitionAssignor}


# Longer than any rebalance takes here. When the time of a poll is over between the answers to JoinGroup and SyncGroup,
# kafka-python 3.0.12 takes itself for joined without having begun its heartbeats again, and its session ends.
POLL_MS = 10000


def main():
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    consumer = KafkaConsumer(
        os.environ["TOPIC"],
        bootstrap_servers=os.environ["BOOTSTRAP"],
        group_id=os.environ["GROUP"],
        client_id=os.environ["CLIENT_ID"],
        partition_assignment_strategy=[STRATEGIES[os.environ["STRATEGY"]]],
        session_timeout_ms=int(os.environ["SESSION_MS"]),
        heartbeat_interval_ms=300,
        auto_offset_reset="earliest",
        enable_auto_commit=True,
        auto_commit_interval_ms=200,
        metadata_max_age_ms=1000,
    )
    while not stopping:
        batches = consumer.poll(timeout_ms=POLL_MS)
        generation = consumer.group_metadata().generation_id
        for messages in batches.values():
            for message in messages:
                print("record", message.partition, message.offset, generation, flush=True)
    consumer.close()


main()
