"""Stands between the function and its cloud, records every call, and breaks one of them.

A proxy on 127.0.0.1, which AWS_ENDPOINT_URL names to the function, passes each call of S3 and SQS on to an endpoint. Calls have
names that do not depend on the order in which threads make them: the operation, the key, and how often this was called before,
such as `PUT predictions/uploads/a.png.json#1`. One of them can be struck by a `Fault`.
"""

from __future__ import annotations

import http.client
import http.server
import json
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_PIECE_S = 0.1  # between two bytes of a slow answer: sooner than any time-out of a client
_UPSTREAM_S = 60

_OPERATIONS_OF_LISTS = "list-type"
_PRIVATE = {"connection", "transfer-encoding", "content-length", "keep-alive"}  # headers of one connection alone


class Fault(StrEnum):
    """What can become of a call. "Before" means that the call does not reach the cloud, and "after" that it took effect."""

    SLOW_DOWN = "503"
    OUTAGE = "503-always"  # this call, and every one after it until the outage is lifted
    INTERNAL_ERROR = "500"
    CLOSE_BEFORE = "close-before"
    CLOSE_AFTER = "close-after"
    CUT = "cut"  # the answer ends in its middle
    FLIP = "flip"  # one bit of the answer's body is another one
    SLOW = "slow"  # the answer comes byte by byte
    HANG_BEFORE = "hang-before"
    HANG_AFTER = "hang-after"
    ACCESS_DENIED = "403"
    EXPIRED_TOKEN = "expired-token"  # noqa: S105  # the name of an error
    CONFLICT = "409"
    STOPPED = "412"
    NOT_FOUND = "404"
    EMPTY = "empty-200"
    KILL_BEFORE = "kill-before"
    KILL_AFTER = "kill-after"


# The faults that are an answer of their own: the status, and the code of S3 and of SQS.
_ANSWERS = {
    Fault.SLOW_DOWN: (503, "SlowDown", "ThrottlingException"),
    Fault.OUTAGE: (503, "SlowDown", "ThrottlingException"),
    Fault.INTERNAL_ERROR: (500, "InternalError", "InternalFailure"),
    Fault.ACCESS_DENIED: (403, "AccessDenied", "AccessDeniedException"),
    Fault.EXPIRED_TOKEN: (400, "ExpiredToken", "ExpiredTokenException"),
    Fault.CONFLICT: (409, "ConditionalRequestConflict", "ConflictException"),
    Fault.STOPPED: (412, "PreconditionFailed", "PreconditionFailed"),
    Fault.NOT_FOUND: (404, "NoSuchKey", "QueueDoesNotExist"),
    Fault.EMPTY: (200, "", ""),
}
_PASSED_ON = {Fault.CLOSE_AFTER, Fault.CUT, Fault.FLIP, Fault.SLOW, Fault.HANG_AFTER, Fault.KILL_AFTER}
_NOTHING_SENT = {
    *{Fault.CLOSE_BEFORE, Fault.CLOSE_AFTER, Fault.HANG_BEFORE, Fault.HANG_AFTER},
    *{Fault.KILL_BEFORE, Fault.KILL_AFTER},
}


@dataclass(frozen=True, slots=True)
class Request:
    """One call, as it came."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def operation(self) -> str:
        """The name of the operation: the one of SQS, LIST, or the method of a call of S3."""
        target = next((value for name, value in self.headers if name.lower() == "x-amz-target"), None)
        if target:
            return target.rpartition(".")[2]
        return "LIST" if _OPERATIONS_OF_LISTS in self._query else self.method

    @property
    def key(self) -> str:
        """The key, or the prefix that is listed; empty for SQS."""
        if self.operation == "LIST":
            return self._query.get("prefix", "")
        return self.address.removeprefix("s3://").partition("/")[2] if self.is_object else ""

    @property
    def is_object(self) -> bool:
        """True if the call is about one object."""
        return self.operation in {"GET", "HEAD", "PUT"}

    @property
    def address(self) -> str:
        """The address of the object, `s3://bucket/key`."""
        return f"s3:/{urllib.parse.unquote(self.path.partition('?')[0])}"

    @property
    def _query(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self.path.partition("?")[2], keep_blank_values=True))


@dataclass(slots=True)
class Run:
    """The calls that were made since the last `Proxy.begin`, and what became of them.

    Attributes:
        call: The name of the call that the fault strikes; None if none does.
        kill: Kills the process that makes the calls.
        calls: The names of the calls, in the order in which they came.
        written: The address and content of each object that was written, in the order in which the writes took effect.
        read: The addresses of the objects that were read.
        sent: The bodies of the messages that the queue took.
        is_struck: Whether the fault has struck.
        is_out: Whether there is an outage.
        is_harmless: Whether the fault found nothing to change, such as a byte of an empty body.
    """

    call: str | None = None
    fault: Fault | None = None
    kill: Callable[[], None] = lambda: None
    calls: list[str] = field(default_factory=list)
    written: list[tuple[str, bytes]] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    is_struck: bool = False
    is_out: bool = False
    is_harmless: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def strike(self, operation: str, key: str) -> Fault | None:
        """Names a call, and returns the fault that strikes it; None if none does."""
        with self._lock:
            name = f"{operation} {key}".rstrip()
            self._counts[name] += 1
            name = f"{name}#{self._counts[name]}"
            self.calls.append(name)
            if name == self.call:
                self.is_struck, self.is_out = True, self.fault is Fault.OUTAGE
                return self.fault
            return self.fault if self.is_out else None

    def note(self, request: Request, status: int, content: bytes) -> None:
        """Notes the effect of a call that was passed on."""
        if status >= http.HTTPStatus.MULTIPLE_CHOICES:
            return
        with self._lock:
            if request.operation == "PUT":
                self.written.append((request.address, request.body))
            elif request.operation == "GET":
                self.read.append(request.address)
            elif request.operation == "SendMessageBatch":
                taken = {entry["Id"] for entry in json.loads(content).get("Successful", ())}
                entries = json.loads(request.body)["Entries"]
                self.sent += [entry["MessageBody"] for entry in entries if entry["Id"] in taken]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Does nothing, since a caller that was killed, or that gave up a call, is no error here."""


