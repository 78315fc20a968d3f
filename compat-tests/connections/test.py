# SPDX-License-Identifier: Apache-2.0
"""Connections that behave badly, and the limits on connections, over bare sockets.

Senders of single bytes, half-closed sockets, readers that stop reading, resets in the middle of
an answer, connections that come and go, no descriptors left: whatever one connection does, others
are served meanwhile, and afterwards descriptors and memory are what they were. Then each config
that limits connections, from the file and changed while the broker runs. Two network threads and
one quiet connection on each of them stand for the others.
"""

import concurrent.futures
import contextlib
import os
import resource
import socket
import struct
import sys
import time
import zlib

import brokers
import wire

TOPIC = "connections"
TIMEOUT_S = 20
QUIET_S = 0.5          # long enough to see that nothing comes
RECORD_BYTES = 500_000
RECORDS = 8
STORM = 2000
STORM_THREADS = 8
DESCRIPTORS = 150
RSS_SLACK_KIB = 8192   # what the allocator may keep of a repetition
IDLE_MS = 1000


class Mismatch(Exception):
    pass


def check(condition, text, *values):
    if not condition:
        raise Mismatch(text % values)


def request(api_key, version, body=b"", correlation_id=7):
    head = struct.pack(">hhi", api_key, version, correlation_id) + struct.pack(">h", 1) + b"c"
    return struct.pack(">i", len(head) + len(body)) + head + body


HELLO = request(wire.API_VERSIONS, 0)


def fetch(max_bytes, version=4):
    topic = TOPIC.encode()
    return request(1, version, struct.pack(">iiiib", -1, 0, 1, max_bytes, 0) + struct.pack(">ih", 1, len(topic))
                   + topic + struct.pack(">iiqi", 1, 0, 0, max_bytes))


