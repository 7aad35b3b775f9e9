"""S3 by obstore: what it sends, what it leaves to boto3, and that both give the same objects, documents and errors."""

import gzip
import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import threading
import urllib.parse
import zipfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handler.app import build_parts, lambda_handler
from handler.aws import MAX_CALL_S
from handler.deadline import Deadline
from handler.errors import MisconfiguredError, ObjectChanged, OutOfTime, StorageUnavailable
from handler.objects import ObjectRef, Prefix
from handler.obstore_client import Buckets, connect
from handler.obstore_storage import ObstoreStorage
from handler.s3_answers import BLOCK_BYTES, MAX_SMALL_BYTES
from handler.storage import make_client
from handler.store import STANDARD, WriteResult
from handler.stores import make_store
from infra.cloud.event_source import Context
from tests.conftest import INPUT, OUTPUT
from tests.handler.test_storage import hanging, serving, trickling

ROOT = Path(__file__).parent.parent.parent
PNG = (ROOT / "events" / "images" / "coat-0.png").read_bytes()
REF = ObjectRef("bucket", "a.png")
CLIENTS = ["boto3", "obstore"]
LARGE = bytes(range(256)) * 4096  # 1 MiB: four blocks


def md5(content):
    return hashlib.md5(content).hexdigest()


class Recorder:
    """A server that records each request, and answers as `respond(request, number of the request)` says.

    A request is its method, its raw path, its headers and its body; an answer its status, its headers and its body.
    """

    def __init__(self):
        self.requests = []
        self.respond = lambda request, _: (200, {"ETag": f'"{md5(b"pixels")}"'}, b"" if request[0] == "PUT" else b"pixels")

    def by(self, client):
        """The requests of one of the clients, by what they say of themselves."""
        return [each for each in self.requests if (each[2]["User-Agent"] == "coatcheck") is (client == "obstore")]


@pytest.fixture
def recorder(environment, monkeypatch):
    with recording() as (recorder, endpoint):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        yield recorder


def part_of(content, headers, asked):
    """The answer of a server that can read parts, for an object that it has the `content` of, or less than it says."""
    size = int(headers.get("Content-Length", len(content)))
    first, last = asked.removeprefix("bytes=").split("-")
    start, end = int(first), min(size, int(last) + 1 if last else size)
    if start >= end:
        return 416, {}, b"<Error><Code>InvalidRange</Code></Error>"
    of = {"Content-Range": f"bytes {start}-{end - 1}/{size}", "Content-Length": str(end - start)}
    return 206, headers | of, content[start:end]


