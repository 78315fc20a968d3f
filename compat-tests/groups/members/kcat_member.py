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
LOG_LINE = re.compile(r"%\d\|")
CUT_RECORD = re.compile(r"(record[ \d]*)(%\d\|.*)", re.DOTALL)  # kcat writes its lines in pieces


def whole_lines(pipe):
    """The lines of the pipe; a record that lines of the log have cut, once or more, is put together again."""
    begun = ""
    for line in os.fdopen(pipe, errors="replace"):
        if LOG_LINE.match(line):
            yield line
            continue
        whole = begun + line
        cut = CUT_RECORD.match(whole)
        begun = cut.group(1) if cut else ""
        yield cut.group(2) if cut else whole


def tell(pipe):
    generation = -1
    for line in whole_lines(pipe):
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
