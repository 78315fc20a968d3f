# SPDX-License-Identifier: Apache-2.0
"""The cases: what is done to the brokers, and the rows that come of it.

A case is a function of the bench (its brokers, clock and scratch folder) that yields rows (rounds.py). LOADS are those
that differ by their numbers only; growth.py and starts.py have those that are about growth, and about starts and rest.
"""

import collections
import os
import time

import clients
import groups
import growth
import rounds
import starts
import targets
import topics
import wire

MIB = 1 << 20

Load = collections.namedtuple(
    "Load", "name title per command options partitions ceiling is_brief topic_config rounds")
Case = collections.namedtuple("Case", "name weight is_brief run")


def load_of(name, title, per, command, options, partitions=1, ceiling=None, is_brief=False, topic_config=None,
            rounds=None):
    return Load(name, title, per, command, options, partitions, ceiling, is_brief, topic_config, rounds)


# Of what is held against a bare program closely, and is mostly the kernel's work, which varies from round to round.
MORE_ROUNDS = 11
# A consumer of large answers sleeps until its read buffer can be filled (bench/drive.c).
WAKE_BYTES = 256 * 1024
# Closed loops: each connection keeps `in_flight` requests under way, for a fixed time.
LOADS = [
    load_of("produce-1k", "produce 1 KB records, 1 MB requests, acks=all", "GiB", "produce",
            {"partitions": 4, "in_flight": 4, "bytes": 1000, "records": 1000}, 4, "receive", True, rounds=MORE_ROUNDS),
    load_of("produce-100b", "produce 100 B records, 100 KB requests, acks=all", "GiB", "produce",
            {"partitions": 4, "in_flight": 4, "bytes": 100, "records": 1000}, 4, "receive", True),
    load_of("one-record", "one 100 B record per request, 64 in flight", "request", "produce",
            {"in_flight": 64}, 1, "receive", True),
    load_of("fetch", "fetch from the page cache, 1 consumer, 1 MiB answers", "GiB", "fetch",
            {"in_flight": 4, "bytes": MIB, "wake": WAKE_BYTES}, 1, "send", True, rounds=MORE_ROUNDS),
    load_of("one-record-alone", "one 100 B record per request, one at a time", "request", "produce",
            {"in_flight": 1}, 1, "receive"),
    load_of("produce-1k-small", "produce 1 KB records, 16 KB requests, acks=all", "GiB", "produce",
            {"partitions": 4, "in_flight": 5, "bytes": 1000, "records": 16}, 4, "receive"),
    load_of("produce-acks1", "produce 1 KB records, 16 KB requests, acks=1", "GiB", "produce",
            {"partitions": 4, "in_flight": 5, "bytes": 1000, "records": 16, "acks": 1}, 4),
    load_of("produce-acks0", "produce 1 KB records, 16 KB requests, acks=0", "GiB", "produce",
            {"partitions": 4, "in_flight": 5, "bytes": 1000, "records": 16, "acks": 0}, 4),
    load_of("producers-500", "500 producer connections, one 100 B record per request", "request", "produce",
            {"connections": 500, "partitions": 4}, 4),
    load_of("partitions-1000", "one 100 B record per request, 1,000 partitions in turn", "request", "produce",
            {"in_flight": 64, "partitions": 1000}, 1000),
    load_of("fetch-eager", "fetch from the page cache, 1 consumer that every segment wakes, 1 MiB answers", "GiB",
            "fetch", {"in_flight": 4, "bytes": MIB}, 1, "send", rounds=MORE_ROUNDS),
    load_of("fetch-8", "fetch from the page cache, 8 consumers of one topic, 1 MiB answers", "GiB", "fetch",
            {"connections": 8, "in_flight": 1, "bytes": MIB, "wake": WAKE_BYTES}),
    load_of("flush-1", "flush.messages=1, 1 producer, one 100 B record per request", "request", "produce",
            {}, topic_config="flush.messages:1"),
    load_of("flush-8", "flush.messages=1, 8 producers", "request", "produce",
            {"connections": 8}, topic_config="flush.messages:1"),
    load_of("flush-64", "flush.messages=1, 64 producers", "request", "produce",
            {"connections": 64}, topic_config="flush.messages:1"),
]
JAVA_REPLICATED = 15000  # records of 1 KB of a round, which are four seconds of Kafka's CPU
PACKED = 100
PACK_TRIES = 10
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
LATENCY_RATES = (1000, 10000, 50000)
LATENCY_WARM_S = 0.3  # of each round, not counted
LATENCY_WARM_UPS = 1


