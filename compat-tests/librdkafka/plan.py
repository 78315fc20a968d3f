# SPDX-License-Identifier: Apache-2.0
"""What is run of librdkafka's integration tests, how, and what is expected of it.

The entries are the lines of kafka-3.9.1.tsv, what Apache Kafka reaches in such a harness: each test of librdkafka's
that needs a broker, in the scenario it is written for. Every entry that passes there has to pass here, but for PENDING.
"""

import dataclasses
import pathlib

BASELINE = pathlib.Path(__file__).resolve().parent / "kafka-3.9.1.tsv"
DEFAULT, NO_AUTO_CREATE, THREE_BROKERS = "default", "noautocreate", "three-brokers"
NEEDS_NO_BROKER = "needs no broker"  # a remark in the baseline
# Entries of `--fast` take Apache Kafka no longer than that.
FAST_S = 6


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of the baseline."""
    name: str
    kafka_state: str
    scenario: str
    kafka_seconds: float
    remark: str

    @property
    def number(self):
        return self.name[:4]


@dataclasses.dataclass(frozen=True)
class Pending:
    """Why an entry cannot pass yet, and what of it is run nevertheless: one process per part, a part being the
    variables of the runner's environment that choose it."""
    reason: str
    parts: tuple = ()


def subtests(*names):
    """Parts by SUBTESTS, which the runner looks for in '<function>:<line>: <title>'."""
    return tuple({"SUBTESTS": name} for name in names)


TRANSACTIONS, ACLS, CLEANER = "transactions", "access control lists", "the log cleaner"
PENDING = {
    "0055_producer_latency": Pending(TRANSACTIONS, subtests(
        "standard settings", "low linger.ms", "microsecond linger.ms", "high linger.ms", "linger.ms < 1000",
        "no acks", "idempotence")),
    "0061_consumer_lag": Pending(TRANSACTIONS, subtests("lag without transactions")),
    "0077_compaction": Pending(CLEANER),
    "0081_admin": Pending(ACLS + ", SCRAM credentials", subtests(
        "unclean destroy", "do_test_CreateTopics", "do_test_DeleteTopics", "do_test_CreatePartitions",
        "do_test_AlterConfigs", "do_test_IncrementalAlterConfigs", "do_test_DescribeConfigs",
        "do_test_DeleteRecords", "do_test_ListConsumerGroups:", "do_test_DescribeConsumerGroups",
        "do_test_DescribeTopics", "do_test_DescribeCluster", "do_test_DeleteGroups",
        "do_test_DeleteConsumerGroupOffsets", "do_test_ListOffsets", "do_test_AlterConsumerGroupOffsets",
        "do_test_ListConsumerGroupOffsets")),
    "0098_consumer_txn": Pending(TRANSACTIONS),
    "0103_transactions": Pending(TRANSACTIONS),
    # Told of a broker older than kafka-acls.sh, the test leaves out its parts with topics that are denied.
    "0109_auto_create_topics": Pending(ACLS, ({"TEST_KAFKA_VERSION": "2.0.0"},)),
    "0115_producer_auth": Pending(ACLS),
    "0119_consumer_auth": Pending(ACLS),
    "0129_fetch_aborted_msgs": Pending(TRANSACTIONS),
    "0137_barrier_batch_consume": Pending(TRANSACTIONS, subtests(
        "batch_with_seek", "batch_store_offset", "pause_and_resume_different_batch",
        "pause_and_resume_same_batch", "batch_eof_position")),
}

# Run with nothing beside them, by number: they have bounds of milliseconds (0055, 0127, 0150), or give a topic one
# second to come into being (0067).
ALONE = {"0055", "0067", "0127", "0150"}

# Run with closing.c preloaded, by number: they close consumers while a callback of a rebalance waits, and librdkafka
# may wait for ever then, with whatever broker (close_race.c). The table says it of them.
CLOSE_RACES = {"0113"}
# What goes before librdkafka, by the names of the sources.
CLAMP, CLOSING = PRELOADS = ("clamp", "closing")


@dataclasses.dataclass(frozen=True)
class Run:
    """One process of the test runner: a number, of which it runs these entries, or one part of them."""
    entries: tuple
    part: tuple = ()  # variables of its environment, as sorted pairs

    @property
    def number(self):
        return self.entries[0].number

    @property
    def scenario(self):
        return self.entries[0].scenario

    @property
    def alone(self):
        return self.number in ALONE

    @property
    def preloaded(self):
        """Those of PRELOADS that it is run with."""
        wanted = {CLAMP: self.scenario != THREE_BROKERS, CLOSING: self.number in CLOSE_RACES}
        return [name for name in PRELOADS if wanted[name]]

    @property
    def kafka_seconds(self):
        return sum(entry.kafka_seconds for entry in self.entries)

    @property
    def name(self):
        """Good for a file."""
        words = [self.number, *(value for _, value in self.part)]
        return "-".join("".join(c if c.isalnum() or c in "._" else "_" for c in word) for word in words)


def read_baseline():
    """[Entry] in the file's order."""
    entries = []
    for line in BASELINE.read_text().splitlines():
        if not line.startswith("#"):
            name, state, scenario, seconds, remark = (line.split("\t") + [""])[:5]
            entries.append(Entry(name, state, scenario, float(seconds), remark))
    return entries


def choose(entries, wanted, fast):
    """The entries of which a name or number is in `wanted`; without any, all, or those of --fast."""
    if wanted:
        chosen = [entry for entry in entries if entry.name in wanted or entry.number in wanted]
        missing = set(wanted) - {entry.name for entry in chosen} - {entry.number for entry in chosen}
        if missing:
            raise ValueError("no such test: " + ", ".join(sorted(missing)))
        return chosen
    return [entry for entry in entries if not fast or is_fast(entry)]


def is_fast(entry):
    return (entry.scenario == DEFAULT and entry.kafka_state == "PASSED" and entry.number not in ALONE
            and entry.name not in PENDING and entry.kafka_seconds <= FAST_S)


def runs(entries, pending):
    """[Run] that give the states of these entries; those of which nothing can be run are not among them."""
    by_number = {}
    for entry in entries:
        by_number.setdefault((entry.scenario, entry.number), []).append(entry)
    made = []
    for group in by_number.values():
        # A number stands for several tests in one case, and none of those is pending.
        missing = pending.get(group[0].name)
        if missing is None:
            made.append(Run(tuple(group)))
        else:
            made += [Run(tuple(group), tuple(sorted(part.items()))) for part in missing.parts]
    return made