@contextmanager
def recording():
    recorder = Recorder()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_it(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = (self.command, self.path, self.headers, body)
            recorder.requests.append(request)
            status, headers, content = recorder.respond(request, len(recorder.requests))
            if status == 200 and self.command == "GET" and "Range" in self.headers:
                status, headers, content = part_of(content, headers, self.headers["Range"])
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            if headers.get("Content-Length", str(len(content))) != str(len(content)):
                self.close_connection = True  # it breaks off

        do_GET = do_HEAD = do_PUT = handle_it  # noqa: N815  # the names that the library calls

        def log_message(self, *_):
            pass

    with serving(Handler) as endpoint:
        yield recorder, endpoint


@pytest.fixture
def store(recorder):
    return make_store("obstore", 2, os.environ)


def read(store, ref=REF, **part):
    opened = store.open(ref, deadline=Deadline.after(60), **part)
    with closing(opened.body) as body:
        return opened.source, body.read()


def put(store, content=b"{}", ref=REF, metadata=None, replacing=None):
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    options = {"content_type": "application/json", "metadata": metadata or {}, "replacing": replacing}
    return store.put(ref, file, deadline=Deadline.after(60), **options)


# --- keys ---------------------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(["/", "//", ".", "..", "/./", "/../", "%2F", "%", "+", " ", "?", "#", "\\", "\x7f", "\n", "é", "😀"])
KEYS = st.lists(st.one_of(PIECES, st.text(st.characters(exclude_categories=["Cs"]), max_size=4)), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def both():
    """Both clients of one recording server, which many keys are asked of."""
    with pytest.MonkeyPatch.context() as patch, recording() as (recorder, endpoint):
        for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
            patch.delenv(name)
        environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in (environment | {"AWS_ENDPOINT_URL": endpoint}).items():
            patch.setenv(name, value)
        yield recorder, {client: make_store(client, 1, os.environ) for client in CLIENTS}


@pytest.mark.parametrize("client", CLIENTS)
@given(key=KEYS.map("".join).filter(lambda key: 1 <= len(key.encode()) <= 1024))
@example(key="/a")
@example(key="a/")
@example(key="a//b")
@example(key="a/../b")
@example(key=".")
@example(key="k" * 1024)
@settings(max_examples=150)
def test_the_bytes_on_the_wire_name_exactly_the_key_that_was_asked_for(both, client, key):
    """S3 takes the path as it is, without resolving segments of dots, and decodes it once."""
    recorder, stores = both
    recorder.requests.clear()

    assert read(stores[client], ObjectRef("bucket", key))[1] == b"pixels"
    assert put(stores[client], ref=ObjectRef("bucket", key)) is WriteResult.WRITTEN
    asked = [urllib.parse.unquote_to_bytes(path.partition("?")[0]) for _, path, _, _ in recorder.requests]
    assert asked == [b"/bucket/" + key.encode()] * 2


@pytest.mark.parametrize("key", ["/a", "a/", "a//b", "a/./b", "../a", ".", "a\nb", "a\x7fb"])
def test_odd_keys_go_to_boto3(recorder, store, key):
    read(store, ObjectRef("bucket", key))
    put(store, ref=ObjectRef("bucket", key))

    assert [method for method, *_ in recorder.by("boto3")] == ["GET", "PUT"]
    assert recorder.by("obstore") == []


@pytest.mark.parametrize(
    "key", ["a.png", "c++ notes+100%.png", "naïve/ñ 新.png", "...", "a/.b/b.", "%2e%2e/x", " ", "\u202ertl"]
)
def test_plain_keys_go_to_obstore(recorder, store, key):
    read(store, ObjectRef("bucket", key))
    put(store, ref=ObjectRef("bucket", key))

    assert [method for method, *_ in recorder.by("obstore")] == ["GET", "PUT"]
    assert recorder.by("boto3") == []


# --- reading ------------------------------------------------------------------------------------------------------------------


def test_an_object_is_described_as_far_as_obstore_tells_it(recorder, store):
    headers = {
        "ETag": f'"{md5(b"pixels")}"',
        "Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT",
        "x-amz-version-id": "v1",
        "x-amz-meta-maker": "m",
        "x-amz-meta-content-type": "of the user",
        "Content-Type": "image/png",
        "Content-Encoding": "gzip",
        "Cache-Control": "no-cache",
    }
    recorder.respond = lambda *_: (200, headers, b"pixels")
    by_boto3, content = read(make_store("boto3", 1, os.environ))

    assert read(store) == (by_boto3, content)
    assert by_boto3.metadata == {"maker": "m", "content-type": "of the user"}
    assert by_boto3.storage_class == STANDARD


def test_a_packed_object_comes_as_it_is_stored(recorder, store):
    packed = gzip.compress(b"pixels")
    recorder.respond = lambda *_: (200, {"ETag": f'"{md5(packed)}"', "Content-Encoding": "gzip"}, packed)

    assert read(store)[1] == packed


@pytest.mark.parametrize(
    ("content", "calls"),
    [
        (b"", (1, 1)),  # there is no first block to ask for, so boto3 describes the object
        (b"x", (1, 0)),
        (LARGE[: BLOCK_BYTES - 1], (1, 0)),
        (LARGE[:BLOCK_BYTES], (1, 0)),
        (LARGE[: BLOCK_BYTES + 1], (2, 0)),
        (LARGE, (2, 0)),
    ],
    ids=["empty", "byte", "less", "block", "more", "large"],
)
def test_an_object_of_any_number_of_blocks_is_whole(recorder, store, content, calls):
    recorder.respond = lambda *_: (200, {"ETag": f'"{md5(content)}"'}, content)

    source, received = read(store)

    assert received == content
    assert source.size_bytes == len(content)
    assert (len(recorder.by("obstore")), len(recorder.by("boto3"))) == calls


@pytest.mark.parametrize(("content", "gets"), [(b"pixels", 1), (LARGE, 2)], ids=["small", "large"])
def test_an_etag_that_is_not_the_md5_has_boto3_read_again_and_then_the_whole_bucket(recorder, store, content, gets):
    """KMS makes such ETags. From then on the bytes of obstore have no check, and those of boto3 may have one."""
    recorder.respond = lambda *_: (200, {"ETag": f'"{"0" * 32}"'}, content)

    assert read(store)[1] == content
    assert (len(recorder.by("obstore")), len(recorder.by("boto3"))) == (gets, 1)
    assert read(store)[1] == content
    assert (len(recorder.by("obstore")), len(recorder.by("boto3"))) == (gets, 2)


def test_a_small_object_that_was_changed_on_its_way_is_what_boto3_reads(recorder, store):
    recorder.respond = lambda request, number: ((200, {"ETag": f'"{md5(b"pixels")}"'}, b"pixelt" if number == 1 else b"pixels"))

    assert read(store)[1] == b"pixels"
    assert read(store)[1] == b"pixels"
    assert (len(recorder.by("obstore")), len(recorder.by("boto3"))) == (2, 1)  # the ETags of the bucket are MD5s


def test_a_large_object_that_was_changed_on_its_way_is_never_taken_for_the_object(recorder, store):
    changed = b"?" + LARGE[1:]
    recorder.respond = lambda request, number: (200, {"ETag": f'"{md5(LARGE)}"'}, changed if number == 1 else LARGE)

    with pytest.raises(StorageUnavailable, match=r"GetObject of s3://bucket/a\.png.*MD5"):
        read(store)
    assert read(store)[1] == LARGE


@pytest.mark.parametrize("etag", ["e-2", md5(b"pixels").upper(), ""])
def test_an_etag_that_cannot_be_an_md5_is_not_compared(recorder, store, etag):
    recorder.respond = lambda *_: (200, {"ETag": f'"{etag}x"'}, b"pixels")

    assert read(store)[1] == b"pixels"
    assert recorder.by("boto3") == []


def test_a_part_is_not_compared_with_the_md5_of_the_whole(recorder, store):
    recorder.respond = lambda *_: (206, {"ETag": f'"{md5(LARGE)}"', "Content-Range": "bytes 3-6/1048576"}, LARGE[3:7])

    source, content = read(store, start=3, end=7)

    assert (content, source.size_bytes) == (LARGE[3:7], len(LARGE))
    assert recorder.requests[0][2]["Range"] == "bytes=3-6"
    assert recorder.by("boto3") == []


def test_another_etag_than_was_asked_for_is_noticed(recorder, store):
    recorder.respond = lambda *_: (412, {}, b"<Error><Code>PreconditionFailed</Code></Error>")

    with pytest.raises(ObjectChanged, match=r"s3://bucket/a\.png with etag=e"):
        read(store, if_match="e")
    assert [headers["If-Match"] for _, _, headers, _ in recorder.requests] == ['"e"']


@pytest.mark.parametrize("length", [100, 600_000], ids=["small", "large"])
def test_a_body_that_breaks_off_is_never_taken_for_the_object(recorder, store, length):
    recorder.respond = lambda *_: (200, {"ETag": '"e"', "Content-Length": str(length)}, bytes(length - 10))

    with pytest.raises(StorageUnavailable, match=r"GetObject of s3://bucket/a\.png"):
        read(store)


def test_a_body_that_breaks_off_is_continued_only_while_the_object_is_the_same(recorder, store):
    def respond(request, number):
        if "Range" in request[2]:
            return 206, {"ETag": '"other"', "Content-Range": "bytes 500000-599999/600000"}, b"?" * 100_000
        return 200, {"ETag": '"e"', "Content-Length": "600000"}, bytes(500_000)

    recorder.respond = respond

    with pytest.raises(StorageUnavailable, match=r"GetObject of s3://bucket/a\.png"):
        read(store)


ERRORS = [
    (403, "AccessDenied"),
    (404, "NoSuchBucket"),
    (400, "ExpiredToken"),
    (400, "AuthorizationHeaderMalformed"),
    (503, "SlowDown"),
    (500, "InternalError"),
]


@pytest.mark.parametrize(("status", "code"), ERRORS, ids=str)
@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
def test_an_error_reads_as_boto3_tells_it(recorder, store, monkeypatch, status, code, operation):
    monkeypatch.setattr("time.sleep", lambda _: None)
    recorder.respond = lambda *_: (status, {}, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode())
    call = read if operation == "GetObject" else put
    told = []
    for one in (make_store("boto3", 1, os.environ), store):
        with pytest.raises(StorageUnavailable) as raised:
            call(one)
        told.append((str(raised.value), raised.value.operation, raised.value.code))

    assert told[0] == told[1]
    assert told[0][1:] == (operation, code)
    assert len(recorder.by("obstore")) == (4 if status >= 500 else 1)  # as many attempts as boto3 makes


def test_an_object_that_is_gone_is_none(recorder, store):
    recorder.respond = lambda *_: (404, {}, b"<Error><Code>NoSuchKey</Code></Error>")

    assert store.open(REF, deadline=Deadline.after(60)) is None
    assert store.head(REF, deadline=Deadline.after(60)) is None
    assert [method for method, *_ in recorder.by("boto3")] == ["GET"]  # it might have been the bucket that is missing


def test_an_input_is_described_by_boto3_which_tells_its_storage_class(recorder):
    headers = {"ETag": '"e"', "x-amz-storage-class": "GLACIER", "x-amz-meta-maker": "m", "x-amz-version-id": "v"}
    recorder.respond = lambda *_: (200, headers, b"")
    store = make_store("obstore", 1, os.environ, [Prefix("bucket", "uploads/")])

    read, written = (store.head(ObjectRef("bucket", key), deadline=Deadline.after(60)) for key in ("uploads/a", "documents/a"))

    assert (read.is_archived, read.metadata, read.version_id) == (True, {"maker": "m"}, "v")
    assert (written.metadata, written.version_id) == ({"maker": "m"}, "v")
    assert [path for _, path, *_ in recorder.by("boto3")] == ["/bucket/uploads/a"]
    assert [path for _, path, *_ in recorder.by("obstore")] == ["/bucket/documents/a"]


def test_an_archived_object_is_described_by_boto3_and_has_no_bytes(recorder, store):
    def respond(request, number):
        if request[0] == "HEAD":
            return 200, {"ETag": '"e"', "x-amz-storage-class": "GLACIER", "Content-Length": "0"}, b""
        return 403, {}, b"<Error><Code>InvalidObjectState</Code></Error>"

    recorder.respond = respond
    opened = store.open(REF, deadline=Deadline.after(60))

    assert (opened.is_archived, opened.body.read(), opened.source.storage_class) == (True, b"", "GLACIER")


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="false"'}],
    ids=["replaced", "restored"],
)
def test_an_object_that_was_archived_a_moment_ago_is_tried_again(recorder, store, headers):
    """What is told of it now is not what S3 refused to give."""

    def respond(request, number):
        if request[0] == "HEAD":
            return 200, {"ETag": '"e"', "Content-Length": "0"} | headers, b""
        return 403, {}, b"<Error><Code>InvalidObjectState</Code></Error>"

    recorder.respond = respond
    with pytest.raises(StorageUnavailable, match="InvalidObjectState"):
        store.open(REF, deadline=Deadline.after(60))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_part_of_an_object_that_was_replaced_by_a_larger_one_is_tried_again(recorder, client):
    """S3 says that the part lies outside, and then describes another object, of which it does not."""

    def respond(request, number):
        if request[0] == "HEAD":
            return 200, {"ETag": '"e2"', "Content-Length": "20"}, b""
        return 416, {}, b"<Error><Code>InvalidRange</Code></Error>"

    recorder.respond = respond
    with pytest.raises(StorageUnavailable, match="InvalidRange"):
        make_store(client, 1, os.environ).open(REF, start=10, deadline=Deadline.after(60))


@pytest.mark.parametrize("call", ["open", "head", "list", "put"])
def test_the_client_of_boto3_is_made_by_the_deadline(recorder, call):
    """It takes half a second to import and to make, and more on a busy machine."""
    made = threading.Event()
    buckets = Buckets(connect(os.environ, lambda: make_client(1)), 2)
    store = ObstoreStorage(buckets, lambda: made.wait(30) and None, [Prefix("bucket", "")])
    odd, deadline = ObjectRef("bucket", "a/../b"), Deadline.after(0.1)
    calls = {
        "open": lambda: store.open(odd, deadline=deadline),
        "head": lambda: store.head(odd, deadline=deadline),
        "list": lambda: next(store.list(Prefix("bucket", ""), "", deadline=deadline)),
        "put": lambda: store.put(odd, io.BytesIO(), content_type="a/b", metadata={}, replacing=None, deadline=deadline),
    }

    with pytest.raises(OutOfTime, match="s3://bucket/"):
        calls[call]()
    made.set()


def test_an_empty_answer_with_status_200_is_no_answer(recorder, store):
    recorder.respond = lambda *_: (200, {}, b"")

    for call in (read, put):
        with pytest.raises(StorageUnavailable, match="without ETag"):
            call(store)


# --- writing ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replacing", [None, "e"])
def test_a_document_is_sent_on_its_condition_with_its_metadata(recorder, store, replacing):
    assert put(store, b'{"a": 1}', metadata={"etag": "q", "maker": "m m"}, replacing=replacing) is WriteResult.WRITTEN
    ((method, path, headers, body),) = recorder.requests

    condition = {"If-None-Match": "*"} if replacing is None else {"If-Match": '"e"'}
    assert (method, path, body) == ("PUT", "/bucket/a.png", b'{"a": 1}')
    assert {name: headers[name] for name in ("If-None-Match", "If-Match") if name in headers} == condition
    assert (headers["x-amz-meta-etag"], headers["x-amz-meta-maker"]) == ("q", "m m")
    assert headers["Content-Type"] == "application/json"
    assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    ("replacing", "status", "code", "result"),
    [
        (None, 412, "PreconditionFailed", WriteResult.STOPPED),
        (None, 409, "ConditionalRequestConflict", WriteResult.STOPPED),  # so its caller looks, and starts again
        ("e", 412, "PreconditionFailed", WriteResult.STOPPED),
        ("e", 409, "ConditionalRequestConflict", WriteResult.CONFLICT),
        ("e", 404, "NoSuchKey", WriteResult.CONFLICT),
    ],
)
def test_a_condition_that_does_not_hold_is_a_result(recorder, store, replacing, status, code, result):
    recorder.respond = lambda *_: (status, {}, f"<Error><Code>{code}</Code></Error>".encode())

    assert put(store, replacing=replacing) is result


