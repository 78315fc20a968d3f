#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every config of a broker as DescribeConfigs tells it, beside what Apache Kafka 3.9.1 told with the same settings.

  broker/tests/test_describe_configs.py <ottla>
"""
import json
import pathlib
import socket
import struct
import sys
import tempfile
import unittest

import test_main

HERE = pathlib.Path(__file__).resolve().parent
RECORDED = HERE / "data" / "describe-configs-broker.json"
TYPES = ["unknown", "boolean", "string", "int", "short", "long", "double", "list", "class", "password"]
SOURCES = {2: "DYNAMIC_BROKER", 3: "DYNAMIC_DEFAULT_BROKER", 4: "STATIC_BROKER", 5: "DEFAULT"}
DESCRIBE_CONFIGS, VERSION, BROKER = 32, 3, 4
# Set differently here, because a test takes free ports, a directory of its own, and no ZooKeeper.
OWN = {"listeners", "log.dirs", "zookeeper.connect"}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value = struct.unpack_from(">" + form, self.data, self.at)[0]
        self.at += struct.calcsize(">" + form)
        return value

    def text(self):
        size = self.number("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def synonyms(self):
        return [{"name": self.text(), "value": self.text(), "source": SOURCES[self.number("b")]}
                for _ in range(self.number("i"))]

    def config(self):
        config = {"name": self.text(), "value": self.text(), "readonly": self.number("b") != 0,
                  "source": SOURCES[self.number("b")], "sensitive": self.number("b") != 0,
                  "synonyms": self.synonyms(), "type": TYPES[self.number("b")]}
        config["default"] = next((s["value"] for s in config["synonyms"] if s["source"] == "DEFAULT"), None)
        return config, self.text()


def describe(port, documentation):
    """The configs by name, and what is said about them by name."""
    body = struct.pack(">ibh", 1, BROKER, 1) + b"1" + struct.pack(">i", -1) + bytes([True, documentation])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        r = Reader(test_main.call(connection, DESCRIBE_CONFIGS, VERSION, body))
    r.number("i"), r.number("i"), r.number("i")  # correlation id, throttle time, one result
    if r.number("h") != 0:
        raise AssertionError(r.text())
    r.text(), r.number("b"), r.text()
    rows = [r.config() for _ in range(r.number("i"))]
    return {c["name"]: c for c, _ in rows}, {c["name"]: text for c, text in rows}


class Configs(unittest.TestCase):
    def setUp(self):
        self.recorded = {c["name"]: c for c in json.loads(RECORDED.read_text())}
        temporary = tempfile.TemporaryDirectory(prefix="ottla-configs-")
        self.addCleanup(temporary.cleanup)
        file = pathlib.Path(temporary.name) / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in self.file_of_the_recording().items()))
        broker = test_main.Broker(temporary.name + "/data", str(file), "--override",
                                  "listeners=CLIENT://127.0.0.1:0,DIRECT://127.0.0.1:0")
        self.addCleanup(broker.release)
        self.assertIsNotNone(broker.ready, "no ready line")
        self.port = broker.port()

    def file_of_the_recording(self):
        static = {s["name"]: s["value"] for c in self.recorded.values() for s in c["synonyms"]
                  if s["source"] == "STATIC_BROKER" and s["name"] not in OWN}
        static["allow.everyone.if.no.acl.found"] = "true"  # a plug-in's own, so its value is not told
        del static["advertised.listeners"], static["node.id"]  # node.id is broker.id under another name
        return static

    def test_as_kafka(self):
        told, texts = describe(self.port, documentation=False)
        self.assertEqual(sorted(told), sorted(self.recorded))
        for name in sorted(set(told) - OWN - {"advertised.listeners"}):
            self.assertEqual(told[name], self.recorded[name])
        self.assertEqual({text for text in texts.values()}, {None})

    def test_documentation(self):
        _, texts = describe(self.port, documentation=True)
        self.assertEqual([n for n in texts if not texts[n]], ["allow.everyone.if.no.acl.found"])
        self.assertTrue(texts["num.io.threads"].startswith("The number of threads that the server uses"))


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        test_main.OTTLA = sys.argv.pop(1)
    unittest.main()
