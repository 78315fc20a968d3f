# SPDX-License-Identifier: Apache-2.0
"""Cases about brokers that start, that were killed, and that have nothing to do.

Ottla runs without a ZooKeeper in these, as on a laptop. What always holds: a start is timed while no other broker runs,
and a broker that fails loses its own figures only.
"""

import time

import brokers
import clients
import rounds
import targets
import topics

MANY = 2000
QUICK_MANY_ROUNDS = 2  # Kafka needs ten seconds for each
IDLE = 1000
SETTLE_S = 2  # after a start and after connecting, before a broker counts as having nothing to do
IDLE_LOOK_S = 1.2


def timed_start(server, topic=None, partitions=0):
    """Until the first Metadata is answered, and until all partitions of the topic have their leader."""
    while True:
        began = time.monotonic()
        server.members[0].spawn()
        try:
            clients.load("metadata", server.port)
            sample = {"start_ms": (time.monotonic() - began) * 1e3, "rss_mib": server.rss_mib()}
            if topic:
                clients.load("await", server.port, topic=topic, partitions=partitions)
                sample["led_ms"] = (time.monotonic() - began) * 1e3
            return sample
        except clients.ClientError:
            # Apache Kafka ends by itself when its place in ZooKeeper is still held by its life before.
            process = server.members[0].process
            if process.running() or "NodeExists" not in brokers.tail(process.log_path, 200):
                raise
            time.sleep(targets.SHORT_SESSION_MS / 1000)


def run_empty(bench):
    """Each start on an empty directory of its own."""
    measured = rounds.nothing(targets.BROKERS)

    def one(server):
        measured.samples[server.name].append(timed_start(server))
        server.members[0].await_ready()
        server.stop()

    for number in bench.clock.rounds_of(warm_up=False):
        for server in bench.alone("start-%d" % number):
            rounds.attempt(measured.problems, server, lambda server=server: one(server))
            bench.forget(server)
    yield rounds.row("start-empty", "start to the first Metadata, empty directory", "", measured)


def run_many(bench):
    """With 2,000 partitions, one life after the other: one that follows a clean stop, one that follows kill -9."""
    servers = bench.alone("many")
    clean, killed = rounds.nothing(targets.BROKERS), rounds.nothing(targets.BROKERS)
    problems = clean.problems

    def fill(server):
        server.start()
        topics.create(server, "many", MANY)
        topics.one_record_in_each(server, "many", MANY)
        server.stop()

    def one_round(server):
        clean.samples[server.name].append(timed_start(server, "many", MANY))
        if not bench.is_quick:
            server.members[0].kill()
            killed.samples[server.name].append(timed_start(server, "many", MANY))
        server.stop()

    for server in servers:
        rounds.attempt(problems, server, lambda server=server: fill(server))
    for _ in bench.clock.rounds_of(QUICK_MANY_ROUNDS if bench.is_quick else None, warm_up=False):
        for server in servers:
            rounds.attempt(problems, server, lambda server=server: one_round(server))
    for server in servers:
        bench.forget(server)
    yield rounds.row("start-2000", "... with 2,000 partitions, cleanly stopped", "", clean)
    if not bench.is_quick:
        yield rounds.row("start-killed", "... with 2,000 partitions, after kill -9", "",
                         killed._replace(problems=problems))


def run_idle(bench):
    """Memory of brokers that have just started; CPU with 1,000 partitions and 1,000 connections, both looked at in the
    same moments."""
    servers = bench.alone("idle")
    measured, empty, held = rounds.nothing(targets.BROKERS), {}, {}

    def settle(server):
        server.start()
        time.sleep(SETTLE_S)
        empty[server.name] = server.rss_mib()
        topics.create(server, "idle", IDLE)
        held[server.name] = clients.start_load("hold", server.port, connections=IDLE)
        held[server.name].stdout.readline()

    try:
        for server in servers:
            rounds.attempt(measured.problems, server, lambda server=server: settle(server))
        looked_at = [server for server in servers if server.name not in measured.problems]
        time.sleep(SETTLE_S)
        for _ in bench.clock.rounds_of(warm_up=False):
            look(looked_at, measured, empty)
    finally:
        for process in held.values():
            clients.finish(process)
        for server in servers:
            bench.forget(server)
    yield rounds.row("idle", "idle with 1,000 partitions and 1,000 connections", "", measured)


def look(servers, measured, empty):
    before = {server.name: server.cpu_s() for server in servers}
    began = time.monotonic()
    time.sleep(IDLE_LOOK_S)
    seconds = time.monotonic() - began
    for server in servers:
        used = server.cpu_s() - before[server.name]
        measured.samples[server.name].append({
            "cpu_s": used, "seconds": seconds, "idle_percent": used / seconds * 100, "rss_mib": server.rss_mib(),
            "rss_empty_mib": empty[server.name]})
