# SPDX-License-Identifier: Apache-2.0
"""Requests that real clients (ten of them, in the versions named) and hand-made probes sent to Apache Kafka
3.9.1: captured.jsonl.gz, one {"from", "api", "version", "body"} a line, the body in hexadecimal, each once.

They are sent as they are, with two exceptions: a JoinGroup goes to a group of its own, for else it would
wait for members that are not there, and its session is a long one; a Fetch does not wait for records.
"""

import gzip
import json
import pathlib

from case import SESSION_MS, Case, Own
from messages import Source

FILE = pathlib.Path(__file__).resolve().parent / "captured.jsonl.gz"
LONGEST_WAIT_MS = 10
SHORTEST_SESSION_MS = 6000  # a shorter one is refused


def read():
    with gzip.open(FILE, "rt") as lines:
        return [json.loads(line) for line in lines]


def captured(apis):
    for number, line in enumerate(read()):
        api, version = apis[line["api"]], line["version"]
        body = api.request.decode(Source(bytes.fromhex(line["body"])), version)
        if api.name == "JoinGroup":
            body["GroupId"] = Own("joined")
            if SHORTEST_SESSION_MS <= body["SessionTimeoutMs"] <= SESSION_MS:
                body["SessionTimeoutMs"] = SESSION_MS
        if api.name == "Fetch":
            body["MaxWaitMs"] = min(body["MaxWaitMs"], LONGEST_WAIT_MS)
        yield Case("captured/%s %s v%d %d" % (line["from"], api.name, version, number), api, version, body)
