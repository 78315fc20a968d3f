#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The guard sees growth, a count that is missing, and other surroundings; it does not mind what is within its
tolerance."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import guard_verdict  # noqa: E402  (found through the line above)


class GuardTest(unittest.TestCase):
    def test_growth(self):
        for now, is_good, word in ((1000, True, "+0.0"), (1100, True, "+10.0"), (1101, False, "GREW"),
                                   (899, True, "fell")):
            lines, good = guard_verdict.judge({"a": 1000}, {"a": now})
            self.assertEqual(is_good, good, lines)
            self.assertIn(word, lines[0])

    def test_scripts_must_be_the_same(self):
        self.assertFalse(guard_verdict.judge({"a": 1000}, {"a": 1000, "b": 1})[1])
        self.assertFalse(guard_verdict.judge({"a": 1000, "b": 1}, {"a": 1000})[1])

    def test_surroundings(self):
        self.assertEqual("", guard_verdict.differences({"libc": "2.36"}, {"libc": "2.36", "more": "1"}))
        self.assertEqual("libc 2.36 (here 2.37)", guard_verdict.differences({"libc": "2.36"}, {"libc": "2.37"}))
        self.assertEqual("libc 2.36 (here None)", guard_verdict.differences({"libc": "2.36"}, {}))


if __name__ == "__main__":
    unittest.main()
