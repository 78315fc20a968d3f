#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The judge of what clients write and read (row.py) is given an agent that is wrong in one thing, and must see it."""

import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE)]

import agent  # noqa: E402  (found through the line above)
from records import PARTITIONS, Mismatch  # noqa: E402
from row import Row  # noqa: E402


class Memory:
    """An agent that keeps what it is given; spoil(record, produced) changes what it gives back."""

    def __init__(self, lacks=(), spoil=None):
        self.lacks = dict.fromkeys(lacks, "it is made so")
        self.spoil = spoil or (lambda record, produced: record)
        self.partitions = {partition: [] for partition in range(PARTITIONS)}

    def tell(self, verb, **fields):
        return getattr(self, verb)(**fields)

    def produce(self, topic, records, **settings):
        offsets = []
        for record in records:
            log = self.partitions[record["partition"]]
            offsets.append(len(log))
            log.append(dict(self.spoil(record, settings), offset=len(log)))
        return {"offsets": offsets}

    def read(self, topic, partition, starts, count):
        return {"reads": [self.partitions[partition][start:start + count] for start in starts]}


class Life:
    topic = "topic"
    row_problem = None

    def __init__(self, memory):
        self.agent = memory


def row_of(memory):
    row = Row(Life(memory))
    row.write()
    row.read_all()
    return row


def spoiled_by(**changes):
    return lambda record, settings: {**record, **changes} if settings["codec"] == "lz4" else record


class RowTest(unittest.TestCase):
    def test_all_is_well(self):
        row = row_of(Memory())
        self.assertEqual(row.problems, {})
        row.check("codec-zstd", "idempotent")

    def test_a_field_that_differs_is_told_by_its_name_and_its_pass(self):
        for field, change in (("key", {"key": agent.pack(b"other")}), ("value", {"value": None}),
                              ("headers", {"headers": []}), ("timestamp_ms", {"timestamp": 1})):
            row = row_of(Memory(spoil=spoiled_by(**change)))
            self.assertLessEqual({field, "codec-lz4", "idempotent", "acks-1"}, set(row.problems))
            self.assertNotIn("codec-gzip", row.problems)
            with self.assertRaises(Mismatch):
                row.check(field)

    def test_an_offset_that_is_not_the_next_is_told(self):
        class Forgetful(Memory):
            def produce(self, topic, records, **settings):
                answer = super().produce(topic, records, **settings)
                return {"offsets": [offset + 1 for offset in answer["offsets"]]}

        row = Row(Life(Forgetful()))
        row.write()
        self.assertIn("codec-none", row.problems)

    def test_a_record_that_is_missing_is_told(self):
        class Losing(Memory):
            def read(self, **fields):
                return {"reads": [super().read(**fields)["reads"][0][:-1]]}

        with self.assertRaises(Mismatch):
            row_of(Losing())

    def test_what_was_not_written_does_not_pass(self):
        row = row_of(Memory(lacks=["codec-zstd"]))
        with self.assertRaises(Mismatch):
            row.check("codec-zstd")

    def test_records_are_as_simple_as_the_client_needs_them(self):
        def written(*lacks):
            row = row_of(Memory(lacks))
            return [one.record for some in row.written.values() for one in some]

        self.assertTrue(all(one.key is not None or one.value is not None for one in written("null-key-and-value")))
        self.assertFalse(any({one.key, one.value} == {b"", None} for one in written("empty-and-null")))
        self.assertFalse(any(content is None for one in written("null-header") for _, content in one.headers))
        self.assertEqual({0}, {one.partition for one in written("partition")})


if __name__ == "__main__":
    unittest.main()
