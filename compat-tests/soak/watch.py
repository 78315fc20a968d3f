# SPDX-License-Identifier: Apache-2.0
"""Memory, descriptors and threads of a process over time, and the rule by which they are flat.

The rule: what comes before the end of the warm-up is left out, the rest is cut into three thirds.
A figure has grown when both its median and its lowest value of the last third are above those of
the first third by more than its slack. Load moves the median and one quiet moment moves the
lowest value, each up and down; what leaks moves both, and only up.
"""

import os
import pathlib
import statistics
import time

PERIOD_S = 3
WARM_UP = 0.25  # of all samples
MIN_SAMPLES = 24
MIB = 1 << 20


class Figure:
    def __init__(self, name, unit, slack, share):
        self.name, self.unit = name, unit
        self.slack = slack  # in its unit
        self.share = share  # of its first value
        self.values = []

    def grown(self):
        """A sentence when it has grown, else None."""
        kept = self.values[int(len(self.values) * WARM_UP):]
        third = len(kept) // 3
        first, last = kept[:third], kept[-third:]
        slack = max(self.slack, self.share * statistics.median(first))
        if (statistics.median(last) - statistics.median(first) <= slack
                or min(last) - min(first) <= slack):
            return None
        return ("%s has grown: median %s, lowest %s in the first third after the warm-up, median %s, "
                "lowest %s in the last (slack %.0f %s)"
                % (self.name, self.text(statistics.median(first)), self.text(min(first)),
                   self.text(statistics.median(last)), self.text(min(last)), slack, self.unit))

    def text(self, value):
        return "%.1f %s" % (value, self.unit)

    def summary(self):
        kept = self.values[int(len(self.values) * WARM_UP):]
        return "%s %.1f to %.1f, median %.1f %s" % (self.name, min(kept), max(kept),
                                                    statistics.median(kept), self.unit)


class ProcessWatch:
    """Takes a sample each PERIOD_S seconds until it is told to stop; each is a line of `path`."""

    def __init__(self, pid, path, memory_slack_mib):
        self.proc = pathlib.Path("/proc", str(pid))
        self.path = path
        self.memory = Figure("resident memory", "MiB", memory_slack_mib, 0.1)
        self.descriptors = Figure("descriptors", "open", 50, 0.1)
        self.threads = Figure("threads", "running", 0, 0)
        self.figures = (self.memory, self.descriptors, self.threads)

    def sample(self):
        pages = int((self.proc / "statm").read_text().split()[1])
        self.memory.values.append(pages * os.sysconf("SC_PAGE_SIZE") / MIB)
        self.descriptors.values.append(len(os.listdir(self.proc / "fd")))
        self.threads.values.append(len(os.listdir(self.proc / "task")))

    def run(self, stopped):
        """Until the event `stopped` is set."""
        begin = time.monotonic()
        with open(self.path, "w", buffering=1) as file:
            while not stopped.wait(PERIOD_S):
                self.sample()
                file.write("%.0f %s\n" % (time.monotonic() - begin,
                                          " ".join("%.1f" % figure.values[-1]
                                                   for figure in self.figures)))

    def problems(self):
        if len(self.memory.values) < MIN_SAMPLES:
            return ["only %d samples: too short to say anything" % len(self.memory.values)]
        return [text for text in (figure.grown() for figure in self.figures) if text]
