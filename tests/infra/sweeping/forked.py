"""Runs each invocation in a fresh process that costs next to nothing: a fork of one that has imported, and built, everything.

The process that forks has a single thread, and makes no call, so that a fork of it is as a process that was just started. It
can be killed at any moment, and what it gave up ends with it, as on Lambda, where an instance is frozen after its answer.
"""

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ended:
    """How an invocation ended: its answer or its error, None if it was killed; the seconds that were left; and its log."""

    reply: dict | None
    left_s: float
    log: str


class Forks:
    """Invokes the function with the variables of an environment."""

    def __init__(self, environment: dict[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, environment), daemon=True)
        self._process.start()
        theirs.close()
        threads = self._connection.recv()
        if threads != 1:
            raise RuntimeError(f"Expected one thread in the process that forks. Received: {threads}.")

    def invoke(self, event: dict, timeout_s: float, started: Callable[[int], None]) -> Ended:
        """Invokes the function; `started` is given the id of the process. It is killed when its time is over."""
        ends_at = time.monotonic() + timeout_s
        self._connection.send((event, timeout_s))
        pid = self._connection.recv()
        started(pid)
        if not self._connection.poll(timeout_s):
            kill(pid)
        reply, log = self._connection.recv()
        left_s = ends_at - time.monotonic()
        return Ended(json.loads(reply) if reply else None, left_s, log)

    def close(self) -> None:
        """Ends the process that forks."""
        self._connection.close()
        self._process.join()


def kill(pid: int) -> None:
    """Kills a process, unless it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _serve(connection, environment):
    os.environ.update(environment)
    from handler import obstore_storage  # noqa: F401  # imported here, and not in each fork
    from handler.app import build_parts
    from handler.work_queue import WorkQueue

    if environment["S3_CLIENT"] == "boto3":  # the other one has threads of its own as soon as it is built
        build_parts()
    assert WorkQueue(environment["QUEUE_URL"], 1).client  # boto3 keeps what it read to make one
    connection.send(len(list(Path("/proc/self/task").iterdir())))
    with suppress(EOFError, OSError):  # whoever asked has gone
        while True:
            event, timeout_s = connection.recv()
            ours, theirs = os.pipe()
            with tempfile.TemporaryFile() as log:
                pid = os.fork()
                if not pid:
                    os.close(ours)
                    connection.close()
                    _invoke(event, timeout_s, theirs, log.fileno())
                os.close(theirs)
                connection.send(pid)
                with open(ours, "rb") as answer:  # noqa: PTH123  # a descriptor
                    reply = answer.read()
                os.waitpid(pid, 0)
                log.seek(0)
                connection.send((reply, log.read().decode(errors="replace")))


def _invoke(event, timeout_s, out, log):
    """Writes the reply to `out`, and ends this process without any of what a process does at its end."""
    from handler.app import lambda_handler
    from infra.cloud.instances import Context

    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        reply = {"answer": lambda_handler(event, Context("r", time.monotonic() + timeout_s))}
    except Exception as error:  # noqa: BLE001  # as Lambda answers
        reply = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.flush()
    os.write(out, json.dumps(reply).encode())
    os._exit(0)
