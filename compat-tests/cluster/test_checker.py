#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checker finds nothing in a sound history, and in each broken one what is broken in it."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from checker import (ACKED, FAILED, UNKNOWN, Assigned, Commit, History, Poll, Sent,  # noqa: E402
                     check)


def sound(**changed):
    """Four records of producer 1 to partition 0, one of them without an answer, and their readers;
    the group hands the partition over after a commit of 2."""
    final = [(offset, (1, offset)) for offset in range(4)]
    parts = {
        "sent": [Sent(1, 0, 0, ACKED, 0), Sent(1, 1, 0, ACKED, 1), Sent(1, 2, 0, UNKNOWN, None),
                 Sent(1, 3, 0, ACKED, 3), Sent(1, 4, 0, FAILED, None)],
        "readers": {"all": [Poll(0, *record) for record in final],
                    "a": [Assigned([0]), *(Poll(0, *record) for record in final[:3])],
                    "b": [Assigned([0]), *(Poll(0, *record) for record in final[2:])]},
        "members": ["a", "b"],
        "commits": [Commit(0, 2), Commit(0, 4)],
        "final": {0: final},
        "replicas": {"t-0": {1: [(0, 3)], 2: [(0, 3)]}},
    }
    parts.update(changed)
    return History(**parts)


def with_final(values):
    """What stands there at the end, and nobody has read."""
    return sound(final={0: list(enumerate(values))}, readers={}, members=[], commits=[])


def with_reader(*offsets):
    return sound(readers={"all": [Poll(0, offset, (1, offset)) for offset in offsets]}, members=[])


BROKEN = [
    ("lost", with_final([(1, 0), (1, 1), (1, 2)])),
    ("lost", sound(final={}, readers={}, members=[], commits=[])),
    ("moved", with_final([(1, 0), (1, 1), (1, 3)])),
    ("unsent", with_final([(1, 0), (1, 1), (1, 2), (1, 3), (7, 0)])),
    ("unsent", with_final([(1, 0), (1, 1), (1, 2), (1, 3), (1, 4)])),
    ("duplicated", with_final([(1, 0), (1, 1), (1, 2), (1, 3), (1, 2)])),
    ("reordered", with_final([(1, 0), (1, 1), (1, 3), (1, 2)])),
    ("skipped", with_reader(0, 1, 3)),
    ("skipped", sound(members=["a"])),
    ("back", with_reader(0, 1, 1)),
    ("back", with_reader(0, 1, 2, 0)),
    ("back", sound(commits=[Commit(0, 3), Commit(0, 2)])),
    ("changed", sound(commits=[Commit(0, 5)])),
    ("changed", sound(readers={"all": [Poll(0, 0, (1, 1))]}, members=[])),
    ("changed", with_reader(2, 3, 4)),
    ("diverging", sound(replicas={"t-0": {1: [(0, 3)], 2: [(0, 3)], 3: [(0, 2)]}})),
    ("diverging", sound(replicas={"t-0": {1: [(0, 1), (2, 3)], 2: [(0, 1)]}})),
    ("error", sound(errors=["fenced"])),
]


class CheckerTest(unittest.TestCase):
    def test_sound(self):
        self.assertEqual([], check(sound()))

    def test_unread_final_is_sound(self):
        self.assertEqual([], check(with_final([(1, 0), (1, 1), (1, 2), (1, 3)])))

    def test_acknowledged_without_an_offset(self):
        sent = [*sound().sent[:3], Sent(1, 3, 0, ACKED, None)]
        self.assertEqual([], check(sound(sent=sent)))
        lost = with_final([(1, 0), (1, 1), (1, 2)])
        lost.sent = sent
        self.assertIn("lost", [anomaly.kind for anomaly in check(lost)])

    def test_broken(self):
        for number, (kind, history) in enumerate(BROKEN):
            with self.subTest(number=number, kind=kind):
                self.assertIn(kind, [anomaly.kind for anomaly in check(history)])


if __name__ == "__main__":
    unittest.main()
