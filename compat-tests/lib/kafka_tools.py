# SPDX-License-Identifier: Apache-2.0
"""Kafka's own command line tools, in one virtual machine: each start of one takes a second.

Env TOOLS_LIBRARIES and TOOLS_CLASSES, which compat-tests/run sets, name the folders of Kafka's jars and of RunTools.
"""

import os
import subprocess

import brokers

MARK = "-----exit"


def java(work_dir, heap_mib=128):
    """Java with the tools on its class path; what they log goes nowhere."""
    config = work_dir / "log4j.properties"
    config.write_text("log4j.rootLogger=OFF\n")
    libraries, classes = os.environ["TOOLS_LIBRARIES"], os.environ["TOOLS_CLASSES"]
    return ["java", "-Xmx%dm" % heap_mib, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.language=en",
            "-Dfile.encoding=UTF-8", "-Dlog4j.configuration=" + config.resolve().as_uri(),
            "-cp", os.path.join(libraries, "*") + os.pathsep + classes]


class Tools:
    """The virtual machine that runs the tools."""

    def __init__(self, bootstrap, work_dir):
        self.child = subprocess.Popen(
            java(work_dir) + ["RunTools", MARK, bootstrap],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def run(self, words):
        """What the command printed, with its exit code as the last line."""
        self.child.stdin.write("\t".join(words) + "\n")
        self.child.stdin.flush()
        lines = []
        for line in self.child.stdout:
            line = line.rstrip("\n")
            if line.startswith(MARK):
                return lines + ["exit code" + line[len(MARK):]]
            lines.append(line)
        raise brokers.BrokerError("the tools ended after " + " ".join(words))

    def close(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()