# ---- loads ---------------------------------------------------------------------------------------------------------

def open_ceiling(bench, kind):
    path = bench.scratch / ("bare-" + kind)
    if kind == "receive":
        return targets.Bare("receive", path)
    path.write_bytes(os.urandom(MIB))
    return targets.Bare("send", path, MIB)


def run_load(bench, load):
    pair = bench.pair()
    for server in pair:
        topics.create(server, load.name, load.partitions, load.topic_config)
        if load.command == "fetch":
            topics.fill_for_fetch(server, load.name)
    ceiling = open_ceiling(bench, load.ceiling) if load.ceiling else None

    def drive(server):
        sample = clients.load(load.command, server.port, topic=load.name, seconds=bench.round_s, **load.options)
        if load.command == "fetch":
            sample["records"] = sample["requests"] * topics.BATCH_RECORDS
        return sample

    try:
        measured = rounds.alternate(bench.clock, [*pair, ceiling] if ceiling else pair, drive, load.per,
                                    None if bench.is_quick else load.rounds)
    finally:
        if ceiling:
            ceiling.close()
    topics.delete(pair, load.name)
    yield rounds.row(load.name, load.title, load.per, measured)


def run_codecs(bench):
    """A batch that librdkafka has packed once is sent again and again, so that the client's packing costs nothing."""
    pair = bench.pair()
    for codec in CODECS:
        topic, packed = "codec-" + codec, {}
        for server in pair:
            topics.create(server, topic)
            packed[server.name] = pack(server, codec, topic)
        measured = rounds.alternate(
            bench.clock, pair, lambda server, topic=topic, packed=packed: with_record_bytes(clients.load(
                "produce", server.port, topic=topic, like=packed[server.name], in_flight=4,
                seconds=bench.round_s / 2), 1000), "GiB")
        topics.delete(pair, topic)
        yield rounds.row(topic, "produce batches of 100 records of 1 KB, %s" % codec, "GiB", measured)


def pack(server, codec, topic):
    """Makes a topic whose first batch holds PACKED records, and returns its name. The library may send a smaller batch
    first, when it has just connected: then another topic is made."""
    for number in range(PACK_TRIES):
        packed = "packed-%s-%d" % (codec, number)
        topics.create(server, packed)
        clients.rdkafka("produce", server.bootstrap, {
            "topic": packed, "records": PACKED, "bytes": 1000, "compression.type": codec, "linger.ms": 500,
            "batch.num.messages": PACKED})
        if clients.load("produce", server.port, topic=topic, like=packed)["records"] == PACKED:
            return packed
    raise clients.ClientError("librdkafka has not packed %d records into one batch" % PACKED)


def with_record_bytes(sample, record_bytes):
    """Bytes before compression."""
    sample["bytes"] = sample["records"] * record_bytes
    return sample


def run_rdkafka(bench):
    pair = bench.pair()
    for name, record_bytes, records in (("rdkafka-1k", 1000, 150000), ("rdkafka-100b", 100, 600000)):
        for server in pair:
            topics.create(server, name, 4)
        measured = rounds.alternate(bench.clock, pair, lambda server, n=name, b=record_bytes, r=records:
                                    clients.rdkafka("produce", server.bootstrap, {
                                        "topic": n, "records": r, "bytes": b, "acks": "all", "linger.ms": 5}), "GiB")
        yield rounds.row(name, "librdkafka produces %d B records, acks=all" % record_bytes, "GiB", measured)
        measured = rounds.alternate(bench.clock, pair, lambda server, n=name, r=records: clients.rdkafka(
            "consume", server.bootstrap, {"topic": n, "records": r}), "GiB")
        yield rounds.row(name + "-read", "librdkafka consumes %d B records" % record_bytes, "GiB", measured)
        topics.delete(pair, name)


