#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The broker as a process: command line, start, ready lines, refusals, clean stop. Black box.

  broker/tests/test_main.py <ottla>
"""
import contextlib
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

OTTLA = os.environ.get("OTTLA", "build/ottla")
TIMEOUT_S = 60
READY = re.compile(r"^Ottla \S+ is ready on (\w+)://([^ ,]+):(\d+)(?:, \S+)* \(broker (\d+), data in (.*)\)$")


class Broker:
    """One that runs; its two lines are read."""

    def __init__(self, directory, *args, environment=None):
        command = [OTTLA, *args, "--override", f"log.dirs={directory}"]
        if not any("listeners=" in a for a in args):
            command += ["--override", "listeners=PLAINTEXT://127.0.0.1:0"]
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors,
                                        text=True, env={**os.environ, **(environment or {})})
        self.ready = READY.match(self.process.stdout.readline().rstrip("\n"))
        self.try_it = self.process.stdout.readline()

    def port(self):
        return int(self.ready.group(3))

    def stop(self, number=signal.SIGTERM):
        """Exit code and what else came on stdout; what came on stderr is in self.log."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=TIMEOUT_S)
        self.errors.seek(0)
        self.log = self.errors.read()
        return self.process.returncode, rest

    def release(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def run(*args, environment=None):
    """A broker that is expected to end by itself."""
    return subprocess.run([OTTLA, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S,
                          env={**os.environ, **(environment or {})})


def request(key, version, body, correlation_id=1):
    frame = struct.pack(">hhih", key, version, correlation_id, -1) + body
    return struct.pack(">i", len(frame)) + frame


def answer(connection):
    size = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))[0]
    return connection.recv(size, socket.MSG_WAITALL)


def call(connection, key, version, body):
    connection.sendall(request(key, version, body))
    return answer(connection)


