# SPDX-License-Identifier: Apache-2.0
"""Kafka's own command line tools print the same with this broker as they printed with Apache Kafka 3.9.1.

  test.py WORK_DIR broker|cluster

The commands of <what>-script.txt are run one after the other on an empty broker, or on three with two log directories
each, and their output, errors and exit codes are compared with <what>-recorded.txt, which was written in the same way
with a real Kafka:

  COMPAT_RECORD=1 compat-tests/run --broker kafka tools tools-cluster

Arguments are split as a shell splits them. In a line of a script {broker} is the id of a broker alone, {data N a} the
first log directory of broker N, {file NAME} a file whose content follows "file NAME". Commands beside the tools: those
of RunTools.java; `stop N`, `start N`: that broker; `until 'expression' COMMAND ...`: the command, again and again until
the expression is found in what it prints, lines sorted: the last output counts.

What differs between any two brokers (ids, ports, paths) is taken out of both. Which APIs Ottla does not
serve is read from docs/DIFFERENCES.md.
"""

import argparse
import difflib
import json
import os
import pathlib
import re
import shlex
import sys
import time

import brokers
import wire
from kafka_tools import Tools
from records import await_true

HERE = pathlib.Path(__file__).resolve().parent
DIFFERENCES = HERE.parent.parent / "docs" / "DIFFERENCES.md"
BROKER_ID = 1
CLUSTER_IDS = (1, 2, 3)
# Both kinds of broker get these in a file, so that all other keys have Kafka's defaults.
SETTINGS = {"broker.id": BROKER_ID, "num.partitions": 2, "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1}
# A script makes the offsets topic itself, so that coordinators are always the same. The cleaner of a Kafka with a small
# heap needs a small buffer.
CLUSTER_SETTINGS = {"offsets.topic.num.partitions": 3, "auto.leader.rebalance.enable": "false",
                    "group.initial.rebalance.delay.ms": 0, "log.retention.ms": -1,
                    "log.cleaner.dedupe.buffer.size": 8 << 20, "zookeeper.session.timeout.ms": 18000}
# Keys that the harness itself sets differently for the two kinds.
HARNESS_KEYS = ("listeners", "log.dirs", "zookeeper.connect", "zookeeper.session.timeout.ms")
# A real Kafka tells its brokers of a change after it has answered; a recording waits for that.
KAFKA_SETTLES_S = 1.0
UNTIL_S = 60
UNTIL_LOOK_S = 0.2
STACK = re.compile(r"\s+at [\w.$/]+\(|\s+\.\.\. \d+ more|\s*Caused by: ")


class Alone:
    """One broker."""

    def __init__(self, work_dir):
        self.brokers = {BROKER_ID: new_broker(work_dir / "broker", SETTINGS)}

    def start(self):
        self.brokers[BROKER_ID].start()

    def stop(self):
        self.brokers[BROKER_ID].stop()

    def close(self):
        self.brokers[BROKER_ID].close()

    def bootstrap(self):
        return self.brokers[BROKER_ID].bootstrap

    def places(self):
        """What differs from run to run, with the name that it has in a recording."""
        broker = self.brokers[BROKER_ID]
        return {str(broker.data_dir.resolve()): "{data}", broker.bootstrap: "{bootstrap}"}

    def fill(self, line):
        return line.replace("{broker}", str(BROKER_ID))


class Three:
    """A ZooKeeper and three brokers, each with the log directories a and b."""

    def __init__(self, work_dir):
        self.zookeeper = brokers.ZooKeeper(work_dir)
        self.brokers = {}
        for number in CLUSTER_IDS:
            folder = work_dir / ("broker-%d" % number)
            folder.mkdir()
            settings = {"broker.id": number, "zookeeper.connect": self.zookeeper.address,
                        "log.dirs": "%s,%s" % (folder / "a", folder / "b"), **CLUSTER_SETTINGS}
            self.brokers[number] = new_broker(folder, settings, self.zookeeper)

    def start(self):
        self.zookeeper.start()
        for broker in self.brokers.values():
            broker.start()

    def stop(self):
        for broker in self.brokers.values():
            broker.stop()

    def close(self):
        for broker in self.brokers.values():
            broker.process.kill()
        self.zookeeper.close()

    def bootstrap(self):
        return ",".join(broker.bootstrap for broker in self.brokers.values())

    def places(self):
        found = {}
        for number, broker in self.brokers.items():
            found[broker.bootstrap] = "{bootstrap %d}" % number
            for name in "ab":
                found[str(broker.work_dir / name)] = "{data %d %s}" % (number, name)
        return found

    def fill(self, line):
        for here, place in self.places().items():
            line = line.replace(place, here)
        return line


def new_broker(folder, settings, zookeeper=None):
    if os.environ["COMPAT_BROKER"] == "kafka":
        return brokers.Kafka(os.environ["KAFKA_LIBRARIES"], folder, settings, zookeeper=zookeeper)
    return brokers.Ottla(os.environ["OTTLA"], folder, settings, in_file=True)


def read_script(path, site, work_dir):
    """The commands as [(line, words)]; files are written."""
    commands = []
    for line in path.read_text().splitlines():
        if line.startswith("file "):
            _, name, content = line.split(" ", 2)
            (work_dir / name).write_text(site.fill(content) + "\n")
        elif line and not line.startswith("#"):
            filled = re.sub(r"\{file ([^}]+)\}", lambda m: shlex.quote(str(work_dir / m.group(1))),
                            site.fill(line))
            commands.append((line, shlex.split(filled)))
    return commands


def normal(line, places):
    """The line without what differs between any two brokers; None: nothing is left."""
    if STACK.match(line) or re.match(r"\s*(%s)=" % "|".join(map(re.escape, HARNESS_KEYS)), line):
        return None
    for here, place in places.items():
        line = line.replace(here, place)
    line = re.sub(r"(?<=Configs: )\S+", lambda match: ",".join(sorted(match.group().split(","))), line)
    line = re.sub(r"(?<=Isr: )[\d,]+", lambda match: ",".join(sorted(match.group().split(","))), line)
    line = re.sub(r"TopicId: [\w-]{22}", "TopicId: {id}", line)
    line = re.sub(r"Cluster ID: [\w-]{22}", "Cluster ID: {id}", line)
    line = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "{uuid}", line)
    return line.rstrip()


