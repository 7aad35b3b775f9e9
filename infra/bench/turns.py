"""Lets a process take turns in the benchmark: it reads keys, does its work, and tells what the work took.

Every contender runs this, in whichever environment it has, so it needs nothing but Python's own library. A turn is a line of
JSON on standard input: a list of batches, each a list of keys. The answer is a line of JSON on standard output. All else that
the work prints goes to a file instead, whose growth is told as `logged_bytes`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Work = Callable[[list[str]], None]


def serve(prepare: Callable[[], Work]) -> None:
    """Prepares the work when the first turn comes, and takes turns until standard input ends."""
    work: Work | None = None
    with os.fdopen(os.dup(1), "w") as answers, tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 1)
        for line in sys.stdin:
            work = work or prepare()
            answers.write(json.dumps(take_turn(work, json.loads(line), log.fileno())) + "\n")
            answers.flush()


def take_turn(work: Work, batches: list[list[str]], log: int) -> dict[str, float]:
    """Does the work of each batch, one after the other, and returns seconds, processor seconds, bytes of log, peak memory."""
    logged, began, began_cpu = os.fstat(log).st_size, time.perf_counter(), time.process_time()
    for keys in batches:
        work(keys)
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    sys.stdout.flush()
    return {
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "logged_bytes": os.fstat(log).st_size - logged,
        "peak_mib": peak_mib(),
    }


def peak_mib() -> float:
    """Returns the largest memory that this process has had, in MiB; 0 where the system has no /proc that tells it.

    VmHWM is the kernel's high-water mark of this process: ru_maxrss would begin at that of the process which started it.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