class CommandLine(unittest.TestCase):
    def test_help_and_version(self):
        for option in ("--help", "-h"):
            done = run(option)
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout.startswith("Usage: ottla "))
        done = run("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^ottla \d+\.\d+\.\d+\n$")

    def test_what_makes_no_sense(self):
        for args, words in ((["--bogus"], "--bogus: there is no such option"),
                            (["--override"], "--override: a value must follow"),
                            (["--log-level"], "--log-level: a value must follow"),
                            (["--log-level", "loud"], "--log-level loud: allowed is debug, info, warn or error"),
                            (["--log-level=loud"], "--log-level=loud: allowed is debug, info, warn or error"),
                            (["a.properties", "b.properties"], "b.properties: only one configuration file is read")):
            done = run(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertEqual(done.stderr, f"ottla: {words}; ottla --help lists the options\n")
            self.assertEqual(done.stdout, "")

    def test_bad_configuration(self):
        for args, words in ((["--override", "num.io.threads=abc"], ["num.io.threads", "abc", "1 to"]),
                            (["--override", "advertised.listeners=PLAINTEXT://0.0.0.0:9092"],
                             ["advertised.listeners", "0.0.0.0"]),
                            (["--override", "inter.broker.protocol.version=4.2"],
                             ["inter.broker.protocol.version", "4.2 is not a valid version"]),
                            (["--override", "log.message.format.version=new"],
                             ["log.message.format.version", "new is not a valid version"]),
                            (["/nowhere/server.properties"], ["/nowhere/server.properties"]),
                            (["/"], ["cannot read the configuration /: Is a directory"]),
                            (["--override", "log.dirs=/dev/null/data"], ["/dev/null/data", "Not a directory"])):
            done = run(*args)
            self.assertEqual(done.returncode, 1, args)
            self.assertEqual(done.stdout, "")
            lines = [line for line in done.stderr.splitlines() if " ERROR " in line]
            self.assertEqual(len(lines), 1, done.stderr)
            for word in words:
                self.assertIn(word, lines[0])


class HealthCheck(unittest.TestCase):
    """What the process says that asks; and the exit code."""

    def check(self, port, host="127.0.0.1"):
        done = run("--health-check", "--override", f"listeners=PLAINTEXT://{host}:{port}")
        return done.returncode, done.stdout

    def test_a_broker(self):
        with tempfile.TemporaryDirectory() as folder:
            broker = Broker(folder)
            self.addCleanup(broker.release)
            self.assertEqual(self.check(broker.port()), (0, "it serves\n"))
            port = broker.port()
            self.assertEqual(broker.stop()[0], 0)
            self.assertEqual(self.check(port), (1, "nobody listens on the first of its listeners\n"))

    def test_all_interfaces(self):
        with tempfile.TemporaryDirectory() as folder:
            broker = Broker(folder, "--override", "listeners=PLAINTEXT://:0")
            self.addCleanup(broker.release)
            self.assertEqual(self.check(broker.port(), ""), (0, "it serves\n"))
            self.assertEqual(broker.stop()[0], 0)

    def test_others(self):
        silent = (1, "it listens, but does not say which brokers there are\n")
        for said in (b"", struct.pack(">i", 1 << 30), struct.pack(">ii", 4, 1), b"HTTP/1.1 400 Bad Request\r\n",
                     struct.pack(">iiii", 12, 1, 0, 0)):  # the last: an answer without a broker
            with socket.socket() as other:
                other.bind(("127.0.0.1", 0))
                other.listen()
                process = subprocess.Popen(
                    [OTTLA, "--health-check", "--override",
                     f"listeners=PLAINTEXT://127.0.0.1:{other.getsockname()[1]}"], stdout=subprocess.PIPE, text=True)
                connection, _ = other.accept()
                with connection:
                    connection.recv(4, socket.MSG_WAITALL)
                    with contextlib.suppress(OSError):  # it may have heard enough
                        connection.sendall(said)
                        connection.shutdown(socket.SHUT_WR)
                    out, _ = process.communicate(timeout=TIMEOUT_S)
                self.assertEqual((process.returncode, out), silent, said)

    def test_listener_that_is_not_plaintext(self):
        for listeners in ("SSL://127.0.0.1:1", "SSL://127.0.0.1:1,PLAINTEXT://127.0.0.1:2",
                          "PLAINTEXT://127.0.0.1:2,SASL_PLAINTEXT://127.0.0.1:1"):
            done = run("--health-check", "--override", "listeners=" + listeners)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("only PLAINTEXT is allowed", done.stderr)

    def test_port_that_only_the_broker_knows(self):
        self.assertEqual(self.check(0)[0], 1)


class Start(unittest.TestCase):
    def test_told_to_stop_while_it_waits_for_a_zookeeper(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # takes the port, and does not listen
            process = subprocess.Popen(
                [OTTLA, "--override", f"log.dirs={folder}/data", "--override", "listeners=PLAINTEXT://127.0.0.1:0",
                 "--override", f"zookeeper.connect=127.0.0.1:{nobody.getsockname()[1]}",
                 "--override", "zookeeper.connection.timeout.ms=600000"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while "[replica]" not in process.stderr.readline():
                pass
            process.send_signal(signal.SIGTERM)
            out, log = process.communicate(timeout=TIMEOUT_S)
            self.assertEqual((process.returncode, out), (1, ""))
            self.assertIn("ERROR [main] stopped before it was ready", log)


class Life(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="ottla main ")  # with a space
        self.addCleanup(self.temporary.cleanup)
        self.dir = os.path.join(self.temporary.name, "data")

    def started(self, *args, directory=None):
        broker = Broker(directory or self.dir, *args)
        self.addCleanup(broker.release)
        self.assertIsNotNone(broker.ready, "no ready line")
        return broker

    def test_ready_lines_and_clean_stop(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            broker = self.started()
            self.assertEqual(broker.ready.group(5), self.dir)
            address = f"127.0.0.1:{broker.port()}"
            self.assertEqual(broker.try_it, f"Try it: echo hello | kcat -P -b {address} -t greetings; "
                                            f"kcat -C -b {address} -t greetings -e\n")
            self.assertEqual(broker.stop(number), (0, ""))
            self.assertTrue(os.path.exists(os.path.join(self.dir, ".kafka_cleanshutdown")))

    def test_stop_that_is_told_twice(self):
        for _ in range(10):
            broker = self.started()
            for _ in range(20):  # as often as it gets there before the broker has ended
                if broker.process.poll() is None:
                    broker.process.send_signal(signal.SIGTERM)
            self.assertEqual(broker.stop(), (0, ""))
            self.assertIn("stopped cleanly", broker.log)

    def test_identity_lasts(self):
        first = self.started()
        self.assertEqual(first.ready.group(4), "1001")  # generated
        first.stop()
        properties = pathlib.Path(self.dir, "meta.properties").read_text()
        self.assertIn("broker.id=1001", properties)
        again = self.started()
        self.assertEqual(again.ready.group(4), "1001")
        again.stop()
        self.assertEqual(pathlib.Path(self.dir, "meta.properties").read_text(), properties)
        done = run("--override", f"log.dirs={self.dir}", "--override", "broker.id=5",
                   "--override", "listeners=PLAINTEXT://127.0.0.1:0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("meta.properties says 1001", done.stderr)
        # A start that was refused takes nothing from the directory.
        self.assertTrue(os.path.exists(os.path.join(self.dir, ".kafka_cleanshutdown")))

    def test_identity_outlives_its_file(self):
        """The embedded tree knows a generated id and the cluster's."""
        self.started().stop()
        path = pathlib.Path(self.dir, "meta.properties")
        properties = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        for damage in (None, b"", bytes(60), bytes(range(128, 256))):
            if damage is None:
                path.unlink()
            else:
                path.write_bytes(damage)
            broker = self.started()
            self.assertEqual(broker.ready.group(4), "1001")
            broker.stop()
            self.assertIn("meta.properties was lost", broker.log)
            self.assertEqual([line for line in path.read_text().splitlines() if not line.startswith("#")], properties)

    def test_several_directories(self):
        a, b = (os.path.join(self.temporary.name, n) for n in "ab")
        broker = Broker(f"{a}, {b}")
        self.addCleanup(broker.release)
        self.assertEqual(broker.ready.group(5), f"{a}, {b}")
        self.assertEqual(broker.stop()[0], 0)
        for directory in (a, b):
            self.assertIn("broker.id=1001", pathlib.Path(directory, "meta.properties").read_text())
        self.assertFalse([n for n in os.listdir(b) if "znodes" in n])
        # The tree is found wherever it lies; without its directory there is no start.
        broker = Broker(f"{b},{a}")
        self.addCleanup(broker.release)
        self.assertEqual(broker.stop()[0], 0)
        self.assertFalse([n for n in os.listdir(b) if "znodes" in n])
        os.rename(a, a + "-away")
        os.symlink("nowhere/at/all", a)
        done = run("--override", f"log.dirs={b},{a}", "--override", "listeners=PLAINTEXT://127.0.0.1:0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the znodes of this cluster", done.stderr)
        os.unlink(a)
        os.rename(a + "-away", a)
        # The other one can be missing.
        os.rename(b, b + "-away")
        os.symlink("nowhere/at/all", b)
        broker = Broker(f"{b},{a}")
        self.addCleanup(broker.release)
        self.assertIsNotNone(broker.ready)
        self.assertEqual(broker.stop()[0], 0)

    def test_configured_identity(self):
        broker = self.started("--override", "broker.id=5")
        self.assertEqual(broker.ready.group(4), "5")
        broker.stop()

    def test_configuration_file(self):
        path = os.path.join(self.temporary.name, "server.properties")
        pathlib.Path(path).write_text("broker.id=3\nlisteners=INSIDE://127.0.0.1:0\n"
                                      "listener.security.protocol.map=INSIDE:PLAINTEXT\n"
                                      "inter.broker.listener.name=INSIDE\n")
        broker = self.started(path, "--override", "listeners=INSIDE://127.0.0.1:0")
        self.assertEqual(broker.ready.group(1), "INSIDE")
        self.assertEqual(broker.ready.group(4), "3")
        broker.stop()

    def test_environment(self):
        """Variables are read when they are asked for, and only then."""
        settings = {"KAFKA_BROKER_ID": "7", "KAFKA_CFG_NUM_PARTITIONS": "no number", "KAFKA_HEAP_OPTS": "-Xmx1g"}
        broker = Broker(self.dir, "--override", "num.partitions=2", environment=settings)
        self.addCleanup(broker.release)
        self.assertEqual(broker.ready.group(4), "1001")
        broker.stop()
        done = run("--environment", environment=settings)
        self.assertEqual(done.returncode, 1)
        self.assertIn("num.partitions=no number: allowed is", done.stderr)
        settings["KAFKA_CFG_NUM_PARTITIONS"] = "2"
        broker = Broker(self.dir + "2", "--environment", environment=settings)
        self.addCleanup(broker.release)
        self.assertEqual(broker.ready.group(4), "7")
        self.assertEqual(broker.stop()[0], 0)
        self.assertNotIn("WARN", broker.log)

    def test_one_broker_per_directory(self):
        broker = self.started()
        done = run("--override", f"log.dirs={self.dir}", "--override", "listeners=PLAINTEXT://127.0.0.1:0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("held by another process", done.stderr)
        self.assertEqual(broker.stop(), (0, ""))

    def test_port_that_is_taken(self):
        broker = self.started()
        done = run("--override", f"log.dirs={self.dir}2",
                   "--override", f"listeners=PLAINTEXT://127.0.0.1:{broker.port()}")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot bind 127.0.0.1:{broker.port()}: Address already in use", done.stderr)
        broker.stop()

    def test_several_listeners(self):
        broker = self.started("--override", "listeners=PLAINTEXT://127.0.0.1:0,OTHER://127.0.0.1:0",
                              "--override", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT")
        self.assertRegex(broker.ready.group(0), r"PLAINTEXT://127.0.0.1:\d+, OTHER://127.0.0.1:\d+ ")
        self.assertEqual(broker.stop(), (0, ""))

    def test_advertised_name_that_does_not_resolve(self):
        broker = self.started("--override", "listeners=PLAINTEXT://127.0.0.1:0",
                              "--override", "advertised.listeners=PLAINTEXT://no-such-host.invalid:9092")
        self.assertEqual(broker.ready.group(2), "no-such-host.invalid")
        self.assertEqual(broker.stop(), (0, ""))
        self.assertRegex(broker.log, "WARN .*no-such-host.invalid does not resolve")

    def test_waiting_fetch_does_not_hold_up_a_stop(self):
        broker = self.started("--override", "num.network.threads=1")
        address = ("127.0.0.1", broker.port())
        with socket.create_connection(address) as waiting, socket.create_connection(address) as other:
            topic = struct.pack(">ih", 1, 1) + b"t"
            while b"\0\0\0\1t\0" not in call(waiting, 3, 4, topic + b"\1"):
                pass  # Metadata v4 creates the topic; asked again until it is there without an error
            partition = struct.pack(">iiqi", 1, 0, 0, 1 << 20)
            fetch = struct.pack(">iiiib", -1, 600000, 1, 1 << 20, 0) + topic + partition
            waiting.sendall(request(1, 4, fetch))
            call(other, 18, 0, b"")  # the one loop has seen both
            self.assertEqual(broker.stop(), (0, ""))
            self.assertIn(b"t", answer(waiting))
            self.assertEqual(waiting.recv(1), b"")


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        OTTLA = sys.argv.pop(1)
    unittest.main()
