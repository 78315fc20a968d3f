# SPDX-License-Identifier: Apache-2.0
"""What the agents that are written in Python share: one JSON object a line in, one out.

An agent is a client program that does what it is told; compat-tests/clients/life.py tells it. The protocol, for agents
in all languages, is described in compat-tests/clients/README.md. Bytes are base64, null stays null.
"""

import base64
import json
import os
import sys

from records import Record


class Refused(Exception):
    """The broker, or the client on its behalf, has refused: Kafka's error code (None: there is none) and a text."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def pack(data):
    return None if data is None else base64.b64encode(data).decode()


def unpack(text):
    return None if text is None else base64.b64decode(text)


def to_json(record):
    return {"partition": record.partition, "key": pack(record.key), "value": pack(record.value),
            "headers": [{"name": name, "value": pack(value)} for name, value in record.headers],
            "timestamp": record.timestamp_ms}


def from_json(record):
    return Record(record["partition"], unpack(record["key"]), unpack(record["value"]),
                  [(header["name"], unpack(header["value"])) for header in record["headers"] or []],
                  record["timestamp"])


def placed(record, offset):
    """A record that was read, as an answer holds it."""
    return dict(to_json(record), offset=offset)


def answer_to(line, verbs, refusal):
    fields = json.loads(line)
    try:
        return {"ok": verbs[fields.pop("verb")](**fields) or {}}
    except Refused as refused:
        return {"error": {"code": refused.code, "text": str(refused)}}
    except Exception as problem:  # of any kind that this client throws
        return {"error": {"code": refusal(problem), "text": "%s: %s" % (type(problem).__name__, problem)}}


def verbs(client):
    """The public methods of this object: delete_topic is the verb delete-topic."""
    return {name.replace("_", "-"): getattr(client, name) for name in dir(client)
            if not name.startswith("_") and callable(getattr(client, name))}


def serve(client, verbs, lacks, refusal):
    """Answers until the input ends. `verbs`: {verb: function of the request's fields}; `lacks`: {verb or trait that
    this client has not: why}; `refusal(exception)`: Kafka's error code in it, or None."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what else is printed is no answer
    verbs = dict(verbs, about=lambda: {"client": client, "lacks": lacks})
    for line in sys.stdin:
        answers.write(json.dumps(answer_to(line, verbs, refusal)) + "\n")
        answers.flush()
