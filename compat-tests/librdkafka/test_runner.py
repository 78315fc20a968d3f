#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the runner prints is read as it is meant, and nothing passes that did not say so."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

import close_race  # noqa: E402  (found through the lines above)
import plan  # noqa: E402
import results  # noqa: E402
import runner  # noqa: E402

ENTRY = plan.Entry("0031_get_offsets", "PASSED", plan.DEFAULT, 0.1, "")
OTHER = plan.Entry("0031_get_more", "PASSED", plan.DEFAULT, 0.1, "")
PASS = ("\x1b[36m[0031_get_offsets / 1.3s] \x1b[32m================= Test 0031_get_offsets PASSED ======\x1b[0m\n"
        "|\x1b[32m 0031_get_offsets                         |     PASSED |   1.305s \x1b[0m|\n")
SKIP = ("|\x1b[36m 0031_get_offsets                         |    SKIPPED |   0.000s \x1b[0m|\x1b[36m no SASL\x1b[0m\n")
FAIL = ('\x1b[31m### Test "0031_get_offsets (do_it:542: with more)" failed at 0031.c:115:do_it() at Sat Nov 28: ###\n'
        "Expected 1, not 2\n")
SUBTEST = "\x1b[32m[ do_it:542: with more: PASS (1.00s) ]\x1b[0m\n"


def judge(text, code=0, entries=(ENTRY,), part=()):
    return runner.judge(plan.Run(tuple(entries), part), text, code, 9.0)[ENTRY.name]


class RunnerTest(unittest.TestCase):
    def test_passed(self):
        outcome = judge(PASS)
        self.assertEqual((outcome.state, outcome.seconds, outcome.line), ("PASSED", 1.305, ""))

    def test_skipped_with_its_reason(self):
        outcome = judge(SKIP)
        self.assertEqual((outcome.state, outcome.line), ("SKIPPED", "no SASL"))

    def test_failed_with_the_line_that_says_why(self):
        outcome = judge(FAIL, -6)
        self.assertEqual((outcome.state, outcome.line), ("FAILED", "0031.c:115: Expected 1, not 2"))

    def test_nothing_said_is_not_passed(self):
        self.assertEqual(judge("").state, "FAILED")
        self.assertEqual(judge("killed\n", None).line, "its process ended with kill, for it took too long")

    def test_a_process_that_ends_badly_has_not_passed(self):
        self.assertEqual(judge(PASS, -6).state, "FAILED")
        # With several tests in it the process tells of the other.
        self.assertEqual(judge(PASS + FAIL.replace("get_offsets", "get_more"), -6, (ENTRY, OTHER)).state, "PASSED")

    def test_a_part_of_which_nothing_ran_has_not_passed(self):
        part = (("SUBTESTS", "do_it"),)
        self.assertEqual(judge(PASS, 0, part=part).state, "FAILED")
        outcome = judge(SUBTEST + PASS, 0, part=part)
        self.assertEqual((outcome.state, outcome.subtests), ("PASSED", ("do_it:542: with more",)))


class ResultsTest(unittest.TestCase):
    def good(self, kafka_state, states, pending=None):
        entry = plan.Entry("0031_get_offsets", kafka_state, plan.DEFAULT, 0.1, "")
        outcomes = [runner.Outcome(state, 1.0) for state in states]
        row = results.row(entry, outcomes, pending)
        return row["state"], row["good"]

    def test_kafka_passes_so_it_has_to_pass(self):
        self.assertEqual(self.good("PASSED", ["PASSED"]), ("PASSED", True))
        self.assertEqual(self.good("PASSED", ["FAILED"]), ("FAILED", False))
        self.assertEqual(self.good("PASSED", ["SKIPPED"]), ("SKIPPED", False))
        self.assertEqual(self.good("PASSED", []), ("FAILED", False))

    def test_what_kafka_skips_may_be_skipped(self):
        self.assertEqual(self.good("SKIPPED", ["SKIPPED"]), ("SKIPPED", True))
        self.assertEqual(self.good("SKIPPED", ["FAILED"]), ("FAILED", False))

    def test_the_parts_of_what_is_pending_have_to_pass(self):
        pending = plan.Pending("transactions")
        self.assertEqual(self.good("PASSED", ["PASSED", "PASSED"], pending), ("PARTLY", True))
        self.assertEqual(self.good("PASSED", ["PASSED", "FAILED"], pending), ("FAILED", False))
        self.assertEqual(self.good("PASSED", [], pending), ("PENDING", True))

    def test_the_control_run_shows_who_needs_no_broker(self):
        entry = plan.Entry("0068_produce_timeout", "PASSED", plan.DEFAULT, 2.0, plan.NEEDS_NO_BROKER)
        outcomes = {entry.name: [runner.Outcome("PASSED", 1.0)]}
        for control, good in ((None, True), ([entry.name], True), ([], False), ([entry.name, "x"], False)):
            self.assertEqual(results.collect([entry], outcomes, {}, control, None, "1")["good"], good)

    def test_closing_is_told_and_has_to_be_of_use(self):
        entry = plan.Entry("0113_cooperative_rebalance", "PASSED", plan.DEFAULT, 100.0, "")
        outcomes = {entry.name: [runner.Outcome("PASSED", 1.0)]}
        mended = dict(close_race.EXPECTED, within=close_race.RETURNS)
        for race, good in ((None, True), (close_race.EXPECTED, True), (mended, False)):
            found = results.collect([entry], outcomes, {}, None, race, "1")
            self.assertEqual(found["good"], good)
            self.assertIn("closing.c", found["entries"][0]["remark"])
        # It explains no failure.
        outcomes[entry.name] = [runner.Outcome("FAILED", 1.0, "timed out")]
        self.assertFalse(results.collect([entry], outcomes, {}, None, None, "1")["good"])


class PlanTest(unittest.TestCase):
    def test_every_entry_is_run_once_or_pending(self):
        entries = plan.read_baseline()
        told = [entry.name for run in plan.runs(entries, {}) for entry in run.entries]
        self.assertEqual(sorted(told), sorted(entry.name for entry in entries))
        self.assertLessEqual(set(plan.PENDING), set(told))

    def test_what_is_preloaded(self):
        preloaded = {(run.scenario, run.number): run.preloaded for run in plan.runs(plan.read_baseline(), {})}
        self.assertEqual(preloaded[plan.DEFAULT, "0031"], ["clamp"])
        self.assertEqual(preloaded[plan.DEFAULT, "0113"], ["clamp", "closing"])
        self.assertEqual(preloaded[plan.THREE_BROKERS, "0101"], [])

    def test_no_two_processes_share_a_folder(self):
        runs = plan.runs(plan.read_baseline(), plan.PENDING)
        self.assertEqual(len({(run.scenario, run.name) for run in runs}), len(runs))


if __name__ == "__main__":
    unittest.main()
