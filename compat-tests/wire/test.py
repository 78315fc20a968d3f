# SPDX-License-Identifier: Apache-2.0
"""Some thousand requests, sensible and odd, are answered as Apache Kafka 3.9.1 answered them in the same state.

  test.py WORK_DIR [--show NAME]

The requests are those of cases.py, in their order, each on a connection of its own. What Kafka did with each is in
recorded.jsonl.gz, which was written in the same way:

  COMPAT_RECORD=1 compat-tests/run --broker kafka wire

What differs must be explained by docs/DIFFERENCES.md, the one list of differences: by a row of its first
table, or by its API standing among those that are not served.
"""

import argparse
import collections
import fnmatch
import gzip
import hashlib
import json
import os
import pathlib
import re
import sys
import time

import answers
import brokers
import cases
import installed
import messages
import wire
from records import await_true

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RECORDED = HERE / "recorded.jsonl.gz"
DIFFERENCES = ROOT / "docs" / "DIFFERENCES.md"
SETTINGS = {
    "broker.id": cases.BROKER_ID, "num.partitions": 4, "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 3, "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1, "group.initial.rebalance.delay.ms": 0,
    # A session that expires on a busy machine changes what a Kafka answers.
    "zookeeper.session.timeout.ms": 60000,
    # Records of the cases are old; the cleaner of a Kafka with a small heap needs a small buffer.
    "log.retention.ms": -1, "log.cleaner.dedupe.buffer.size": 8 << 20}
# A real Kafka tells its broker of a change after it has answered; a recording waits for that.
CHANGES = {"CreateTopics", "DeleteTopics", "CreatePartitions", "AlterConfigs", "IncrementalAlterConfigs",
           "AlterPartitionReassignments", "ElectLeaders", "AlterReplicaLogDirs", "DeleteRecords"}
KAFKA_SETTLES_S = 0.3
LEADER_NOT_AVAILABLE = 5
SHOWN, SHOWN_BYTES = 60, 100


class Row:
    """One row of the table of answers that differ."""

    def __init__(self, cells):
        self.name, api, self.field, self.kafka, self.here, why = cells
        self.api = api.split(" ")[-1]
        found = re.search(r"`wire: (.*)`", why)
        self.requests = found.group(1) if found else None
        self.uses = 0

    def explains(self, case, api, field, kafka, here):
        """Whether this difference is the row's. Where both values are "*" a list that holds the field may differ, too:
        then the field differs in number."""
        if self.api != api or (self.requests and not fnmatch.fnmatchcase(case, self.requests)):
            return False
        if field == "-":
            return self.kafka == "no answer" == shown(kafka)
        anything = self.kafka == "*" and self.here == "*"
        if self.field == "-":
            return bool(self.requests) and anything
        return (anything and self.field.startswith(field + ".")) or (
            self.field == field and self.kafka in ("*", shown(kafka)) and self.here in ("*", shown(here)))


def shown(value):
    """A value as the table has it."""
    if isinstance(value, (dict, list)):
        return "..." if value else "[]"
    return {None: "null", "nothing": "no answer"}.get(value, str(value))


def section(title):
    found = re.search(r"(?ms)^## %s$(.*?)(?=^## |\Z)" % title, DIFFERENCES.read_text())
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in found.group(1).splitlines() if line.startswith("|")][2:]


class Explanations:
    def __init__(self):
        """A Kafka has to answer as Kafka."""
        self.rows, self.unserved = [], {}
        if os.environ["COMPAT_BROKER"] != "kafka":
            self.rows = [Row(cells) for cells in section("Answers")]
            self.unserved = {int(cells[0]): cells[1] for cells in section("APIs that are not served")}

    def explain(self, case, api, found):
        """Whether a row says so."""
        for row in self.rows:
            if row.explains(case, api, *found):
                row.uses += 1
                return True
        return False

    def expected(self, outcome):
        """Kafka's outcome without the APIs that are not served."""
        if outcome[0] == "answer" and isinstance(outcome[1], dict) and "ApiKeys" in outcome[1]:
            keys = [key for key in outcome[1]["ApiKeys"] if key["ApiKey"] not in self.unserved]
            return ["answer", {**outcome[1], "ApiKeys": keys}]
        return outcome


def identity(case):
    """Changes when the request does."""
    data = case.raw if case.raw is not None else case.frame({"topic id": bytes(16)})
    return hashlib.sha256(data).hexdigest()[:8]


def warm_up(address, apis):
    """Until the broker gives out producer ids: Kafka fetches its first block when it is asked for one."""
    ask = cases.Case("warm up", apis["InitProducerId"], 1, {"TransactionalId": None})
    await_true("producer ids are given out", lambda: answers.ask(
        address, ask, {}, answers.Normal({}))[1]["ErrorCode"] == 0)