def test_a_write_whose_answer_is_lost_is_made_again_on_the_same_condition(recorder, store):
    """obstore does not know whether it took effect; the second one is stopped if it did."""
    recorder.respond = lambda request, number: (
        (200, {"Content-Length": "0"}, b"") if number == 1 else (412, {}, b"<Error><Code>PreconditionFailed</Code></Error>")
    )

    assert put(store) is WriteResult.STOPPED
    assert [headers["If-None-Match"] for _, _, headers, _ in recorder.requests] == ["*", "*"]
    assert (len(recorder.by("obstore")), len(recorder.by("boto3"))) == (1, 1)


@pytest.mark.parametrize(
    ("content", "metadata"),
    [(bytes(MAX_SMALL_BYTES + 1), {}), (b"", {"content-type": "x"}), (b"", {"storage-class": "GLACIER"}), (b"", {"a": "x  "})],
    ids=["large", "content-type", "storage-class", "space"],
)
def test_what_obstore_would_send_otherwise_goes_to_boto3(recorder, store, content, metadata):
    assert put(store, content, metadata=metadata) is WriteResult.WRITTEN
    assert recorder.by("obstore") == []


def test_a_document_that_comes_in_short_pieces_is_whole(recorder, store):
    class Slow(io.BytesIO):
        def read(self, count=-1):
            return super().read(min(count, 1000))

    assert put(store, Slow(LARGE)) is WriteResult.WRITTEN
    assert recorder.requests[0][3] == LARGE


