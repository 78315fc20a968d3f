# SPDX-License-Identifier: Apache-2.0
"""The batches in the log directories of stopped brokers, by partition and broker."""

import collections
import re
import struct

# crc is of all that the producer wrote; leader_epoch and base are the leader's.
Batch = collections.namedtuple("Batch", "base last leader_epoch crc")

FRONT = struct.Struct(">qiibIhi")  # base, length, leader epoch, magic, crc, attributes, last delta
LENGTH_FROM = 12                   # What `length` does not count: base and length.
MAGIC = 2


def parse(data):
    """The batches of one .log file, whole; ValueError when it ends within one."""
    found, at = [], 0
    while at < len(data):
        if len(data) - at < FRONT.size:
            raise ValueError("%d bytes at %d are no batch" % (len(data) - at, at))
        base, length, leader_epoch, magic, crc, _, last = FRONT.unpack_from(data, at)
        if magic != MAGIC or at + LENGTH_FROM + length > len(data):
            raise ValueError("no whole batch of magic 2 at %d" % at)
        found.append(Batch(base, base + last, leader_epoch, crc))
        at += LENGTH_FROM + length
    return found


def read(data_dirs):
    """{broker: log directory} -> {partition's name: {broker: [Batch]}}."""
    found = collections.defaultdict(dict)
    for broker, data_dir in data_dirs.items():
        for folder in sorted(data_dir.iterdir()):
            if folder.is_dir() and re.fullmatch(r".+-\d+", folder.name):
                found[folder.name][broker] = [
                    batch for path in sorted(folder.glob("*.log"))
                    for batch in parse(path.read_bytes())]
    return dict(found)
