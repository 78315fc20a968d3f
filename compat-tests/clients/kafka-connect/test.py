# SPDX-License-Identifier: Apache-2.0
"""Kafka Connect, distributed: a file becomes a topic, and the topic another file; the worker is killed between.

  test.py WORK_DIR -- COMMAND ...

COMMAND starts a worker, with its properties as the last argument; it is told what to do over its REST interface.
"""

import json
import subprocess
import sys
import urllib.error
import urllib.request

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

import brokers
import rdkafka
import story
import wire
from features import CONNECT
from records import Mismatch, await_true, expect

TOPIC = "file-lines"
STORES = {"connect-configs": 1, "connect-offsets": 25, "connect-status": 5}  # with their partitions
SETTLE_S = 60


class Worker:
    """The process and its REST interface."""

    def __init__(self, command, bootstrap, work_dir):
        self.log_path = work_dir / "worker.log"
        self.url = "http://127.0.0.1:%d" % brokers.free_port()
        self.properties = work_dir / "worker.properties"
        settings = {
            "bootstrap.servers": bootstrap, "group.id": "connect-cluster", "listeners": self.url,
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "offset.flush.interval.ms": 500, "scheduled.rebalance.max.delay.ms": 0,
            "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000,
            "consumer.auto.offset.reset": "earliest",
        }
        for store in ("config", "offset", "status"):
            settings[store + ".storage.topic"] = "connect-%s" % (store if store == "status" else store + "s")
            settings[store + ".storage.replication.factor"] = 1
        self.properties.write_text("".join("%s=%s\n" % item for item in settings.items()))
        self.command = command
        self.child = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen([*self.command, str(self.properties)], stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log)
        await_true("the worker answers", lambda: self.ask("GET", "/connectors") is not None, SETTLE_S)

    def ask(self, method, path, body=None):
        """What it answers; None while it cannot."""
        if self.child.poll() is not None:
            raise Mismatch("the worker ended with exit code %d:\n%s"
                           % (self.child.returncode, brokers.tail(self.log_path)))
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.loads(answer.read() or b"{}")
        except (urllib.error.URLError, OSError):
            return None

    def tell(self, method, path, body=None):
        """Until it is done: a worker that rebalances refuses for a moment."""
        await_true("%s %s" % (method, path), lambda: self.ask(method, path, body) is not None, SETTLE_S)

    def state(self, connector):
        """That of the connector and of its tasks."""
        told = self.ask("GET", "/connectors/%s/status" % connector)
        return told and (told["connector"]["state"], [task["state"] for task in told["tasks"]])

    def kill(self):
        if self.child and self.child.poll() is None:
            self.child.kill()
            self.child.wait()


class Story:
    def __init__(self, command, work_dir, broker):
        self.broker = broker
        self.source, self.sink = work_dir / "source.txt", work_dir / "sink.txt"
        self.command, self.work_dir = command, work_dir
        self.worker = None
        self.lines = []

    def open(self):
        self.broker.start()
        self.admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        rdkafka.create_topic(self.admin, TOPIC, 1)
        self.worker = Worker(self.command, self.broker.bootstrap, self.work_dir)
        self.worker.start()

    def checks(self):
        return {"internal-topics": self.internal_topics, "source": self.read_file, "sink": self.write_file,
                "killed": self.killed, "connector-stopped": self.stopped, "connector-deleted": self.deleted}

    def end(self):
        self.close()
        self.admin = None

    def close(self):
        if self.worker:
            self.worker.kill()

    def append(self, count):
        more = ["line %d, nothing else" % number for number in range(len(self.lines), len(self.lines) + count)]
        self.lines += more
        with open(self.source, "a") as file:
            file.write("".join(line + "\n" for line in more))

    def create(self, name, connector, **settings):
        self.worker.tell("PUT", "/connectors/%s/config" % name, {
            "connector.class": "org.apache.kafka.connect.file." + connector, "tasks.max": "1", **settings})
        self.await_state(name, ("RUNNING", ["RUNNING"]))

    def await_state(self, name, state):
        await_true("%s is %s" % (name, state), lambda: self.worker.state(name) == state, SETTLE_S)

    def written(self):
        """The records of the topic as text."""
        consumer = rdkafka.open_consumer(self.broker.bootstrap)
        place = ck.TopicPartition(TOPIC, 0, 0)
        _, end = consumer.get_watermark_offsets(place, 10)
        consumer.assign([place])
        found = []
        while len(found) < end:
            found += [message.value().decode() for message in consumer.consume(1000, 1)]
        consumer.close()
        return found

    def arrived(self):
        return self.sink.read_text().splitlines() if self.sink.exists() else []

    # The features

    def internal_topics(self):
        for topic, partitions in STORES.items():
            # The worker answers as soon as it runs, and creates them then.
            await_true("%s has %d partitions" % (topic, partitions),
                       lambda t=topic, n=partitions: wire.leaders(self.broker.bootstrap, t) == n, SETTLE_S)
            resource = ConfigResource(ResourceType.TOPIC, topic)
            configs = self.admin.describe_configs([resource])[resource].result(30)
            expect("cleanup.policy of " + topic, "compact", configs["cleanup.policy"].value)

    def read_file(self):
        self.append(200)
        self.create("reads", "FileStreamSourceConnector", file=str(self.source), topic=TOPIC)
        await_true("every line is a record", lambda: self.written() == self.lines, SETTLE_S)

    def write_file(self):
        self.create("writes", "FileStreamSinkConnector", file=str(self.sink), topics=TOPIC)
        await_true("every record is a line", lambda: self.arrived() == self.lines, SETTLE_S)

    def killed(self):
        """At least once: what a killed worker had not committed comes again, in order."""
        self.append(300)
        self.worker.kill()
        self.append(100)
        self.worker.start()
        await_true("every line has arrived", lambda: set(self.arrived()) == set(self.lines), SETTLE_S)
        expect("lines in the order in which they came first", self.lines, list(dict.fromkeys(self.arrived())))
        for name in ("reads", "writes"):
            self.await_state(name, ("RUNNING", ["RUNNING"]))

    def stopped(self):
        self.worker.tell("PUT", "/connectors/reads/stop")
        self.await_state("reads", ("STOPPED", []))
        before = len(self.written())
        self.append(50)
        self.worker.tell("PUT", "/connectors/reads/resume")
        self.await_state("reads", ("RUNNING", ["RUNNING"]))
        await_true("the lines from between are records", lambda: self.written()[before:] == self.lines[-50:],
                   SETTLE_S)

    def deleted(self):
        for name in ("reads", "writes"):
            self.worker.tell("DELETE", "/connectors/" + name)
        await_true("no connector is left", lambda: self.worker.ask("GET", "/connectors") == [], SETTLE_S)


if __name__ == "__main__":
    sys.exit(story.tell(__doc__, "kafka-connect", "Kafka Connect 3.9.1", CONNECT, Story))
