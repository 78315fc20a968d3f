# SPDX-License-Identifier: Apache-2.0
"""What a run is told as: JSON, two tables (the figures that were aimed at, and every case), and plots.

docs/BENCHMARKS.md keeps the tables of the last recorded run between its two marks; the rest of it is written by hand.
"""

import collections
import json
import re

import plots
import rounds

BEGIN, END = "<!-- bench/run --record writes from here -->", "<!-- to here -->"
DOCUMENT = "BENCHMARKS.md"
PLOTS = "benchmarks"
BUSY_PERCENT = 5  # other work's part of the machine during the run


# ---- the figures that were aimed at --------------------------------------------------------------------------------

def cost_ratio(row, other):
    return rounds.ratios(rounds.costs(row, "ottla"), rounds.costs(row, other))


def of_kafka(row):
    return cost_ratio(row, "kafka")


def of_bare(row):
    return cost_ratio(row, "bare")


def bare_of_kafka(row):
    return rounds.ratios(rounds.costs(row, "bare"), rounds.costs(row, "kafka"))


def own_costs(row):
    return rounds.costs(row, "ottla")


def p99_of_kafka(row):
    return rounds.ratios(rounds.figures(row, "ottla", "p99_us"), rounds.figures(row, "kafka", "p99_us"))


def fields(name):
    return lambda row: rounds.figures(row, "ottla", name)


def highest_rss(results):
    """Of each case of one broker, the most it took in a round."""
    rows = [row for row in results["rows"] if row["per"] and not row["case"].startswith("rf3")]
    return [max(values) for values in (rounds.figures(row, "ottla", "rss_mib") for row in rows) if values]


# values_of: of the row of the case, or of the results where there is no case. What is held against the aim is the
# median, or the highest; without an aim it is told for comparison.
Figure = collections.namedtuple("Figure", "title case values_of aim form of", defaults=(rounds.median,))

FIGURES = [
    Figure("produce 1 KB records, acks=all: broker CPU, of Kafka's", "produce-1k", of_kafka, 0.4, "%.2f"),
    Figure("... of the bare receiver's", "produce-1k", of_bare, 1.4, "%.2f"),
    Figure("produce 100 B records: broker CPU, of Kafka's", "produce-100b", of_kafka, 0.5, "%.2f"),
    Figure("one-record requests: broker CPU each, us", "one-record", own_costs, 6, "%.1f"),
    Figure("... of Kafka's", "one-record", of_kafka, 0.2, "%.2f"),
    Figure("fetch from the page cache: broker CPU, of Kafka's", "fetch", of_kafka, 0.35, "%.2f"),
    Figure("... of bare sendfile's", "fetch", of_bare, 1.3, "%.2f"),
    Figure("bare sendfile's, of Kafka's", "fetch", bare_of_kafka, None, "%.2f"),
    Figure("fetch by a client that every segment wakes, of Kafka's", "fetch-eager", of_kafka, None, "%.2f"),
    Figure("... of bare sendfile's", "fetch-eager", of_bare, None, "%.2f"),
    Figure("end-to-end p99 at 10,000 records/s, of Kafka's", "latency-10000-1", p99_of_kafka, 0.5, "%.2f"),
    Figure("RF 3, acks=all, 1 KB: CPU of all three brokers, of Kafka's", "rf3-1k", of_kafka, 0.3, "%.2f"),
    Figure("resident memory, idle, MiB", "idle", fields("rss_empty_mib"), 6, "%.1f"),
    Figure("resident memory after each load of one broker, the highest, MiB", None, highest_rss, 40, "%.1f", max),
    Figure("start to first Metadata, empty, ms", "start-empty", fields("start_ms"), 10, "%.1f"),
    Figure("... with 2,000 partitions cleanly stopped, ms", "start-2000", fields("start_ms"), 200, "%.1f"),
    Figure("idle, 1,000 connections and 1,000 partitions, % of a core", "idle", fields("idle_percent"), 0.2, "%.2f"),
]


def row_of(results, case):
    return next((row for row in results["rows"] if row["case"] == case), None)


def figures_table(results):
    lines = ["| figure | measured | aim | |", "|---|---|---|---|"]
    for figure in FIGURES:
        about = row_of(results, figure.case) if figure.case else results
        values = figure.values_of(about) if about else []
        if values:
            lines.append("| %s | %s | %s |" % (figure.title, told(figure, values), held_against_aim(figure, values)))
    return "\n".join(lines) + "\n"


def told(figure, values):
    """What is held against the aim comes first."""
    if figure.of is rounds.median:
        return rounds.spread(values, figure.form)
    return (figure.form + " (median of the cases " + figure.form + ")") % (figure.of(values), rounds.median(values))


def held_against_aim(figure, values):
    if figure.aim is None:
        return "- | "
    return "at most %s | %s" % (figure.aim, "reached" if figure.of(values) <= figure.aim else "missed")


# ---- every case ----------------------------------------------------------------------------------------------------

def number(value, form="%.1f"):
    return "-" if value is None else form % value


def both(row, values_of, form):
    """Ottla's and Kafka's medians."""
    values = [rounds.median(values_of(row, target)) for target in ("ottla", "kafka")]
    return "-" if values == [None, None] else "%s / %s" % tuple(number(value, form) for value in values)


def latencies(row, *names):
    """Ottla's and Kafka's medians of each percentile, in milliseconds."""
    parts = []
    for target in ("ottla", "kafka"):
        values = [rounds.median(rounds.figures(row, target, name)) for name in names]
        parts.append("-" if None in values or not any(values) else " ".join("%.1f" % (value / 1e3) for value in values))
    return "-" if parts == ["-", "-"] else " / ".join(parts)


