# SPDX-License-Identifier: Apache-2.0
"""What is measured: brokers, several of them as one cluster, and bare programs, each with what it costs.

What always holds: CPU is user + system time of all threads of all the target's processes, as the kernel accounts it;
every process is started here and ended here.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import time

import brokers
import clients
import cores

MIB = 1 << 20
BROKERS = ("ottla", "kafka")
# Kafka's own choice in its start script, with the heap that its documentation gives a broker.
KAFKA_JAVA = ("-Xms1g", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
              "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true")
# Of every broker of either kind; all else has Kafka's defaults. Logs are kept short, so that the disk is not what is
# measured; the socket buffers are left to the operating system.
PROPERTIES = {
    "message.max.bytes": 2000000,
    "num.partitions": 1,
    "default.replication.factor": 1,
    "offsets.topic.replication.factor": 1,
    "group.initial.rebalance.delay.ms": 500,
    "log.segment.bytes": 32 * MIB,
    "log.retention.bytes": 64 * MIB,
    "log.retention.check.interval.ms": 300,
    "log.initial.task.delay.ms": 300,
    "log.segment.delete.delay.ms": 200,
    "socket.send.buffer.bytes": -1,
    "socket.receive.buffer.bytes": -1,
    "socket.listen.backlog.size": 4096,
    "zookeeper.session.timeout.ms": 6000,
}
# Of a broker that is killed: it comes back when its old session has ended.
SHORT_SESSION_MS = 3000
BARE = os.environ.get("BENCH_BARE") or os.path.join(clients.BUILD, "bench-bare")


def process_cpu_s(pid):
    """From the process's CPU-time clock (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def process_rss_mib(pid):
    with open("/proc/%d/status" % pid) as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


class Target:
    """A name of BROKERS and the brokers behind it; clients are given the first one's port, or the bootstrap list."""

    def __init__(self, name, members):
        self.name = name
        self.members = members

    @property
    def port(self):
        return self.members[0].port

    @property
    def bootstrap(self):
        return ",".join(member.bootstrap for member in self.members)

    def pids(self):
        return [member.process.child.pid for member in self.members]

    def cpu_s(self):
        return sum(process_cpu_s(pid) for pid in self.pids())

    def rss_mib(self):
        return sum(process_rss_mib(pid) for pid in self.pids())

    def start(self):
        for member in self.members:
            member.spawn()
        for member in self.members:
            member.await_ready()

    def stop(self):
        for member in self.members:
            member.stop()

    def close(self):
        for member in self.members:
            member.process.kill()


class Bare:
    """A program that does the least (bench/bare.c); the same interface as Target."""

    name = "bare"

    def __init__(self, *args):
        with cores.only(cores.BROKER):
            self.child = subprocess.Popen([BARE, *map(str, args)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline())

    def pids(self):
        return [self.child.pid]

    def cpu_s(self):
        return process_cpu_s(self.child.pid)

    def rss_mib(self):
        return process_rss_mib(self.child.pid)

    def close(self):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()


class SystemCalls:
    """Counts those of processes by perf's tracepoint; None where perf or the right to use it is missing."""

    def __init__(self, pids):
        self.counter = None
        if shutil.which("perf"):
            self.counter = subprocess.Popen(
                ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, pids))],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(0.2)  # it attaches to each thread; those that are missed are missed at both ends

    def end(self):
        if self.counter is None:
            return None
        self.counter.send_signal(signal.SIGINT)
        _, text = self.counter.communicate()
        for line in text.splitlines():
            fields = line.split(",")
            if "raw_syscalls" in line and fields[0].isdigit():
                return int(fields[0])
        return None


def ottla(work, zookeeper=None, chroot="/ottla", broker_id=0, **properties):
    """Without a ZooKeeper it is a cluster by itself."""
    settings = dict(PROPERTIES, **{"broker.id": broker_id}, **properties)
    if zookeeper:
        settings["zookeeper.connect"] = zookeeper.address + chroot
    return brokers.Ottla(clients.OTTLA, pathlib.Path(work), settings, in_file=True)


def kafka(libraries, work, zookeeper, chroot="/kafka", broker_id=0, **properties):
    settings = dict(PROPERTIES, **{"broker.id": broker_id}, **properties)
    broker = brokers.Kafka(str(libraries), pathlib.Path(work), settings, zookeeper=zookeeper, chroot=chroot)
    broker.java_options = KAFKA_JAVA
    return broker
