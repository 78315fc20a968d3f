# SPDX-License-Identifier: Apache-2.0
"""close_race.c: in which of the moments that it knows close() hangs, and that closing.c keeps it from that.

It needs none of our brokers, since librdkafka has one of its own; others show that the broker makes no difference.
"""

import os
import subprocess

import installed

HANGS, RETURNS = "hangs", "returns"
STATES = {0: RETURNS, 1: HANGS, 2: "did not come to it"}
PRELOADED = "within, with closing.c"
# {when the call is made: what close() does}. Were another found, closing.c would be of no use any more.
EXPECTED = {"before": RETURNS, "within": HANGS, "after": RETURNS, PRELOADED: RETURNS}
TIMEOUT_S = 300  # its steps have limits of their own (STEP_S there)


def build(suite, folder):
    """The program, in `folder`."""
    program = folder / "close_race"
    source = installed.COMPAT_TESTS / "librdkafka" / "close_race.c"
    installed.install(["cc", "-I", suite / "include", "-o", program, source, "-L", suite, "-l:librdkafka.so.1",
                       "-lpthread"])
    return program


def try_out(suite, folder, log_folder, bootstrap=None):
    """As EXPECTED. `folder` has closing.so. Without a bootstrap server at librdkafka's own broker. What the program
    prints, and librdkafka's logs, are left in log_folder."""
    program = build(suite, folder)
    log_folder.mkdir(parents=True)
    running = {}
    for case in EXPECTED:
        environment = dict(os.environ, LD_LIBRARY_PATH=str(suite))
        if case == PRELOADED:
            environment["LD_PRELOAD"] = str(folder / "closing.so")
        command = [program, case.split(",")[0], *([bootstrap] if bootstrap else [])]
        with open(log_folder / (case.replace(", ", "-").replace(" ", "-") + ".log"), "wb") as log:
            running[case] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
    return {case: ended(child) for case, child in running.items()}


def ended(child):
    try:
        code = child.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return "took too long"
    return STATES.get(code, "ended with exit code %d" % code)


def told(found):
    return ", ".join("%s: %s" % pair for pair in found.items())
