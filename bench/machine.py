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
# What is left alone of the free memory while much of the rest is touched.
FREE_LEFT_MIB = 1024
HUGE = 2 * MIB
MADV_COLD = 20  # of <linux/mman.h>; Python has no name for it


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


def ready_memory(mib):
    """A virtual machine is given a page of memory when it touches it first, and whoever does so is charged with what
    the host needs for it: 2 s of CPU per GiB were seen, more than a broker needs for all it does with a GiB of records.
    So as much free memory as a run needs is touched before anything is measured. A kernel that gives free memory back
    to its host does so in whole huge pages: of each, one small page is held until what is returned is closed."""
    size = min(mib, max(0, free_mib() - FREE_LEFT_MIB)) * MIB // HUGE * HUGE
    held = mmap.mmap(-1, size + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(held))
    first = -address % HUGE
    try:
        held.madvise(mmap.MADV_HUGEPAGE)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda at: ctypes.memset(address + at, 1, HUGE), range(first, first + size, HUGE)))
        for at in range(first, first + size, HUGE):
            held.madvise(MADV_COLD, at, mmap.PAGESIZE)  # what makes small pages of the huge one
            held.madvise(mmap.MADV_DONTNEED, at + mmap.PAGESIZE, HUGE - mmap.PAGESIZE)
    except OSError as problem:
        print("the memory is not made ready: %s" % problem)
        held.madvise(mmap.MADV_DONTNEED)
    return held


def file_system(folder, mounts):
    """The kind of the one that `folder`, an absolute path, lies on; mounts: lines of /proc/mounts."""
    best, kind = "", "unknown"
    for line in mounts:
        _, place, found = line.split()[:3]
        place = place.replace("\\040", " ")
        if len(place) >= len(best) and (folder + "/").startswith(place.rstrip("/") + "/"):
            best, kind = place, found
    return kind


def file_system_of(folder):
    with open("/proc/mounts") as mounts:
        return file_system(os.path.realpath(folder), mounts)


def facts(scratch):
    """scratch: the folder that brokers and bare programs write to."""
    return {
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": "%d x %s" % (os.cpu_count(), processor()),
        "memory": "%.0f GiB" % memory_gib(),
        "system": "Linux %s" % platform.release().split("-", maxsplit=1)[0],
        "files": file_system_of(scratch),
        "load": "%.1f" % os.getloadavg()[0],
        "ottla": first_line(clients.OTTLA, "--version"),
        "compiler": first_line("cc", "--version"),
        "java": first_line("java", "-version"),
        "librdkafka": first_line(clients.RDKAFKA, "version"),
        "kafka": "Apache Kafka 3.9.1, ZooKeeper mode, 1 GB heap, G1",
    }
