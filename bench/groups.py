# SPDX-License-Identifier: Apache-2.0
"""Consumers of groups, as bare as they can be: each a socket and the requests that go over it.

Used by bench/run. Requests have low versions without tagged fields: short to write, the same work for the broker.
"""
import socket
import struct
import time

FIND_COORDINATOR, JOIN, SYNC, HEARTBEAT, COMMIT = (10, 0), (11, 3), (14, 1), (12, 1), (8, 5)
REBALANCE_IN_PROGRESS = 27
SUBSCRIPTION = struct.pack(">hih", 0, 1, 5) + b"bench" + struct.pack(">i", -1)
ASSIGNMENT = struct.pack(">hih", 0, 1, 5) + b"bench" + struct.pack(">iii", 1, 0, -1)
SESSION_MS = 600000
HEARTBEAT_S = 3.0
SLICE_S = 0.01


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
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.group, self.id, self.generation, self.ids = group, "", -1, []

    def send(self, api, body):
        frame = struct.pack(">hhi", *api, 1) + string("bench") + body
        self.sock.sendall(octets(frame))

    def receive(self):
        data = b""
        while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
            data += self.sock.recv(1 << 20)
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

    def send_heartbeat(self):
        self.send(HEARTBEAT, string(self.group) + struct.pack(">i", self.generation) + string(self.id))

    def end_brief(self):
        """Of SyncGroup or Heartbeat: the error."""
        answer = self.receive()
        answer.take("i")
        return answer.take("h")

    def send_commit(self, topic, offset):
        self.send(COMMIT, string(self.group) + struct.pack(">i", self.generation) + string(self.id)
                  + struct.pack(">i", 1) + string(topic) + struct.pack(">iiq", 1, 0, offset) + string(""))

    def end_commit(self):
        answer = self.receive()
        answer.take("i"), answer.take("i"), answer.string(), answer.take("i"), answer.take("i")
        check(answer.take("h"))

    def close(self):
        self.sock.close()


def check(error):
    if error != 0:
        raise SystemExit("bench/groups: the broker answered with error %d" % error)


def await_coordinator(port):
    """The first who asks has __consumer_offsets made; its partitions are empty and loaded at once."""
    asking = Member(port, "any")
    error = -1
    while error != 0:
        asking.send(FIND_COORDINATOR, string("any"))
        error = asking.receive().take("h")
        time.sleep(0.1)
    asking.close()


def settle(members):
    """All join, in the time of the initial delay, and get their assignments."""
    for member in members:
        member.send_join()
    for member in members:
        member.end_join()
    for member in members:
        member.send_sync()
    for member in members:
        check(member.end_brief())


def heartbeats(members, seconds):
    """Each member sends one every three seconds. Returns how many there were, and the time it took."""
    per_slice = max(1, round(len(members) * SLICE_S / HEARTBEAT_S))
    began = due = time.monotonic()
    sent = 0
    while due < began + seconds:
        some = [members[(sent + i) % len(members)] for i in range(per_slice)]
        for member in some:
            member.send_heartbeat()
        for member in some:
            check(member.end_brief())
        sent, due = sent + per_slice, due + SLICE_S
        time.sleep(max(0.0, due - time.monotonic()))
    return sent, time.monotonic() - began


def commits(members, topic, count):
    for number in range(count):
        for member in members:
            member.send_commit(topic, number)
        for member in members:
            member.end_commit()
    return count * len(members)


def rebalance(members, newcomer):
    """One more joins; the others hear of it, join again, and all sync. Returns the generations it took."""
    before = members[0].generation
    newcomer.send_join()
    told = {0}
    while told != {REBALANCE_IN_PROGRESS}:
        for member in members:
            member.send_heartbeat()
        told = {member.end_brief() for member in members}
    settle_again(members, newcomer)
    return newcomer.generation - before


def settle_again(members, newcomer):
    for member in members:
        member.send_join()
    for member in [*members, newcomer]:
        member.end_join()
    for member in [*members, newcomer]:
        member.send_sync()
    for member in [*members, newcomer]:
        check(member.end_brief())
