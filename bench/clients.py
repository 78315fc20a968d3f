# SPDX-License-Identifier: Apache-2.0
"""The clients that drive a load, each a program of its own; what it did comes back as one dict.

Always there: "seconds" and, of what applies, "requests", "records", "bytes" (that crossed the network in the direction
of the load) and the percentiles "p50_us", "p99_us", "p999_us".
"""

import json
import os
import re
import subprocess

import cores

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
OTTLA = os.path.abspath(os.environ.get("OTTLA") or os.path.join(BUILD, "ottla"))
LOAD = os.environ.get("BENCH_LOAD") or os.path.join(BUILD, "bench-load")
RDKAFKA = os.environ.get("BENCH_RDKAFKA") or os.path.join(BUILD, "bench-rdkafka")
TIMEOUT_S = 60
JAVA = ("java", "-Xmx256m", "-XX:+UseSerialGC", "-Dlog4j.rootLogger=OFF")
JAVA_PRODUCED = re.compile(r"(\d+) records sent, ([\d.]+) records/sec .*?, ([\d.]+) ms avg latency, ([\d.]+) ms max "
                           r"latency, (\d+) ms 50th, (\d+) ms 95th, (\d+) ms 99th, (\d+) ms 99.9th")


class ClientError(Exception):
    """A client that failed or did not come to its end; the text says what it printed."""


def run(command, timeout_s=TIMEOUT_S):
    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise ClientError("not done after %d s: %s" % (timeout_s, " ".join(map(str, command)))) from None
    if done.returncode != 0:
        raise ClientError("exit code %d: %s\n%s" % (done.returncode, " ".join(map(str, command)),
                                                   done.stdout[-1000:] + done.stderr[-1000:]))
    return done.stdout


def options_of(settings):
    return ["%s=%s" % item for item in settings.items()]


def load(command, port, **settings):
    """bench/load.c, on the core of the client; without output, an empty dict."""
    with cores.only(cores.CLIENT):
        text = run([LOAD, command, "port=%d" % port, *options_of(settings)])
    result = json.loads(text) if text.startswith("{") else {}
    if result:
        result["bytes"] = max(result["bytes_out"], result["bytes_in"])
    return result


def start_load(command, port, **settings):
    """The same as a process that goes on meanwhile."""
    with cores.only(cores.CLIENT):
        return subprocess.Popen([LOAD, command, "port=%d" % port, *options_of(settings)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)


def finish(process):
    """Ends a started load, or waits for its own end; its result, where it has one."""
    try:
        text, _ = process.communicate("", TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise ClientError("a load in the background ended with exit code %d" % process.returncode)
    return json.loads(text) if text.startswith("{") else {}


def rdkafka(command, bootstrap, settings):
    return json.loads(run([RDKAFKA, command, "bootstrap.servers=" + bootstrap, *options_of(settings)]))


class Java:
    """Kafka's own performance tools, of the version of the broker."""

    def __init__(self, libraries):
        self.command = [*JAVA, "-cp", os.path.join(str(libraries), "*")]

    def produce(self, bootstrap, topic, records, record_bytes):
        text = run([*self.command, "org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records",
                    records, "--record-size", record_bytes, "--throughput", -1, "--producer-props",
                    "bootstrap.servers=" + bootstrap, "acks=all"])
        found = JAVA_PRODUCED.findall(text)
        if not found:
            raise ClientError("ProducerPerformance printed:\n" + text[-1000:])
        sent, rate, _, _, p50, _, p99, p999 = (float(figure) for figure in found[-1])
        return {"records": int(sent), "bytes": int(sent) * record_bytes, "seconds": sent / rate,
                "p50_us": p50 * 1e3, "p99_us": p99 * 1e3, "p999_us": p999 * 1e3}

    def consume(self, bootstrap, topic, records):
        text = run([*self.command, "org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", bootstrap,
                    "--topic", topic, "--messages", records, "--timeout", 20000, "--hide-header"])
        found = [line.split(", ") for line in text.splitlines() if line.count(", ") >= 9]
        if not found:
            raise ClientError("ConsumerPerformance printed:\n" + text[-1000:])
        fields = found[-1]
        return {"records": int(fields[4]), "bytes": float(fields[2]) * (1 << 20), "seconds": float(fields[7]) / 1e3}