def await_created(address, apis, outcome):
    """A topic that Metadata has had created is there a moment after the answer."""
    for topic in outcome[1]["Topics"]:
        if topic["ErrorCode"] == LEADER_NOT_AVAILABLE:
            look = cases.Case("look", apis["Metadata"], 4, {"Topics": [{"Name": topic["Name"]}]})
            await_true("%s is created" % topic["Name"], lambda: answers.ask(
                address, look, {}, answers.Normal({}))[1]["Topics"][0]["ErrorCode"] == 0)


def play(broker, apis, chosen):
    """{name: [identity, outcome]}"""
    address, kept, told = wire.split_address(broker.bootstrap), {"topic id": bytes(16)}, {}
    warm_up(address, apis)
    normal = answers.Normal({str(broker.data_dir.resolve()): "{data}", str(broker.data_dir): "{data}",
                             broker.bootstrap: "{bootstrap}", ":%d" % broker.port: ":{port}"})
    for case in chosen:
        told[case.name] = [identity(case), answers.ask(address, case, kept, normal)]
        if case.api and case.api.name == "Metadata" and told[case.name][1][0] == "answer":
            await_created(address, apis, told[case.name][1])
        if isinstance(broker, brokers.Kafka) and case.api and case.api.name in CHANGES:
            time.sleep(KAFKA_SETTLES_S)
    return told


def write_recording(told):
    with gzip.GzipFile(RECORDED, "wb", 9, mtime=0) as file:
        for name, entry in told.items():
            file.write((json.dumps([name, *entry], separators=(",", ":")) + "\n").encode())


def read_recording():
    with gzip.open(RECORDED, "rt") as file:
        return {name: entry for name, *entry in map(json.loads, file)}


def write_results(states):
    """states: {(api, version): Counter of same, listed, differ}"""
    rows = [{"api": api, "version": version, **counts} for (api, version), counts in sorted(states.items())]
    installed.results_file("wire", os.environ["COMPAT_BROKER"]).write_text(json.dumps(rows, indent=1) + "\n")


def outcome_differences(kafka, here):
    if kafka[0] != here[0] or kafka[0] != "answer":
        return [] if kafka == here else [("-", kafka[0], here[0])]
    return answers.differences(kafka[1], here[1])


def compare(told, recorded, by_name):
    """Whether all differences are explained. Prints those that are not, alike ones together."""
    explanations, unexplained = Explanations(), collections.defaultdict(list)
    states = collections.defaultdict(lambda: {"same": 0, "listed": 0, "differ": 0})
    for name, (digest, here) in told.items():
        if name not in recorded or recorded[name][0] != digest:
            sys.exit("%s is not the request that was recorded: record again" % name)
        case = by_name[name]
        if case.is_race:
            continue
        api = case.api.name if case.api else "-"
        found = outcome_differences(explanations.expected(recorded[name][1]), here)
        left = [] if api in explanations.unserved.values() else [
            one for one in found if not explanations.explain(name, api, one)]
        for field, kafka, ours in left:
            unexplained[(api, field, json.dumps(kafka)[:SHOWN_BYTES], json.dumps(ours)[:SHOWN_BYTES])].append(name)
        states[(api, case.version)]["differ" if left else "listed" if found else "same"] += 1
    for (api, field, kafka, ours), names in sorted(unexplained.items())[:SHOWN]:
        print("%s %s: Kafka has %s, here is %s\n    %d requests, the first: %s" % (
            api, field, kafka, ours, len(names), names[0]))
    same, listed, differ = (sum(counts[state] for counts in states.values()) for state in ("same", "listed", "differ"))
    print("%d requests: %d answered as Kafka does, %d differ as docs/DIFFERENCES.md says, %d differ" % (
        same + listed + differ, same, listed, differ))
    print("rows that explain: " + ", ".join("%s %d" % (row.name, row.uses) for row in explanations.rows if row.uses))
    write_results(states)
    return not differ


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("--show", help="print both answers to the request of this name")
    arguments = parser.parse_args()
    work_dir = brokers.empty_folder(arguments.work_dir / "wire").resolve()
    apis = messages.read_all(ROOT / "protocol" / "schema" / "api")
    chosen = list(cases.all_cases(apis))
    if os.environ["COMPAT_BROKER"] == "kafka":
        broker = brokers.Kafka(os.environ["KAFKA_LIBRARIES"], work_dir / "broker", SETTINGS)
    else:
        broker = brokers.Ottla(os.environ["OTTLA"], work_dir / "broker", SETTINGS, in_file=True)
    try:
        broker.start()
        told = play(broker, apis, chosen)
        broker.stop()
    finally:
        broker.close()
    if os.environ.get("COMPAT_RECORD"):
        if os.environ["COMPAT_BROKER"] != "kafka":
            sys.exit("only what a real Kafka answers is recorded")
        write_recording(told)
        return 0
    recorded = read_recording()
    if arguments.show:
        print(json.dumps({"Kafka": recorded[arguments.show], "here": told[arguments.show]}, indent=1))
    return 0 if compare(told, recorded, {case.name: case for case in chosen}) else 1


if __name__ == "__main__":
    sys.exit(main())
