#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lint refuses what it says it refuses, and lets good code pass.

Each case is a small file at some path of the project and a piece of the message that must come for it.
"""
import importlib.machinery
import importlib.util
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("lint", str(HERE.parent / "lint"))
lint = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint", loader))
loader.exec_module(lint)

HEAD = "// SPDX-License-Identifier: Apache-2.0\n//\n// What this is.\n"


def function(lines):
    return "void thing_do(void)\n{\n" + "    step();\n" * lines + "}\n"


# path, text behind the head, a piece of the message
REFUSED = [
    # dependency rule
    ("base/a.c", '#include "log/log.h"\n', "base must not include log"),
    ("log/a.c", '#include "protocol/protocol.h"\n', "log must not include protocol"),
    ("broker/net/a.c", '#include "protocol/protocol.h"\n', "broker/net must not include protocol"),
    ("broker/cluster/a.h", '#include "broker/replica/partition.h"\n', "broker/cluster must not include broker/replica"),
    ("broker/replica/a.c", '#include "zk/zk.h"\n', "broker/replica must not include zk"),
    ("log/tests/test_a.c", '#include "broker/net/conn.h"\n', "log must not include broker/net"),
    # one door
    ("broker/replica/a.c", '#include "log/segment.h"\n', "one door: log/log.h"),
    ("broker/api/a.c", '#include "protocol/errors.h"\n', "one door: protocol/protocol.h"),
    ("broker/cluster/a.c", '#include "zk/zk_local.h"\n', "one door: zk/zk.h"),
    # includes
    ("log/a.c", '#include "segment.h"\n', "from the project's root"),
    ("log/a.c", '#include "../base/err.h"\n', "from the project's root"),
    ("log/a.c", '#include "base/tests/testing.h"\n', "only tests include"),
    ("broker/api/a.c", '#include "broker/config.h"\n', "never see the configuration"),
    ("broker/config_x.c", '#include "log/log.h"\n', "knows nothing but base"),
    ("broker/api/a.c", "#include <event2/event.h>\n", "belongs in broker/net"),
    ("zk/a.c", "#include <uthash.h>\n", "belongs in base"),
    ("zk/a.c", "#include <zstd.h>\n", "belongs in log"),
    ("log/a.c", "#include <assert.h>\n", "base/assert.h"),
    ("log/tests/test_a.c", "#include <setjmp.h>\n", "no setjmp"),
    # names
    ("log/a.c", "typedef int thing_t;\n", "_t belong to the C library"),
    ("log/a.c", "typedef struct thing thing;\n", "under its own name"),
    ("log/a.c", "typedef struct {\n    int a;\n} thing;\n", "under its own name"),
    ("log/a.c", "int thingDo(int a)\n{\n    return a;\n}\n", "lower_case"),
    ("log/a.h", "#ifndef LOG_A_H\n#define LOG_A_H\n#endif\n", "include guard is not OTTLA_LOG_A_H"),
    ("log/a.c", "enum thing {\n    THING_ONE,\n    ThingTwo,\n};\n", "UPPER_CASE"),
    # state, control flow, size
    ("log/a.c", "static int counter;\n", "no mutable globals"),
    ("log/a.c", "static const char *current = NULL;\n", "no mutable globals"),
    ("log/a.c", "void thing_do(void)\n{\n    static char buf[10];\n    use(buf);\n}\n", "no mutable globals"),
    ("log/a.c", "#define CHECK(e) \\\n    do { if (e) return; } while (0)\n", "returns or jumps"),
    ("log/a.c", function(90), "does not fit a screen"),
    # calls
    ("log/a.c", "void thing_do(char *p)\n{\n    p = alloca(10);\n}\n", "alloca is not used"),
    ("log/a.c", "int thing_do(void)\n{\n    return setjmp(env);\n}\n", "setjmp is not used"),
    ("log/a.c", "void thing_do(char *p)\n{\n    sprintf(p, x);\n}\n", "sprintf is not used"),
    # text
    ("log/a.c", "// " + "TO" + "DO: later\n", "unfinished business"),
    ("log/a.c", "int a; \n", "blanks at the end"),
    ("log/a.c", "\tint a;\n", "a tab"),
    ("log/a.c", "int a;\n\n", "exactly one newline"),
    ("log/a.c", "// see /ro" + "ot/x\n", "path of one machine"),
    ("log/a.c", "// see /wo" + "rk/x\n", "path of one machine"),
]

ACCEPTED = [
    ("log/a.c", '#include "log/segment.h"\n#include "base/err.h"\n#include <zstd.h>\n'),
    ("broker/replica/a.c", '#include "log/log.h"\n'),
    ("broker/main.c", '#include "broker/config.h"\n#include "broker/api/apis.h"\n#include "zk/zk.h"\n'),
    ("broker/cluster/a.c", '#include "zk/zk.h"\n#include <jansson.h>\n'),
    ("log/tests/test_a.c", '#include "base/tests/testing.h"\n#include <jansson.h>\nstatic int calls;\n' + function(90)),
    ("log/a.h", "#ifndef OTTLA_LOG_A_H\n#define OTTLA_LOG_A_H\n#endif\n"),
    ("broker/net/a.h", "#ifndef OTTLA_NET_A_H\n#define OTTLA_NET_A_H\n#endif\n"),
    ("log/a.c", "typedef enum err thing_fn(void *ctx);\n"),
    ("log/a.c", "static const int table[] = {1};\nstatic const char *const names[] = {NULL};\n" + function(70)),
    ("log/a.c", "// setjmp( and return and alloca(3) in a comment\nstatic const char text[] = \"sprintf(\";\n"),
    ("log/a.c", "#define ROW(a) case a: return #a;\n#undef ROW\n"),
    ("log/a.c", "static inline int thing_add(int a)\n{\n    return a;\n}\n"),
    ("base/logging.c", "static atomic_int current_level = LOG_INFO;\n"),
]


class LintTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def problems(self, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        checker = lint.Lint(self.root)
        checker.check_file(path)
        return checker.problems

    def test_refused(self):
        for path, text, message in REFUSED:
            with self.subTest(path=path, text=text):
                problems = self.problems(path, HEAD + text)
                self.assertTrue(any(message in p for p in problems), problems)
                self.assertTrue(all(p.startswith(path + ":") for p in problems), problems)

    def test_accepted(self):
        for path, text in ACCEPTED:
            with self.subTest(path=path, text=text):
                self.assertEqual(self.problems(path, HEAD + text), [])

    def test_heads(self):
        self.assertIn("SPDX", self.problems("log/a.c", "int a;\n")[0])
        self.assertIn("head comment", self.problems("log/a.c", HEAD.split("\n", 1)[0] + "\nint a;\n")[0])
        self.assertIn("SPDX", self.problems("tools/a.py", "#!/usr/bin/env python3\nprint()\n")[0])
        script = "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"
        self.assertIn("head comment", self.problems("tools/a", script + "ls\n")[0])
        self.assertEqual(self.problems("tools/a", script + "#\n# It is.\n"), [])

    def test_links(self):
        (self.root / "log").mkdir()
        (self.root / "log" / "a.c").write_text(HEAD, encoding="utf-8")
        (self.root / "docs").mkdir()
        good = "[log](../log/a.c), `log/a.c`, `docs/NN_name.c`, [web](https://kafka.apache.org)\n"
        self.assertEqual(self.problems("docs/good.md", good), [])
        self.assertIn("does not exist", self.problems("docs/bad.md", "[log](../log/b.c)\n")[0])
        self.assertIn("does not exist", self.problems("docs/bad.md", "`log/b.c`\n")[0])

    def test_config_fields(self):
        (self.root / "broker").mkdir()
        header = "struct broker_config {\n    int used; // so; is it\n    int idle;\n    // Private\n    int x;\n};\n"
        (self.root / "broker" / "config.h").write_text(header, encoding="utf-8")
        (self.root / "broker" / "broker.c").write_text("int f = c->used;\n", encoding="utf-8")
        checker = lint.Lint(self.root)
        checker.check_config_fields()
        self.assertEqual(checker.problems, ["broker/config.h:1: idle is filled and never used"])

    def test_operating(self):
        for folder in ("docs", "log"):
            (self.root / folder).mkdir()
        (self.root / "docs" / "OPERATING.md").write_text(
            "| line | meaning |\n|---|---|\n| `[log]` WARN `... cut to ... bytes`, ERROR `lost: ...` | it was torn |\n"
            "| `[zk]` WARN `why`, `... is gone: ...` | so |\n| `no line` | |\n", encoding="utf-8")
        (self.root / "log" / "a.c").write_text(
            'log_warn("log", "%s: cut to %" PRId64 " bytes", a, b);\nlog_error("log",\n "lost: %s", a);\n'
            'log_info("log", "anything");\n// log_error("log", "nothing");\nlog_warn("zk", "%s: %s", a, "why");\n'
            'log_error("log", "cut to %d bytes", b);\nlog_warn("net", "lost: %s", a);\n', encoding="utf-8")
        checker = lint.Lint(self.root)
        checker.check_operating(["log/a.c"])
        self.assertEqual(checker.problems, [
            "docs/OPERATING.md:4: no source says: [zk] WARN is gone:",
            "log/a.c:7: docs/OPERATING.md does not explain: [log] ERROR cut to ... bytes",
            "log/a.c:8: docs/OPERATING.md does not explain: [net] WARN lost: ..."])

    def test_differences(self):
        (self.root / "docs").mkdir()
        (self.root / "broker" / "api").mkdir(parents=True)
        served = sorted(lint.KAFKA_APIS - {3, 7})
        (self.root / "broker" / "api" / "apis.h").write_text(
            "".join("    X(%d, 0, 1, handler, abort, 0)\n" % key for key in served), encoding="utf-8")
        file = self.root / "docs" / "DIFFERENCES.md"
        head = "| id | what |\n|---|---|\n| a | x |\n\n## APIs that are not served\n\n| key | API |\n|---|---|\n"
        file.write_text(head + "| 3 | Metadata |\n| 7 | ControlledShutdown |\n", encoding="utf-8")
        checker = lint.Lint(self.root)
        checker.check_differences()
        self.assertEqual(checker.problems, [])
        file.write_text(head + "| 3 | |\n| a | twice |\n| 3 | x | y |\n| 4 | LeaderAndIsr |\n", encoding="utf-8")
        checker.check_differences()
        self.assertEqual([p.split(": ", 1)[1] for p in checker.problems], [
            "a row with an empty cell or another number of columns", "a is there already",
            "a row with an empty cell or another number of columns", "API 4 is served: take its row away",
            "API 7 is not served and not listed"])

    def test_format(self):
        (self.root / "log").mkdir()
        (self.root / ".clang-format").write_text((lint.ROOT / ".clang-format").read_text(), encoding="utf-8")
        (self.root / "log" / "a.c").write_text("int  a;\n", encoding="utf-8")
        (self.root / "log" / "b.c").write_text("int a;\n", encoding="utf-8")
        formatter = lint.find_formatter() or "clang-format"  # any version knows which of these two is wrong
        self.assertEqual(len(lint.check_format(formatter, self.root, ["log/a.c", "log/b.c"])), 1)

    def test_clang_warnings(self):
        source = self.root / "a.c"
        entry = (str(source), str(self.root), ["gcc", "-Wall", "-Wshadow", "-o", "a.o", "-c", str(source)])
        source.write_text("int a;\n", encoding="utf-8")
        self.assertEqual(lint.clang_check(entry), "")
        source.write_text("int f(int a)\n{\n    int b;\n    { int a = 1; return a; }\n}\n", encoding="utf-8")
        self.assertIn("shadow", lint.clang_check(entry))


if __name__ == "__main__":
    unittest.main()
