# SPDX-License-Identifier: Apache-2.0
"""The topic that every shape of record is written to and read from by one client.

What a client cannot write (its agent says so) is made a little simpler; what was written so must be read so. A record
that is not as it was written spoils the field that differs, and each pass (codec, acks, idempotence) that it is of.
"""

import collections

import agent
import records
from records import PARTITIONS, Mismatch, expect

# Traits without which a client's records are simpler than those of others.
LIMITS = ("partition", "binary", "headers", "null-key", "null-value", "null-header", "null-key-and-value",
          "repeated-header", "empty", "empty-and-null", "many-records", "acknowledged-offsets")

Written = collections.namedtuple("Written", "tags record")


class Row:
    """The topic that every shape of record is written to and read from."""

    def __init__(self, life):
        self.life, self.agent = life, life.agent
        self.partitions = 1 if "partition" in self.agent.lacks else PARTITIONS
        self.written = {partition: [] for partition in range(self.partitions)}
        self.read = {}
        self.count = 0
        self.base_ms = records.first_timestamp_ms()
        self.problems = {}  # by tag: the first thing that went wrong

    def fail(self, tag, text):
        self.problems.setdefault(tag, text)

    def make(self):
        """The next record, as far as this client can write it."""
        lacks = self.agent.lacks
        record = records.make(self.count, self.base_ms)
        self.count += 1
        key, value = record.key, record.value
        if "binary" in lacks:
            key, value = text(key), text(value)
        if key is None and ("null-key" in lacks or ("null-key-and-value" in lacks and value is None)):
            key = b"key"
        if "empty-and-null" in lacks and {key, value} == {b"", None}:
            key = b"key"
        if value is None and "null-value" in lacks:
            value = b""
        if "empty" in lacks:
            key, value = key or None, value or None
        headers = [] if "headers" in lacks else record.headers
        if "repeated-header" in lacks:
            headers = sorted(dict(headers).items())
        if "empty" in lacks:
            headers = [(name, content or None) for name, content in headers]
        if "null-header" in lacks:
            headers = [(name, content or b"") for name, content in headers]
        return record._replace(partition=record.partition % self.partitions, key=key, value=value,
                               headers=headers)

    def write(self):
        """Every codec, with and without idempotence, and without acknowledgement."""
        for settings in records.passes():
            if "idempotent" in self.agent.lacks:
                settings = settings._replace(idempotent=False)
            tags = ["codec-" + settings.codec, "acks-" + settings.acks]
            tags += ["idempotent"] if settings.idempotent else []
            if any(tag in self.agent.lacks for tag in tags):
                continue
            few = "many-records" in self.agent.lacks
            batch = [self.make() for _ in range(settings.count // 10 if few else settings.count)]
            try:
                self.write_batch(settings, tags, batch)
            except (Mismatch, agent.Refused) as problem:
                for tag in tags:
                    self.fail(tag, str(problem))

    def write_batch(self, settings, tags, batch):
        answer = self.agent.tell("produce", topic=self.life.topic, codec=settings.codec,
                                 idempotent=settings.idempotent, acks=settings.acks,
                                 records=[agent.to_json(record) for record in batch])
        expect("number of acknowledged records", len(batch), len(answer["offsets"]))
        for record, offset in zip(batch, answer["offsets"]):
            wanted = len(self.written[record.partition])
            if settings.acks != "0" and "acknowledged-offsets" not in self.agent.lacks:
                expect("acknowledged offset in partition %d" % record.partition, wanted, offset)
            self.written[record.partition].append(Written(tags, record))

    def read_all(self):
        for partition, written in self.written.items():
            if not written:
                raise Mismatch("nothing was written: %s" % next(iter(self.problems.values()), ""))
            answer = self.agent.tell("read", topic=self.life.topic, partition=partition, starts=[0],
                                     count=len(written))
            self.read[partition] = found = [(one["offset"], agent.from_json(one))
                                            for one in answer["reads"][0]]
            expect("partition %d: records" % partition, len(written), len(found))
            for number, (wrote, (offset, record)) in enumerate(zip(written, found)):
                where = "partition %d offset %d" % (partition, number)
                expect(where + ": offset", number, offset)
                self.compare(where, wrote, record)

    def compare(self, where, wrote, read):
        """Each field, and the passes of which the record is."""
        for field in ("key", "value", "headers", "timestamp_ms"):
            if field == "timestamp_ms" and "timestamp" in self.agent.lacks:
                continue
            a, b = getattr(wrote.record, field), getattr(read, field)
            if a != b:
                for tag in (field, *wrote.tags):
                    self.fail(tag, "%s: %s: wrote %s, read %s"
                              % (where, field, records.shorten(a), records.shorten(b)))

    def check(self, *tags):
        if self.life.row_problem:
            raise Mismatch(self.life.row_problem)
        for tag in tags:
            if tag in self.problems:
                raise Mismatch(self.problems[tag])
        carried = [tag for tag in tags if tag.startswith(("codec-", "acks-", "idem"))]
        if carried and not any(set(carried) <= set(one.tags)
                               for written in self.written.values() for one in written):
            raise Mismatch("nothing was written so")


def text(data):
    """What a line of text can hold instead of these bytes."""
    if data and any(byte < 32 or byte > 126 for byte in data):
        return data.hex().encode()
    return data
