# SPDX-License-Identifier: Apache-2.0
"""One process of librdkafka's test runner, and what can be read from its output.

A failing test ends its process, so the states come from the lines the runner prints, not from its summary alone. What
did not say that it passed has not passed.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import time

import plan

KAFKA_VERSION = "3.9.1"
# Beside what Apache Kafka took; each test has a limit of its own, which comes earlier.
MORE_TIME_S = 180
TIME_FACTOR = 3
PRESSURE = pathlib.Path("/proc/pressure/cpu")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
PASSED = re.compile(r"=+ Test (\S+) PASSED =+")
SUMMARY = re.compile(r"^\| *(\S+) +\| +(PASSED|FAILED|SKIPPED|RUNNING) +\| +([\d.]+)s +\|(.*)$")
SKIPPED = re.compile(r"SKIPPING TEST: (.*)")
FAILED = re.compile(r'### Test "(\S+?)[ "].* failed at ([^:]+:\d+):')
SUBTEST_PASSED = re.compile(r"\[ (\w+:\d+(?:: .*)?): PASS \([\d.]+s\) \]")


@dataclasses.dataclass
class Outcome:
    """Of one entry in one process. `line`: the first failing line, or why it was skipped."""
    state: str
    seconds: float
    line: str = ""
    subtests: tuple = ()
    starved: float = 0.0  # the part of its time in which something on this machine was kept waiting for a processor


class Harness:
    """What all processes share: the built suite, and a KAFKA_PATH with the scripts that tests call and, as <name>.so,
    what is preloaded."""

    def __init__(self, suite, kafka_path, work_dir):
        self.suite = pathlib.Path(suite)
        self.kafka_path = pathlib.Path(kafka_path)
        self.work_dir = pathlib.Path(work_dir)
        self.children = set()  # that run, each the head of a process group

    def end_all(self):
        """What still runs is killed; from another thread than those that wait for it."""
        for child in list(self.children):
            end_group(child)

    def execute(self, run, bootstrap, timeout_s=None):
        """{entry's name: Outcome} of one process; its output stays in <work_dir>/<scenario>/<run>/output.log."""
        folder = self.prepare(run, bootstrap)
        timeout_s = timeout_s or run.kafka_seconds * TIME_FACTOR + MORE_TIME_S
        before, waited_before = time.monotonic(), waited_for_processors_s()
        with open(folder / "output.log", "wb") as output:
            child = subprocess.Popen([self.suite / "test-runner", "-L", "-K", "-p1"], cwd=folder, stdout=output,
                                     stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
                                     env=self.environment(run, bootstrap))
            self.children.add(child)
            try:
                code = child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                end_group(child)
                child.wait()
                self.children.discard(child)
        text = (folder / "output.log").read_text(errors="replace")
        seconds = time.monotonic() - before
        outcomes = judge(run, text, code, seconds)
        for outcome in outcomes.values():
            outcome.starved = (waited_for_processors_s() - waited_before) / seconds
        return outcomes

    def prepare(self, run, bootstrap):
        """The folder the process works in, with the files that tests expect around them."""
        folder = self.work_dir / run.scenario / run.name
        folder.mkdir(parents=True)
        (folder / "test.conf").write_text("bootstrap.servers=%s\n" % bootstrap)
        # The Java programs are compiled; `make java` is what a test calls before it starts one.
        (folder / "Makefile").write_text("java:\n\t@:\n.PHONY: java\n")
        (folder / "java").symlink_to(self.suite / "java")
        with contextlib.suppress(FileExistsError):
            (folder.parent / "src").symlink_to(self.suite / "src")
        return folder

    def environment(self, run, bootstrap):
        # With CI set the runner leaves tests out.
        environment = {key: value for key, value in os.environ.items()
                       if key != "CI" and not key.startswith("TEST")}
        environment.update(
            TESTS=run.number, TEST_KAFKA_VERSION=KAFKA_VERSION, BROKERS=bootstrap, KAFKA_PATH=str(self.kafka_path),
            LD_LIBRARY_PATH=str(self.suite), LC_ALL="C")
        if run.scenario == plan.NO_AUTO_CREATE:
            environment["TEST_SCENARIO"] = run.scenario
        if run.preloaded:
            environment["LD_PRELOAD"] = ":".join(str(self.kafka_path / (name + ".so")) for name in run.preloaded)
        environment.update(run.part)
        return environment


def end_group(child):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def waited_for_processors_s():
    """Since the machine was started, how long at least one task was ready to run and had no processor; 0 where the
    kernel does not say."""
    found = re.search(r"^some .*total=(\d+)", PRESSURE.read_text(), re.M) if PRESSURE.exists() else None
    return int(found.group(1)) / 1e6 if found else 0.0


def judge(run, text, code, seconds):
    """{entry's name: Outcome} by what the process has printed; code None: it was ended for its time."""
    lines = COLOURS.sub("", text).splitlines()
    summary = {found.group(1): found for found in map(SUMMARY.match, lines) if found}
    subtests = tuple(found.group(1) for found in map(SUBTEST_PASSED.search, lines) if found)
    outcomes = {}
    for entry in run.entries:
        told = summary.get(entry.name)
        state, line = state_of(run, entry.name, lines, told, code, subtests)
        outcomes[entry.name] = Outcome(state, float(told.group(3)) if told else seconds, line, subtests)
    return outcomes


def state_of(run, name, lines, told, code, subtests):
    """(state, line)"""
    if told and told.group(2) == "SKIPPED":
        return "SKIPPED", told.group(4).strip() or first(SKIPPED, lines)
    if any(found.group(1) == name for found in map(PASSED.search, lines) if found):
        if code != 0 and len(run.entries) == 1:
            return "FAILED", "passed, but its process ended with %s" % code_text(code)
        if "SUBTESTS" in dict(run.part) and not subtests:
            return "FAILED", "there is no subtest %s" % dict(run.part)["SUBTESTS"]
        return "PASSED", ""
    return "FAILED", failing_line(name, lines) or "its process ended with %s" % code_text(code)


def first(pattern, lines):
    return next((found.group(1).strip() for found in map(pattern.search, lines) if found), "")


def failing_line(name, lines):
    """'file:line: what failed' of the first failure of this test; what failed stands below its head."""
    for number, line in enumerate(lines):
        found = FAILED.search(line)
        if found and found.group(1) == name:
            what = lines[number + 1].strip() if number + 1 < len(lines) else ""
            return "%s: %s" % (found.group(2), what)
    return ""


def code_text(code):
    return "exit code %d" % code if code is not None else "kill, for it took too long"
