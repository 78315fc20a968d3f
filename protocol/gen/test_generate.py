#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The message compiler refuses what breaks the tables' rules, and the same schema always gives the same output."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
GOOD = """data Thing

body versions=0-2 flexible=1+
  Id        int32    0+   default=7
  Parts     []Part   0+
    Name    string   0+
  Owner     string   1+   null=1+ default=null tag=0@1+
"""


class GenerateTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def generate(self, *files):
        """Runs the compiler on files of these texts; the finished process."""
        folder = os.path.join(self.dir, "schema", "x")
        os.makedirs(folder, exist_ok=True)
        for i, text in enumerate(files):
            with open(os.path.join(folder, "%d.schema" % i), "w", encoding="utf-8") as file:
                file.write(text)
        command = [sys.executable, "-B", os.path.join(HERE, "generate.py"), "--schema", os.path.dirname(folder),
                   "--out", os.path.join(self.dir, "out")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def output(self, name):
        with open(os.path.join(self.dir, "out", name), encoding="utf-8") as file:
            return file.read()

    def refused(self, text, reason):
        result = self.generate(text)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(reason, result.stderr)
        self.assertIn("0.schema", result.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "out", "messages.c")))

    def test_structs(self):
        self.assertEqual(self.generate(GOOD).returncode, 0)
        header = self.output("messages.h")
        self.assertIn("struct thing_part *parts;", header)
        self.assertIn("int32_t parts_count;", header)
        self.assertIn("static inline void thing_part_init(struct thing_part *m)", header)
        self.assertLess(header.index("struct thing_part {"), header.index("struct thing {"))
        self.assertIn("const struct thing thing_defaults = {.id = 7};", self.output("messages.c"))

    def test_same_output(self):
        self.generate(GOOD)
        first = self.output("messages.h"), self.output("messages.c")
        self.generate(GOOD)
        self.assertEqual(first, (self.output("messages.h"), self.output("messages.c")))

    def test_names(self):
        self.generate(GOOD.replace("Id  ", "Default").replace("Name", "V3AndBelowTLSName"))
        self.assertIn("int32_t default_;", self.output("messages.h"))
        self.assertIn("v3_and_below_tls_name;", self.output("messages.h"))

    def test_broken_lines(self):
        self.refused(GOOD.replace("  Id ", "   Id "), "line 4: odd indent")
        self.refused(GOOD.replace("  Id ", "      Id "), "line 4: field out of place")
        self.refused(GOOD.replace("default=7", "defualt=7"), "unknown attribute")
        self.refused(GOOD.replace("int32    0+", "int32    x"), "bad versions")
        self.refused(GOOD.replace("versions=0-2", "versions=0+"), "closed range")

    def test_broken_types(self):
        self.refused(GOOD.replace("int32", "int33"), "unknown type int33")
        self.refused(GOOD.replace("    Name    string   0+", "    Sub  Part 0+"), "contains itself")
        self.refused(GOOD.replace("Id  ", "Parts"), "two members")
        self.refused(GOOD.replace("[]Part ", "string "), "has members")

    def test_broken_defaults(self):
        self.refused(GOOD.replace("default=7", "default=2147483648"), "does not fit")
        self.refused(GOOD.replace("null=1+ default=null", "default=null"), "never null")
        self.refused(GOOD.replace("default=7", "default=seven"), "default")

    def test_broken_tags(self):
        self.refused(GOOD.replace("tag=0@1+", "tag=0@2+"), "in some of its versions only")
        self.refused(GOOD.replace("flexible=1+", "flexible=2+"), "not flexible")
        self.refused(GOOD + "  Color  int8  1+  tag=0@1+\n", "tag 0 twice")
        self.refused(GOOD.replace("string   1+ ", "records  1+ "), "may not be tagged")

    def test_names_used_twice(self):
        result = self.generate(GOOD, GOOD)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("used twice: ['thing', 'thing_part']", result.stderr)

    def test_api_needs_both(self):
        self.refused("api 1 Thing\n\nrequest versions=0 flexible=none\n  Id int32 0\n", "request and a response")


if __name__ == "__main__":
    unittest.main()
