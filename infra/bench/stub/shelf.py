"""Answers the requests of S3 that the function makes, out of memory: GET, HEAD and conditional PUT. No sockets here."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import parse_qs

from infra.bench.stub.wire import Request, Response

MODIFIED = "Mon, 02 Nov 2026 10:00:00 GMT"
IDENTITY = {
    "x-amz-id-2": "c3R1YiBvZiBTMywgd2hpY2ggaXMgbm90IFMzLCBidXQgYW5zd2VycyBsaWtlIFMzLCBhZnRlciBhIGRlbGF5",
    "x-amz-request-id": "0123456789ABCDEF",
    "Date": formatdate(usegmt=True),
    "Server": "AmazonS3",
}
CONTROL = "/-/"  # no bucket has this name

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


@dataclass(frozen=True, slots=True)
class Entry:
    """An object, its quoted ETag, and the headers that it is answered with."""

    body: bytes
    etag: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, body: bytes, headers: Mapping[str, str]) -> Entry:
        """Makes the entry of an object whose ETag is the MD5 of its body, as S3's is."""
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        return cls(body, etag, {**IDENTITY, "Last-Modified": MODIFIED, "ETag": etag, "Accept-Ranges": "bytes", **headers})


MARKS = "/_coatcheck/"


@dataclass(slots=True)
class Shelf:
    """The objects that stand ready, the documents that were written since the last reset, and the count of each call.

    Both are known by their path, `/bucket/key`. `delay_s` is to pass before each answer but those of control.
    """

    objects: Mapping[str, Entry]
    delay_s: float = 0.0
    documents: dict[str, Entry] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def answer(self, request: Request) -> Response:
        """Answers one request."""
        if request.path.startswith(CONTROL):
            return self._control(request)
        self.calls[request.method] += 1
        if request.method == "PUT":
            return self._put(request)
        if request.method in {"GET", "HEAD"}:
            return self._get(request)
        return _error(request, 501, "NotImplemented")

    def _control(self, request: Request) -> Response:
        """Tells the calls, or forgets them and the documents; `/-/reset?delay_ms=30` also sets the delay.

        The function's marks stay, as they do in a bucket that it has worked on before.
        """
        if request.path == f"{CONTROL}reset":
            self.documents = {path: entry for path, entry in self.documents.items() if MARKS in path}
            self.calls.clear()
            delay_ms = parse_qs(request.query).get("delay_ms", [str(self.delay_s * 1000)])[0]
            self.delay_s = float(delay_ms) / 1000
        return Response(200, {"Content-Type": "application/json"}, json.dumps(self.calls).encode())

    def _get(self, request: Request) -> Response:
        entry = self.documents.get(request.path) or self.objects.get(request.path)
        if entry is None:
            return _error(request, 404, "NoSuchKey")
        if request.headers.get("if-match", entry.etag) != entry.etag:
            return _error(request, 412, "PreconditionFailed")
        extent = parse_range(request.headers.get("range"), len(entry.body))
        if extent is None:
            return _error(request, 416, "InvalidRange")
        body: bytes | memoryview = entry.body
        headers, status = entry.headers, 200
        if "range" in request.headers:
            body = memoryview(body)[extent[0] : extent[1]]
            headers = {**headers, "Content-Range": f"bytes {extent[0]}-{extent[1] - 1}/{len(entry.body)}"}
            status = 206
        if request.method == "HEAD":
            return Response(status, headers, b"", len(body))
        return Response(status, headers, body)

    def _put(self, request: Request) -> Response:
        existing = self.documents.get(request.path) or self.objects.get(request.path)
        expected = request.headers.get("if-match")
        if expected and existing is None:
            return _error(request, 404, "NoSuchKey")
        if existing and (request.headers.get("if-none-match") == "*" or (expected and expected != existing.etag)):
            return _error(request, 412, "PreconditionFailed")
        kept = {name: its for name, its in request.headers.items() if name == "content-type" or name.startswith("x-amz-meta-")}
        entry = Entry.of(request.body, kept)
        self.documents[request.path] = entry
        return Response(200, {**IDENTITY, "ETag": entry.etag, "x-amz-server-side-encryption": "AES256"})


def parse_range(text: str | None, length: int) -> tuple[int, int] | None:
    """Returns the first byte that a Range header asks for and the one after the last, or None if the object has none of them.

    A header that is no range of bytes is ignored, as S3 does.
    """
    matched = _RANGE.fullmatch(text or "")
    if not matched or matched[0] == "bytes=-":
        return 0, length
    first, last = matched.groups()
    if not first:
        return (max(0, length - int(last)), length) if int(last) and length else None
    start, end = int(first), min(int(last) + 1 if last else length, length)
    return (start, end) if start < end else None


def _error(request: Request, status: int, code: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{code}</Message></Error>'.encode()
    headers = {**IDENTITY, "Content-Type": "application/xml"}
    return Response(status, headers, b"", len(body)) if request.method == "HEAD" else Response(status, headers, body)
