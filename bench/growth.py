# SPDX-License-Identifier: Apache-2.0
"""Growth: what a request costs beside more and more of what it does not touch. Each gives a curve of rows.

What always holds: along a curve the request is the same and goes to the same place; only what lies beside it grows.
"""

import clients
import groups
import rounds
import topics

PARTITIONS = (10, 100, 1000, 5000)
CONNECTIONS = (10, 100, 1000, 10000)
SEGMENTS = (10, 100, 1000)
GROUPS = (10, 100, 1000)
KAFKA_MAX = 1000  # beyond, making them would take Kafka longer than all the rest
TOUCHED = 10      # partitions written to, connections that send
ROUND_PART = 0.4  # of what a round of another case takes: there are many points
WARM_UPS = 1

# A batch of one record of 1 KB, two of which do not fit into a segment: each request begins a new one.
SEGMENT_RECORD_BYTES = 1000
SMALL_SEGMENT_BYTES = 2000
LARGE_SEGMENT_BYTES = 1 << 30


def point(bench, servers, drive, case, title, parameter):
    measured = rounds.alternate(bench.clock, servers, drive, "request", warm_ups=WARM_UPS)
    return rounds.row(case, title, "request", measured, parameter=parameter)


def both_up_to(pair, count):
    return pair if count <= KAFKA_MAX else pair[:1]


def run_partitions(bench):
    """All partitions hold a record, ten are written to."""
    pair, seconds = bench.pair(), bench.round_s * ROUND_PART
    for count in PARTITIONS:
        servers, name = both_up_to(pair, count), "curve-%d" % count
        for server in servers:
            topics.create(server, name, count)
            topics.one_record_in_each(server, name, count)
        yield point(bench, servers, lambda server, n=name: clients.load(
            "produce", server.port, topic=n, partitions=TOUCHED, in_flight=64, seconds=seconds),
                    "curve-partitions",
                    "one 100 B record per request to 10 of %s partitions" % format(count, ","), count)
        topics.delete(servers, name)


def run_connections(bench):
    """All connections have asked for ApiVersions once, ten send."""
    pair, seconds = bench.pair(), bench.round_s * ROUND_PART
    for server in pair:
        topics.create(server, "connections")
    for count in CONNECTIONS:
        servers = both_up_to(pair, count)
        held = [clients.start_load("hold", server.port, connections=count - TOUCHED) for server in servers
                if count > TOUCHED]
        try:
            for process in held:
                process.stdout.readline()
            yield point(bench, servers, lambda server: clients.load(
                "produce", server.port, topic="connections", connections=TOUCHED, in_flight=6, seconds=seconds),
                        "curve-connections",
                        "one 100 B record per request from 10 of %s connections" % format(count, ","), count)
        finally:
            for process in held:
                clients.finish(process)
    topics.delete(pair, "connections")


def run_segments(bench):
    """One partition of so many segments of one batch each: written to at its end, read in its newest segment, and read
    in all of them, in an order that has nothing to do with theirs."""
    pair, seconds = bench.pair(), bench.round_s * ROUND_PART
    for count in SEGMENTS:
        name = "segments-%d" % count
        for server in pair:
            fill_segments(server, name, count)
        for case, title, command, options in (
                ("produce", "one 100 B record per request to a partition of %s segments", "produce", {"in_flight": 64}),
                ("newest", "fetch 1 KB from the newest of %s segments", "fetch", {
                    "offset": count - 1, "bytes": SEGMENT_RECORD_BYTES, "in_flight": 64}),
                ("any", "fetch 1 KB from any of %s segments", "fetch", {
                    "spread": count, "bytes": SEGMENT_RECORD_BYTES, "in_flight": 64})):
            yield point(bench, pair, lambda server, n=name, c=command, o=options: clients.load(
                c, server.port, topic=n, seconds=seconds, **o),
                        "curve-segments-" + case, title % format(count, ","), count)
        topics.delete(pair, name)


def fill_segments(server, name, count):
    """Offset i lies in segment i; whatever is written later goes into the newest one."""
    topics.create(server, name, 1, "segment.bytes:%d" % SMALL_SEGMENT_BYTES)
    clients.load("produce", server.port, topic=name, requests=count, in_flight=16, bytes=SEGMENT_RECORD_BYTES)
    topics.alter(server, name, {"segment.bytes": LARGE_SEGMENT_BYTES, "retention.bytes": -1})


def run_groups(bench):
    """So many groups have committed an offset, one of them goes on doing so."""
    pair, seconds = bench.pair(), bench.round_s * ROUND_PART
    for server in pair:
        topics.create(server, "grown")
        groups.await_coordinator(server.port)
        groups.await_commits(server, "grown")
    for count in GROUPS:
        for server in pair:
            clients.load("commit", server.port, topic="grown", groups=count, requests=count, in_flight=64)
        yield point(bench, pair, lambda server: clients.load(
            "commit", server.port, topic="grown", in_flight=64, seconds=seconds), "curve-groups",
                    "one offset committed per request in one of %s groups" % format(count, ","), count)
    topics.delete(pair, "grown")
