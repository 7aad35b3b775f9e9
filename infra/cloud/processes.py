"""Starts and ends servers that are processes of their own: free addresses for them, whether they listen, and their end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

STOP_S = 5


def free_addresses(count: int) -> list[str]:
    """Returns `count` addresses that no process listens on; each is held until the last is known, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for held in sockets:
            held.bind(("127.0.0.1", 0))
        return ["{}:{}".format(*held.getsockname()) for held in sockets]
    finally:
        for held in sockets:
            held.close()


def direct() -> urllib.request.OpenerDirector:
    """Returns an opener that uses no proxy."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def listens(address: str, process: subprocess.Popen[bytes], within_s: float) -> bool:
    """Returns whether a process listens on `address`; waits until one does, `process` has ended, or the time is over."""
    host, port = address.split(":")
    deadline = time.monotonic() + within_s
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return True
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks a process to end, then kills what is left of its session, whose processes may have groups of their own."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):
            if os.getsid(int(path.name)) == process.pid:
                os.kill(int(path.name), signal.SIGKILL)
    process.kill()
    process.wait()