# --- time ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [read, put], ids=["GetObject", "PutObject"])
def test_after_its_deadline_a_call_is_not_begun(recorder, store, call):
    options = {"content_type": "text/plain", "metadata": {}, "replacing": None, "deadline": Deadline.after(0)}

    with pytest.raises(OutOfTime, match="not begun"):
        store.open(REF, deadline=Deadline.after(0)) if call is read else store.put(REF, io.BytesIO(b"1"), **options)
    assert recorder.requests == []


def test_a_call_that_hangs_is_given_up_at_its_deadline(environment, monkeypatch):
    with hanging() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        store, patience = make_store("obstore", 1, os.environ), Deadline.after(5)

        with pytest.raises(OutOfTime, match=r"Expected GetObject of s3://bucket/"):
            store.open(REF, deadline=Deadline.after(0.05))
        options = {"content_type": "text/plain", "metadata": {}, "replacing": None}
        with pytest.raises(OutOfTime, match=r"Expected PutObject of s3://bucket/"):
            store.put(REF, io.BytesIO(b"1"), deadline=Deadline.after(0.05), **options)
        assert not patience.is_over


def test_a_call_and_its_repetition_take_no_longer_together_than_one_call_may(recorder, store, monkeypatch):
    """Otherwise one object that hangs would use up the time of all the others."""
    over = threading.Event()
    monkeypatch.setattr("handler.obstore_storage.MAX_CALL_S", 0.5)

    def respond(request, number):
        if request[2]["User-Agent"] != "coatcheck":
            over.wait(30)
        return 403, {}, b""

    recorder.respond = respond
    patience = Deadline.after(5)

    with pytest.raises(StorageUnavailable, match=r"GetObject of s3://bucket/a\.png: no answer within 0\.\d+ s"):
        read(store)
    over.set()
    assert not patience.is_over


