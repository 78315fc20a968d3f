# SPDX-License-Identifier: Apache-2.0
"""kcat (librdkafka as Debian ships it) against a broker: argument 1 is its address.

The topic comes into being by auto-creation, is produced to with every codec, with and without
idempotence, read from the beginning and by time, and asked for its offsets. kcat cannot delete
topics and cannot set timestamps: the deletion is asked for over a bare socket, and the questions
by time are made from the timestamps that were read.
"""

import collections
import json
import random
import subprocess
import sys
import uuid

import wire
from records import CODECS, Mismatch, await_true, expect, shorten

TIMEOUT_S = 30
# Text in front of '|', then exactly as many bytes of key and value as it announces.
FORMAT = r"%p %o %T %K %S %h|%k%s\n"

Read = collections.namedtuple("Read", "offset timestamp_ms key value headers")


def kcat(bootstrap, *arguments, stdin=b""):
    command = ["kcat", "-b", bootstrap, "-m", str(TIMEOUT_S), *arguments]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=TIMEOUT_S,
                              check=False)
    except subprocess.TimeoutExpired:
        raise Mismatch("not done after %d s: %s" % (TIMEOUT_S, " ".join(command))) from None
    if done.returncode != 0:
        raise Mismatch("exit code %d: %s\n%s" % (done.returncode, " ".join(command),
                                                 done.stderr.decode(errors="replace")))
    return done.stdout


def partitions_of(bootstrap, topic):
    """Partitions that have a leader; asks for all topics, for naming one could create it."""
    for entry in json.loads(kcat(bootstrap, "-L", "-J"))["topics"]:
        if entry["topic"] == topic:
            return [p["partition"] for p in entry["partitions"] if p["leader"] >= 0]
    return []


def settings(codec, idempotent):
    acks = ["-X", "enable.idempotence=true"] if idempotent else ["-X", "acks=1"]
    return ["-z", codec, "-X", "linger.ms=5", *acks]


def as_lines(wrote):
    return b"".join((key or b"") + b"\t" + (value or b"") + b"\n" for key, value, _ in wrote)


def produce_lines(bootstrap, topic, partition, codec):
    """Keys and values, also empty ones."""
    wrote = [(b"key-%d" % number if number % 3 else b"",
              b"line %d with %s " % (number, codec.encode()) * (number if number % 7 != 1 else 0),
              "")
             for number in range(60)]
    kcat(bootstrap, "-P", "-t", topic, "-p", str(partition), "-K", r"\t",
         *settings(codec, True), stdin=as_lines(wrote))
    return wrote


def produce_nulls(bootstrap, topic, partition, codec):
    """Null keys and null values, and the same headers on every record."""
    wrote = [(b"key-%d" % number if number % 3 else None,
              b"value" if number % 2 else None,
              "a=1,a=2,empty=,null=NULL")
             for number in range(20)]
    kcat(bootstrap, "-P", "-t", topic, "-p", str(partition), "-K", r"\t", "-Z",
         "-H", "a=1", "-H", "a=2", "-H", "empty=", "-H", "null",
         *settings(codec, False), stdin=as_lines(wrote))
    return wrote


def produce_file(bootstrap, topic, partition, codec, scratch):
    """A whole binary file as one record."""
    value = random.Random(partition).randbytes(100000)
    with open(scratch, "wb") as file:
        file.write(value)
    kcat(bootstrap, "-P", "-t", topic, "-p", str(partition), "-k", "file",
         *settings(codec, True), scratch)
    return [(b"file", value, "")]


def consume(bootstrap, topic, partition, start, *more):
    text = kcat(bootstrap, "-C", "-t", topic, "-p", str(partition), "-o", start, "-e", "-q",
                "-f", FORMAT, "-X", "check.crcs=true", *more)
    out, at = [], 0
    while at < len(text):
        bar = text.index(b"|", at)
        front = text[at:bar].decode().split(" ", 5)
        _, offset, timestamp_ms, key_size, value_size = (int(field) for field in front[:5])
        at = bar + 1
        key = text[at:at + key_size] if key_size >= 0 else None
        at += max(key_size, 0)
        value = text[at:at + value_size] if value_size >= 0 else None
        at += max(value_size, 0) + 1
        out.append(Read(offset, timestamp_ms, key, value, front[5]))
    return out


def check_records(partition, wrote, read):
    expect("partition %d: number of records" % partition, len(wrote), len(read))
    for number, (a, b) in enumerate(zip(wrote, read)):
        where = "partition %d offset %d" % (partition, number)
        expect(where + ": offset", number, b.offset)
        expect(where + ": key, value and headers", a, (b.key, b.value, b.headers))


def query(bootstrap, topic, partition, timestamp_ms):
    text = kcat(bootstrap, "-Q", "-t", "%s:%d:%d" % (topic, partition, timestamp_ms)).decode()
    # topic [partition] offset N
    return int(text.split()[-1])


def check_offsets(bootstrap, topic, partition, read):
    """Earliest, latest, and the first record at or after a time."""
    expect("partition %d: earliest offset" % partition, 0, query(bootstrap, topic, partition, -2))
    expect("partition %d: latest offset" % partition, len(read),
           query(bootstrap, topic, partition, -1))
    stamps = [record.timestamp_ms for record in read]
    for timestamp_ms in (stamps[0] - 1, stamps[len(stamps) // 2], stamps[-1], max(stamps) + 1):
        first = next((n for n, stamp in enumerate(stamps) if stamp >= timestamp_ms), None)
        where = "partition %d, offset for time %d" % (partition, timestamp_ms)
        answer = query(bootstrap, topic, partition, timestamp_ms)
        expect(where, -1 if first is None else first, answer)
        if first is not None:
            found = consume(bootstrap, topic, partition, "s@%d" % timestamp_ms)
            if found != read[first:]:
                raise Mismatch("%s: read %s, not what stands from offset %d on"
                               % (where, shorten(found[:1]), first))


def main(bootstrap, scratch):
    topic = "compat-kcat-" + uuid.uuid4().hex[:8]
    kcat(bootstrap, "-P", "-t", topic, stdin=b"creates the topic\n")
    partitions = partitions_of(bootstrap, topic)
    if not partitions:
        raise Mismatch("topic %s was produced to, but is not in the metadata" % topic)
    wrote = {}
    creators = 0
    for partition in partitions:
        first = [(r.key, r.value, r.headers)
                 for r in consume(bootstrap, topic, partition, "beginning")]
        creators += first.count((None, b"creates the topic", ""))
        wrote[partition] = first
    expect("the record that created the topic is there", 1, creators)
    expect("nothing else is there", 1, sum(len(some) for some in wrote.values()))
    for codec in CODECS:
        for partition in partitions[:2]:
            wrote[partition] += produce_lines(bootstrap, topic, partition, codec)
            wrote[partition] += produce_nulls(bootstrap, topic, partition, codec)
            wrote[partition] += produce_file(bootstrap, topic, partition, codec, scratch)
    for partition in partitions[:2]:
        read = consume(bootstrap, topic, partition, "beginning")
        check_records(partition, wrote[partition], read)
        check_offsets(bootstrap, topic, partition, read)
    expect("error code of DeleteTopics", 0, wire.delete_topic(bootstrap, topic))
    await_true("topic %s is gone" % topic, lambda: not partitions_of(bootstrap, topic))
    print("kcat: %d records in %d partitions"
          % (sum(len(some) for some in wrote.values()), len(partitions)))


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except (Mismatch, OSError) as problem:
        sys.exit("kcat: %s" % problem)
