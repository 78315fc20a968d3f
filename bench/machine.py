# SPDX-License-Identifier: Apache-2.0
"""The machine and the versions that a run was made with."""

import os
import platform
import re
import subprocess
import time

import clients


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
