# SPDX-License-Identifier: Apache-2.0
"""Which clients there are, and which features each is asked for, in the order of the matrix.

The life of a topic and a group (life.py) is the same for all clients; Kafka Streams and Kafka Connect are programs of
another kind and have lists of their own.
"""

LIFE = {
    "create-topic": "a topic with partitions and a config is created",
    "list-topics": "it is listed, with leaders",
    "codec-none": "records that are not compressed, written and read",
    "codec-gzip": "the same with gzip",
    "codec-snappy": "with snappy",
    "codec-lz4": "with lz4",
    "codec-zstd": "with zstd",
    "idempotent": "the idempotent producer",
    "acks-1": "acks=1",
    "acks-0": "acks=0: nothing is acknowledged, everything arrives",
    "keys": "keys: text, binary, empty, null",
    "values": "values: text, binary, large, empty, null",
    "headers": "headers: repeated names, empty, null, not ASCII",
    "timestamps": "timestamps that the producer has set",
    "seek": "reading goes on elsewhere, ahead and back",
    "offsets": "first and last offset of a partition",
    "offset-at": "offset for a time",
    "group": "a group of one reads everything",
    "commit": "it commits",
    "rebalance": "a second member comes, both read",
    "list-groups": "the group is listed",
    "describe-group": "state and members of the group",
    "error-group-in-use": "a group with members is not deleted",
    "resume": "members leave, others take over, reading begins at the commits",
    "committed": "the group's offsets",
    "alter-offsets": "they are set",
    "delete-offsets": "one is deleted",
    "delete-group": "the group is deleted",
    "describe-cluster": "brokers and controller",
    "describe-config": "configs of a topic",
    "alter-config": "a config of a topic is changed",
    "create-partitions": "a topic gets more partitions",
    "delete-records": "the first records of a partition are deleted",
    "error-topic-exists": "a topic that is there is not created",
    "error-topic-name": "nor one with a name that is none",
    "error-replicas": "nor one with more replicas than brokers",
    "error-config": "nor one with a config that is none",
    "error-unknown-topic": "a topic that is not there is not deleted",
    "error-unknown-group": "nor a group",
    "error-too-large": "a record beyond max.message.bytes is refused",
    "error-offset": "reading from beyond the end is refused",
    "delete-topic": "a topic is deleted",
}

STREAMS = {
    "internal-topics": "a changelog and a topic for repartition are created, with their configs",
    "count": "words are counted",
    "killed": "killed and started again, no word is lost (at least once)",
    "restored": "a new instance without its files restores its counts from the changelog",
    "stopped": "stopped and started again, no word is counted twice",
}

CONNECT = {
    "internal-topics": "the worker creates its three topics, compacted",
    "source": "lines of a file become records",
    "sink": "they arrive in another file",
    "killed": "the worker is killed and started again: connectors and offsets come back",
    "connector-stopped": "a connector that is stopped reads nothing, and goes on where it was",
    "connector-deleted": "a connector is deleted",
}

OF_THEIR_OWN = {"kafka-streams": STREAMS, "kafka-connect": CONNECT}

CLIENTS = ["java", "java-4", "kafka-streams", "kafka-connect", "kafka-tools", "franz-go", "sarama", "kafka-go",
           "kafka-python", "aiokafka", "confluent-kafka", "kafkajs", "confluent-kafka-javascript", "rskafka",
           "rust-rdkafka", "kcat"]


def features_of(client):
    """{feature: what it means}"""
    return OF_THEIR_OWN.get(client, LIFE)
