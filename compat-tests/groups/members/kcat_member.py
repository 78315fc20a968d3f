# SPDX-License-Identifier: Apache-2.0
"""A member of a group by kcat, which takes this process's place. What it is told: ../test.py.

kcat does not say which generation it is in, but its library logs that. Both come through one pipe
to a child, which tells them on.
"""

import os
import re
import sys

SETTINGS = {
    "partition.assignment.strategy": os.environ["STRATEGY"],
    "session.timeout.ms": os.environ["SESSION_MS"],
    "heartbeat.interval.ms": "300",
    "auto.offset.reset": "earliest",
    "auto.commit.interval.ms": "200",
    "topic.metadata.refresh.interval.ms": "1000",
    "reconnect.backoff.max.ms": "500",
    "client.id": os.environ["CLIENT_ID"],
    "debug": "cgrp",
}
JOINED = re.compile(r"JoinGroup response: GenerationId (\d+)")


def tell(pipe):
    generation = -1
    for line in os.fdopen(pipe, errors="replace"):
        joined = JOINED.search(line)
        if joined:
            generation = joined.group(1)
        elif line.startswith("record "):
            print(line.rstrip("\n"), generation, flush=True)
        elif "|" not in line:  # what is not of the log is a complaint
            sys.stderr.write(line)


def main():
    command = ["kcat", "-u", "-E", "-b", os.environ["BOOTSTRAP"], "-f", "record %p %o\\n"]
    for key, value in SETTINGS.items():
        command += ["-X", "%s=%s" % (key, value)]
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(writing)
        tell(reading)
        return
    os.dup2(writing, sys.stdout.fileno())
    os.dup2(writing, sys.stderr.fileno())
    os.close(writing)
    os.close(reading)
    os.execvp("kcat", command + ["-G", os.environ["GROUP"], os.environ["TOPIC"]])


main()
