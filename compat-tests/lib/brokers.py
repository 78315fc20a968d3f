# SPDX-License-Identifier: Apache-2.0
"""Brokers as processes: started, stopped, killed, and nothing left behind.

`Ottla` is the broker under test. `Kafka` is a real Apache Kafka 3.9.1 with a ZooKeeper of its own;
it serves two ends: `kafka-reads-ottla` starts it on Ottla's directory, and `compat-tests/run
--broker kafka` puts it in Ottla's place, which proves that the tests ask only what Kafka does.

What always holds: every process is started here and ended here by its pid, listens on loopback
only, and writes its output to a file in its work folder.
"""

import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import wire

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
POLL_S = 0.02
# Of a broker with a ZooKeeper: one that was killed is waited for that long by its next life.
SESSION_MS = 2000
ZOOKEEPER_PROGRAM = pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "zookeeper"


class BrokerError(Exception):
    """A broker that did not start, did not stop, or ended by itself."""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def tail(path, lines=40):
    try:
        with open(path, errors="replace") as file:
            return "".join(file.readlines()[-lines:])
    except OSError as error:
        return str(error)


class Process:
    """One child process whose output goes to a file."""

    # Whether Ctrl-C at the terminal leaves it alone, because whoever started it stops it in order.
    IN_OWN_SESSION = False

    def __init__(self, name, log_path):
        self.name = name
        self.log_path = str(log_path)
        self.child = None

    def spawn(self, command, environment=None):
        """`environment`: variables beside those of this process."""
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, env={**os.environ, **(environment or {})},
                                          start_new_session=self.IN_OWN_SESSION)

    def running(self):
        return self.child is not None and self.child.poll() is None

    def await_until(self, ready, timeout_s):
        """Waits until ready() is true; raises when the process ends or the time is over."""
        until = time.monotonic() + timeout_s
        while not ready():
            if not self.running():
                raise BrokerError("%s ended with exit code %s while starting; its log ends:\n%s"
                                  % (self.name, self.child.poll(), tail(self.log_path)))
            if time.monotonic() > until:
                raise BrokerError("%s is not ready after %d s; its log ends:\n%s"
                                  % (self.name, timeout_s, tail(self.log_path)))
            time.sleep(POLL_S)

    def terminate(self):
        """SIGTERM; returns the exit code (negative: ended by that signal)."""
        if self.child is None:
            return None
        if self.running():
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BrokerError("%s did not stop within %d s of SIGTERM; its log ends:\n%s"
                              % (self.name, STOP_TIMEOUT_S, tail(self.log_path))) from None

    def kill(self):
        if self.child is not None:
            self.child.kill()
            self.child.wait()


def answers(bootstrap):
    """True when the broker at this address serves requests and has registered itself."""
    try:
        wire.api_versions(bootstrap, 2)
        return len(wire.broker_ids(bootstrap, 2)) > 0
    except OSError:
        return False


class Ottla:
    """The broker under test; `data_dir` is its log directory and survives stop and kill. Where env
    COMPAT_ZOOKEEPER names a ZooKeeper its cluster's metadata lie there, below a path of their own."""

    FORGETS_TOPICS_AT_START = False

    def __init__(self, binary, work_dir, overrides=None, in_file=False):
        """in_file: the settings stand in a server.properties, and all other keys have Kafka's
        defaults instead of those for a laptop."""
        self.binary = binary
        self.in_file = in_file
        self.work_dir = pathlib.Path(work_dir)
        self.work_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir = self.work_dir / "data"
        self.overrides = dict(overrides or {})
        self.environment = {}
        self.port = free_port()
        self.bootstrap = "127.0.0.1:%d" % self.port
        self.process = Process("ottla", self.work_dir / "broker.log")

    def spawn(self):
        settings = {"listeners": "PLAINTEXT://" + self.bootstrap, "log.dirs": str(self.data_dir)}
        if os.environ.get("COMPAT_ZOOKEEPER"):
            place = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:12]
            settings["zookeeper.connect"] = "%s/%s" % (os.environ["COMPAT_ZOOKEEPER"], place)
            settings["zookeeper.session.timeout.ms"] = SESSION_MS
        settings.update(self.overrides)
        command = [self.binary]
        if self.in_file:
            config = self.work_dir / "server.properties"
            config.write_text("".join("%s=%s\n" % item for item in settings.items()))
            command.append(str(config))
        else:
            for key, value in settings.items():
                command += ["--override", "%s=%s" % (key, value)]
        self.process.spawn(command, self.environment)

    def await_ready(self):
        self.process.await_until(lambda: answers(self.bootstrap), START_TIMEOUT_S)

    def start(self):
        self.spawn()
        self.await_ready()

    def stop(self):
        """Clean stop: SIGTERM must end it with exit code 0."""
        code = self.process.terminate()
        if code not in (None, 0):
            raise BrokerError("ottla ended with exit code %d instead of 0; its log ends:\n%s"
                              % (code, tail(self.process.log_path)))

    def kill(self):
        """kill -9: nothing is flushed, nothing is written any more."""
        if not self.process.running():
            raise BrokerError("ottla had ended by itself (exit code %s) before it was killed; "
                              "its log ends:\n%s"
                              % (self.process.child.poll(), tail(self.process.log_path)))
        self.process.kill()

    def close(self):
        """Ends whatever still runs, without judging it."""
        self.process.kill()