def ordered(lines):
    """Topics, partitions and brokers by name: each broker keeps them in an order of its own."""
    blocks, keys = [], []
    for line in lines:
        log_dirs = line.startswith('{"brokers":')
        key = re.match(r"\s*Topic: (\S+)\t|Dynamic configs for topic (\S+) are:|partition: (\S+)|"
                       r"\{bootstrap (\d)\} \(id", line)
        if key or not line.startswith(("    ", "\t")) or not blocks:
            blocks.append([])
            keys.append(next(filter(None, key.groups())) if key else None)
        blocks[-1].append(sorted_json(line) if log_dirs else line)
    places = [i for i, key in enumerate(keys) if key]
    for place, source in zip(places, sorted(places, key=lambda i: keys[i])):
        keys[place] = blocks[source]
    return [line for block, key in zip(blocks, keys) for line in (key or block)]


def sorted_json(line):
    """The answer of kafka-log-dirs."""
    answer = json.loads(line)
    answer["brokers"].sort(key=lambda broker: broker["broker"])
    for broker in answer["brokers"]:
        broker["logDirs"].sort(key=lambda directory: directory["logDir"])
        for directory in broker["logDirs"]:
            directory["partitions"].sort(key=lambda partition: partition["partition"])
    return json.dumps(answer)


