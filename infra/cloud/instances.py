"""Runs invocations in processes of their own, each of which does one at a time, as an instance of the function does on Lambda.

A process starts when it is first needed, and keeps what it built for the next invocation. One that is killed, or that ends by
itself, takes its invocation with it, which is answered as Lambda answers it; the next invocation gets a new process. Lambda
would start as many instances as there are invocations; here the others wait until one of the processes is free.

The event and the answer are JSON, so that nothing passes that Lambda would not pass.
"""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import os
import signal
import time
import traceback
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import LifoQueue
from threading import Lock
from typing import Any

from infra.cloud.names import FUNCTION, FUNCTION_ARN

HANDLER = "handler.app.lambda_handler"

_END_S = 2.0  # in which a process has ended whose connection is closed
_QUIET = {"POWERTOOLS_METRICS_DISABLED": "true"}


@dataclass(frozen=True, slots=True)
class Reply:
    """Holds the JSON that an invocation is answered with: what the function returned, or the error if it `is_error`."""

    payload: bytes
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """Holds what an instance is asked: the event as JSON, and the number of seconds that it may take."""

    id: str
    event: bytes
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Context:
    """Holds the part of Lambda's context object that the function uses; its time runs out at `ends_at`, a monotonic time."""

    aws_request_id: str
    ends_at: float
    function_name: str = FUNCTION
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = FUNCTION_ARN

    def get_remaining_time_in_millis(self) -> int:
        """Returns the milliseconds that are left to the invocation, 0 after its end."""
        return max(0, int((self.ends_at - time.monotonic()) * 1000))


class Instances:
    """Up to `count` processes that run `handler`, a dotted name, each with the variables of `environment`."""

    def __init__(
        self, environment: Mapping[str, str], count: int = 1, *, handler: str = HANDLER, timeout_s: float = 900.0
    ) -> None:
        """Starts nothing: a process starts when an invocation needs it."""
        self.timeout_s = timeout_s
        self._all = [_Instance(dict(environment) | _QUIET, handler) for _ in range(count)]
        self._idle: LifoQueue[_Instance] = LifoQueue()  # the one that was used last is warm
        for instance in self._all:
            self._idle.put(instance)

    def invoke(self, event: bytes) -> Reply:
        """Has a process answer `event`, which is JSON; waits while all are busy. Errors are replies, as Lambda gives them."""
        instance = self._idle.get()
        try:
            return instance.run(Request(str(uuid.uuid4()), event, self.timeout_s))
        finally:
            self._idle.put(instance)

    def close(self) -> None:
        """Kills the processes. An invocation that runs, or comes later, is answered that its process ended."""
        for instance in self._all:
            instance.close()


@dataclass(slots=True)
class _Instance:
    """One process, or its place while there is none."""

    environment: dict[str, str]
    handler: str
    _process: SpawnProcess | None = None
    _connection: Connection[Any, Any] | None = None
    _is_closed: bool = False
    _lock: Lock = field(default_factory=Lock)

    def run(self, request: Request) -> Reply:
        connection = self._ready()
        if connection is None:
            return _error(request, "Runtime.ExitError", "Runtime exited: the cloud has ended")
        try:
            connection.send(request)
            if connection.poll(request.timeout_s):
                reply: Reply = connection.recv()
                return reply
        except (EOFError, OSError):  # the process ends, or has ended
            return _error(request, "Runtime.ExitError", _ending(self._end(_END_S)))
        self._end()
        return _error(request, "Sandbox.Timedout", f"Task timed out after {request.timeout_s:.2f} seconds")

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
        self._end()

    def _ready(self) -> Connection[Any, Any] | None:
        """Returns the connection to the process, which is started if there is none; None if the cloud has ended."""
        with self._lock:
            if self._is_closed:
                return None
            if self._process is None or not self._process.is_alive():
                self._process, self._connection = _start(self.environment, self.handler)
            return self._connection

    def _end(self, wait_s: float = 0) -> int | None:
        """Returns the exit status of the process, the negative signal if one killed it; kills it if it runs after `wait_s`."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return None
        process.join(wait_s)
        process.kill()
        process.join()
        return process.exitcode


def _start(environment: dict[str, str], handler: str) -> tuple[SpawnProcess, Connection[Any, Any]]:
    """Starts a process that a Ctrl-C on the terminal does not reach, since that ends the cloud, which ends the process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, environment, handler), daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()  # so that ours tells when the process ends
    return process, ours


def _serve(connection: Connection[Any, Any], environment: dict[str, str], handler: str) -> None:
    """Answers the requests that come, one after another, until the cloud is gone."""
    os.environ.update(environment)  # before boto3 and Powertools are imported, which read it
    with suppress(EOFError, OSError):
        while True:
            connection.send(_answer(handler, connection.recv()))


def _answer(handler: str, request: Request) -> Reply:
    context = Context(request.id, time.monotonic() + request.timeout_s)
    try:
        answer = _load(handler)(json.loads(request.event), context)
        return Reply(json.dumps(answer, ensure_ascii=False).encode())
    except Exception as error:  # noqa: BLE001 - Lambda answers with every exception
        trace = traceback.format_list(traceback.extract_tb(error.__traceback__))
        return _error(request, type(error).__name__, str(error), trace)


@cache
def _load(handler: str) -> Any:
    module, _, name = handler.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    logging.getLogger("coatcheck").setLevel(logging.WARNING)
    return function


def _error(request: Request, kind: str, message: str, trace: list[str] | None = None) -> Reply:
    """Returns the error as Lambda's runtime for Python writes it, or without `trace` as Lambda itself does."""
    told: dict[str, Any] = {"errorMessage": message, "errorType": kind}
    if trace is None:
        told["errorMessage"] = f"RequestId: {request.id} Error: {message}"
    else:
        told |= {"requestId": request.id, "stackTrace": trace}
    return Reply(json.dumps(told).encode(), is_error=True)


def _ending(status: int | None) -> str:
    if not status:
        return "Runtime exited without providing a reason"
    how = f"signal: {signal.strsignal(-status)}".lower() if status < 0 else f"exit status {status}"
    return f"Runtime exited with error: {how}"
