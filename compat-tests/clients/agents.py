# SPDX-License-Identifier: Apache-2.0
"""An agent as the life sees it: a child process that is told line by line what to do (README.md)."""

import contextlib
import json
import subprocess
import threading

import agent
from records import Mismatch

ANSWER_TIMEOUT_S = 60


class Lacking(Exception):
    """The client itself cannot do it; the text says why."""


class Agent:
    """A client program, told line by line what to do."""

    def __init__(self, command, bootstrap):
        self.child = subprocess.Popen([*command, bootstrap], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
        about = self.tell("about")
        self.client, self.lacks = about["client"], about["lacks"]

    def tell(self, verb, **fields):
        """The answer; Lacking when the client has no such verb, agent.Refused when it was refused."""
        if verb != "about" and verb in self.lacks:
            raise Lacking(self.lacks[verb])
        watchdog = threading.Timer(ANSWER_TIMEOUT_S, self.child.kill)
        watchdog.start()
        try:
            self.child.stdin.write(json.dumps(dict(fields, verb=verb)).encode() + b"\n")
            self.child.stdin.flush()
            line = self.child.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            watchdog.cancel()
        if not line:
            raise Mismatch("the agent ended, or did not answer '%s' for %d s"
                           % (verb, ANSWER_TIMEOUT_S))
        answer = json.loads(line)
        if "error" in answer:
            raise agent.Refused(answer["error"]["code"], answer["error"]["text"])
        return answer["ok"]

    def need(self, *traits):
        for trait in traits:
            if trait in self.lacks:
                raise Lacking(self.lacks[trait])

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
