# SPDX-License-Identifier: Apache-2.0
"""What a broker did with a request, without what may differ between any two brokers.

An outcome is ["answer", body], ["closed"], ["silent"] (the connection serves the next request) or
["nothing"] (it hangs). Ids that brokers make up, times, addresses and paths are replaced by what they are;
arrays of structs are sorted, for their order is often that of a hash table.
"""

import json
import re
import socket
import struct
import time

from messages import Malformed, Source

PATIENCE_S = 10
MARKER = 0x7ffffff0  # correlation id of the request that is sent behind
REQUEST = 1
UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
DAY_MS = 24 * 3600 * 1000
# The size of a partition depends on what a library of compression makes of the same bytes.
NOT_COMPARED = {"ThrottleTimeMs", "TotalBytes", "UsableBytes", "PartitionSize", "ClusterId", "Host", "Port"}
MADE_UP = {"SessionId": 0, "ProducerId": -1, "TopicId": bytes(16)}  # and what stands for none
# Of a broker's configs: what the harness sets differently for the two kinds.
OWN_CONFIGS = {"listeners", "advertised.listeners", "log.dirs", "zookeeper.connect", "zookeeper.session.timeout.ms"}


class Connection:
    def __init__(self, address):
        self.socket = socket.create_connection(address, PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def take(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                raise ConnectionResetError
            got += more
        return got

    def frame(self):
        return self.take(struct.unpack(">i", self.take(4))[0])


def exchange(address, frame):
    """(outcome, frame of the answer or None) of one request."""
    marker = struct.pack(">hhih", 18, 0, MARKER, -1)
    with Connection(address) as connection:
        try:
            connection.socket.sendall(struct.pack(">i", len(frame)) + frame
                                      + struct.pack(">i", len(marker)) + marker)
            answer = connection.frame()
        except (ConnectionResetError, BrokenPipeError):
            return "closed", None
        except socket.timeout:
            return "nothing", None
    return ("silent", None) if answer[:4] == struct.pack(">i", MARKER) else ("answer", answer)


def exchange_raw(address, data):
    """All that is answered to these bytes until the broker closes, which it does when nothing follows."""
    got = b""
    with Connection(address) as connection:
        try:
            connection.socket.sendall(data)
            connection.socket.shutdown(socket.SHUT_WR)
            while more := connection.socket.recv(1 << 16):
                got += more
        except (ConnectionResetError, BrokenPipeError, OSError) as problem:
            if isinstance(problem, socket.timeout):
                return "nothing", got
    return ("answer", got) if got else ("closed", got)


class Normal:
    """Takes out what may differ."""

    def __init__(self, places):
        self.places = places  # {text: what stands for it}
        self.now_ms = int(time.time() * 1000)

    def body(self, value, name=""):
        if isinstance(value, dict):
            return {key: self.body(one, key) for key, one in value.items() if key not in NOT_COMPARED}
        if isinstance(value, list):
            return self.array(value, name)
        if name in MADE_UP:
            return "none" if value == MADE_UP[name] else "some"
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int) and abs(value - self.now_ms) < DAY_MS:
            return "now"
        return value

    def array(self, values, name):
        kept = [one for one in values
                if not (name == "Configs" and isinstance(one, dict) and one.get("Name") in OWN_CONFIGS)]
        normal = [self.body(one, name) for one in kept]
        return sorted(normal, key=json.dumps) if normal and isinstance(normal[0], dict) else normal

    def text(self, text):
        for here, place in self.places.items():
            text = text.replace(here, place)
        return UUID.sub("{uuid}", text)


def find(value, path):
    """The field at a path: 'Topics[0].TopicId'."""
    for name, index in re.findall(r"(\w+)(?:\[(\d+)\])?", path):
        value = value[name][int(index)] if index else value[name]
    return value


def raw_answers(data):
    """The frames of raw bytes as [correlation id, error code or -]: all are answers of ApiVersions v0."""
    source, told = Source(data), []
    while source.at < len(data):
        frame = source.take(source.number(">i"))
        told.append([struct.unpack(">i", frame[:4])[0], struct.unpack(">h", frame[4:6])[0]])
    return told


def ask(address, case, kept, normal):
    """The outcome of a case; kept gets what later cases refer to."""
    if case.raw is not None:
        outcome, data = exchange_raw(address, case.raw)
        return [outcome] + ([raw_answers(data)] if data else [])
    outcome, frame = exchange(address, case.frame(kept))
    if outcome != "answer":
        return [outcome]
    try:
        body = case.api.answer(frame, case.version)
    except (Malformed, struct.error) as problem:
        return ["undecodable", str(problem)]
    for name, path in case.keep.items():
        kept[name] = find(body, path)
    return [outcome, normal.body(body)]


def differences(kafka, here, path=""):
    """[(path of fields without indexes, what Kafka has, what is here)] of two normal bodies."""
    if isinstance(kafka, dict) and isinstance(here, dict):
        return [found for name in {**kafka, **here}
                for found in differences(kafka.get(name), here.get(name), (path + "." + name).lstrip("."))]
    if isinstance(kafka, list) and isinstance(here, list) and len(kafka) == len(here):
        return [found for one, other in zip(kafka, here) for found in differences(one, other, path)]
    return [] if kafka == here else [(path or "-", kafka, here)]
