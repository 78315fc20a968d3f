# SPDX-License-Identifier: Apache-2.0
"""Which cores are whose while the load program drives a broker: the client has the last one, the broker the others.

Left alone, the scheduler moves the two to one core and apart again, and what loopback TCP costs goes to the one or the
other: of bare sendfile 0.05 and 0.25 s/GiB were seen in rounds that followed each other. Apart, both cost what they
cost. A process keeps the cores that it was started on. With one core nothing is done.
"""

import contextlib
import os

ALL = sorted(os.sched_getaffinity(0))
CLIENT = ALL[-1:]
BROKER = ALL[:-1] or ALL


@contextlib.contextmanager
def only(cores):
    """What is started inside runs on these."""
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, ALL)
