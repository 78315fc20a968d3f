# SPDX-License-Identifier: Apache-2.0
"""A member of a group by confluent-kafka (librdkafka). What it is told: ../test.py."""

import os
import signal
import struct

import confluent_kafka as ck


def generation_of(consumer):
    """Of librdkafka's "CGMDv2:", the generation, the group and the member."""
    return struct.unpack_from("=i", consumer.consumer_group_metadata(), len("CGMDv2:"))[0]


def main():
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    settings = {
        "bootstrap.servers": os.environ["BOOTSTRAP"],
        "group.id": os.environ["GROUP"],
        "client.id": os.environ["CLIENT_ID"],
        "partition.assignment.strategy": os.environ["STRATEGY"],
        "session.timeout.ms": int(os.environ["SESSION_MS"]),
        "heartbeat.interval.ms": 300,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": True,
        "auto.commit.interval.ms": 200,
        "enable.auto.offset.store": False,
        "topic.metadata.refresh.interval.ms": 1000,
        "reconnect.backoff.max.ms": 500,
    }
    if "INSTANCE_ID" in os.environ:
        settings["group.instance.id"] = os.environ["INSTANCE_ID"]
    consumer = ck.Consumer(settings)
    consumer.subscribe([os.environ["TOPIC"]])
    while not stopping:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            print("record", message.partition(), message.offset(), generation_of(consumer),
                  flush=True)
            try:
                consumer.store_offsets(message)
            except ck.KafkaException:
                pass  # the partition has just been taken away
    consumer.close()


main()
