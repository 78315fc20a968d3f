# SPDX-License-Identifier: Apache-2.0
"""The records that every client writes, and the comparison of what comes back.

A topic gets one numbered row of records: number i goes to partition i mod 3, its timestamp is one
second after number i - 1, and its key, value and headers run through every shape that is easily
lost on the way (absent, empty, binary, large, repeated header names).
"""

import collections
import random
import time

PARTITIONS = 3
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
IDEMPOTENT_COUNT = 150
PLAIN_COUNT = 60
UNACKNOWLEDGED_COUNT = 30
STEP_MS = 1000

Record = collections.namedtuple("Record", "partition key value headers timestamp_ms")
Pass = collections.namedtuple("Pass", "codec idempotent acks count")


class Mismatch(Exception):
    """What came back is not what was written."""


def passes(codecs=CODECS):
    """How the row of records is cut up over producers with different settings."""
    for codec in codecs:
        yield Pass(codec, True, "all", IDEMPOTENT_COUNT)
        yield Pass(codec, False, "1", PLAIN_COUNT)
    yield Pass("none", False, "0", UNACKNOWLEDGED_COUNT)


def first_timestamp_ms():
    """An hour ago: explicit, and yet inside every default for retention and for clock skew."""
    return int(time.time() * 1000) - 3600 * 1000


def make(number, base_ms):
    key = (b"key-%d" % number, None, b"", bytes([0, 255, number & 255, 10, 13]))[number % 4]
    value = (b"record %d, told again and again. " % number * (number % 40 + 1),
             None,
             b"",
             bytes(range(256)),
             random.Random(number).randbytes(10000))[number % 5]
    headers = ([],
               [("number", b"%d" % number)],
               [("same", b"1"), ("same", b"2"), ("empty", b""), ("null", None),
                ("n\u00e4me", "w\u00e9rt".encode())])[number % 3]
    return Record(number % PARTITIONS, key, value, headers, base_ms + number * STEP_MS)


def by_partition(records):
    out = {partition: [] for partition in range(PARTITIONS)}
    for record in records:
        out[record.partition].append(record)
    return out


def shorten(thing):
    text = repr(thing)
    return text if len(text) <= 120 else "%s... (%d characters)" % (text[:100], len(text))


def compare(where, expected, got):
    """Two Records, field by field."""
    for field in Record._fields:
        a, b = getattr(expected, field), getattr(got, field)
        if a != b:
            raise Mismatch("%s: %s: wrote %s, read %s" % (where, field, shorten(a), shorten(b)))


def expect(what, expected, got):
    if expected != got:
        raise Mismatch("%s: expected %s, got %s" % (what, shorten(expected), shorten(got)))


def time_questions(records):
    """[(timestamp, offset that must be answered; None: there is none)] for one partition, whose
    records stand at the offsets 0, 1, 2 and so on."""
    middle = len(records) // 2
    return [
        (records[0].timestamp_ms - 1, 0),
        (records[0].timestamp_ms, 0),
        (records[middle].timestamp_ms, middle),
        (records[middle].timestamp_ms + 1, middle + 1),
        (records[-1].timestamp_ms, len(records) - 1),
        (records[-1].timestamp_ms + 1, None),
    ]


def await_true(what, question, timeout_s=30):
    """Asks again until the answer is yes; the time between is for the broker, not a guess."""
    until = time.monotonic() + timeout_s
    while not question():
        if time.monotonic() > until:
            raise Mismatch("%s: not so after %d s" % (what, timeout_s))
        time.sleep(0.05)
