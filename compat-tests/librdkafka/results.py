# SPDX-License-Identifier: Apache-2.0
"""What the suite found: judged against Apache Kafka's states, as a table and as results.json.

results.json: {"suite", "version" of librdkafka, "kafka" its version, "date", "control", "close_race", "entries",
"good"}. `control` lists the entries that passed against a dead port, `close_race` says what close_race.py found; each
is null when that was not tried. An entry has "name", "scenario", "state", "seconds", "first_failing_line",
"kafka_state", "remark" (what is missing, or how it was run), "subtests" (those that passed, where only parts are run),
"starved" and "good".

States: PASSED; FAILED; SKIPPED by the test itself; PARTLY: its parts that do not need what is pending pass; PENDING:
nothing of it is run. "starved" is the part of its time in which the machine had too few processors for all that wanted
to run: what fails with 0.9 there, and never with 0.1, asks for a quicker machine.
"""

import datetime
import json

import close_race
import plan
import runner

NAME_WIDTH = 46
STARVED = 0.5  # from then on the table tells it


def collect(entries, outcomes, pending, control, race, version):
    """outcomes: {entry's name: [Outcome]}, one per process that told of it; control: names, or None; race: what
    close_race.try_out() gives, or None."""
    rows = [row(entry, outcomes.get(entry.name, []), pending.get(entry.name)) for entry in entries]
    needless = sorted(entry.name for entry in entries if entry.remark == plan.NEEDS_NO_BROKER)
    return {
        "suite": "librdkafka",
        "version": version,
        "kafka": runner.KAFKA_VERSION,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "control": control,
        "close_race": race,
        "entries": rows,
        "good": (all(one["good"] for one in rows) and control in (None, needless)
                 and race in (None, close_race.EXPECTED)),
    }


def row(entry, outcomes, pending):
    state, line = state_of(outcomes, pending)
    return {
        "name": entry.name,
        "scenario": entry.scenario,
        "state": state,
        "seconds": round(sum(one.seconds for one in outcomes), 1),
        "first_failing_line": line,
        "kafka_state": entry.kafka_state,
        "remark": remark(entry, pending),
        "subtests": [name for one in outcomes for name in one.subtests] if pending else [],
        "starved": round(max((one.starved for one in outcomes), default=0.0), 2),
        "good": state != "FAILED" and (state in ("PASSED", entry.kafka_state) or pending is not None),
    }


def remark(entry, pending):
    if pending:
        return "needs " + pending.reason
    return "with closing.c, for librdkafka's close() may hang" if entry.number in plan.CLOSE_RACES else ""


def state_of(outcomes, pending):
    """(state, line) of an entry by its processes: the worst of them is what it is."""
    if not outcomes:
        return ("PENDING", "") if pending else ("FAILED", "it was not run")
    for state in ("FAILED", "SKIPPED"):
        for one in outcomes:
            if one.state == state:
                return state, one.line
    return ("PARTLY" if pending else "PASSED"), ""


def write(found, path):
    path.write_text(json.dumps(found, indent=1) + "\n")


def table(found):
    lines = ["%-*s %-13s %-8s %-8s %7s  %s" % (NAME_WIDTH, "librdkafka " + found["version"], "scenario", "state",
                                              "Kafka", "seconds", "")]
    for one in found["entries"]:
        said = one["first_failing_line"] or one["remark"]
        if one["state"] == "FAILED" and one["starved"] > STARVED:
            said += " (processors were short %d %% of its time)" % (100 * one["starved"])
        lines.append("%-*s %-13s %-8s %-8s %7.1f  %s%s" % (
            NAME_WIDTH, one["name"], one["scenario"], one["state"], one["kafka_state"], one["seconds"],
            "" if one["good"] else "<-- ", said))
    if found["control"] is not None:
        lines.append("without a broker these pass: " + ", ".join(found["control"]))
    if found["close_race"] is not None:
        lines.append("close_race.c without a broker of ours: " + close_race.told(found["close_race"]))
    counts = {}
    for one in found["entries"]:
        counts[one["state"]] = counts.get(one["state"], 0) + 1
    lines.append(", ".join("%d %s" % (count, state.lower()) for state, count in sorted(counts.items())))
    bad = [one["name"] for one in found["entries"] if not one["good"]]
    lines.append("not as with Apache Kafka: " + ", ".join(bad) if bad else "all as with Apache Kafka, or pending")
    return "\n".join(lines)