class Player:
    """Carries commands out, one by one."""

    def __init__(self, site, tools):
        self.site, self.tools = site, tools
        self.places = site.places()

    def run(self, words):
        """The lines that the command printed, as they are compared."""
        if words[0] == "until":
            return self.until(words[1], words[2:])
        if words[0] in ("stop", "start"):
            broker = self.site.brokers[int(words[1])]
            broker.stop() if words[0] == "stop" else broker.start()
            return []
        lines = [normal(line, self.places) for line in self.tools.run(words)]
        self.settle(words)
        return ordered(line for line in lines if line is not None)

    def until(self, expression, words):
        last = time.monotonic() + UNTIL_S
        while True:
            lines = sorted(self.run(words))
            if re.search(expression, "\n".join(lines)):
                return lines
            if time.monotonic() > last:
                sys.exit("%s is not found after %d s in what this prints: %s\n%s" % (
                    expression, UNTIL_S, shlex.join(words), "\n".join(lines)))
            time.sleep(UNTIL_LOOK_S)

    def settle(self, words):
        """After a change: until all brokers have heard of it, for the next command asks any of them."""
        if any("describe" in word or "list" in word for word in words):
            return
        members = [broker for broker in self.site.brokers.values() if broker.process.running()]
        if isinstance(members[0], brokers.Kafka):
            time.sleep(KAFKA_SETTLES_S)
        await_true("all brokers tell the same of all partitions",
                   lambda: len({tuple(wire.partitions(broker.bootstrap)) for broker in members}) == 1)


def run_script(path, site, work_dir):
    """[(command, lines)] of the whole script."""
    told, tools = [], None
    try:
        site.start()
        tools = Tools(site.bootstrap(), work_dir)
        player = Player(site, tools)
        for line, words in read_script(path, site, work_dir):
            told.append((line, player.run(words)))
        site.stop()
    finally:
        if tools:
            tools.close()
        site.close()
    return told


def write_recording(path, script, told):
    with open(path, "w") as file:
        file.write("# What Apache Kafka 3.9.1 answers to %s; made by test.py, not by hand.\n" % script)
        for line, lines in told:
            file.write("\n$ %s\n" % line + "".join("  %s\n" % one for one in lines))


def read_recording(path):
    told = []
    for line in path.read_text().splitlines():
        if line.startswith("$ "):
            told.append((line[2:], []))
        elif line.startswith("  "):
            told[-1][1].append(line[2:])
    return told


def unserved_apis():
    """Names of the APIs that docs/DIFFERENCES.md says are not served."""
    section = re.search(r"(?ms)^## APIs that are not served$(.*?)(?=^## |\Z)", DIFFERENCES.read_text())
    return set(re.findall(r"(?m)^\| *\d+ *\| *(\w+) *\|", section.group(1)))


def forgive(lines, unserved):
    """The recorded lines as they are expected of Ottla."""
    def one(line):
        api = re.match(r"(\s+)(\w+)\((\d+)\): \S", line)
        return "%s%s(%s): UNSUPPORTED" % api.groups() if api and api.group(2) in unserved else line.rstrip(",")
    return [one(line) for line in lines]


def compare(told, recorded):
    if [line for line, _ in told] != [line for line, _ in recorded]:
        sys.exit("the script has changed since it was recorded: record again")
    unserved = set() if os.environ["COMPAT_BROKER"] == "kafka" else unserved_apis()
    bad = 0
    for (line, lines), (_, expected) in zip(told, recorded):
        lines, expected = forgive(lines, set()), forgive(expected, unserved)
        if lines != expected:
            bad += 1
            print("$ " + line)
            found = difflib.unified_diff(expected, lines, "Kafka 3.9.1", "here", lineterm="", n=1)
            print("\n".join("  " + one for one in found))
    print("%d of %d commands as Kafka" % (len(told) - bad, len(told)))
    return bad == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("what", choices=("broker", "cluster"))
    arguments = parser.parse_args()
    work_dir = brokers.empty_folder(arguments.work_dir / "tools").resolve()
    script = HERE / (arguments.what + "-script.txt")
    recording = HERE / (arguments.what + "-recorded.txt")
    site = Alone(work_dir) if arguments.what == "broker" else Three(work_dir)
    told = run_script(script, site, work_dir)
    if os.environ.get("COMPAT_RECORD"):
        if os.environ["COMPAT_BROKER"] != "kafka":
            sys.exit("only what a real Kafka says is recorded")
        write_recording(recording, script.name, told)
        return 0
    return 0 if compare(told, read_recording(recording)) else 1


if __name__ == "__main__":
    sys.exit(main())
