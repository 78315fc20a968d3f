# SPDX-License-Identifier: Apache-2.0
"""The agent of aiokafka. What it is told: ../README.md.

The event loop runs in a thread of its own, so that heartbeats go on between two requests.
"""

import asyncio
import logging
import sys
import threading

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, __version__
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

import agent
from agent import Refused
from records import Record

TIMEOUT_S = 30
TIMEOUT_MS = TIMEOUT_S * 1000


def refusal(problem):
    code = getattr(problem, "errno", None) if isinstance(problem, KafkaError) else None
    return OffsetOutOfRangeError.errno if isinstance(problem, OffsetOutOfRangeError) else code


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = self.member = None

    async def start(self):
        self.admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=TIMEOUT_MS)
        await self.admin.start()

    # A topic

    async def create_topic(self, topic, partitions, replicas, configs):
        answer = await self.admin.create_topics([NewTopic(topic, partitions, replicas,
                                                          topic_configs=configs)])
        refused(answer.topic_errors)

    async def list_topics(self):
        return {"topics": {topic["topic"]: sum(1 for p in topic["partitions"] if p["leader"] >= 0)
                           for topic in await self.admin.describe_topics()}}

    async def delete_topic(self, topic):
        refused((await self.admin.delete_topics([topic])).topic_error_codes)

    async def create_partitions(self, topic, count):
        refused((await self.admin.create_partitions({topic: NewPartitions(count)})).topic_errors)

    async def describe_config(self, topic):
        answer, = await self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return {"configs": {entry[0]: entry[1] for resource in answer.resources
                            for entry in resource[4]}}

    async def alter_config(self, topic, name, value):
        answers = await self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic,
                                                                 {name: value})])
        for answer in answers:
            refused((None, *resource) for resource in answer.resources)

    async def describe_cluster(self):
        found = await self.admin.describe_cluster()
        return {"brokers": [broker["node_id"] for broker in found["brokers"]],
                "controller": found["controller_id"]}

    async def delete_records(self, topic, partition, offset):
        await self.admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(offset)})

    async def _with_consumer(self, use, **settings):
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False,
                                    fetch_max_wait_ms=50, **settings)
        await consumer.start()
        try:
            return await use(consumer)
        finally:
            await consumer.stop()

    async def offsets(self, topic, partition):
        place = TopicPartition(topic, partition)

        async def ask(consumer):
            return {"earliest": (await consumer.beginning_offsets([place]))[place],
                    "latest": (await consumer.end_offsets([place]))[place]}
        return await self._with_consumer(ask)

    async def offset_at(self, topic, partition, timestamp):
        place = TopicPartition(topic, partition)

        async def ask(consumer):
            answer = (await consumer.offsets_for_times({place: timestamp}))[place]
            return {"offset": None if answer is None else answer.offset}
        return await self._with_consumer(ask)

    # Records

    async def produce(self, topic, codec, idempotent, acks, records):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, enable_idempotence=idempotent, linger_ms=5,
            compression_type=None if codec == "none" else codec,
            acks="all" if acks == "all" else int(acks), request_timeout_ms=TIMEOUT_MS // 2)
        await producer.start()
        try:
            sent = [await producer.send(topic, one.value, one.key, one.partition, one.timestamp_ms,
                                        one.headers) for one in map(agent.from_json, records)]
            answers = await asyncio.gather(*sent)
        finally:
            await producer.stop()
        return {"offsets": [-1 if acks == "0" else answer.offset for answer in answers]}

    async def read(self, topic, partition, starts, count):
        place = TopicPartition(topic, partition)

        async def read_from(consumer):
            consumer.assign([place])
            reads = []
            for start in starts:
                consumer.seek(place, start)
                reads.append([placed(await asyncio.wait_for(consumer.getone(place), TIMEOUT_S))
                              for _ in range(count)])
            return {"reads": reads}
        return await self._with_consumer(read_from, auto_offset_reset="none")

    # A group

    async def join(self, group, topic):
        self.member = AIOKafkaConsumer(topic, bootstrap_servers=self.bootstrap, group_id=group,
                                       enable_auto_commit=False, auto_offset_reset="earliest",
                                       heartbeat_interval_ms=300, fetch_max_wait_ms=50)
        await self.member.start()

    async def poll(self, wait_ms):
        found = await self.member.getmany(timeout_ms=wait_ms)
        return {"records": [placed(message) for messages in found.values() for message in messages]}

    async def commit(self):
        await self.member.commit()

    async def leave(self):
        await self.member.stop()

    async def list_groups(self):
        return {"groups": [group[0] for group in await self.admin.list_consumer_groups()]}

    async def describe_group(self, group):
        answer, = await self.admin.describe_consumer_groups([group])
        _, _, state, _, _, members, *_ = answer.groups[0]
        return {"state": state, "members": len(members)}

    async def committed(self, group, topic):
        found = await self.admin.list_consumer_group_offsets(group)
        return {"offsets": {place.partition: one.offset for place, one in found.items()
                            if place.topic == topic}}


def refused(rows):
    """Raises the first error in rows that begin with a name and a code."""
    for _, code, *rest in rows:
        if code:
            raise Refused(code, " ".join(map(str, rest)))


def placed(message):
    return agent.placed(Record(message.partition, message.key, message.value,
                               list(message.headers), message.timestamp), message.offset)


NO_CALL = "the client has no call for it"
LACKS = {
    "alter-offsets": NO_CALL,
    "delete-offsets": NO_CALL,
    "delete-group": NO_CALL,
    "null-key-and-value": "the client refuses a record without key and value",
}


def main():
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def wait_for(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    client = Client(sys.argv[1])
    wait_for(client.start())
    verbs = {name: lambda verb=verb, **fields: wait_for(verb(**fields))
             for name, verb in agent.verbs(client).items()}
    agent.serve("aiokafka " + __version__, verbs, LACKS, refusal)
    wait_for(client.admin.close())


main()