def cases_table(results):
    lines = ["Each pair is Ottla / Kafka, a median; ratios are median (least - most) of the rounds.", "",
             "| case | CPU | of Kafka's | of bare | records/s | MB/s | p50 p99 p99.9, ms | RSS MiB | calls | rounds |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for row in results["rows"]:
        if not row["per"]:
            continue
        calls = " / ".join(number(row["syscalls"].get(target)) for target in ("ottla", "kafka"))
        lines.append("| %s | %s %s | %s | %s | %s | %s | %s | %s | %s | %d |" % (
            row["title"], both(row, rounds.costs, "%.2f"), rounds.UNIT[row["per"]],
            rounds.spread(cost_ratio(row, "kafka")), rounds.spread(cost_ratio(row, "bare")),
            both(row, lambda r, target: rounds.rates(r, target, "records"), "%.0f"),
            both(row, lambda r, target: [value / 1e6 for value in rounds.rates(r, target, "bytes")], "%.0f"),
            latencies(row, "p50_us", "p99_us", "p999_us"),
            both(row, lambda r, target: rounds.figures(r, target, "rss_mib"), "%.0f"),
            "-" if calls == "- / -" else calls, len(row["samples"]["ottla"])))
    return "\n".join(lines) + "\n"


def starts_table(results):
    lines = ["| start | first Metadata, ms | every partition led, ms |", "|---|---|---|"]
    for row in results["rows"]:
        if row["case"].startswith("start-"):
            lines.append("| %s | %s | %s |" % (
                row["title"], both(row, lambda r, target: rounds.figures(r, target, "start_ms"), "%.1f"),
                both(row, lambda r, target: rounds.figures(r, target, "led_ms"), "%.0f")))
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def idle_text(results):
    row = row_of(results, "idle")
    if not row:
        return ""
    return "Ottla / Kafka %s: %s %% of a core (looks of %.1f s), resident memory %s MiB, without them %s MiB.\n" % (
        row["title"], both(row, lambda r, target: rounds.figures(r, target, "idle_percent"), "%.2f"),
        rounds.median(rounds.figures(row, "ottla", "seconds")),
        *(both(row, lambda r, target, n=name: rounds.figures(r, target, n), "%.1f")
          for name in ("rss_mib", "rss_empty_mib")))


def line_of(row):
    """One line for the terminal."""
    if not row["per"]:
        keys = ("start_ms", "led_ms", "idle_percent", "rss_mib")
        parts = ["%s %s" % (key, both(row, lambda r, target, k=key: rounds.figures(r, target, k), "%.1f"))
                 for key in keys if rounds.figures(row, "ottla", key)]
        return "%-72s %s" % (row["title"], ", ".join(parts))
    latency = latencies(row, "p50_us", "p99_us")
    return "%-72s %s %s, of Kafka's %s, of bare %s, p50 p99 ms %s" % (
        row["title"], both(row, rounds.costs, "%.2f"), rounds.UNIT[row["per"]],
        rounds.spread(cost_ratio(row, "kafka")), rounds.spread(cost_ratio(row, "bare")), latency)


# ---- files ---------------------------------------------------------------------------------------------------------

def surroundings(results):
    facts = results["machine"]
    parts = [", ".join(facts[name] for name in names)
             for names in (("when", "processor", "memory", "system"), ("ottla", "compiler"), ("kafka", "java"),
                           ("librdkafka",))]
    return "%s; files on %s. %d rounds or more, %.0f minutes, load average %s before the run.\n" % (
        "; ".join(parts), facts["files"], results["rounds"], results["minutes"], facts["load"])


def other_work(results):
    """What the machine did beside the run, and where most of it fell."""
    facts = results["machine"]
    worst = max(results["rows"], key=lambda row: row["other_percent"], default=None)
    text = "Other work took %.1f %% of the machine during the run%s; its host took %.1f %% away.\n" % (
        facts["other_percent"],
        ", most of it (%.0f %%) during \"%s\"" % (worst["other_percent"], worst["title"]) if worst else "",
        facts["stolen_percent"])
    if facts["other_percent"] > BUSY_PERCENT:
        text += ("\n**The machine was busy with other work.** Ratios of CPU say something, times of start and "
                 "latencies do not; Java may not have been warm.\n")
    return text


def missing(results):
    """A line for each case that was not measured, or not to its end."""
    measured = {row["case"] for row in results["rows"]}
    return ["%s: %s (%s).\n" % ("Not measured to its end" if name in measured else "Not measured", name,
                                problem.split("\n", maxsplit=1)[0])
            for name, problem in results["problems"].items()]


def text_of(results, drawn):
    parts = [surroundings(results), other_work(results), figures_table(results), starts_table(results),
             idle_text(results), cases_table(results),
             *("![%s](%s/%s)\n" % (title, PLOTS, name) for name, title in drawn), *missing(results)]
    return "\n".join(part for part in parts if part)


def write(results, folder, docs):
    """docs: the folder of the document, or None."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    drawn = plots.draw(results, folder / PLOTS)
    text = text_of(results, drawn)
    (folder / "report.md").write_text(text)
    if docs:
        document = docs / DOCUMENT
        pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
        document.write_text(re.sub(pattern, lambda _: BEGIN + "\n\n" + text + "\n" + END, document.read_text(),
                                   flags=re.S))
        plots.draw(results, docs / PLOTS)
        (docs / PLOTS / "results.json").write_text(json.dumps(compact(results)) + "\n")


def compact(results):
    """Figures with as many digits as they have."""
    def short(value):
        return float("%.5g" % value) if isinstance(value, float) else value
    rows = [dict(row, samples={target: [{key: short(value) for key, value in sample.items()} for sample in samples]
                               for target, samples in row["samples"].items()})
            for row in results["rows"]]
    return dict(results, rows=rows)