@pytest.mark.parametrize("at", [10, 2 * BLOCK_BYTES], ids=["while it is opened", "while it is read"])
def test_an_object_that_trickles_is_given_up_at_its_deadline_and_its_thread_ends(environment, monkeypatch, at):
    with trickling(bytes(2**22), at=at) as (endpoint, left):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        store, patience = make_store("obstore", 1, os.environ), Deadline.after(10)

        def read_by_the_deadline():
            with closing(store.open(REF, deadline=Deadline.after(0.5)).body) as body:
                body.read()

        with pytest.raises(OutOfTime, match="GetObject of s3://bucket/"):
            read_by_the_deadline()
        assert not patience.is_over
        assert left.wait(10)  # the thread that read has released the connection


def test_a_body_that_is_closed_early_releases_its_connection(environment, monkeypatch):
    with trickling(bytes(2**22), at=2 * BLOCK_BYTES) as (endpoint, left):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        opened = make_store("obstore", 1, os.environ).open(REF, deadline=Deadline.after(60))

        assert opened.body.read(10) == bytes(10)
        opened.body.close()
        assert left.wait(10)


# --- the whole function -------------------------------------------------------------------------------------------------------


def test_where_moto_stands_for_aws_in_the_process_obstore_is_refused(aws, monkeypatch):
    with pytest.raises(MisconfiguredError, match="S3_CLIENT=boto3 while moto's mock_aws is active"):
        make_store("obstore", 1, os.environ)


