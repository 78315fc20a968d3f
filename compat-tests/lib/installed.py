# SPDX-License-Identifier: Apache-2.0
"""Clients and tools in their pinned versions, installed once and used by every run.

What always holds: an entry of the cache is named by the hash of what defines it, and is complete or not there;
whoever installs holds the cache's lock.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

COMPAT_TESTS = pathlib.Path(__file__).resolve().parent.parent
ROOT = COMPAT_TESTS.parent
INSTALL_TIMEOUT_S = 900
BUILD_TIMEOUT_S = 3600  # of what is compiled from many sources: two minutes of a processor that is often not free
# A download that fails is tried again after these pauses: a registry's bad minute is not the broker's fault.
RETRY_PAUSES_S = (5, 30)
MIN_CARGO = (1, 85)  # for crates of the edition 2024


class Failure(Exception):
    """A test that did not pass, or could not be set up; the text says why."""


class Skipped(Exception):
    """A test that this machine cannot run; the text says why."""


class Cache:
    """Installed clients, by the hash of what defines them; made once, used by many runs."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def locked(self):
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def entry(self, name, sources, make):
        """The folder `name`-<hash>; make(folder) fills it when it is not there complete."""
        digest = hashlib.sha256(sys.version.encode())
        for source in sources:
            digest.update(source.read_bytes())
        folder = self.folder / ("%s-%s" % (name, digest.hexdigest()[:12]))
        done = folder / "complete"
        if not done.exists():
            if folder.exists():
                shutil.rmtree(folder)
            print("installing %s ..." % name, flush=True)
            make(folder)
            done.touch()
        return folder

    def python(self):
        """Python with the packages of requirements.txt."""
        requirements = COMPAT_TESTS / "requirements.txt"

        def make(folder):
            install([sys.executable, "-m", "venv", folder])
            install([folder / "bin" / "python", "-m", "pip", "install", "--quiet",
                     "--disable-pip-version-check", "-r", requirements])

        return self.entry("python", [requirements], make) / "bin" / "python"

    def maven(self, name, project, *options):
        """A Maven project: classes/ and, in lib/, all it depends on."""
        def make(folder):
            need("mvn", "javac")
            install(["mvn", "-q", "-B", "-f", project / "pom.xml", "-Dbuild.folder=%s" % folder,
                     *options, "compile", "dependency:copy-dependencies",
                     "-DoutputDirectory=%s" % (folder / "lib")])

        need("java")
        sources = [project / "pom.xml", *sorted((project / "src").rglob("*.java"))]
        return self.entry(name, sources, make)

    def apache_kafka(self):
        return self.maven("apache-kafka", COMPAT_TESTS / "kafka-reads-ottla")

    def librdkafka(self):
        """librdkafka's test runner, and the jars of Kafka's tools: (folder, folder of the jars)."""
        jars = self.maven("tools", COMPAT_TESTS / "tools") / "lib"
        build = COMPAT_TESTS / "librdkafka" / "build"

        def make(folder):
            need("npm", "node", "make", "cc", "c++", "javac")
            install([build, folder, jars], timeout_s=BUILD_TIMEOUT_S)

        return self.entry("librdkafka", [build, COMPAT_TESTS / "tools" / "pom.xml"], make), jars

    def go(self, name, project):
        """A Go program. A Go that is too old for its go.mod takes go-1.19.mod, where there is one."""
        need("go")
        program = self.folder / name
        environment = dict(os.environ, GOTOOLCHAIN="local", CGO_ENABLED="0")
        found = subprocess.run(["go", "version"], env=environment, capture_output=True, text=True,
                               check=True).stdout
        version = version_of(r"go(\d+)\.(\d+)", found)
        modules = "go.mod"
        if version < version_of(r"(?m)^go (\d+)\.(\d+)", (project / modules).read_text()):
            modules = "go-1.19.mod"
            if not (project / modules).exists():
                raise Skipped("this client needs a newer Go than " + found.split()[2])
        install(["go", "build", "-buildvcs=false", "-modfile=" + modules, "-o", program, "."],
                cwd=project, env=environment)
        return program

    def cargo(self, name, project):
        """A Rust program, in the versions of its Cargo.lock."""
        if not shutil.which("cargo"):
            raise Skipped("there is no cargo; Debian 12 has none that is new enough")
        found = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=True).stdout
        if version_of(r"cargo (\d+)\.(\d+)", found) < MIN_CARGO:
            raise Skipped("this client needs a newer Rust than that of " + found.strip())
        target = self.folder / name
        install(["cargo", "build", "--quiet", "--locked", "--manifest-path", project / "Cargo.toml",
                 "--target-dir", target], timeout_s=BUILD_TIMEOUT_S)
        return target / "debug" / (project.name + "-agent")

    def node(self, name, project, *more, options=(), then=()):
        """A JavaScript program and, beside it, the files `more` and node_modules; `then` is a command run there."""
        files = [*sorted(path for path in project.iterdir() if path.is_file()), *more]

        def make(folder):
            need("npm")
            folder.mkdir()
            for file in files:
                shutil.copy(file, folder)
            install(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", *options], cwd=folder)
            if then:
                install(then, cwd=folder, timeout_s=BUILD_TIMEOUT_S)

        need("node")
        return self.entry(name, files, make)


def version_of(pattern, text):
    return tuple(int(number) for number in re.search(pattern, text).groups())


def need(*commands):
    missing = [command for command in commands if not shutil.which(command)]
    if missing:
        raise Failure("not installed: %s (the packages are listed in compat-tests/packages.txt)"
                      % ", ".join(missing))


def install(command, timeout_s=INSTALL_TIMEOUT_S, **options):
    """Runs what may be run again: an installer. Failure with its output when it fails every time."""
    command = [str(part) for part in command]
    for pause_s in (*RETRY_PAUSES_S, None):
        problem = run_installer(command, timeout_s, options)
        if problem is None:
            return
        if pause_s is None:
            raise Failure(problem)
        print("%s\ntrying again in %d s" % (problem, pause_s), flush=True)
        time.sleep(pause_s)


def run_installer(command, timeout_s, options):
    """None, or what went wrong."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout_s,
                              check=False, **options)
    except subprocess.TimeoutExpired:
        return "not done after %d s: %s" % (timeout_s, " ".join(command))
    if done.returncode != 0:
        return "exit code %d: %s\n%s" % (done.returncode, " ".join(command), done.stdout)
    return None


def cache_folder():
    """Where clients are installed and work is done: env COMPAT_DIR, else build/compat."""
    return pathlib.Path(os.environ.get("COMPAT_DIR") or ROOT / "build" / "compat").resolve()


def binary():
    """The broker's program as an absolute path: env OTTLA, else the one of `make build`."""
    return os.path.abspath(os.environ.get("OTTLA") or ROOT / "build" / "ottla")


def results_file(suite, broker):
    """Where a suite of `make compat` leaves what this broker, "ottla" or "kafka", did in it; its folder is there."""
    folder = ROOT / "build" / "compat" / suite
    folder.mkdir(parents=True, exist_ok=True)
    return folder / ("results.json" if broker == "ottla" else "results-%s.json" % broker)
