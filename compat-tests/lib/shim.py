# SPDX-License-Identifier: Apache-2.0
"""Lets calls on a broker's files fail on demand, by a preloaded library (shim.c), while it runs."""

import mmap
import os
import pathlib
import struct
import subprocess
import tempfile
from errno import ENOSPC

SOURCE = pathlib.Path(__file__).resolve().parent / "shim.c"
WRITE, SYNC, TRUNCATE, RENAME, CREATE, RESERVE = 1, 2, 4, 8, 16, 32
FORMAT = struct.Struct("@IiqqI4x")  # struct control of shim.c


class Shim:
    """The faults of one broker; `environment` makes a process suffer them."""

    def __init__(self, work_dir, data_dir):
        # LD_PRELOAD takes a blank for the end of a path, and the project may lie anywhere.
        self.folder = tempfile.TemporaryDirectory(prefix="ottla-shim-")
        library = pathlib.Path(self.folder.name) / "shim.so"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"],
                       check=True)
        path = work_dir / "control"
        path.write_bytes(bytes(FORMAT.size))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), FORMAT.size)
        self.environment = {"LD_PRELOAD": str(library), "FAULTS_CONTROL": str(path),
                            "FAULTS_DIR": str(data_dir)}

    def fail(self, ops, errnum, skip=0, halves=0):
        self.clear()
        self.memory[:] = FORMAT.pack(0, errnum, skip, 0, halves)
        self.memory[0:4] = struct.pack("@I", ops)  # last: from now on

    def fill(self):
        """The disk is full, and has a little room left for the first writes."""
        self.fail(WRITE | CREATE | RESERVE, ENOSPC, halves=2)

    def clear(self):
        self.memory[0:4] = bytes(4)

    def hits(self):
        return FORMAT.unpack(self.memory[:])[3]
