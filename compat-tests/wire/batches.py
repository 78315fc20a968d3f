# SPDX-License-Identifier: Apache-2.0
"""Record batches and message sets, right ones and broken ones, always the same bytes."""

import gzip
import struct
import zlib

from messages import uvarint

FIRST_TIMESTAMP_MS = 1700000000000
CRC_FROM = 21  # the place of what a batch's checksum covers


def _table():
    rows = []
    for row in range(256):
        for _ in range(8):
            row = (row >> 1) ^ (0x82F63B78 if row & 1 else 0)
        rows.append(row)
    return rows


_CRC32C = _table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = _CRC32C[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xffffffff


def varint(number):
    return uvarint((number << 1) ^ (number >> 63))


def sized(data):
    return varint(-1) if data is None else varint(len(data)) + data


def record(index, key=b"k", value=b"value", headers=(), attributes=0):
    body = struct.pack("b", attributes) + varint(0) + varint(index) + sized(key) + sized(value) + varint(len(headers))
    for name, content in headers:
        body += sized(name) + sized(content)
    return sized(body)


def batch(records=None, zipped=False, **other):
    """A batch of magic 2, of three records by default. `other` replaces what stands in it, by the names below."""
    records = [record(index) for index in range(3)] if records is None else records
    body = b"".join(records)
    if zipped:
        body = gzip.compress(body, mtime=0)
    fields = {"base": 0, "leader_epoch": -1, "magic": 2, "attributes": 1 if zipped else 0,
              "last": len(records) - 1, "first_time": FIRST_TIMESTAMP_MS, "max_time": FIRST_TIMESTAMP_MS,
              "producer_id": -1, "producer_epoch": -1, "sequence": -1, "count": len(records), "body": body, **other}
    covered = struct.pack(">hiqqqhii", *(fields[name] for name in (
        "attributes", "last", "first_time", "max_time", "producer_id", "producer_epoch", "sequence",
        "count"))) + fields["body"]
    rest = struct.pack(">ibI", fields["leader_epoch"], fields["magic"], fields.get("crc", crc32c(covered))) + covered
    return struct.pack(">qi", fields["base"], fields.get("length", len(rest))) + rest


def message(magic, offset=0, key=b"k", value=b"value", attributes=0, crc=None):
    """A message of magic 0 or 1."""
    time = struct.pack(">q", FIRST_TIMESTAMP_MS) if magic else b""
    body = struct.pack(">bb", magic, attributes) + time
    for part in (key, value):
        body += struct.pack(">i", -1) if part is None else struct.pack(">i", len(part)) + part
    body = struct.pack(">I", zlib.crc32(body) if crc is None else crc) + body
    return struct.pack(">qi", offset, len(body)) + body


# By name: what a producer may send. Kafka stores or refuses each by itself.
ODD = {
    "empty": b"",
    "one": batch([record(0)]),
    "null-key": batch([record(0, None)]),
    "null-value": batch([record(0, b"k", None)]),
    "headers": batch([record(0, headers=[(b"h", b"v"), (b"h", None), (b"", b"")])]),
    "gzip": batch(zipped=True),
    "gzip-broken": batch(attributes=1, body=b"\x1f\x8b no gzip"),
    "codec-5": batch(attributes=5),
    "codec-7": batch(attributes=7),
    "attribute-bits": batch(attributes=0x40),
    "log-append": batch(attributes=0x08),
    "control": batch(attributes=0x20),
    "crc": batch(crc=1),
    "magic-3": batch(magic=3),
    "magic-negative": batch(magic=-1),
    "magic-1-in-2": batch(magic=1),
    "length-long": batch(length=1000),
    "length-short": batch(length=48),
    "length-negative": batch(length=-1),
    "last-more": batch(last=3),
    "count-less": batch(body=b"".join(record(index) for index in range(3)), count=2, last=1),
    "count-0": batch([]),
    "last-less": batch(last=1),
    "last-negative": batch(last=-1),
    "base-5": batch(base=5),
    "leader-epoch": batch(leader_epoch=7),
    "time-negative": batch(first_time=-1, max_time=-1),
    "time-future": batch(first_time=1 << 61, max_time=1 << 61),
    "max-time-less": batch(max_time=5),
    "record-attributes": batch([record(0, attributes=1)]),
    "record-cut": batch([record(0)[:-2]]),
    "record-more": batch([record(0) + b"\0"]),
    "record-size": batch([varint(1000) + record(0)[1:]]),
    "record-negative": batch([varint(-1)]),
    "two-batches": batch() + batch(),
    "two-and-cut": batch() + batch()[:30],
    "rubbish-behind": batch() + b"\xff" * 9,
    "sequence-without-id": batch(sequence=0),
    "id-without-epoch": batch(producer_id=5, sequence=0),
    "id-unknown": batch(producer_id=5000, producer_epoch=0, sequence=0),
    "id-unknown-sequence": batch(producer_id=5001, producer_epoch=0, sequence=7),
    "id-negative-sequence": batch(producer_id=5002, producer_epoch=0, sequence=-1),
    "magic-0": message(0),
    "magic-1": message(1),
    "magic-0-crc": message(0, crc=1),
    "magic-1-crc": message(1, crc=1),
    "magic-1-codec-6": message(1, attributes=6),
    "magic-1-gzip": message(1, value=gzip.compress(message(1), mtime=0), attributes=1),
    "magic-0-gzip": message(0, value=gzip.compress(message(0), mtime=0), attributes=1),
    "magic-1-gzip-broken": message(1, value=b"no gzip", attributes=1),
    "magic-1-empty-set": message(1, value=gzip.compress(b"", mtime=0), attributes=1),
    "magic-0-two": message(0) + message(0, 1),
    "magic-0-and-1": message(0) + message(1, 1),
    "magic-1-cut": message(1) + message(1, 1)[:-3],
    "large": batch([record(0, value=bytes(5000))]),
}
