# SPDX-License-Identifier: Apache-2.0
"""What else the machine does during a run: what is measured beside other people's work is worth less, and says so.

Other work is what the kernel counts for all processors without what this process and its descendants used, and without
the kernel's own threads, which write what the brokers wrote. The kernel counts ticks of all processors, but
nanoseconds of processes: over some seconds the two agree within a few per cent.
"""

import collections
import os
import time

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
KERNEL_THREADS = 2  # their parent
Stat = collections.namedtuple("Stat", "parent own waited_for")  # CPU in ticks: its own, and of children it waited for
# In ticks since some moment: of all processors, of the run, of each kernel thread (they come and go), and what a host
# took away. `at` in seconds.
Look = collections.namedtuple("Look", "at busy ours kernel stolen")


def stat_of(text):
    """Of /proc/PID/stat. The name stands in parentheses and may hold anything."""
    fields = text[text.rindex(")") + 2:].split()
    return Stat(int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14]))


def machine_of(text):
    """Busy and stolen ticks, of the first line of /proc/stat: user nice system idle iowait irq softirq steal."""
    user, nice, system, _, _, irq, softirq, stolen = (int(field) for field in text.split()[1:9])
    return user + nice + system + irq + softirq, stolen


def ours_of(stats, root):
    """Ticks of `root` and of all that descend from it. stats: {pid: Stat}."""
    children = collections.defaultdict(list)
    for pid, stat in stats.items():
        children[stat.parent].append(pid)
    ticks, left = 0, [root]
    while left:
        pid = left.pop()
        ticks += stats[pid].own + stats[pid].waited_for
        left += children[pid]
    return ticks


def all_stats():
    stats = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, errors="replace") as file:
                    stats[int(name)] = stat_of(file.read())
            except OSError:
                pass  # it has ended meanwhile
    return stats


def kernel_of(stats):
    return {pid: stat.own for pid, stat in stats.items() if stat.parent == KERNEL_THREADS}


def look():
    with open("/proc/stat") as file:
        busy, stolen = machine_of(file.readline())
    stats = all_stats()
    return Look(time.monotonic(), busy, ours_of(stats, os.getpid()), kernel_of(stats), stolen)


def between(before, after, processors):
    """Parts of what all processors could have done, in per cent: {"other_percent", "stolen_percent"}."""
    whole = (after.at - before.at) * processors / TICK_S
    kernel = sum(max(0, ticks - before.kernel.get(pid, 0)) for pid, ticks in after.kernel.items())
    other = (after.busy - before.busy) - (after.ours - before.ours) - kernel
    return {"other_percent": max(0.0, other / whole * 100),
            "stolen_percent": (after.stolen - before.stolen) / whole * 100}
