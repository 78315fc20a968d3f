# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG, written by hand: what they show are a few bars and lines."""

import math
from xml.sax.saxutils import escape

import rounds
import targets

COLOURS = {"ottla": "#1f6fb4", "kafka": "#c44e52", "bare": "#777777"}
# Of the series of one target, in their order; a curve has up to three of each of two.
DASHES = ("none", "6 4", "2 3")
WIDTH = 900
LABEL_WIDTH = 420
BAR = 18


def text(x, y, words, anchor="start", size=12):
    return '<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s">%s</text>' % (x, y, size, anchor, escape(words))


def line(x1, y1, x2, y2, colour, width=1.0, more=""):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%s"%s/>' % (
        x1, y1, x2, y2, colour, width, more)


def page(height, parts):
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif">\n'
            '<rect width="100%%" height="100%%" fill="white"/>\n%s\n</svg>\n' % (WIDTH, height, "\n".join(parts)))


def ratio_bars(results):
    """Broker CPU as a part of Kafka's: the median as a bar, the rounds as a whisker."""
    rows = [(row["title"], rounds.ratios(rounds.costs(row, "ottla"), rounds.costs(row, "kafka")))
            for row in results["rows"] if row["per"] and not row["case"].startswith("curve-")]
    rows = [(title, values) for title, values in rows if values]
    if not rows:
        return None
    scale = (WIDTH - LABEL_WIDTH - 60) / max(1.0, min(2.0, max(max(values) for _, values in rows)))
    height = 60 + len(rows) * (BAR + 6)
    parts = [text(10, 20, "Broker CPU for the same work, as a part of Apache Kafka's (1.0)", size=14)]
    for i, (title, values) in enumerate(rows):
        y, middle = 36 + i * (BAR + 6), rounds.median(values)
        parts += [text(LABEL_WIDTH - 8, y + 13, title, "end", 11),
                  '<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>' % (
                      LABEL_WIDTH, y, middle * scale, BAR, COLOURS["ottla"]),
                  line(LABEL_WIDTH + min(values) * scale, y + BAR / 2, LABEL_WIDTH + min(2.0, max(values)) * scale,
                       y + BAR / 2, "black"),
                  text(LABEL_WIDTH + max(middle, min(2.0, max(values))) * scale + 5, y + 13, "%.2f" % middle, size=11)]
    one = LABEL_WIDTH + scale
    parts.append(line(one, 28, one, height - 20, COLOURS["kafka"], 1.5))
    return page(height, parts)


def curve(title, unit, series, parameter_name):
    """series: {"target" or "target what": [(parameter, value)]}; both axes logarithmic."""
    points = [point for line_points in series.values() for point in line_points if point[1]]
    if not points:
        return None
    left, top, width, height = 80, 40, WIDTH - 220, 300
    low_x, high_x = (f(math.log10(x) for x, _ in points) for f in (min, max))
    low_y = math.floor(min(math.log10(y) for _, y in points))
    high_y = math.ceil(max(math.log10(y) for _, y in points) + 0.01)

    def place(x, y):
        return (left + (math.log10(x) - low_x) / max(high_x - low_x, 1e-9) * width,
                top + height - (math.log10(y) - low_y) / (high_y - low_y) * height)

    parts = [text(10, 20, title, size=14), text(left + width / 2, top + height + 40, parameter_name, "middle")]
    for exponent in range(low_y, high_y + 1):
        _, y = place(10 ** low_x, 10.0 ** exponent)
        parts += [line(left, y, left + width, y, "#dddddd"),
                  text(left - 6, y + 4, "%g %s" % (10.0 ** exponent, unit), "end")]
    for parameter in sorted({x for x, _ in points}):
        x, _ = place(parameter, 10.0 ** low_y)
        parts.append(text(x, top + height + 18, format(parameter, ","), "middle"))
    for i, (name, line_points) in enumerate(series.items()):
        places = [place(x, y) for x, y in line_points if y]
        colour = COLOURS[name.split()[0]]
        dashes = ' stroke-dasharray="%s"' % DASHES[i % (len(series) // len(targets.BROKERS))]
        parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>' % (
            " ".join("%.1f,%.1f" % point for point in places), colour, dashes))
        parts += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (*point, colour) for point in places]
        parts += [line(left + width + 20, top + 20 + i * 20, left + width + 45, top + 20 + i * 20, colour, 2, dashes),
                  text(left + width + 50, top + 24 + i * 20, name)]
    return page(top + height + 60, parts)


def growth(results, title, parameter_name, cases):
    """cases: {case: what it is called beside the others}."""
    series = {}
    for target in targets.BROKERS:
        for case, name in cases.items():
            rows = [row for row in results["rows"] if row["case"] == case]
            series[("%s %s" % (target, name)).strip()] = [
                (row["parameter"], rounds.median(rounds.costs(row, target))) for row in rows]
    return curve(title, "us", series, parameter_name)


def latencies(results):
    rows = [row for row in results["rows"] if row["case"].startswith("latency-") and row["case"].endswith("-1")]
    series = {}
    for target in targets.BROKERS:
        for name, key in (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us")):
            series["%s %s" % (target, name)] = [
                (row["parameter"], (rounds.median(rounds.figures(row, target, key)) or 0) / 1e3) for row in rows]
    return curve("End to end, from when a record is due to its arrival at a consumer", "ms", series,
                 "records per second")


PICTURES = (
    ("cpu.svg", "Broker CPU beside Kafka's", ratio_bars),
    ("latency.svg", "End-to-end latency", latencies),
    ("partitions.svg", "Growth with partitions", lambda results: growth(
        results, "Broker CPU per one-record request", "partitions, ten written to", {"curve-partitions": ""})),
    ("connections.svg", "Growth with connections", lambda results: growth(
        results, "Broker CPU per one-record request", "connections, of which ten send", {"curve-connections": ""})),
    ("segments.svg", "Growth with segments", lambda results: growth(
        results, "Broker CPU per request to one partition", "segments of the partition",
        {"curve-segments-produce": "produce", "curve-segments-newest": "newest", "curve-segments-any": "any"})),
    ("groups.svg", "Growth with groups", lambda results: growth(
        results, "Broker CPU per commit", "groups with offsets, of which one commits", {"curve-groups": ""})),
)


def draw(results, folder):
    """Writes those that the results have rows for; returns their file names and titles."""
    drawn = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, title, picture_of in PICTURES:
        picture = picture_of(results)
        if picture:
            (folder / name).write_text(picture)
            drawn.append((name, title))
    return drawn
