# SPDX-License-Identifier: Apache-2.0
"""Consumers of groups, as bare as they can be: each a socket and the requests that go over it.

Used by bench/run. Requests have low versions without tagged fields: short to write, the same work for the broker.
"""
import socket
import struct
import time

import clients

FIND_COORDINATOR, JOIN, SYNC = (10, 0), (11, 3), (14, 1)
SUBSCRIPTION = struct.pack(">hih", 0, 1, 5) + b"bench" + struct.pack(">i", -1)
ASSIGNMENT = struct.pack(">hih", 0, 1, 5) + b"bench" + struct.pack(">iii", 1, 0, -1)
SESSION_MS = 600000
PAUSE_S = 0.1  # before something that was not there yet is asked for again


def string(text):
    raw = text.encode()
    return struct.pack(">h", len(raw)) + raw


def octets(raw):
    return struct.pack(">i", len(raw)) + raw


class Answer:
    def __init__(self, data):
        self.data, self.at = data, 4

    def take(self, form):
        value, = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return value

    def string(self):
        size = self.take("h")
        self.at += size
        return self.data[self.at - size:self.at].decode()


class Member:
    """One consumer. Requests are sent and answers read apart, so that many can be under way."""

    def __init__(self, port, group):
        self.sock = socket.create_connection(("127.0.0.1", port), clients.TIMEOUT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.group, self.id, self.generation, self.ids = group, "", -1, []

    def send(self, api, body):
        frame = struct.pack(">hhi", *api, 1) + string("bench") + body
        self.sock.sendall(octets(frame))

    def receive(self):
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            more = self.sock.recv(1 << 20)
            if not more:
                raise clients.ClientError("the broker closed the connection of a member of a group")
            data += more
        return Answer(data[4:])

    def send_join(self):
        self.send(JOIN, string(self.group) + struct.pack(">ii", SESSION_MS, SESSION_MS) + string(self.id)
                  + string("consumer") + struct.pack(">i", 1) + string("range") + octets(SUBSCRIPTION))

    def end_join(self):
        answer = self.receive()
        answer.take("i")
        check(answer.take("h"))
        self.generation = answer.take("i")
        answer.string(), answer.string()
        self.id = answer.string()
        self.ids = [self.member_of(answer) for _ in range(answer.take("i"))]

    @staticmethod
    def member_of(answer):
        member_id = answer.string()
        size = answer.take("i")
        answer.at += size
        return member_id

    def send_sync(self):
        body = b"".join(string(i) + octets(ASSIGNMENT) for i in self.ids)
        self.send(SYNC, string(self.group) + struct.pack(">i", self.generation) + string(self.id)
                  + struct.pack(">i", len(self.ids)) + body)

    def end_sync(self):
        answer = self.receive()
        answer.take("i")
        check(answer.take("h"))

    def close(self):
        self.sock.close()


def check(error):
    if error != 0:
        raise clients.ClientError("a member of a group was answered with error %d" % error)


def await_coordinator(port):
    """The first who asks has __consumer_offsets made; its partitions are empty and loaded at once."""
    asking = Member(port, "any")
    error = -1
    until = time.monotonic() + clients.TIMEOUT_S
    while error != 0 and time.monotonic() < until:
        asking.send(FIND_COORDINATOR, string("any"))
        error = asking.receive().take("h")
        time.sleep(PAUSE_S)
    asking.close()
    check(error)


def await_commits(server, topic):
    """The coordinator may still be loading the groups of its partition."""
    until = time.monotonic() + clients.TIMEOUT_S
    while True:
        try:
            return clients.load("commit", server.port, topic=topic)
        except clients.ClientError:
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE_S)


def settle(members):
    """All join, in the time of the initial delay, and get their assignments."""
    for member in members:
        member.send_join()
    for member in members:
        member.end_join()
    for member in members:
        member.send_sync()
    for member in members:
        member.end_sync()
