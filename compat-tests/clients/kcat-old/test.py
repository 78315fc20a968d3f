# SPDX-License-Identifier: Apache-2.0
"""kcat made to speak the protocols of 0.9 and 0.10: argument 1 is the broker's address.

Without ApiVersions and with these versions librdkafka sends message sets of magic 0 and 1 (Produce v0
and v2) and reads them (Fetch v0 and v2), so the broker converts in both directions. What one client
writes the other reads, with every codec that the old formats have.
"""

import random
import subprocess
import sys
import uuid

import wire
from records import Mismatch, expect, shorten

TIMEOUT_S = 30
OLD = ("0.9.0.1", "0.10.0.0")
CODECS = ("none", "gzip", "snappy", "lz4")
COUNT = 2000


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


def speak(version):
    if version is None:
        return []
    return ["-X", "api.version.request=false", "-X", "broker.version.fallback=" + version]


def produce(bootstrap, topic, version, codec, start):
    lines = [b"key-%d\tvalue %d %s" % (number, number, b"again " * (number % 50))
             for number in range(start, start + COUNT)]
    kcat(bootstrap, "-P", "-t", topic, "-p", "0", "-K", r"\t", "-z", codec, *speak(version),
         stdin=b"\n".join(lines) + b"\n")
    large = random.Random(start).randbytes(300000).hex().encode()
    kcat(bootstrap, "-P", "-t", topic, "-p", "0", "-K", r"\t", "-z", codec, *speak(version),
         stdin=b"large\t" + large + b"\n")
    return [*lines, b"large\t" + large]


def check(bootstrap, topic, version, start, expected):
    text = kcat(bootstrap, "-C", "-t", topic, "-p", "0", "-o", str(start), "-e", "-q",
                "-f", r"%o %k\t%s\n", "-X", "check.crcs=true", *speak(version))
    lines = text.split(b"\n")[:-1]
    where = "read from %d with the protocol of %s" % (start, version or "today")
    expect(where + ": number of records", len(expected) - start, len(lines))
    for number, line in enumerate(lines, start):
        want = b"%d %s" % (number, expected[number])
        if line != want:
            raise Mismatch("%s: %s, not %s" % (where, shorten(line), shorten(want)))


def main(bootstrap):
    topic = "compat-kcat-old-" + uuid.uuid4().hex[:8]
    wrote = []
    for codec in CODECS:
        for version in (*OLD, None):
            wrote += produce(bootstrap, topic, version, codec, len(wrote))
    for version in (*OLD, None):
        check(bootstrap, topic, version, 0, wrote)
        check(bootstrap, topic, version, COUNT + COUNT // 2, wrote)
    expect("error code of DeleteTopics", 0, wire.delete_topic(bootstrap, topic))
    print("kcat-old: %d records" % len(wrote))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (Mismatch, OSError) as problem:
        sys.exit("kcat-old: %s" % problem)
