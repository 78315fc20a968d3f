# SPDX-License-Identifier: Apache-2.0
"""The cluster of docker-compose.yml, without containers: what Dockerfile and compose file say is done here.

Every broker is started by the image's entry point with the variables of its service, on a ZooKeeper of
the tests; only names, ports and paths are others, because all share one machine. The image's health
check says when a broker serves. The topic of a client has the replicas that the compose file asks for,
brokers end with 0 on SIGTERM, and their health check says so. The packages of the image have every
library that the program is linked with.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

import confluent_kafka as ck
import yaml
from confluent_kafka.admin import AdminClient

import brokers
from records import Mismatch, await_true, expect

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
IMAGE_CONFIG = "/etc/ottla/server.properties"
IMAGE_DATA = "/var/lib/ottla"
IMAGE_PROGRAM = "/usr/bin/ottla"
# What every Debian has, or comes with a package of the list.
ALWAYS_THERE = {"libc6", "libgcc-s1", "libstdc++6"}
OF_SANITIZERS = {"libasan8", "libubsan1", "libtsan2"}
TOPIC = "kept"
RECORDS = 100
ANSWER_S = 30


class Dockerfile:
    def __init__(self, text):
        self.text = text.replace("\\\n", " ")
        self.last_stage = self.text[self.text.rindex("\nFROM "):]

    def command(self, pattern):
        """The words of an instruction in its JSON form, as they are here."""
        words = json.loads(re.search(r"(?m)^%s(\[.*\])$" % pattern, self.last_stage).group(1))
        here = {IMAGE_PROGRAM: os.environ["OTTLA"],
                IMAGE_CONFIG: str(ROOT / self.copied_to(IMAGE_CONFIG))}
        return [here.get(word, word) for word in words]

    def copied_to(self, path):
        return re.search(r"(?m)^COPY (\S+) %s$" % re.escape(path), self.last_stage).group(1)

    def packages(self):
        return set(re.search(r"--no-install-recommends(.*?)&&", self.last_stage).group(1).split())


class Service:
    """One broker of the compose file."""

    def __init__(self, name, service, dockerfile, work_dir):
        self.name = name
        self.settings = {key: str(value) for key, value in service["environment"].items()}
        self.start_command = dockerfile.command("ENTRYPOINT ") + dockerfile.command("CMD ")
        self.check_command = dockerfile.command(r"HEALTHCHECK .*CMD ")
        expect("what the volume of %s is for" % name, [IMAGE_DATA],
               [volume.split(":")[1] for volume in service["volumes"]])
        host_port, self.outside = re.fullmatch(r"127\.0\.0\.1:(\d+):(\d+)", service["ports"][0]).groups()
        self.told = "localhost:" + host_port
        self.here = {port: brokers.free_port() for port in ("9092", self.outside)}
        self.data_dir = work_dir / name
        self.process = brokers.Process(name, work_dir / (name + ".log"))

    def bootstrap(self):
        return "127.0.0.1:%d" % self.here[self.outside]

    def environment(self, zookeeper):
        """The service's variables, with the places they have here."""
        places = {"zookeeper:2181": zookeeper.address, self.told: self.bootstrap(),
                  "%s:9092" % self.name: "127.0.0.1:%d" % self.here["9092"]}
        places.update(("://:" + port, "://127.0.0.1:%d" % here) for port, here in self.here.items())
        found = dict(self.settings, KAFKA_LOG_DIR=str(self.data_dir))
        for place, here in places.items():
            used = [key for key, value in found.items() if place in value]
            expect("whether %s is said once for %s" % (place, self.name), 1, len(used))
            found[used[0]] = found[used[0]].replace(place, here)
        return found

    def start(self, zookeeper):
        self.process.spawn(self.start_command, self.environment(zookeeper))

    def is_healthy(self, zookeeper):
        return subprocess.run(self.check_command, env={**os.environ, **self.environment(zookeeper)},
                              stdout=subprocess.DEVNULL, check=False).returncode == 0


def use(services):
    bootstrap = ",".join(service.bootstrap() for service in services)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    refused = []
    producer = ck.Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for number in range(RECORDS):
        producer.produce(TOPIC, b"%d" % number,
                         on_delivery=lambda error, _: error and refused.append(error))
    expect("records without an answer", 0, producer.flush(ANSWER_S))
    expect("records that were refused", [], refused)
    metadata = admin.list_topics(timeout=ANSWER_S)
    expect("brokers", [1, 2, 3], sorted(metadata.brokers))
    expect("where clients are sent", sorted(service.bootstrap() for service in services),
           sorted("%s:%d" % (broker.host, broker.port) for broker in metadata.brokers.values()))
    expect("replicas of a topic that came into being by its use", [1, 2, 3],
           sorted(metadata.topics[TOPIC].partitions[0].replicas))


def compose(work_dir, dockerfile):
    described = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = [Service(name, service, dockerfile, work_dir)
                for name, service in described["services"].items() if name != "zookeeper"]
    expect("volumes that are declared", sorted(described["volumes"]),
           sorted(volume.split(":")[0] for service in described["services"].values()
                  for volume in service["volumes"]))
    zookeeper = brokers.ZooKeeper(work_dir)
    try:
        zookeeper.start()
        for service in services:
            expect("a broker that is not there is healthy", False, service.is_healthy(zookeeper))
            service.start(zookeeper)
        for service in services:
            await_true(service.name + " is healthy", lambda: service.is_healthy(zookeeper), ANSWER_S)
        use(services)
        for service in services:
            expect("exit code of %s after SIGTERM" % service.name, 0, service.process.terminate())
            expect("a broker that has stopped is healthy", False, service.is_healthy(zookeeper))
    finally:
        for service in services:
            service.process.kill()
        zookeeper.close()


def libraries(program):
    """Debian's packages of the libraries that a program is linked with."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    found = set()
    for path in re.findall(r"=> (/\S+)", told):
        path = os.path.realpath(path)
        owners = [subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False).stdout
                  for name in (path, path.removeprefix("/usr"))]
        found.update(re.findall(r"(?m)^([^:\s]+)", "".join(owners)))
    return found


def image_is_complete(dockerfile):
    """Only where the packages have the image's names."""
    base = re.search(r"\nFROM debian:(\d+)", dockerfile.last_stage).group(1)
    release = pathlib.Path("/etc/os-release").read_text()
    if 'VERSION_ID="%s"' % base in release and "\nID=debian" in release:
        expect("packages of the program's libraries", dockerfile.packages(),
               libraries(os.environ["OTTLA"]) - ALWAYS_THERE - OF_SANITIZERS)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work_dir", type=pathlib.Path)
    work_dir = brokers.empty_folder(parser.parse_args().work_dir / "image")
    dockerfile = Dockerfile((ROOT / "Dockerfile").read_text())
    image_is_complete(dockerfile)
    compose(work_dir, dockerfile)


if __name__ == "__main__":
    try:
        main()
    except (Mismatch, brokers.BrokerError) as problem:
        sys.exit(str(problem))
