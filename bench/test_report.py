#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a report says: that an aim is missed, that the machine was busy, what is missing; and where that comes from."""

import pathlib
import sys
import unittest
from unittest import mock

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "compat-tests" / "lib")]

import machine  # noqa: E402  (found through the line above)
import others  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402


def row(case, costs, **more):
    """Costs in us per request: {target: [cost of each round]}."""
    samples = {target: [{"cpu_s": cost / 1e6, "requests": 1, "rss_mib": 3.0} for cost in values]
               for target, values in costs.items()}
    return {"case": case, "title": case.upper(), "per": "request", "samples": samples, "syscalls": {}, "problems": {},
            "other_percent": 1.0, "stolen_percent": 0.0, **more}


def results(rows, other_percent=1.0, **problems):
    facts = dict.fromkeys(("when", "processor", "memory", "system", "files", "ottla", "compiler", "kafka", "java",
                           "librdkafka", "load"), "x")
    return {"machine": dict(facts, other_percent=other_percent, stolen_percent=0.5), "minutes": 1.0, "rounds": 3,
            "properties": {}, "rows": rows, "problems": problems}


class ReportTest(unittest.TestCase):
    def test_aims(self):
        for median, word in ((6, "reached"), (6.1, "missed")):
            table = report.figures_table(results([row("one-record", {"ottla": [1, median, 9], "kafka": [100, 100]})]))
            self.assertIn("| one-record requests: broker CPU each, us | %.1f (1.0 - 9.0) | at most 6 | %s |"
                          % (median, word), table)

    def test_figure_without_aim(self):
        table = report.figures_table(results([row("fetch", {"ottla": [1], "kafka": [4], "bare": [2]})]))
        self.assertIn("| bare sendfile's, of Kafka's | 0.50 (0.50 - 0.50) | - |  |", table)

    def test_memory_is_held_against_its_highest(self):
        rows = [row("a", {"ottla": [1]}), row("b", {"ottla": [1]})]
        rows[1]["samples"]["ottla"][0]["rss_mib"] = 41.0
        self.assertIn("| 41.0 (median of the cases 22.0) | at most 40 | missed |", report.figures_table(results(rows)))

    def test_busy_machine(self):
        rows = [row("a", {"ottla": [1]}), row("b", {"ottla": [1]}, other_percent=30.0)]
        text = report.text_of(results(rows, 4.9), [])
        self.assertIn('Other work took 4.9 % of the machine during the run, most of it (30 %) during "B"', text)
        self.assertNotIn("busy", text)
        self.assertIn("The machine was busy", report.text_of(results(rows, 5.1), []))

    def test_what_is_missing(self):
        rows = [row("a", {"ottla": [1], "kafka": []})]
        text = report.text_of(results(rows, a="kafka ended\nits log", b="no time"), [])
        self.assertIn("Not measured to its end: a (kafka ended).", text)
        self.assertIn("Not measured: b (no time).", text)

    def test_growth_has_a_line_for_each_target(self):
        rows = [row("curve-groups", {"ottla": [3], "kafka": [30]}, parameter=count) for count in (10, 100)]
        rows.append(row("curve-groups", {"ottla": [3]}, parameter=1000))
        drawn = plots.growth(results(rows), "Title", "groups", {"curve-groups": ""})
        self.assertEqual(2, drawn.count("<polyline"))
        self.assertEqual(5, drawn.count("<circle"))


class OthersTest(unittest.TestCase):
    def test_stat_of_a_process_with_a_strange_name(self):
        text = "12 (a) R 9 (b) S 7 1 1 0 -1 0 0 0 0 0 30 12 5 1 20 0 1 0 0"
        self.assertEqual(others.Stat(7, 42, 6), others.stat_of(text))

    def test_ours(self):
        stats = {1: others.Stat(0, 1000, 0), 2: others.Stat(0, 0, 0), 3: others.Stat(2, 4, 0),
                 10: others.Stat(1, 10, 20), 11: others.Stat(10, 100, 0), 12: others.Stat(11, 200, 1)}
        self.assertEqual(10 + 20 + 100 + 200 + 1, others.ours_of(stats, 10))
        self.assertEqual({3: 4}, others.kernel_of(stats))

    def test_between(self):
        """Two processors for ten seconds, of which they were busy for fifteen and others took four; of the kernel's
        threads one has ended, one is new."""
        with mock.patch("others.TICK_S", 0.1):
            found = others.between(others.Look(0, 500, 300, {3: 50, 4: 5}, 10),
                                   others.Look(10, 650, 380, {4: 25, 5: 10}, 20), 2)
        self.assertEqual({"other_percent": 20.0, "stolen_percent": 5.0}, found)

    def test_this_machine(self):
        busy, ours = others.look()[1:3]
        self.assertGreater(busy, 0)
        self.assertGreater(ours, 0)


class MachineTest(unittest.TestCase):
    def test_file_system(self):
        mounts = ["/dev/a / ext4 rw 0 0", "b /tmp tmpfs rw 0 0", "c /tmp/with\\040blank xfs rw 0 0"]
        for folder, kind in (("/var/tmp", "ext4"), ("/tmp/x", "tmpfs"), ("/tmp", "tmpfs"), ("/tmpfs", "ext4"),
                             ("/tmp/with blank/x", "xfs")):
            self.assertEqual(kind, machine.file_system(folder, mounts), folder)


if __name__ == "__main__":
    unittest.main()
