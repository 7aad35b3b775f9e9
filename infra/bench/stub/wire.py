"""Reads HTTP/1.1 requests out of the bytes of a connection, and writes responses. No sockets here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

MAX_HEAD_BYTES = 64 * 2**10
MAX_BODY_BYTES = 64 * 2**20
END = b"\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BadRequest(Exception):
    """The bytes of a connection are no request that the stub reads; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `path` is decoded and holds no query, and the names of `headers` are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One response. `length` is stated as Content-Length where that is not the length of `body`, as for HEAD."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | memoryview = b""
    length: int | None = None

    def head(self) -> bytes:
        """Returns everything that comes before the body."""
        length = len(self.body) if self.length is None else self.length
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode("latin-1")


class Reader:
    """Gathers the bytes of one connection, and hands out each request once all of it is there."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[str, str, dict[str, str], int] | None = None
        self.wants_continue = False  # the client waits for "100 Continue" before it sends the body

    def feed(self, data: bytes) -> list[Request]:
        """Takes the bytes that came, and returns the requests that are whole now.

        Raises:
            BadRequest: the bytes are no request, or one that is too large.
        """
        self._buffer += data
        requests = []
        while request := self._next():
            requests.append(request)
        return requests

    def _next(self) -> Request | None:
        if self._head is None:
            end = self._buffer.find(END)
            if end < 0:
                if len(self._buffer) > MAX_HEAD_BYTES:
                    raise BadRequest(f"Expected headers of {MAX_HEAD_BYTES} bytes or less. Received: more.")
                return None
            self._head = parse_head(bytes(self._buffer[:end]))
            del self._buffer[: end + len(END)]
        method, target, headers, length = self._head
        self.wants_continue = len(self._buffer) < length and headers.get("expect", "").lower() == "100-continue"
        if len(self._buffer) < length:
            return None
        self._head = None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        path, _, query = target.partition("?")
        return Request(method, unquote(path), query, headers, body)


def parse_head(head: bytes) -> tuple[str, str, dict[str, str], int]:
    """Returns the method, the target, the headers and the length of the body that a request's first lines tell.

    Raises:
        BadRequest: the lines are not those of a request whose length is told and is small enough.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] != "HTTP/1.1":
        raise BadRequest(f"Expected METHOD TARGET HTTP/1.1. Received: {first[:100]!r}.")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise BadRequest("Expected a body whose Content-Length is told. Received: Transfer-Encoding.")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) <= 12 and int(length) <= MAX_BODY_BYTES):
        raise BadRequest(f"Expected a body of {MAX_BODY_BYTES} bytes or less. Received: Content-Length={length[:100]}.")
    return words[0], words[1], headers, int(length)
