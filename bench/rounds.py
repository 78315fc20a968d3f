# SPDX-License-Identifier: Apache-2.0
"""Rounds: the same load on each target in turn, so that what the machine's mood does to one it does to all.

A case gives rows. A row is a plain dict, so that it can be written as JSON and read back:

  {"case", "title", "per": "GiB" or "request" or "record" or "", "samples": {target: [sample, ...]},
   "syscalls": {target: per request}, "problems": {target: why it has fewer samples than the others},
   "parameter": of a curve}

and a sample what the client told of one round, with "cpu_s" and "rss_mib" of the target. Sample i of each target
belongs to the same round; ratios are taken round by round.
"""

import collections
import contextlib
import statistics
import time

import brokers
import clients
import targets

GIB = 1 << 30
WARM = 0.85  # of the cost before: warming up has an end when one more time does not bring it below
SHARE = 1.3  # of its due part of the time that is left: most cases need less than theirs
# What ends the measuring of one target, and of no other.
FAILURES = (clients.ClientError, brokers.BrokerError, OSError)
UNIT = {"GiB": "s/GiB", "request": "us/request", "record": "us/record", "": ""}


Measured = collections.namedtuple("Measured", "samples syscalls problems")


class Clock:
    """The time there is for everything, shared out among the cases that are still to come.

    A case's share bounds how long it warms up and whether it has more rounds than others; `rounds` it has in any case,
    until the time for everything is over.
    """

    def __init__(self, seconds, rounds, warm_ups):
        self.began = time.monotonic()
        self.end = self.began + seconds
        self.rounds = rounds
        self.warm_ups = warm_ups  # of each case, at most, after the first
        self.weight_left = 0.0
        self.case_end = self.end

    def begin_case(self, weight):
        """False when there is no time for it any more. What a case does not use is there for those that follow."""
        left = self.end - time.monotonic()
        share = min(1.0, SHARE * weight / max(self.weight_left, weight))
        self.case_end = time.monotonic() + max(0.0, left) * share
        self.weight_left -= weight
        return left > 0

    @contextlib.contextmanager
    def stopped(self, most):
        """What is done within is not of the case that has begun; it is late after `most` seconds."""
        now, before = time.monotonic(), self.case_end
        self.case_end = now + most
        yield
        self.case_end = before + time.monotonic() - now

    def is_late(self):
        return time.monotonic() > self.case_end

    def is_over(self):
        return time.monotonic() > self.end

    def rounds_of(self, most=None, warm_up=True):
        """0 (which warms up), 1, 2, ...; at least one of those that count."""
        for number in range(0 if warm_up else 1, (most or self.rounds) + 1):
            if number > 1 and (self.is_over() or number > self.rounds and self.is_late()):
                return
            yield number


def measure(server, drive):
    """What the client tells of one drive, and what it cost."""
    before = server.cpu_s()
    sample = drive(server)
    sample["cpu_s"] = server.cpu_s() - before
    sample["rss_mib"] = server.rss_mib()
    return sample


def warm_up(clock, server, drive, per, most):
    """Until the cost does not fall any more, which takes Java a while; returns system calls per request."""
    counter = targets.SystemCalls(server.pids())
    sample = measure(server, drive)
    calls = counter.end()
    before = cost(sample, per)
    for _ in range(most):
        if clock.is_late():
            break
        now = cost(measure(server, drive), per)
        if now > WARM * before:
            break
        before = now
    return calls / sample["requests"] if calls is not None and sample.get("requests") else None


def alternate(clock, servers, drive, per, rounds=None, warm_ups=None):
    """Runs drive(server) on each in turn. One that fails is left out from then on; the others go on."""
    measured = Measured({server.name: [] for server in servers}, {}, {})

    def one_round(server, number):
        if number == 0:
            measured.syscalls[server.name] = warm_up(
                clock, server, drive, per, clock.warm_ups if warm_ups is None else warm_ups)
        else:
            measured.samples[server.name].append(measure(server, drive))

    for number in clock.rounds_of(rounds):
        for server in servers if number % 2 else reversed(servers):
            attempt(measured.problems, server, lambda server=server, number=number: one_round(server, number))
    return measured


def attempt(problems, server, action):
    """Does it unless the server has failed before; when it fails, notes why. Returns whether it was done."""
    if server.name in problems:
        return False
    try:
        action()
    except FAILURES as problem:
        problems[server.name] = str(problem)
        return False
    return True


def nothing(names):
    """Measured of these, to be filled by a case that has rounds of its own."""
    return Measured({name: [] for name in names}, {}, {})


def row(case, title, per, measured, **more):
    return dict({"case": case, "title": title, "per": per}, **measured._asdict(), **more)


# ---- what a row says -----------------------------------------------------------------------------------------------

def cost(sample, per):
    """Broker CPU: seconds per GiB, or microseconds per request or record."""
    if per == "GiB":
        return sample["cpu_s"] / sample["bytes"] * GIB
    return sample["cpu_s"] / sample[per + "s"] * 1e6


def costs(of_row, target):
    return [cost(sample, of_row["per"]) for sample in of_row["samples"].get(target, []) if of_row["per"]]


def figures(of_row, target, name):
    return [sample[name] for sample in of_row["samples"].get(target, []) if sample.get(name) is not None]


def rates(of_row, target, name):
    """`name` per second."""
    return [sample[name] / sample["seconds"] for sample in of_row["samples"].get(target, [])
            if sample.get(name) and sample.get("seconds")]


def median(values):
    return statistics.median(values) if values else None


def ratios(values, others):
    return [value / other for value, other in zip(values, others) if other]


def spread(values, form="%.2f"):
    """Median (least - most)."""
    if not values:
        return "-"
    return (form + " (" + form + " - " + form + ")") % (statistics.median(values), min(values), max(values))
