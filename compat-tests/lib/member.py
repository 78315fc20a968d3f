# SPDX-License-Identifier: Apache-2.0
"""A member of a group that is a program which prints the records it gets."""

import queue
import signal
import subprocess
import threading

STOP_S = 50


class Member:
    """`command` starts it; `records(stdout)` yields what it prints, on a thread of its own."""

    def __init__(self, command, records):
        self.taken = queue.Queue()
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL)
        threading.Thread(target=self._read, args=(records,), daemon=True).start()

    def _read(self, records):
        for record in records(self.child.stdout):
            self.taken.put(record)

    def take(self, wait_s):
        """What has come; nothing only after so long."""
        taken = []
        try:
            taken.append(self.taken.get(timeout=wait_s))
            while True:
                taken.append(self.taken.get_nowait())
        except queue.Empty:
            return taken

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(STOP_S)
