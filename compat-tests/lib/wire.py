# SPDX-License-Identifier: Apache-2.0
"""The few Kafka requests the tests speak themselves, over a bare socket.

Only what no client at hand can do: asking whether a broker is up before any client is started,
creating and deleting topics for kcat, which has no admin commands, and looking at groups without
being in one. Low versions are used on
purpose: they have no tagged fields and every broker that calls itself Kafka 3.9 serves them.
"""

import collections
import socket
import struct

API_LIST_OFFSETS = 2
API_METADATA = 3
API_OFFSET_FETCH = 9
API_FIND_COORDINATOR = 10
API_DESCRIBE_GROUPS = 15
API_VERSIONS = 18
API_CREATE_TOPICS = 19
API_DELETE_TOPICS = 20
API_ALTER_CONFIGS = 33

MAX_ANSWER_BYTES = 16 << 20


def split_address(bootstrap):
    """'host:port' -> (host, port)."""
    host, port = bootstrap.rsplit(":", 1)
    return host.strip("[]"), int(port)


def _take(sock, count):
    got = b""
    while len(got) < count:
        more = sock.recv(count - len(got))
        if not more:
            raise OSError("the broker closed the connection")
        got += more
    return got


def _string(text):
    raw = text.encode()
    return struct.pack(">h", len(raw)) + raw


def _configs(configs):
    return struct.pack(">i", len(configs)) + b"".join(_string(key) + _string(given) for key, given in configs.items())


def ask(bootstrap, api_key, version, body, timeout_s=10):
    """One request on a connection of its own; returns the answer's body."""
    with socket.create_connection(split_address(bootstrap), timeout_s) as sock:
        sock.settimeout(timeout_s)
        request = struct.pack(">hhi", api_key, version, 7) + _string("compat-tests") + body
        sock.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", _take(sock, 4))
        if not 4 <= size <= MAX_ANSWER_BYTES:
            raise OSError("the broker answered with a frame of %d bytes" % size)
        answer = _take(sock, size)
    (correlation_id,) = struct.unpack(">i", answer[:4])
    if correlation_id != 7:
        raise OSError("asked with correlation id 7, answered with %d" % correlation_id)
    return answer[4:]


def api_versions(bootstrap, timeout_s=10):
    """ApiVersions v0: {api key: (lowest version, highest version)}."""
    body = ask(bootstrap, API_VERSIONS, 0, b"", timeout_s)
    error, count = struct.unpack(">hi", body[:6])
    if error != 0:
        raise OSError("ApiVersions answered with error %d" % error)
    rows = (struct.unpack(">hhh", body[6 + 6 * i:12 + 6 * i]) for i in range(count))
    return {key: (low, high) for key, low, high in rows}


def broker_ids(bootstrap, timeout_s=10):
    """Metadata v1 without topics: the ids of the brokers that are known to this one."""
    body = ask(bootstrap, API_METADATA, 1, struct.pack(">i", 0), timeout_s)
    (count,) = struct.unpack(">i", body[:4])
    ids, at = [], 4
    for _ in range(count):
        node_id, host_size = struct.unpack(">ih", body[at:at + 6])
        at += 6 + host_size + 4
        (rack_size,) = struct.unpack(">h", body[at:at + 2])
        at += 2 + max(rack_size, 0)
        ids.append(node_id)
    return ids


def partitions(bootstrap, timeout_s=10):
    """Metadata v1 of all topics: what is said of each partition, sorted: (topic, error, partition, leader, replicas,
    in-sync replicas)."""
    answer = Reader(ask(bootstrap, API_METADATA, 1, struct.pack(">i", -1), timeout_s))

    def broker():
        return answer.take("i"), answer.string(), answer.take("i"), answer.string()

    def topic():
        _, name, _ = answer.take("h"), answer.string(), answer.take("?")
        return [(name, *row) for row in answer.array(partition)]

    def partition():
        return (*answer.take("hii"), tuple(answer.array(lambda: answer.take("i"))),
                tuple(answer.array(lambda: answer.take("i"))))

    answer.array(broker)
    answer.take("i")  # the controller
    return sorted(row for rows in answer.array(topic) for row in rows)


def create_topic(bootstrap, topic, partitions, timeout_s=30, configs=None):
    """CreateTopics v1 with one replica and these configs {name: value}; returns Kafka's error code for the topic."""
    body = (struct.pack(">i", 1) + _string(topic)
            + struct.pack(">ihi", partitions, 1, 0)           # no assignment
            + _configs(configs or {})
            + struct.pack(">i?", timeout_s * 1000, False))    # not only to validate
    answer = ask(bootstrap, API_CREATE_TOPICS, 1, body, timeout_s + 10)
    count, name_size = struct.unpack(">ih", answer[:6])
    if count != 1 or answer[6:6 + name_size].decode() != topic:
        raise OSError("CreateTopics answered for something else than " + topic)
    (error,) = struct.unpack(">h", answer[6 + name_size:8 + name_size])
    return error


def delete_topic(bootstrap, topic, timeout_s=30):
    """DeleteTopics v1; returns Kafka's error code for the topic."""
    body = struct.pack(">i", 1) + _string(topic) + struct.pack(">i", timeout_s * 1000)
    answer = ask(bootstrap, API_DELETE_TOPICS, 1, body, timeout_s + 10)
    _, count, name_size = struct.unpack(">iih", answer[:10])
    if count != 1 or answer[10:10 + name_size].decode() != topic:
        raise OSError("DeleteTopics answered for something else than " + topic)
    (error,) = struct.unpack(">h", answer[10 + name_size:12 + name_size])
    return error