class Proxy:
    """Passes calls on to `upstream`, http://host:port."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urllib.parse.urlsplit(upstream).netloc
        self.run = Run()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                proxy._answer(self)

            do_GET = do_HEAD = do_PUT = do_POST = handle_one  # noqa: N815  # the names that the library calls

            def log_message(self, *_: object) -> None:
                pass

        self.server = _Server(("127.0.0.1", 0), Handler)

    @property
    def endpoint(self) -> str:
        """The address of the proxy."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def begin(self, run: Run) -> None:
        """Begins to record into `run`; the calls that still hang end."""
        self.run.over.set()
        self.run = run

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(handler.command, handler.path, tuple(handler.headers.items()), body)
        run = self.run
        fault = run.strike(request.operation, request.key)
        if fault is None or fault in _PASSED_ON:
            status, headers, content = self._pass_on(request)
            run.note(request, status, content)
        else:
            status, headers, content = _own_answer(request, fault)
        try:
            if _reply(handler, request, _head(status, headers), content, fault, run):
                handler.close_connection = True
        except OSError:  # the caller has gone
            handler.close_connection = True

    def _pass_on(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self._upstream, timeout=_UPSTREAM_S)
        try:
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                if name.lower() not in {"connection", "expect"}:
                    connection.putheader(name, value)
            connection.endheaders(request.body or None)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        length = response.headers.get("Content-Length", "0") if request.method == "HEAD" else str(len(content))
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in _PRIVATE]
        return response.status, [*kept, ("Content-Length", length)], content


@contextmanager
def serve(upstream: str) -> Iterator[Proxy]:
    """Runs a proxy of an endpoint until the block ends."""
    proxy = Proxy(upstream)
    thread = threading.Thread(target=proxy.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.begin(Run())
        proxy.server.shutdown()
        thread.join()
        proxy.server.server_close()


def _own_answer(request: Request, fault: Fault) -> tuple[int, list[tuple[str, str]], bytes]:
    """Returns the answer of a call that is not passed on; the faults without an answer of their own do not send it."""
    status, code, code_of_queue = _ANSWERS.get(fault, (500, "", ""))
    if not code:
        return status, [("Content-Length", "0")], b""
    if request.is_object or request.operation == "LIST":
        content = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{fault}</Message></Error>'.encode()
        kind = "application/xml"
    else:
        content = json.dumps({"__type": f"com.amazonaws.sqs#{code_of_queue}", "message": str(fault)}).encode()
        kind = "application/x-amz-json-1.0"
    if request.method == "HEAD":
        content = b""
    return status, [("Content-Type", kind), ("Content-Length", str(len(content)))], content


def _head(status: int, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}", *(f"{name}: {value}" for name, value in headers)]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def _reply(
    handler: http.server.BaseHTTPRequestHandler, request: Request, head: bytes, content: bytes, fault: Fault | None, run: Run
) -> bool:
    """Sends an answer as the fault has it, and returns whether the connection is to be closed."""
    if fault in _NOTHING_SENT:
        if fault in {Fault.HANG_BEFORE, Fault.HANG_AFTER}:
            run.over.wait()
        if fault in {Fault.KILL_BEFORE, Fault.KILL_AFTER}:
            run.kill()
        return True
    if fault is Fault.CUT:
        handler.wfile.write(head + content[: len(content) // 2] if content else head[: len(head) // 2])
        return True
    if fault is Fault.SLOW:
        _trickle(handler, head, content, run)
        return True
    if fault is Fault.FLIP:
        run.is_harmless = not content
        # The middle of an object; of XML and JSON the first byte, without which they are neither.
        content = _flipped(content, len(content) // 2 if request.operation == "GET" else 0)
    handler.wfile.write(head + content)
    return False


def _trickle(handler: http.server.BaseHTTPRequestHandler, head: bytes, content: bytes, run: Run) -> None:
    """Sends a body byte by byte, or the head of an answer that has no body."""
    at_once, slowly = (head, content) if content else (b"", head)
    handler.wfile.write(at_once)
    for at in range(len(slowly)):
        if run.over.wait(_PIECE_S):
            return
        handler.wfile.write(slowly[at : at + 1])


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes(byte ^ 1 for byte in content[at : at + 1]) + content[at + 1 :]
