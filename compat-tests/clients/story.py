# SPDX-License-Identifier: Apache-2.0
"""The test of a program that is more than a client (Kafka Connect, Kafka Streams): a broker of its own, features that
go on from one another, and an end."""

import argparse
import pathlib

import confluent_kafka as ck

import brokers
from records import Mismatch
from report import Report

BROKER = {"offsets.topic.replication.factor": 1, "group.initial.rebalance.delay.ms": 0}


def tell(about, name, client, features, begin):
    """`begin(command, work_dir, broker)` makes a story: `open()` starts all it needs, `checks()` are its features in
    their order, `end()` is told when none is left, while the broker is still there, and `close()` whatever happened.
    Answers the exit code of the test."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    broker = brokers.from_environment(options.work_dir / "broker", BROKER)
    story = begin(options.command, options.work_dir, broker)
    report = Report(name, client, features)
    try:
        story.open()
        report.try_in_turn(story.checks(), (Mismatch, ck.KafkaException, OSError))
        story.end()
        broker.stop()
    finally:
        story.close()
        broker.close()
    return report.close()