def connect(address):
    sock = socket.create_connection(wire.split_address(address), TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def take(sock, count):
    got = bytearray()
    while len(got) < count:
        more = sock.recv(count - len(got))
        if not more:
            raise EOFError
        got += more
    return bytes(got)


def answer(sock):
    (size,) = struct.unpack(">i", take(sock, 4))
    return take(sock, size)


def hello(sock):
    sock.sendall(HELLO)
    return answer(sock)


def state(sock):
    """What a new connection is worth: served, closed, or left waiting."""
    sock.settimeout(QUIET_S)
    try:
        hello(sock)
        return "served"
    except TimeoutError:
        return "waiting"
    except (EOFError, OSError):
        return "closed"
    finally:
        sock.settimeout(TIMEOUT_S)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def await_true(condition, what):
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        check(time.monotonic() < until, "not within %d s: %s", TIMEOUT_S, what)
        time.sleep(0.02)


class Broker:
    """The broker under test, and how much of the machine it holds."""

    def __init__(self, work_dir, **overrides):
        settings = {"num.network.threads": 2}
        settings.update({key.replace("_", "."): value for key, value in overrides.items()})
        self.broker = brokers.from_environment(work_dir, settings)
        self.address = self.broker.bootstrap

    def __enter__(self):
        self.broker.start()
        self.pid = self.broker.process.child.pid
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.broker.stop()
        self.broker.close()

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def rss_kib(self):
        with open("/proc/%d/statm" % self.pid, encoding="ascii") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize() // 1024

    def alter(self, resource_name, changes):
        """IncrementalAlterConfigs v0 of broker configs; None deletes. The error code and message."""
        body = (struct.pack(">ib", 1, 4) + wire._string(resource_name) + struct.pack(">i", len(changes)))
        for key, value in changes.items():
            body += wire._string(key) + struct.pack(">b", int(value is None))
            body += struct.pack(">h", -1) if value is None else wire._string(value)
        reader = wire.Reader(wire.ask(self.address, 44, 0, body + b"\0", TIMEOUT_S))
        _, _, error, size = reader.take("i"), reader.take("i"), reader.take("h"), reader.take("h")
        return error, reader.raw(size).decode()


# ---- connections that behave badly ----

def single_bytes(broker, quiet):
    with connect(broker.address) as sock:
        for i in range(len(HELLO)):
            sock.sendall(HELLO[i:i + 1])
            hello(quiet)
        check(answer(sock)[:4] == struct.pack(">i", 7), "the answer to single bytes is another one")


def half_closed(broker, quiet):
    for pieces in ([HELLO], [HELLO, HELLO], [HELLO, HELLO[:5]]):
        with connect(broker.address) as sock:
            sock.sendall(b"".join(pieces))
            sock.shutdown(socket.SHUT_WR)
            for piece in pieces:
                if piece == HELLO:
                    answer(sock)
            check(sock.recv(1) == b"", "more came than was asked for")
    hello(quiet)


def resets_in_answers(broker, quiet):
    for i in range(60):
        sock = connect(broker.address)
        sock.sendall(fetch(RECORD_BYTES * RECORDS) * 3)
        if i % 3:
            sock.recv(1 + 1000 * i)
        reset(sock)
        hello(quiet)


def slow_readers(broker, quiet):
    """Each asks for much more than sockets hold, and takes nothing."""
    before = broker.rss_kib()
    slow = [connect(broker.address) for _ in range(8)]
    for sock in slow:
        sock.sendall(fetch(RECORD_BYTES * RECORDS) * 40)
    for _ in range(200):
        hello(quiet)
    grown = broker.rss_kib() - before
    check(grown < 40 * 1024, "readers that do not read cost %d KiB", grown)
    check(len(answer(slow[0])) > RECORD_BYTES, "nothing is there for one that reads after all")
    for sock in slow:
        reset(sock)


def come_and_go(broker, quiet):
    def some(count):
        for i in range(count):
            with connect(broker.address) as sock:
                if i % 4 == 0:
                    hello(sock)
                elif i % 4 == 1:
                    sock.sendall(HELLO[:7])

    with concurrent.futures.ThreadPoolExecutor(STORM_THREADS) as pool:
        rounds = [pool.submit(some, STORM // STORM_THREADS) for _ in range(STORM_THREADS)]
        while not all(one.done() for one in rounds):
            hello(quiet)
        for one in rounds:
            one.result()


def abuse(work_dir):
    with Broker(work_dir) as broker, contextlib.ExitStack() as stack:
        check(wire.create_topic(broker.address, TOPIC, 1) == 0, "no topic")
        produce(broker)
        quiet = [stack.enter_context(connect(broker.address)) for _ in range(2)]
        for sock in quiet:
            hello(sock)
        at_rest = broker.descriptors()
        for misbehave in (single_bytes, half_closed, resets_in_answers, slow_readers, come_and_go):
            memory = []
            for sock in quiet:
                misbehave(broker, sock)
                memory.append(broker.rss_kib())
            await_true(lambda: broker.descriptors() <= at_rest, "descriptors come back after " + misbehave.__name__)
            if isinstance(broker.broker, brokers.Ottla):
                check(memory[1] < memory[0] + RSS_SLACK_KIB, "%s again: from %d to %d KiB",
                      misbehave.__name__, *memory)
            print("%s: %d descriptors, %d KiB" % (misbehave.__name__, broker.descriptors(), memory[1]))
        if isinstance(broker.broker, brokers.Ottla):  # Kafka ends
            no_descriptors(broker, quiet)


def no_descriptors(broker, quiet):
    before = broker.descriptors()
    soft, hard = resource.prlimit(broker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))
    many = [connect(broker.address) for _ in range(DESCRIPTORS + 20)]
    await_true(lambda: broker.descriptors() >= DESCRIPTORS, "all descriptors are taken")
    for sock in quiet:
        hello(sock)
        sock.sendall(fetch(1000))
        answer(sock)
    check(state(many[-1]) == "waiting", "a connection without a descriptor was answered")
    for sock in many[:-1]:
        sock.close()
    check(len(answer(many[-1])) > 0, "the one that waited is not served")
    many[-1].close()
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (soft, hard))
    await_true(lambda: broker.descriptors() <= before, "descriptors come back after all were taken")


def produce(broker):
    """Records by a batch of magic 0 each, the simplest there is: Produce v0."""
    for _ in range(RECORDS):
        body = struct.pack(">bbi", 0, 0, -1) + struct.pack(">i", RECORD_BYTES) + bytes(RECORD_BYTES)
        message = struct.pack(">I", zlib.crc32(body)) + body
        records = struct.pack(">qi", 0, len(message)) + message
        topic = TOPIC.encode()
        data = (struct.pack(">hiih", 1, 30000, 1, len(topic)) + topic
                + struct.pack(">iii", 1, 0, len(records)) + records)
        result = wire.ask(broker.address, 0, 0, data)
        (error,) = struct.unpack(">h", result[4 + 2 + len(topic) + 4 + 4:][:2])
        check(error == 0, "Produce answered with error %d", error)


# ---- limits ----

def states(address, count, source=None):
    socks = [socket.create_connection(wire.split_address(address), TIMEOUT_S,
                                      (source, 0) if source else None) for _ in range(count)]
    return socks, [state(sock) for sock in socks]


def limits(work_dir):
    ports = [brokers.free_port() for _ in range(2)]
    listeners = "PLAINTEXT://127.0.0.1:%d,CLIENTS://127.0.0.1:%d" % tuple(ports)
    settings = {
        "listeners": listeners,
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CLIENTS:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.name.clients.max.connections": 2,
        "max.connections.per.ip.overrides": "127.0.0.9:1",
        "connections.max.idle.ms": IDLE_MS,
        "socket.request.max.bytes": 2000,
    }
    broker = Broker(work_dir, **settings)
    broker.broker.bootstrap = broker.address = "127.0.0.1:%d" % ports[0]
    with broker:
        clients = "127.0.0.1:%d" % ports[1]
        limit_of_listener(broker, clients)
        limit_per_address(broker)
        limit_of_all(broker, clients)
        refused_values(broker)
        frames_too_large(broker)
        idle(broker)


def expect_states(address, wanted, what, source=None, waits=None):
    """So many connections one after the other get this; a change takes effect in a moment. Then the first
    goes, and the one in `waits` is served."""
    def as_wanted():
        socks, got = states(address, len(wanted), source)
        if got == wanted and waits is not None:
            socks.pop(0).close()
            answer(socks[waits - 1])
        for sock in socks:
            sock.close()
        seen.append(got)
        return got == wanted

    seen = []
    try:
        await_true(as_wanted, "")
    except Mismatch:
        raise Mismatch("%s: %s instead of %s" % (what, seen[-1], wanted)) from None


def change(broker, resource_name, changes):
    error, message = broker.alter(resource_name, changes)
    check(error == 0, "%s: %d %s", changes, error, message)


def limit_of_listener(broker, clients):
    key = "listener.name.clients.max.connections"
    expect_states(clients, ["served", "served", "waiting"], key + "=2", waits=2)
    change(broker, str(wire.broker_ids(broker.address)[0]), {key: "3"})
    expect_states(clients, ["served", "served", "served", "waiting"], key + "=3", waits=3)


def limit_per_address(broker):
    key = "max.connections.per.ip"
    expect_states(broker.address, ["served", "closed"], "overrides from the file", "127.0.0.9")
    change(broker, "", {key + ".overrides": "127.0.0.8:2"})
    expect_states(broker.address, ["served"] * 3, "overrides without this address", "127.0.0.9")
    expect_states(broker.address, ["served", "served", "closed"], "overrides with this address", "127.0.0.8")
    change(broker, "", {key: "1"})
    expect_states(broker.address, ["served", "closed"], key + "=1", "127.0.0.7")
    expect_states(broker.address, ["served", "served", "closed"], "an override beside it", "127.0.0.8")
    await_true(lambda: altered(broker, {key: None, key + ".overrides": None}), "no limit again")


def altered(broker, changes):
    """From an address that may have a connection already, so one more may be closed at once."""
    try:
        return broker.alter("", changes)[0] == 0
    except OSError:
        return False


def limit_of_all(broker, clients):
    """The listener of the brokers does not wait; clients have to go for it."""
    change(broker, "", {"max.connections": "2"})
    expect_states(clients, ["served", "served", "waiting"], "max.connections=2", waits=2)
    socks, _ = states(clients, 2)
    with connect(broker.address) as brokers_own:
        hello(brokers_own)
        await_true(lambda: "closed" in [state(sock) for sock in socks], "a client goes for a broker")
    for sock in socks:
        sock.close()
    change(broker, "", {"max.connections": None})


def refused_values(broker):
    for key, value in (("max.connections", "-1"), ("max.connections.per.ip", "x"),
                       ("max.connections.per.ip.overrides", "bad"),
                       ("max.connections.per.ip.overrides", "a:b"),
                       ("connections.max.idle.ms", "5000"), ("queued.max.requests", "5")):
        error, message = broker.alter("", {key: value})
        check(error == 42 and key.rsplit(".", 1)[-1] in message or "input" in message,
              "%s=%s: %d %s", key, value, error, message)


def frames_too_large(broker):
    with connect(broker.address) as sock:
        sock.sendall(struct.pack(">i", 2001))
        try:
            check(sock.recv(1) == b"", "a frame that is too large was answered")
        except ConnectionResetError:
            pass
    with connect(broker.address) as sock:
        sock.sendall(request(wire.API_VERSIONS, 0, bytes(2000 - len(HELLO) + 4)))
        answer(sock)


def idle(broker):
    with connect(broker.address) as sock:
        hello(sock)
        check(sock.recv(1) == b"", "an idle connection got something")


def main():
    abuse(os.path.join(sys.argv[1], "abuse"))
    limits(os.path.join(sys.argv[1], "limits"))
    print("ok")


if __name__ == "__main__":
    main()