class ZooKeeper:
    """One ZooKeeper of Debian's package; what is in it survives `kill`."""

    def __init__(self, work_dir):
        self.work_dir = pathlib.Path(work_dir) / "zookeeper"
        self.work_dir.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.address = "127.0.0.1:%d" % self.port
        self.process = Process("zookeeper", self.work_dir / "server.log")

    def start(self):
        self.process.spawn([str(ZOOKEEPER_PROGRAM), str(self.work_dir), str(self.port)])
        self.process.await_until(self.answers, START_TIMEOUT_S)

    def answers(self):
        # 'srvr' is the one four-letter word that a default ZooKeeper answers.
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as sock:
                sock.settimeout(2)
                sock.sendall(b"srvr")
                return b"Zookeeper version" in sock.recv(4096)
        except OSError:
            return False

    def kill(self):
        self.process.kill()

    def close(self):
        self.process.kill()


# A small Java machine that is up soon, which is what tests want.
JAVA_OPTIONS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def java_command(libraries, work_dir, options):
    """Java with Kafka's jars and a log configuration that writes to standard output."""
    config = pathlib.Path(work_dir) / "log4j.properties"
    config.write_text("log4j.rootLogger=INFO, out\n"
                      "log4j.appender.out=org.apache.log4j.ConsoleAppender\n"
                      "log4j.appender.out.layout=org.apache.log4j.PatternLayout\n"
                      "log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n\n")
    return ["java", *options, "-Dlog4j.configuration=" + config.resolve().as_uri(),
            "-cp", os.path.join(libraries, "*")]


class Kafka:
    """Apache Kafka 3.9.1 in ZooKeeper mode; the same interface as `Ottla`."""

    BROKER_ID = 1
    # It answers Metadata before its controller has told it which topics there are.
    FORGETS_TOPICS_AT_START = True

    def __init__(self, libraries, work_dir, overrides=None, data_dir=None, zookeeper=None,
                 chroot=""):
        self.libraries = libraries
        self.work_dir = pathlib.Path(work_dir)
        self.work_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir = pathlib.Path(data_dir) if data_dir else self.work_dir / "data"
        self.overrides = dict(overrides or {})
        self.zookeeper = zookeeper or ZooKeeper(self.work_dir)
        self.chroot = chroot
        self.java_options = JAVA_OPTIONS
        self.port = free_port()
        self.bootstrap = "127.0.0.1:%d" % self.port
        self.process = Process("kafka", self.work_dir / "broker.log")

    def spawn(self):
        if not self.zookeeper.process.running():
            self.zookeeper.start()
        settings = {
            "broker.id": self.BROKER_ID,
            "listeners": "PLAINTEXT://" + self.bootstrap,
            "log.dirs": self.data_dir,
            "zookeeper.connect": self.zookeeper.address + self.chroot,
            "zookeeper.session.timeout.ms": SESSION_MS,
        }
        settings.update(self.overrides)
        config = self.work_dir / "server.properties"
        config.write_text("".join("%s=%s\n" % item for item in settings.items()))
        self.process.spawn(java_command(self.libraries, self.work_dir, self.java_options)
                           + ["kafka.Kafka", str(config)])

    def await_ready(self):
        """A broker that was killed leaves its registration behind until its ZooKeeper session
        has timed out; one that comes up earlier ends by itself and is started again."""
        until = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.process.await_until(lambda: answers(self.bootstrap),
                                         until - time.monotonic())
                return
            except BrokerError:
                if time.monotonic() > until or self.process.running():
                    raise
                if "NodeExists" not in tail(self.process.log_path, 200):
                    raise
                self.spawn()

    def start(self):
        self.spawn()
        self.await_ready()

    def stop(self):
        code = self.process.terminate()
        if code not in (None, 0, 128 + signal.SIGTERM):
            raise BrokerError("kafka ended with exit code %d; its log ends:\n%s"
                              % (code, tail(self.process.log_path)))

    def kill(self):
        if not self.process.running():
            raise BrokerError("kafka had ended by itself before it was killed; its log ends:\n%s"
                              % tail(self.process.log_path))
        self.process.kill()

    def close(self):
        self.process.kill()
        self.zookeeper.close()


class External:
    """A broker that somebody else runs (env BOOTSTRAP); it is only talked to."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def start(self):
        if not answers(self.bootstrap):
            raise BrokerError("no broker answers at BOOTSTRAP=" + self.bootstrap)

    def stop(self):
        pass

    def close(self):
        pass


def binary():
    """The broker's program, as `run` chose it."""
    return os.environ["OTTLA"]


def from_environment(work_dir, overrides=None):
    """The broker under test, as `run` chose it: env COMPAT_BROKER, OTTLA, KAFKA_LIBRARIES."""
    if os.environ["COMPAT_BROKER"] == "kafka":
        return Kafka(os.environ["KAFKA_LIBRARIES"], work_dir, overrides)
    return Ottla(binary(), work_dir, overrides)


def empty_folder(path):
    """A fresh folder at this path; what an earlier run left there is removed."""
    path = pathlib.Path(path)
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    return path
