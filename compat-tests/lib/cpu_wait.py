# SPDX-License-Identifier: Apache-2.0
"""How long threads were ready to run and got no CPU: what a crowded machine adds to each duration."""

import contextlib
import pathlib

NS = 1e9


def of_threads(pids):
    """{(process, thread): seconds since it began}; a process that has ended has no threads."""
    waits = {}
    for pid in pids:
        for task in pathlib.Path("/proc/%d/task" % pid).glob("*"):
            with contextlib.suppress(OSError):
                waits[pid, task.name] = int((task / "schedstat").read_text().split()[1]) / NS
    return waits


def longest(before, after):
    """The longest wait of one thread between two looks."""
    return max((wait - before.get(thread, 0) for thread, wait in after.items()), default=0.0)
