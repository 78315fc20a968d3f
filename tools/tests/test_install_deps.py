#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""install-deps asks for exactly what is missing, by root or sudo, and for nothing when all is there.

It runs on a PATH of a few real tools and of stand-ins for apt-get, dpkg-query, sudo and id that note their calls.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "install-deps"
REAL_TOOLS = ["sh", "sed", "dirname", "env", "uname"]
# Commands that make their package count as present.
COMMANDS = {"cmake": "cmake", "make": "make", "gcc": "gcc", "pkg-config": "pkg-config", "clang": "clang",
            "clang-format": "clang-format", "clang-tidy": "clang-tidy", "kcat": "kcat", "go": "golang-go",
            "mvn": "maven"}


class InstallDepsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / "with space"
        self.bin = self.root / "bin"
        self.bin.mkdir(parents=True)
        self.calls = self.root / "calls"
        self.calls.touch()
        (self.root / "tools").mkdir()
        (self.root / "compat-tests").mkdir()
        (self.root / "compat-tests" / "packages.txt").write_text("golang-go # of any version\nmaven\n")
        shutil.copy(SCRIPT, self.root / "tools" / "install-deps")
        for tool in REAL_TOOLS:
            os.symlink(shutil.which(tool), self.bin / tool)
        self.stand_in("apt-get", 'echo "apt-get $*" >>"$CALLS"')
        self.stand_in("sudo", 'echo sudo >>"$CALLS"\nexec "$@"')

    def stand_in(self, name, script):
        path = self.bin / name
        path.write_text("#!/bin/sh\n%s\n" % script)
        path.chmod(0o755)

    def run_script(self, purpose, installed=(), commands=(), user=0):
        """The finished process, and the calls of the stand-ins."""
        self.stand_in("id", "echo %d" % user)
        self.stand_in("dpkg-query", 'for p in %s; do [ "$3" != "$p" ] || printf installed; done'
                      % (" ".join(installed) or "''"))
        for command in commands:
            self.stand_in(command, "exit 0")
        done = subprocess.run(["sh", str(self.root / "tools" / "install-deps"), purpose], capture_output=True,
                              text=True, check=False, env={"PATH": str(self.bin), "CALLS": str(self.calls)})
        return done, self.calls.read_text().split("\n")[:-1]

    def missing_of(self, purpose, **given):
        """What apt-get is asked to install."""
        done, calls = self.run_script(purpose, **given)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(calls[0], "apt-get update -q")
        words = calls[1].split()
        self.assertEqual(words[:5], ["apt-get", "install", "-y", "-q", "--no-install-recommends"])
        self.assertIn("install-deps: installing", done.stdout)
        return set(words[5:])

    def test_everything_missing(self):
        missing = self.missing_of("run")
        self.assertTrue({"cmake", "gcc", "libc6-dev", "libevent-dev", "libisal-dev", "uthash-dev"} <= missing)
        self.assertFalse({"kcat", "libcmocka-dev", "maven"} & missing)

    def test_purposes(self):
        given = {"installed": self.missing_of("run")}
        self.calls.write_text("")
        self.assertEqual(self.missing_of("demo", **given), {"kcat"})
        self.calls.write_text("")
        self.assertEqual(self.missing_of("check", **given), {"libcmocka-dev", "clang", "clang-format", "zookeeper"})
        self.calls.write_text("")
        self.assertEqual(self.missing_of("fuzz", **given), {"libcmocka-dev", "clang", "libclang-rt-dev"})
        self.calls.write_text("")
        self.assertEqual(self.missing_of("test", **given),
                         {"libcmocka-dev", "clang", "clang-format", "zookeeper", "golang-go", "maven"})

    def test_nothing_missing(self):
        everything = self.missing_of("test")
        self.calls.write_text("")
        done, calls = self.run_script("test", installed=everything)
        self.assertEqual((done.returncode, done.stdout, done.stderr, calls), (0, "", "", []))

    def test_commands_on_path_count(self):
        missing = self.missing_of("test", commands=list(COMMANDS))
        self.assertFalse(set(COMMANDS.values()) & missing)
        self.assertIn("libevent-dev", missing)

    def test_a_list_that_cannot_be_read_stops_nothing(self):
        self.stand_in("apt-get", 'echo "apt-get $*" >>"$CALLS"\n[ "$1" = install ]')
        done, calls = self.run_script("run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([c.split()[1] for c in calls], ["update", "install"])
        self.assertIn("not all package lists", done.stderr)

    def test_packages_that_cannot_be_installed(self):
        self.stand_in("apt-get", '[ "$1" = update ]')
        done, _ = self.run_script("run")
        self.assertNotEqual(done.returncode, 0)

    def test_sudo(self):
        _, calls = self.run_script("run", user=1000)
        self.assertEqual([c.split()[0] for c in calls], ["sudo", "apt-get", "sudo", "apt-get"])

    def test_neither_root_nor_sudo(self):
        (self.bin / "sudo").unlink()
        done, calls = self.run_script("run", user=1000)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(calls, [])
        self.assertIn("apt-get install --no-install-recommends", done.stderr)
        self.assertIn("libevent-dev", done.stderr)

    def test_no_debian(self):
        (self.bin / "apt-get").unlink()
        done, _ = self.run_script("run")
        self.assertEqual(done.returncode, 1)
        self.assertIn("libevent-dev", done.stderr)

    def test_unknown_purpose(self):
        done, calls = self.run_script("everything")
        self.assertEqual((done.returncode, calls), (2, []))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