def run_java(bench):
    pair, records = bench.pair(), 60000
    for server in pair:
        topics.create(server, "java")
    measured = rounds.alternate(bench.clock, pair, lambda server: bench.java.produce(
        server.bootstrap, "java", records, 1000), "GiB", warm_ups=0)
    yield rounds.row("java", "ProducerPerformance, 1 KB records, acks=all", "GiB", measured)
    measured = rounds.alternate(bench.clock, pair, lambda server: bench.java.consume(
        server.bootstrap, "java", records), "GiB", warm_ups=0)
    yield rounds.row("java-read", "ConsumerPerformance, 1 KB records", "GiB", measured)
    topics.delete(pair, "java")


# ---- latency -------------------------------------------------------------------------------------------------------

def run_latency(bench, rates=LATENCY_RATES, consumers=1):
    pair = bench.pair()
    for rate in [10000] if bench.is_quick else rates:
        name = "latency-%d-%d" % (rate, consumers)
        for server in pair:
            topics.create(server, name)
        measured = rounds.alternate(
            bench.clock, pair, lambda server, n=name, r=rate: clients.load(
                "latency", server.port, topic=n, rate=min(r, 1000), records=max(1, r // 1000), consumers=consumers,
                warm=LATENCY_WARM_S, seconds=bench.round_s * 2), "record", warm_ups=LATENCY_WARM_UPS)
        topics.delete(pair, name)
        yield rounds.row(name, "end to end at %s records/s, %s" % (
            format(rate, ","), "1 consumer" if consumers == 1 else "%d consumers" % consumers), "record", measured,
            parameter=rate)


def run_fanout(bench):
    yield from run_latency(bench, (10000,), 8)


def run_cold(bench):
    """A consumer reads old data from the disk while a producer goes on at a fixed rate. Throughput is the consumer's,
    latency the producer's."""
    pair = bench.pair()
    records = 150000
    for server in pair:
        topics.create(server, "cold", 1, "retention.bytes:-1")
        topics.create(server, "warm", 1)
        clients.rdkafka("produce", server.bootstrap, {"topic": "cold", "records": records, "bytes": 1000})

    def drive(server):
        drop_from_page_cache(server.members[0].data_dir)
        producer = clients.start_load("produce", server.port, topic="warm", rate=1000, seconds=bench.round_s * 3,
                                      in_flight=64)
        read = clients.rdkafka("consume", server.bootstrap, {"topic": "cold", "records": records})
        return {**clients.finish(producer), **read}

    measured = rounds.alternate(bench.clock, pair, drive, "GiB")
    topics.delete(pair, "cold")
    topics.delete(pair, "warm")
    yield rounds.row("cold", "cold fetch of 150 MB while 1,000 records/s are produced (latency: of these)", "GiB",
                     measured)


def drop_from_page_cache(folder):
    for path in folder.glob("cold-*/*.log"):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# ---- groups --------------------------------------------------------------------------------------------------------

def run_groups(bench):
    pair = bench.pair()
    for server in pair:
        topics.create(server, "bench")
        groups.await_coordinator(server.port)
    numbers = iter(range(1000000))

    def join(server):
        group = "group-%d" % next(numbers)
        began = time.monotonic()
        members = [groups.Member(server.port, group) for _ in range(100)]
        groups.settle(members)
        seconds = time.monotonic() - began
        for member in members:
            member.close()
        return {"requests": 1, "seconds": seconds}

    measured = rounds.alternate(bench.clock, pair, join, "request", warm_ups=1)
    yield rounds.row("join-100", "a group of 100 joins, all at once", "request", measured)
    for server in pair:
        groups.await_commits(server, "bench")
    measured = rounds.alternate(
        bench.clock, pair, lambda server: clients.load("commit", server.port, topic="bench", in_flight=64,
                                                       seconds=bench.round_s), "request")
    yield rounds.row("commit", "one offset committed per request, 64 in flight", "request", measured)
    topics.delete(pair, "bench")


def run_pollers(bench):
    """Each waits half a second for a byte that does not come, then asks again."""
    pair = bench.pair()
    for server in pair:
        topics.create(server, "silent")
    measured = rounds.alternate(
        bench.clock, pair, lambda server: clients.load("fetch", server.port, topic="silent", connections=500, offset=-1,
                                                       bytes=MIB, wait_ms=500, seconds=bench.round_s), "request",
        warm_ups=0)
    topics.delete(pair, "silent")
    yield rounds.row("pollers-500", "500 consumers that wait for nothing, half a second each", "request", measured)


# ---- three brokers -------------------------------------------------------------------------------------------------

def run_replicated(bench):
    servers = bench.clusters()
    try:
        for server in servers:
            server.start()
            await_members(server)
            create_replicated(server, "replicated")
        for name, record_bytes, records in (("rf3-1k", 1000, 100000), ("rf3-100b", 100, 300000)):
            measured = rounds.alternate(bench.clock, servers, lambda server, b=record_bytes, r=records:
                                        clients.rdkafka("produce", server.bootstrap, {
                                            "topic": "replicated", "records": r, "bytes": b, "acks": "all",
                                            "linger.ms": 5}), "GiB")
            yield rounds.row(name, "three brokers, RF 3, acks=all: librdkafka produces %d B records" % record_bytes,
                             "GiB", measured)
        measured = rounds.alternate(bench.clock, servers, lambda server: bench.java.produce(
            server.bootstrap, "replicated", JAVA_REPLICATED, 1000), "GiB", warm_ups=0)
        for server in servers:
            check_replicated(server, "replicated")
        yield rounds.row("rf3-java", "three brokers, RF 3, acks=all: ProducerPerformance, 1 KB records", "GiB",
                         measured)
    finally:
        for server in servers:
            bench.forget(server)


def await_members(server):
    until = time.monotonic() + clients.TIMEOUT_S
    while len(wire.broker_ids(server.members[0].bootstrap)) < len(server.members):
        if time.monotonic() > until:
            raise clients.ClientError("the brokers of %s do not find each other" % server.name)
        time.sleep(0.1)


def create_replicated(server, topic):
    """Three partitions with a replica on each broker, made by whichever is the controller."""
    for number, member in enumerate(server.members):
        try:
            clients.load("create", member.port, topic=topic, partitions=3, replicas=3)
            break
        except clients.ClientError:
            if number + 1 == len(server.members):
                raise
    clients.rdkafka("produce", server.bootstrap, {"topic": topic, "records": 1000, "bytes": 100, "acks": "all"})
    check_replicated(server, topic)


def check_replicated(server, topic):
    """What is not replicated any more is no measure of replication."""
    rows = [row for row in wire.partitions(server.members[0].bootstrap) if row[0] == topic]
    if len(rows) != 3 or any(len(in_sync) != 3 for *_, in_sync in rows):
        raise clients.ClientError("%s: %s is not on three brokers in sync: %s" % (server.name, topic, rows))


def case_of(load):
    return Case(load.name, 1, load.is_brief, lambda bench: run_load(bench, load))


# The most important ones first: they get their time, whatever comes later. Weights are about seconds / 10.
CASES = [
    *(case_of(load) for load in LOADS[:4]),
    Case("latency", 5, True, run_latency),
    Case("idle", 2, True, starts.run_idle),
    Case("start-empty", 2, True, starts.run_empty),
    Case("rf3", 3, False, run_replicated),
    Case("start-many", 14, True, starts.run_many),
    *(case_of(load) for load in LOADS[4:]),
    Case("rdkafka", 2, False, run_rdkafka),
    Case("java", 5, False, run_java),
    Case("codecs", 3, False, run_codecs),
    Case("fanout", 2, False, run_fanout),
    Case("pollers", 1, False, run_pollers),
    Case("groups", 2, False, run_groups),
    Case("cold", 3, False, run_cold),
    Case("partitions", 3, False, growth.run_partitions),
    Case("connections", 2, False, growth.run_connections),
    Case("segments", 4, False, growth.run_segments),
    Case("growing-groups", 2, False, growth.run_groups),
]
