# SPDX-License-Identifier: Apache-2.0
"""A member of a group by kcat, which takes this process's place. What it is told: ../test.py."""

import os

SETTINGS = {
    "partition.assignment.strategy": os.environ["STRATEGY"],
    "session.timeout.ms": os.environ["SESSION_MS"],
    "heartbeat.interval.ms": "300",
    "auto.offset.reset": "earliest",
    "auto.commit.interval.ms": "200",
    "topic.metadata.refresh.interval.ms": "1000",
    "reconnect.backoff.max.ms": "500",
    "client.id": os.environ["CLIENT_ID"],
}

command = ["kcat", "-u", "-q", "-E", "-b", os.environ["BOOTSTRAP"], "-f", "record %p %o\\n"]
for key, value in SETTINGS.items():
    command += ["-X", "%s=%s" % (key, value)]
os.execvp("kcat", command + ["-G", os.environ["GROUP"], os.environ["TOPIC"]])
