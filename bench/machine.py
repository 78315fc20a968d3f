# SPDX-License-Identifier: Apache-2.0
"""The machine and the versions that a run was made with; and the machine made ready for a run."""

import concurrent.futures
import ctypes
import mmap
import os
import platform
import re
import subprocess
import time

import clients

MIB = 1 << 20
# What is left alone of the free memory while the rest is touched.
FREE_LEFT_MIB = 1024
TOUCH_MIB = 256


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "not installed"
    return (done.stdout + done.stderr).strip().split("\n", maxsplit=1)[0]


def processor():
    with open("/proc/cpuinfo") as info:
        found = re.search(r"^model name\s*:\s*(.*)$", info.read(), re.M)
    return found.group(1).strip() if found else platform.machine()


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)


def free_mib():
    with open("/proc/meminfo") as info:
        return int(re.search(r"^MemFree:\s*(\d+) kB$", info.read(), re.M).group(1)) // 1024


def touch_free_memory():
    """A virtual machine is given a page of memory when it touches it first, and whoever does so is charged with what
    the host needs for it: 2 s of CPU per GiB were seen, more than a broker needs for all it does with a GiB of records.
    So every page that is free is touched once, before anything is measured."""
    parts = [mmap.mmap(-1, TOUCH_MIB * MIB) for _ in range(max(0, free_mib() - FREE_LEFT_MIB) // TOUCH_MIB)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda part: ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(part)), 1, len(part)),
                      parts))
    for part in parts:
        part.close()


def facts():
    return {
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": "%d x %s" % (os.cpu_count(), processor()),
        "memory": "%.0f GiB" % memory_gib(),
        "system": "Linux %s" % platform.release().split("-", maxsplit=1)[0],
        "load": "%.1f" % os.getloadavg()[0],
        "ottla": first_line(clients.OTTLA, "--version"),
        "compiler": first_line("cc", "--version"),
        "java": first_line("java", "-version"),
        "kafka": "Apache Kafka 3.9.1, ZooKeeper mode, 1 GB heap, G1",
    }
