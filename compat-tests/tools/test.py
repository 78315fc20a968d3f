# SPDX-License-Identifier: Apache-2.0
"""Kafka's own command line tools print the same with this broker as they printed with Apache Kafka 3.9.1.

The commands of script.txt are run one after the other on an empty broker and their output, errors and exit codes are
compared with recorded.txt, which was written in the same way with a real Kafka:

  COMPAT_RECORD=1 compat-tests/run --broker kafka tools

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
import subprocess
import sys
import time

import brokers

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE / "script.txt"
RECORDED = HERE / "recorded.txt"
DIFFERENCES = HERE.parent.parent / "docs" / "DIFFERENCES.md"
MARK = "-----exit"
BROKER_ID = 1
# Both kinds of broker get these in a file, so that all other keys have Kafka's defaults.
SETTINGS = {"broker.id": BROKER_ID, "num.partitions": 2, "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1}
# Keys that the harness itself sets differently for the two kinds.
HARNESS_KEYS = ("listeners", "log.dirs", "zookeeper.connect", "zookeeper.session.timeout.ms")
# A real Kafka tells its brokers of a change after it has answered; a recording waits for that.
KAFKA_SETTLES_S = 1.0
STACK = re.compile(r"\s+at [\w.$/]+\(|\s+\.\.\. \d+ more|\s*Caused by: ")


class Tools:
    """The virtual machine that runs the tools."""

    def __init__(self, bootstrap, work_dir):
        config = work_dir / "log4j.properties"
        config.write_text("log4j.rootLogger=OFF\n")
        libraries, classes = os.environ["TOOLS_LIBRARIES"], os.environ["TOOLS_CLASSES"]
        self.child = subprocess.Popen(
            ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.language=en",
             "-Dlog4j.configuration=" + config.resolve().as_uri(),
             "-cp", os.path.join(libraries, "*") + os.pathsep + classes, "RunTools", MARK, bootstrap],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def run(self, words):
        """What the command printed, with its exit code as the last line."""
        self.child.stdin.write("\t".join(words) + "\n")
        self.child.stdin.flush()
        lines = []
        for line in self.child.stdout:
            line = line.rstrip("\n")
            if line.startswith(MARK):
                return lines + ["exit code" + line[len(MARK):]]
            lines.append(line)
        raise brokers.BrokerError("the tools ended after " + " ".join(words))

    def close(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()


def read_script(work_dir):
    """The commands as [(line, words)]; files are written."""
    commands = []
    for line in SCRIPT.read_text().splitlines():
        if line.startswith("file "):
            _, name, content = line.split(" ", 2)
            (work_dir / name).write_text(content + "\n")
        elif line and not line.startswith("#"):
            filled = line.replace("{broker}", str(BROKER_ID))
            filled = re.sub(r"\{file ([^}]+)\}", lambda m: shlex.quote(str(work_dir / m.group(1))),
                            filled)
            commands.append((line, shlex.split(filled)))
    return commands


def normal(line, broker):
    """The line without what differs between any two brokers; None: nothing is left."""
    if STACK.match(line) or re.match(r"\s*(%s)=" % "|".join(map(re.escape, HARNESS_KEYS)), line):
        return None
    line = line.replace(str(broker.data_dir.resolve()), "{data}").replace(str(broker.data_dir), "{data}")
    line = line.replace(broker.bootstrap, "{bootstrap}")
    line = re.sub(r"TopicId: [\w-]{22}", "TopicId: {id}", line)
    line = re.sub(r"Cluster ID: [\w-]{22}", "Cluster ID: {id}", line)
    return line.rstrip()


def ordered(lines):
    """Topics and partitions by name: each broker keeps them in an order of its own."""
    blocks, keys = [], []
    for line in lines:
        log_dirs = line.startswith('{"brokers":')
        key = re.match(r"\s*Topic: (\S+)\t|Dynamic configs for topic (\S+) are:|partition: (\S+)", line)
        if key or not line.startswith("    ") or not blocks:
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
    for directory in answer["brokers"][0]["logDirs"]:
        directory["partitions"].sort(key=lambda partition: partition["partition"])
    return json.dumps(answer)


def start(work_dir):
    kafka = os.environ["COMPAT_BROKER"] == "kafka"
    if kafka:
        broker = brokers.Kafka(os.environ["KAFKA_LIBRARIES"], work_dir / "broker", SETTINGS)
    else:
        broker = brokers.Ottla(os.environ["OTTLA"], work_dir / "broker", SETTINGS, in_file=True)
    broker.start()
    return broker


def run_script(work_dir):
    """[(command, lines)] of the whole script."""
    broker = start(work_dir)
    tools = Tools(broker.bootstrap, work_dir)
    told = []
    try:
        for line, words in read_script(work_dir):
            lines = [normal(one, broker) for one in tools.run(words)]
            told.append((line, ordered(one for one in lines if one is not None)))
            if isinstance(broker, brokers.Kafka) and "describe" not in line and "list" not in line:
                time.sleep(KAFKA_SETTLES_S)
        broker.stop()
    finally:
        tools.close()
        broker.close()
    return told


def write_recording(told):
    with open(RECORDED, "w") as file:
        file.write("# What Apache Kafka 3.9.1 answers to script.txt; made by test.py, not by hand.\n")
        for line, lines in told:
            file.write("\n$ %s\n" % line + "".join("  %s\n" % one for one in lines))


def read_recording():
    told = []
    for line in RECORDED.read_text().splitlines():
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
        sys.exit("script.txt has changed since recorded.txt was written: record again")
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work_dir", type=pathlib.Path)
    work_dir = brokers.empty_folder(parser.parse_args().work_dir / "tools").resolve()
    told = run_script(work_dir)
    if os.environ.get("COMPAT_RECORD"):
        if os.environ["COMPAT_BROKER"] != "kafka":
            sys.exit("only what a real Kafka says is recorded")
        write_recording(told)
        return 0
    return 0 if compare(told, read_recording()) else 1


if __name__ == "__main__":
    sys.exit(main())
