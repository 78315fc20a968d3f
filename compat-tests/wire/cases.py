# SPDX-License-Identifier: Apache-2.0
"""The requests that are compared: always the same, in the same order.

- `framing`: bytes that are no proper request.
- `versions`: for every API and version a sensible request, the same cut off and with bytes behind it.
- `fields`: in its first and its last version each field of that request at odd values, one at a time.
- `batches`: odd record sets, each for a partition of its own.
- `life`: members of groups and producers in the right and in the wrong order.
- `captured`: what real clients and hand-made probes sent to an Apache Kafka (captured.py).

What a request does to the broker is seen by those after it, so that an effect which differs shows up too.
"""

import copy
import struct

import batches
from captured import captured
from case import SESSION_MS, Case, Kept, Own

TOPIC, OTHER_TOPIC, ODD_TOPIC = "wire", "wire-other", "wire-odd"
PARTITIONS = 3
LIVE_GROUP = "wire-live"
BROKER_ID = 1
FRAME_MAX_BYTES = 104857600  # socket.request.max.bytes
MOMENTS_MS = (1, 2)          # times in which a broker is done or not
LARGEST_CREATED = 100        # partitions: Kafka would make as many as it is asked for

NUMBERS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
STRINGS = {"empty": "", "null": None, "other": "nope", "dot": ".", "bad": "no good!", "accent": "caf\u00e9",
           "long": "x" * 300, "not-utf8": b"\xff\xfe"}


# ---- sensible requests ----

def partition(**fields):
    return {"Partition": 0, "PartitionIndex": 0, "Index": 0, **fields}


