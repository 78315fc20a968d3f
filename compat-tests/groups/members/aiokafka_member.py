# SPDX-License-Identifier: Apache-2.0
"""A member of a group by aiokafka. What it is told: ../test.py."""

import asyncio
import os
import signal

from aiokafka import AIOKafkaConsumer


async def main():
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    consumer = AIOKafkaConsumer(
        os.environ["TOPIC"],
        bootstrap_servers=os.environ["BOOTSTRAP"],
        group_id=os.environ["GROUP"],
        client_id=os.environ["CLIENT_ID"],
        session_timeout_ms=int(os.environ["SESSION_MS"]),
        heartbeat_interval_ms=300,
        auto_offset_reset="earliest",
        enable_auto_commit=True,
        auto_commit_interval_ms=200,
        metadata_max_age_ms=1000,
    )
    await consumer.start()
    while not stopping.is_set():
        batches = await consumer.getmany(timeout_ms=200)
        generation = consumer._coordinator.generation  # no other way to it in this client
        for messages in batches.values():
            for message in messages:
                print("record", message.partition, message.offset, generation, flush=True)
    await consumer.stop()


asyncio.run(main())