def archive(count, size=0):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for number in range(count):
            packed.writestr(f"{number}.png", PNG)
        packed.writestr("notes.txt", os.urandom(size))
    return file.getvalue()


def test_the_documents_of_both_clients_are_the_same_byte_for_byte(s3_server, monkeypatch):
    objects = {
        "uploads/one.png": PNG,
        "uploads/many.zip": archive(3),
        "uploads/large.zip": archive(2, size=3 * 2**20),
        "uploads/packed.gz": (ROOT / "events" / "images" / "packed-idx3-ubyte.gz").read_bytes(),
        "uploads/nothing": b"",
        "uploads/not an image+1%.png": b"?",
        "uploads/odd//key/": PNG,
        "uploads/list.csv": f"{INPUT},uploads/one.png\n".encode(),
    }
    documents = {}
    for bucket in (INPUT, OUTPUT):
        s3_server.create_bucket(Bucket=bucket)
    s3_server.put_bucket_versioning(Bucket=INPUT, VersioningConfiguration={"Status": "Enabled"})
    for key, content in objects.items():
        s3_server.put_object(Bucket=INPUT, Key=key, Body=content)
    for client in CLIENTS:
        monkeypatch.setenv("S3_CLIENT", client)
        build_parts.cache_clear()
        lambda_handler({"objects": [f"s3://{INPUT}/{key}" for key in objects]}, Context("r"))
        keys = [row["Key"] for row in s3_server.list_objects_v2(Bucket=OUTPUT, Prefix="predictions/uploads/")["Contents"]]
        found = {key: s3_server.get_object(Bucket=OUTPUT, Key=key) for key in keys}
        documents[client] = {
            key: (it["Body"].read(), it["Metadata"], it["ContentType"], it["ETag"]) for key, it in found.items()
        }
        for key in keys:
            s3_server.delete_object(Bucket=OUTPUT, Key=key)
    build_parts.cache_clear()

    assert len(documents["boto3"]) == len(objects)
    assert documents["obstore"] == documents["boto3"]