def alter_cluster_configs(bootstrap, configs, timeout_s=10):
    """AlterConfigs v0 of all brokers together, which confluent-kafka refuses: the error code."""
    return _alter_configs(bootstrap, 4, "", configs, timeout_s)


def alter_topic_configs(bootstrap, topic, configs, timeout_s=10):
    """AlterConfigs v0: the topic has these configs and no others; the error code."""
    return _alter_configs(bootstrap, 2, topic, configs, timeout_s)


def _alter_configs(bootstrap, kind, name, configs, timeout_s):
    body = struct.pack(">ib", 1, kind) + _string(name) + _configs(configs) + struct.pack(">?", False)
    answer = Reader(ask(bootstrap, API_ALTER_CONFIGS, 0, body, timeout_s))
    _, _, error = answer.take("i"), answer.take("i"), answer.take("h")
    return error


def leaders(bootstrap, topic, timeout_s=10):
    """Metadata v0 of all topics, for naming one could create it: partitions of this one that have a leader."""
    answer = Reader(ask(bootstrap, API_METADATA, 0, struct.pack(">i", 0), timeout_s))

    def broker():
        answer.take("i"), answer.string(), answer.take("i")

    def partition():
        _, _, leader = answer.take("hii")
        for _ in range(2):  # replicas, those in sync
            answer.array(lambda: answer.take("i"))
        return leader

    def one():
        _, name = answer.take("h"), answer.string()
        return name, answer.array(partition)

    answer.array(broker)
    return sum(1 for leader in dict(answer.array(one)).get(topic, []) if leader >= 0)


class Reader:
    """The fields of an answer, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0] if len(values) == 1 else values

    def raw(self, size):
        self.at += max(size, 0)
        return self.data[self.at - max(size, 0):self.at]

    def string(self):
        return self.raw(self.take("h")).decode()

    def octets(self):
        return self.raw(self.take("i"))

    def array(self, item):
        return [item() for _ in range(self.take("i"))]


def first_offset(bootstrap, topic, partition, timeout_s=10):
    """ListOffsets v1: the offset that a partition begins at."""
    earliest = -2
    body = struct.pack(">ii", -1, 1) + _string(topic) + struct.pack(">iiq", 1, partition, earliest)
    answer = Reader(ask(bootstrap, API_LIST_OFFSETS, 1, body, timeout_s))
    _, _, _ = answer.take("i"), answer.string(), answer.take("i")
    _, error, _, offset = answer.take("ihqq")
    if error != 0:
        raise OSError("ListOffsets answered with error %d" % error)
    return offset


Group = collections.namedtuple("Group", "error state protocol members")


def coordinator_error(bootstrap, group, timeout_s=10):
    """FindCoordinator v0: the error code; 0 when there is a coordinator."""
    return Reader(ask(bootstrap, API_FIND_COORDINATOR, 0, _string(group), timeout_s)).take("h")


def describe_group(bootstrap, group, timeout_s=10):
    """DescribeGroups v0: a Group, its members as {member id: the assignment's bytes}."""
    answer = Reader(ask(bootstrap, API_DESCRIBE_GROUPS, 0, struct.pack(">i", 1) + _string(group),
                        timeout_s))

    def member():
        member_id, _, _ = answer.string(), answer.string(), answer.string()
        answer.octets()  # the subscription
        return member_id, answer.octets()

    _, error, _, state = answer.take("i"), answer.take("h"), answer.string(), answer.string()
    _, protocol = answer.string(), answer.string()
    return Group(error, state, protocol, dict(answer.array(member)))


def assigned_partitions(assignment, topic):
    """The partitions of a topic in an assignment of the consumer protocol."""
    if not assignment:
        return []
    reader = Reader(assignment)
    reader.take("h")

    def one():
        return reader.string(), reader.array(lambda: reader.take("i"))

    return [partition for name, partitions in reader.array(one) if name == topic
            for partition in partitions]


def committed_offsets(bootstrap, group, topic, partitions, timeout_s=10):
    """OffsetFetch v2: {partition: offset, -1 where nothing is committed}."""
    body = (_string(group) + struct.pack(">i", 1) + _string(topic)
            + struct.pack(">i%di" % partitions, partitions, *range(partitions)))
    answer = Reader(ask(bootstrap, API_OFFSET_FETCH, 2, body, timeout_s))

    def one():
        partition, offset = answer.take("iq")
        answer.string()
        error = answer.take("h")
        if error != 0:
            raise OSError("OffsetFetch answered with error %d" % error)
        return partition, offset

    # Nothing but an error where this broker is not the coordinator.
    offsets = dict(answer.array(one)) if answer.take("i") and answer.string() else {}
    error = answer.take("h")
    if error != 0:
        raise OSError("OffsetFetch answered with error %d" % error)
    return offsets


GroupOffset = collections.namedtuple("GroupOffset", "topic partition offset leader_epoch metadata")


def group_offsets(bootstrap, group, timeout_s=10):
    """OffsetFetch v5 for all there are: a list of GroupOffset. (confluent-kafka, which could ask
    the same, reads beyond the end of the metadata.)"""
    answer = Reader(ask(bootstrap, API_OFFSET_FETCH, 5, _string(group) + struct.pack(">i", -1),
                        timeout_s))
    answer.take("i")
    found = []

    def topic():
        name = answer.string()

        def partition():
            found.append(GroupOffset(name, *answer.take("iqi"), answer.string()))
            error = answer.take("h")
            if error != 0:
                raise OSError("OffsetFetch answered with error %d" % error)

        answer.array(partition)

    answer.array(topic)
    error = answer.take("h")
    if error != 0:
        raise OSError("OffsetFetch answered with error %d" % error)
    return found
