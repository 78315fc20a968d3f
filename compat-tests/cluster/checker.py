# SPDX-License-Identifier: Apache-2.0
"""Judges a history of a topic in the manner of Jepsen's Kafka workload: a pure function.

A history says what was sent and what became of it, what each reader was given in its order, what a
group committed, what stands in the topic at the end, and what lies in each replica's log. `check`
returns every anomaly it finds:

  lost        acknowledged, and not there
  moved       acknowledged at an offset, and there at another
  unsent      there, but never sent, or told to the producer as failed for good
  duplicated  there more than once
  reordered   a producer's records of a partition are not in the order in which it sent them
  skipped     a reader went past a record; no member of the group was given it
  back        a reader that was not assigned anew, or a committed offset, went back
  changed     a reader was given something else than what stands there at the end
  diverging   two replicas of a partition have different batches
  error       a client was told something that no fault excuses

A record is known by its value (producer, sequence); a producer counts for each partition anew.
"""

import collections

ACKED, FAILED, UNKNOWN = "acked", "failed", "unknown"

# outcome UNKNOWN: it may be in the log, or not. offset is that of an acknowledgement, or None: also
# where a producer was told only that the record is there already, since the first answer went with
# its connection.
Sent = collections.namedtuple("Sent", "producer sequence partition outcome offset")
Poll = collections.namedtuple("Poll", "partition offset value")
# From here on a reader goes on from where its group, or its program, says.
Assigned = collections.namedtuple("Assigned", "partitions")
Commit = collections.namedtuple("Commit", "partition offset")
Anomaly = collections.namedtuple("Anomaly", "kind text")


class History:
    """sent: [Sent]; readers: {name: [Poll or Assigned]}; members: the names of those readers that
    share the partitions as one group; commits: [Commit] in the group's order; final:
    {partition: [(offset, value)]}; replicas: {name: {broker: [anything that can be compared]}};
    errors: [text]."""

    def __init__(self, sent=(), readers=None, members=(), commits=(), final=None, replicas=None,
                 errors=()):
        self.sent = sent
        self.readers = readers or {}
        self.members = members
        self.commits = commits
        self.final = final or {}
        self.replicas = replicas or {}
        self.errors = errors


def check(history):
    there = {partition: dict(records) for partition, records in history.final.items()}
    return [*check_sent(history.sent, history.final), *check_final(history.sent, history.final),
            *check_readers(history.readers, there),
            *check_members(history.members, history.readers, there),
            *check_commits(history.commits, there), *check_replicas(history.replicas),
            *(Anomaly("error", text) for text in history.errors)]


def shown(anomalies, of_each):
    """One line for each of the first of every kind, and how many there are."""
    kinds = collections.defaultdict(list)
    for anomaly in anomalies:
        kinds[anomaly.kind].append(anomaly.text)
    return "\n".join("%s: %d, the first of them:\n    %s" % (kind, len(texts),
                                                           "\n    ".join(texts[:of_each]))
                     for kind, texts in sorted(kinds.items()))


def check_sent(sent, final):
    places = {partition: {value: offset for offset, value in reversed(records)}
              for partition, records in final.items()}
    for record in sent:
        if record.outcome != ACKED:
            continue
        found = places.get(record.partition, {}).get((record.producer, record.sequence))
        if found is None:
            yield Anomaly("lost", "%s" % (record,))
        elif record.offset is not None and found != record.offset:
            yield Anomaly("moved", "%s stands at %d" % (record, found))


def check_final(sent, final):
    possible = {(record.partition, record.producer, record.sequence)
                for record in sent if record.outcome != FAILED}
    for partition, records in sorted(final.items()):
        seen, last = set(), {}
        for offset, value in records:
            producer, sequence = value
            where = "partition %d offset %d: record %d of producer %s" % (
                partition, offset, sequence, producer)
            if (partition, producer, sequence) not in possible:
                yield Anomaly("unsent", where)
            if value in seen:
                yield Anomaly("duplicated", where)
            elif sequence < last.get(producer, -1):
                yield Anomaly("reordered", "%s follows its record %d" % (where, last[producer]))
            seen.add(value)
            last[producer] = max(sequence, last.get(producer, -1))


def check_readers(readers, there):
    for name, events in sorted(readers.items()):
        at = {}  # partition: the last offset read since it was assigned
        for event in events:
            if isinstance(event, Assigned):
                for partition in event.partitions:
                    at.pop(partition, None)
                continue
            partition, offset, value = event
            where = "%s: partition %d offset %d" % (name, partition, offset)
            records = there.get(partition, {})
            if records.get(offset) != value:
                yield Anomaly("changed", "%s: was given %s, there is %s"
                              % (where, value, records.get(offset)))
            if partition in at:
                before = at[partition]
                if offset <= before:
                    yield Anomaly("back", "%s after %d" % (where, before))
                elif any(between in records for between in range(before + 1, offset)):
                    yield Anomaly("skipped", "%s after %d" % (where, before))
            at[partition] = offset


def check_members(members, readers, there):
    if not members:
        return
    read = {(event.partition, event.offset) for name in members for event in readers[name]
            if isinstance(event, Poll)}
    for partition, records in sorted(there.items()):
        for offset in records:
            if (partition, offset) not in read:
                yield Anomaly("skipped", "the group: partition %d offset %d" % (partition, offset))


def check_commits(commits, there):
    committed = {}
    for partition, offset in commits:
        before = committed.get(partition, 0)
        if offset < before:
            yield Anomaly("back", "partition %d: a commit of %d follows one of %d"
                          % (partition, offset, before))
        if offset > max(there.get(partition, {}), default=-1) + 1:
            yield Anomaly("changed", "partition %d: committed %d, beyond its end"
                          % (partition, offset))
        committed[partition] = offset


def check_replicas(replicas):
    for name, logs in sorted(replicas.items()):
        first = min(logs)
        for broker in sorted(logs):
            if logs[broker] == logs[first]:
                continue
            pairs = zip(logs[first], logs[broker])
            at = next((i for i, (a, b) in enumerate(pairs) if a != b),
                      min(len(logs[first]), len(logs[broker])))
            yield Anomaly("diverging", "%s: batch %d is %s on broker %s and %s on broker %s"
                          % (name, at, logs[first][at:at + 1], first, logs[broker][at:at + 1],
                             broker))