def test_an_object_is_scored_by_obstore_without_boto3_and_botocore(s3_server):
    """They take most of the start; only what obstore cannot do imports them."""
    for bucket in (INPUT, OUTPUT):
        s3_server.create_bucket(Bucket=bucket)
    s3_server.put_object(Bucket=INPUT, Key="uploads/a.png", Body=PNG)
    program = f"""
import json, sys
from handler.app import lambda_handler
class Context:
    function_name = function_version = "f"; memory_limit_in_mb = 1769; aws_request_id = "r"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    def get_remaining_time_in_millis(self): return 60000
answer = lambda_handler({{"objects": ["s3://{INPUT}/uploads/a.png"]}}, Context())
names = [name for name in sys.modules if name.split(".")[0] in ("boto3", "s3transfer") or name.startswith("botocore.")]
print(json.dumps([answer["objects"][0]["outcome"], names]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "S3_CLIENT": "obstore"},
    )

    assert json.loads(done.stdout.splitlines()[-1]) == ["scored", []], done.stdout + done.stderr


@pytest.mark.slow
def test_an_error_whose_answer_trickles_is_given_up_like_every_call(environment, monkeypatch):
    """Each byte comes sooner than the time-out of a read, so that only one of the whole request ends it."""
    over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(503)
            self.send_header("Content-Length", "10000")
            self.end_headers()
            while not over.wait(0.5):
                try:
                    self.wfile.write(b"<")
                except OSError:
                    return

        def log_message(self, *_):
            pass

    with serving(Handler) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        store, in_time = make_store("obstore", 1, os.environ), Deadline.after(MAX_CALL_S + 3)

        with pytest.raises(StorageUnavailable):
            store.open(REF, deadline=Deadline.after(600))

        assert not in_time.is_over
        over.set()
