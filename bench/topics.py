# SPDX-License-Identifier: Apache-2.0
"""The topics that cases work on: made, filled and taken away, the same on every broker."""

import clients
import wire

# Of a batch that is fetched: its records fill one answer of a MiB, whatever follows is cut off.
BATCH_RECORDS = 1000
RECORD_BYTES = 1000
FILL_BATCHES = 16


def create(server, name, partitions=1, config=None):
    """On the one broker of `server`, which leads all partitions in the end. config: "name:value"."""
    more = {"config": config} if config else {}
    clients.load("create", server.port, topic=name, partitions=partitions, **more)
    clients.load("await", server.port, topic=name, partitions=partitions)


def delete(servers, name):
    for server in servers:
        wire.delete_topic(server.members[0].bootstrap, name)


def alter(server, name, configs):
    """These configs and no others."""
    error = wire.alter_topic_configs(server.members[0].bootstrap, name,
                                     {key: str(value) for key, value in configs.items()})
    if error != 0:
        raise clients.ClientError("AlterConfigs of %s was answered with error %d" % (name, error))


def fill_for_fetch(server, name):
    """16 MB in one partition, which stay in the page cache."""
    clients.load("produce", server.port, topic=name, requests=FILL_BATCHES, bytes=RECORD_BYTES, records=BATCH_RECORDS)


def one_record_in_each(server, name, partitions):
    clients.load("produce", server.port, topic=name, partitions=partitions, requests=partitions, in_flight=64)
