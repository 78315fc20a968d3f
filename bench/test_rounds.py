#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rounds: how many there are when time is short, that one target's failure is no other's, and ratios round by round."""

import pathlib
import sys
import unittest
from unittest import mock

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "compat-tests" / "lib")]

import clients  # noqa: E402  (found through the line above)
import rounds  # noqa: E402


class Server:
    """Uses a second of CPU for each drive."""

    def __init__(self, name):
        self.name, self.used = name, 0.0

    def pids(self):
        return []

    def cpu_s(self):
        return self.used

    def rss_mib(self):
        return 1.0


class Clocked(unittest.TestCase):
    """Time stands still but where a test moves it."""

    def setUp(self):
        self.now = 100.0
        for patch in (mock.patch("rounds.time.monotonic", lambda: self.now),
                      mock.patch("rounds.targets.SystemCalls", lambda _: mock.Mock(end=lambda: 6))):
            patch.start()
            self.addCleanup(patch.stop)
        self.clock = rounds.Clock(100, 5, 2)
        self.clock.weight_left = 10


class ClockTest(Clocked):
    def test_rounds_of_a_late_case(self):
        """It has the rounds of every case, but none of those that it wanted beside them."""
        self.clock.begin_case(1)
        self.assertEqual([0, 1, 2, 3, 4, 5, 6, 7], list(self.clock.rounds_of(7)))
        self.now += 14
        self.assertTrue(self.clock.is_late())
        self.assertEqual([0, 1, 2, 3, 4, 5], list(self.clock.rounds_of(7)))
        self.assertEqual([1, 2], list(self.clock.rounds_of(2, warm_up=False)))

    def test_no_time_left(self):
        self.clock.begin_case(1)
        self.now += 100.5
        self.assertEqual([0, 1], list(self.clock.rounds_of()))
        self.assertFalse(self.clock.begin_case(1))

    def test_shares(self):
        """1.3 of its due part, all of the rest for the last one."""
        self.clock.begin_case(5)
        self.assertEqual(165.0, self.clock.case_end)
        self.clock.begin_case(5)
        self.assertEqual(200.0, self.clock.case_end)

    def test_stopped(self):
        self.clock.begin_case(1)
        with self.clock.stopped(40):
            self.now += 39
            self.assertFalse(self.clock.is_late())
            self.now += 2
            self.assertTrue(self.clock.is_late())
        self.assertEqual(100 + 13 + 41, self.clock.case_end)


class AlternateTest(Clocked):
    def drive(self, server):
        server.used += 1
        if server.name == "kafka" and server.used == 5:
            raise clients.ClientError("too slow")
        return {"requests": 2}

    def test_one_that_fails_is_left_out(self):
        ottla, kafka = Server("ottla"), Server("kafka")
        self.clock.begin_case(1)
        measured = rounds.alternate(self.clock, [ottla, kafka], self.drive, "request")
        self.assertEqual(5, len(measured.samples["ottla"]))
        self.assertEqual(2, len(measured.samples["kafka"]))
        self.assertEqual({"kafka": "too slow"}, measured.problems)
        self.assertEqual(5, kafka.used)
        self.assertEqual({"ottla": 3.0, "kafka": 3.0}, measured.syscalls)
        row = rounds.row("a", "A", "request", measured, parameter=1)
        self.assertEqual([5e5] * 5, rounds.costs(row, "ottla"))
        self.assertEqual({"kafka": "too slow"}, row["problems"])

    def test_warm_up_ends_when_the_cost_does_not_fall(self):
        self.clock.begin_case(1)
        for costs, drives in (((10, 9, 1, 1), 2), ((10, 5, 4.9, 1), 3), ((10, 5, 2, 1), 3)):
            server, left = Server("kafka"), list(costs)

            def drive(server, left=left):
                server.used += left.pop(0)
                return {"requests": 1}

            rounds.warm_up(self.clock, server, drive, "request", 2)
            self.assertEqual(drives, len(costs) - len(left), costs)


class FiguresTest(unittest.TestCase):
    def test_costs(self):
        self.assertEqual(2.0, rounds.cost({"cpu_s": 1.0, "bytes": rounds.GIB / 2}, "GiB"))
        self.assertEqual(0.5, rounds.cost({"cpu_s": 1.0, "records": 2e6}, "record"))

    def test_ratios(self):
        """Of the rounds that both have."""
        self.assertEqual([0.5, 2.0], rounds.ratios([1, 4, 9], [2, 2]))
        self.assertEqual("1.25 (0.50 - 2.00)", rounds.spread([0.5, 2.0]))
        self.assertEqual("-", rounds.spread([]))


if __name__ == "__main__":
    unittest.main()