def sensible():
    """{api: body}. Fields that a version or an API lacks are left out by the codec."""
    member = {"GroupId": LIVE_GROUP, "GenerationId": 1, "MemberId": Kept("member")}
    one_partition = [{"Name": TOPIC, "Partitions": [0]}]
    broker = {"ControllerId": BROKER_ID, "ControllerEpoch": -1, "BrokerEpoch": -1, "BrokerId": BROKER_ID}
    record = {"Key": "retention.ms", "Name": "retention.ms", "Value": "1000000", "ConfigOperation": 0}
    return {
        "Produce": {"Acks": -1, "TimeoutMs": 1000, "TopicData": [
            {"Name": TOPIC, "PartitionData": [{"Index": 1, "Records": batches.batch()}]}]},
        "Fetch": {"ReplicaId": -1, "MaxWaitMs": 10, "MinBytes": 1, "MaxBytes": 1 << 20, "SessionEpoch": -1, "Topics": [
            {"Topic": TOPIC, "TopicId": Kept("topic id"), "Partitions": [
                partition(FetchOffset=0, PartitionMaxBytes=1 << 20)]}]},
        "ListOffsets": {"ReplicaId": -1, "Topics": [{"Name": TOPIC, "Partitions": [
            partition(Timestamp=-1, MaxNumOffsets=1)]}]},
        "Metadata": {"Topics": [{"Name": TOPIC}]},
        "LeaderAndIsr": broker, "StopReplica": broker, "UpdateMetadata": broker,
        "ControlledShutdown": {"BrokerId": 77, "BrokerEpoch": -1},
        "OffsetCommit": {"GroupId": "wire-alone", "GenerationIdOrMemberEpoch": -1, "Topics": [
            {"Name": TOPIC, "Partitions": [partition(CommittedOffset=3, CommittedMetadata="m")]}]},
        "OffsetFetch": {"GroupId": "wire-alone", "Topics": [{"Name": TOPIC, "PartitionIndexes": [0, 1]}], "Groups": [
            {"GroupId": "wire-alone", "Topics": [{"Name": TOPIC, "PartitionIndexes": [0, 1]}]}]},
        "FindCoordinator": {"Key": "wire-alone", "CoordinatorKeys": ["wire-alone"]},
        "JoinGroup": {"GroupId": Own("join"), "SessionTimeoutMs": SESSION_MS, "RebalanceTimeoutMs": SESSION_MS,
                      "ProtocolType": "any", "Protocols": [{"Name": "range", "Metadata": b"m"}]},
        "Heartbeat": member, "LeaveGroup": {"GroupId": LIVE_GROUP, "MemberId": "nobody", "Members": [
            {"MemberId": "nobody"}]},
        "SyncGroup": {**member, "ProtocolType": "any", "ProtocolName": "range"},
        "DescribeGroups": {"Groups": [LIVE_GROUP]},
        "CreateTopics": {"TimeoutMs": 10000, "Topics": [
            {"Name": Own("created"), "NumPartitions": 1, "ReplicationFactor": 1, "Configs": [record]}]},
        "DeleteTopics": {"TimeoutMs": 10000, "TopicNames": [Own("nobody")], "Topics": [{"Name": Own("nobody")}]},
        "DeleteRecords": {"TimeoutMs": 10000, "Topics": [
            {"Name": OTHER_TOPIC, "Partitions": [partition(Offset=1)]}]},
        "InitProducerId": {"TransactionalId": None, "TransactionTimeoutMs": 60000},
        "OffsetForLeaderEpoch": {"ReplicaId": -1, "Topics": [{"Topic": TOPIC, "Partitions": [
            partition(CurrentLeaderEpoch=-1, LeaderEpoch=0)]}]},
        "DescribeConfigs": {"Resources": [{"ResourceType": 2, "ResourceName": TOPIC,
                                           "ConfigurationKeys": ["retention.ms"]}], "IncludeSynonyms": True},
        "AlterConfigs": {"Resources": [{"ResourceType": 2, "ResourceName": OTHER_TOPIC, "Configs": [record]}]},
        "IncrementalAlterConfigs": {"Resources": [
            {"ResourceType": 2, "ResourceName": OTHER_TOPIC, "Configs": [record]}]},
        "AlterReplicaLogDirs": {"Dirs": [{"Path": "/no/such/directory", "Topics": one_partition}]},
        "DescribeLogDirs": {"Topics": [{"Topic": TOPIC, "Partitions": [0]}]},
        "CreatePartitions": {"TimeoutMs": 10000, "ValidateOnly": False, "Topics": [
            {"Name": TOPIC, "Count": PARTITIONS}]},
        "DeleteGroups": {"GroupsNames": ["wire-nobody"]},
        "ElectLeaders": {"TimeoutMs": 10000, "TopicPartitions": [{"Topic": TOPIC, "Partitions": [0]}]},
        "AlterPartitionReassignments": {"TimeoutMs": 10000, "Topics": [
            {"Name": TOPIC, "Partitions": [partition(Replicas=[BROKER_ID])]}]},
        "ListPartitionReassignments": {"TimeoutMs": 10000, "Topics": [{"Name": TOPIC, "PartitionIndexes": [0]}]},
        "OffsetDelete": {"GroupId": "wire-alone", "Topics": [
            {"Name": TOPIC, "Partitions": [partition(PartitionIndex=2)]}]},
        "AlterPartition": broker, "AllocateProducerIds": broker,
        "DescribeProducers": {"Topics": [{"Name": TOPIC, "PartitionIndexes": [1]}]},
        "ApiVersions": {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1"},
    }


# Values that end the test instead of trying the broker: requests for which a broker waits or makes as
# much as it is asked for, and words of a controller, which the broker would believe.
def is_harmful(api, field, value):
    if api in ("CreateTopics", "CreatePartitions") and field in ("NumPartitions", "Count"):
        return value > LARGEST_CREATED
    if api in ("LeaderAndIsr", "StopReplica", "UpdateMetadata") and field == "ControllerEpoch":
        return value >= 0
    if api == "InitProducerId" and field == "TransactionalId":
        return bool(value)  # transactions, which change what there is
    return api == "ControlledShutdown" and field == "BrokerId" and value == BROKER_ID


# ---- odd values ----

def odd_values(kind, given):
    """[(label, value)] of a field of this type."""
    if kind.startswith("[]"):
        return [("null", None), ("empty", [])] + ([("twice", given + given)] if given else [])
    if kind in NUMBERS:
        bits = NUMBERS[kind]
        numbers = [-2, -1, 0, 1, 2, (1 << bits - 1) - 1, -(1 << bits - 1)]
        return [(str(number), number) for number in numbers if number != given]
    if kind == "bool":
        return [("other", not given)]
    if kind == "string":
        return [(label, value) for label, value in STRINGS.items() if value != given]
    if kind in ("bytes", "records"):
        return [("null", None), ("empty", b""), ("short", b"\xff" * 8), ("zeros", bytes(80))]
    if kind == "uuid":
        return [("zero", bytes(16)), ("other", b"\x11" * 16)]
    return []  # a struct: its fields are tried


def odd_bodies(api, version, fields, body, place=""):
    """(where, name of the field, value, change): change(copy of the body) puts the value in."""
    for field in fields:
        if version not in field.versions:
            continue
        given, where = body[field.name], place + field.name
        for label, value in odd_values(field.type, given):
            yield "%s=%s" % (where, label), field.name, value, (field.name,)
        inner = api.request.fields_of(field)
        if inner and given:
            first, step = (given[0], (field.name, 0)) if isinstance(given, list) else (given, (field.name,))
            for name, last, value, path in odd_bodies(api, version, inner, first, where + "."):
                yield name, last, value, step + path


def with_value(body, path, value):
    changed = copy.deepcopy(body)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


# ---- the kinds of cases ----

def framing(apis):
    versions = apis["ApiVersions"]
    good = versions.header(0, 1)

    def sized(frame, size=None):
        return struct.pack(">i", len(frame) if size is None else size) + frame

    header = struct.pack(">hhi", 18, 0, 1)
    raws = {
        "nothing": b"", "half a size": b"\0\0", "size 0": sized(b""), "size -1": sized(b"", -1),
        "size smallest": sized(b"", -(1 << 31)), "size over the maximum": sized(b"", FRAME_MAX_BYTES + 1),
        "size largest": sized(b"", (1 << 31) - 1),
        "http": b"GET / HTTP/1.1\r\n\r\n", "tls": b"\x16\x03\x01\x02\x00\x01\x00",
        "frame cut": sized(good)[:-1], "frame and half another": sized(good) + sized(good)[:7],
        "two frames": sized(good) + sized(good), "client null": sized(header + b"\xff\xff"),
        "client empty": sized(header + b"\0\0"), "client negative": sized(header + b"\xff\xfe"),
        "client too long": sized(header + b"\x7f\xff"), "client not UTF-8": sized(header + b"\0\2\xff\xfe"),
        "correlation negative": sized(struct.pack(">hhi", 18, 0, -5) + b"\xff\xff"),
    }
    raws.update(("header of %d bytes" % size, sized(good[:size])) for size in range(1, len(header) + 2))
    for key in (-1, 52, 53, 54, 55, 59, 62, 63, 64, 70, 73, 76, 80, 1000, 32767, -32768):
        raws["key %d" % key] = sized(struct.pack(">hhi", key, 0, 1) + b"\xff\xff" + bytes(8))
    for name, raw in raws.items():
        yield Case("framing/" + name, raw=raw)
    for api in apis.values():
        for version in sorted({-1, api.request.versions.first - 1, api.request.versions.last + 1, 32767}):
            frame = struct.pack(">hhi", api.key, version, 1) + b"\xff\xff" + bytes(16)
            yield Case("framing/%s v%d" % (api.name, version), raw=sized(frame))


def whole_versions(apis):
    bodies = sensible()
    for api in apis.values():
        for version in api.versions():
            name, body = "versions/%s v%d" % (api.name, version), bodies.get(api.name, {})
            header_size = len(api.header(version, 1))
            yield Case(name, api, version, body)
            yield Case(name + " more", api, version, body, change=lambda frame: frame + b"\0\1\2")
            yield Case(name + " less 1", api, version, body, change=lambda frame: frame[:-1])
            yield Case(name + " half", api, version, body,
                       change=lambda frame, size=header_size: frame[:(size + len(frame)) // 2])
            yield Case(name + " header", api, version, body, change=lambda frame, size=header_size: frame[:size])


def odd_fields(apis):
    bodies = sensible()
    for name, body in bodies.items():
        api = apis[name]
        for version in sorted({api.request.versions.first, api.request.versions.last}):
            whole = api.request.complete(body, version)
            for where, field, value, path in odd_bodies(api, version, api.request.fields, whole):
                if not is_harmful(name, field, value):
                    yield Case("fields/%s v%d %s" % (name, version, where), api, version,
                               with_value(whole, path, value), is_race=field == "TimeoutMs" and value in MOMENTS_MS)


def odd_batches(apis):
    for index, (name, records) in enumerate(batches.ODD.items()):
        for version in (2, apis["Produce"].request.versions.last):
            at = 2 * index + (version > 2)
            for again in ("", " again"):
                yield Case("batches/%s v%d%s" % (name, version, again), apis["Produce"], version, {
                    "Acks": -1, "TimeoutMs": 1000, "TopicData": [
                        {"Name": ODD_TOPIC, "PartitionData": [{"Index": at, "Records": records}]}]})
            for fetch in (3, 11):
                yield Case("batches/%s v%d read by v%d" % (name, version, fetch), apis["Fetch"], fetch, {
                    "ReplicaId": -1, "MaxWaitMs": 10, "MinBytes": 0, "MaxBytes": 1 << 20, "SessionEpoch": -1,
                    "Topics": [
                        {"Topic": ODD_TOPIC, "Partitions": [partition(Partition=at, PartitionMaxBytes=1 << 20)]}]})


def setup(apis):
    """What the other cases find. Answers are compared as well."""
    yield Case("setup/topics", apis["CreateTopics"], 5, {"TimeoutMs": 30000, "Topics": [
        {"Name": TOPIC, "NumPartitions": PARTITIONS, "ReplicationFactor": 1},
        {"Name": OTHER_TOPIC, "NumPartitions": 1, "ReplicationFactor": 1},
        {"Name": "__consumer_offsets", "NumPartitions": 3, "ReplicationFactor": 1},
        {"Name": ODD_TOPIC, "NumPartitions": 2 * len(batches.ODD), "ReplicationFactor": 1}]})
    yield Case("setup/topic id", apis["Metadata"], 12, {"Topics": [{"Name": TOPIC}]},
               keep={"topic id": "Topics[0].TopicId"})
    for topic in (TOPIC, OTHER_TOPIC):
        yield Case("setup/records of " + topic, apis["Produce"], 9, {"Acks": -1, "TimeoutMs": 30000, "TopicData": [
            {"Name": topic, "PartitionData": [{"Index": 0, "Records": batches.batch()}]}]})
    yield Case("setup/coordinator", apis["FindCoordinator"], 2, {"Key": LIVE_GROUP})
    yield Case("setup/producer id", apis["InitProducerId"], 4, {"TransactionalId": None})
    yield Case("setup/join", apis["JoinGroup"], 5, {
        "GroupId": LIVE_GROUP, "SessionTimeoutMs": SESSION_MS, "RebalanceTimeoutMs": SESSION_MS,
        "GroupInstanceId": "one", "ProtocolType": "any", "Protocols": [{"Name": "range", "Metadata": b"m"}]},
               keep={"member": "MemberId"})
    yield Case("setup/sync", apis["SyncGroup"], 5, {
        "GroupId": LIVE_GROUP, "GenerationId": 1, "MemberId": Kept("member"), "GroupInstanceId": "one",
        "Assignments": [{"MemberId": Kept("member"), "Assignment": b"a"}]})


def life_of_a_producer(apis):
    """Sequence numbers, in and out of order."""
    api = apis["InitProducerId"]
    yield Case("life/producer id", api, api.request.versions.last, {"TransactionalId": None},
               keep={"producer": "ProducerId"})
    for name, epoch, sequence in (("first", 0, 0), ("first again", 0, 0), ("gap", 0, 9), ("next", 0, 3), ("old", 0, 0),
                                  ("older epoch", -1, 6), ("newer epoch", 1, 0), ("newer epoch wrong", 2, 5),
                                  ("fenced", 0, 6)):
        yield ProducerCase("life/producer " + name, apis["Produce"], epoch, sequence)
    yield Case("life/producers", apis["DescribeProducers"], 0, {"Topics": [{"Name": TOPIC, "PartitionIndexes": [2]}]})


class ProducerCase(Case):
    """A batch of the producer id that was given out."""

    def __init__(self, name, api, epoch, sequence):
        super().__init__(name, api, 9, {})
        self.epoch, self.sequence = epoch, sequence

    def frame(self, kept, correlation_id=1):
        records = batches.batch(producer_id=int(kept.get("producer") or 0), producer_epoch=self.epoch,
                                sequence=self.sequence)
        self.body = {"Acks": -1, "TimeoutMs": 1000, "TopicData": [
            {"Name": TOPIC, "PartitionData": [{"Index": 2, "Records": records}]}]}
        return super().frame(kept, correlation_id)


def life_of_a_group(apis):
    """One static member: every request of a member, with its own name, a wrong one, and after it has left."""
    group = "wire-life"
    requests = {
        "heartbeat": ("Heartbeat", {}), "sync": ("SyncGroup", {"ProtocolType": "consumer", "ProtocolName": "range"}),
        "commit": ("OffsetCommit", {"Topics": [{"Name": TOPIC, "Partitions": [partition(CommittedOffset=2)]}]}),
        "describe": ("DescribeGroups", {"Groups": [group]}), "delete": ("DeleteGroups", {"GroupsNames": [group]}),
        "delete offsets": ("OffsetDelete", {"Topics": [{"Name": TOPIC, "Partitions": [partition()]}]}),
        "offsets": ("OffsetFetch", {"Topics": [{"Name": TOPIC, "PartitionIndexes": [0]}], "Groups": [
            {"GroupId": group, "Topics": [{"Name": TOPIC, "PartitionIndexes": [0]}]}]}),
        "leave": ("LeaveGroup", {"Members": [{"MemberId": "", "GroupInstanceId": "s"}]}),
    }
    join = {"GroupId": group, "SessionTimeoutMs": SESSION_MS, "RebalanceTimeoutMs": SESSION_MS, "GroupInstanceId": "s",
            "ProtocolType": "consumer", "Protocols": [{"Name": "range", "Metadata": b"\0\0\0\0\0\0\0\0\0\0"}]}
    for round_name, identity in (
            ("nobody", {"MemberId": "x"}), ("", {"MemberId": Kept("life"), "GroupInstanceId": "s"}),
            ("other generation", {"MemberId": Kept("life"), "GenerationId": 7, "GenerationIdOrMemberEpoch": 7}),
            ("other member", {"MemberId": "other", "GroupInstanceId": "s"}),
            ("other instance", {"MemberId": Kept("life"), "GroupInstanceId": "t"}),
            ("gone", {"MemberId": Kept("life"), "GroupInstanceId": "s"})):
        if round_name == "":
            yield Case("life/group join", apis["JoinGroup"], 9, join, keep={"life": "MemberId"})
        for name, (api, fields) in requests.items():
            if name == "leave" and round_name not in ("other instance", "gone"):
                continue
            for version in (apis[api].request.versions.last, apis[api].request.versions.last - 1):
                if version in apis[api].request.versions:
                    yield Case("life/group %s v%d %s" % (name, version, round_name), apis[api], version, {
                        "GroupId": group, "GenerationId": 1, "GenerationIdOrMemberEpoch": 1, **identity, **fields})


def all_cases(apis):
    for kind in (setup, framing, odd_batches, life_of_a_producer, life_of_a_group, whole_versions, odd_fields,
                 captured):
        yield from kind(apis)
