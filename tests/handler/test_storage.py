"""S3 through moto, and S3 that misbehaves through a server of our own on 127.0.0.1."""

import http.client
import http.server
import inspect
import io
import ssl
import threading
import zipfile
from collections import deque
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import boto3
import botocore.config
import botocore.exceptions
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from botocore.utils import parse_timestamp

from handler import aws, s3_calls
from handler.deadline import Deadline
from handler.errors import OutOfTime, StorageUnavailable
from handler.formats import decode
from handler.model import store_reader
from handler.objects import ObjectRef, Prefix
from handler.s3_answers import BLOCK_BYTES
from handler.s3_calls import read_first_block
from handler.storage import S3Storage, make_client, parse_time
from handler.store import WriteResult
from tests.conftest import INPUT

KEYS = ["a.png", "c++ notes+100%.png", "naïve/ñ 新.png", "../x", "//a", "a\nb", "\u202ertl", "trailing/", "k" * 1024]


@pytest.fixture
def storage(s3):
    return S3Storage(make_client(2))


@pytest.fixture
def deadline():
    return Deadline.after(60)


def create(storage, ref, content):
    options = {"content_type": "application/json", "metadata": {}, "replacing": None}
    return storage.put(ref, content, deadline=Deadline.after(60), **options)


def put(s3, ref, content=b"pixels"):
    return s3.put_object(Bucket=ref.bucket, Key=ref.key, Body=content)["ETag"].strip('"')


def read(storage, ref, **part):
    """Reads an object whole, and returns its state with its content."""
    opened = storage.open(ref, deadline=Deadline.after(60), **part)
    with closing(opened.body) as body:
        return opened.source, body.read()


def read_in_pieces(storage, ref):
    """Reads an object two bytes at a time, as a decoder may."""
    opened = storage.open(ref, deadline=Deadline.after(60))
    with closing(opened.body):
        deque(iter(lambda: opened.body.read(2), b""), maxlen=0)


@pytest.mark.parametrize("key", KEYS)
def test_an_object_is_read_with_its_identity_whatever_its_key(storage, s3, buckets, deadline, key):
    ref = ObjectRef(buckets[0], key)
    etag = put(s3, ref)

    source, content = read(storage, ref)

    assert content == b"pixels"
    assert (source.ref, source.etag, source.size_bytes, source.version_id) == (ref, etag, 6, None)
    assert storage.head(ref, deadline=deadline) == source


def test_in_a_versioned_bucket_the_identity_has_the_version(storage, s3, buckets):
    ref = ObjectRef(buckets[0], "a")
    s3.put_bucket_versioning(Bucket=ref.bucket, VersioningConfiguration={"Status": "Enabled"})
    version_id = s3.put_object(Bucket=ref.bucket, Key=ref.key, Body=b"1")["VersionId"]

    assert read(storage, ref)[0].version_id == version_id


def test_an_archived_object_s_storage_class_is_told(storage, s3, buckets, deadline):
    ref = ObjectRef(buckets[0], "a")
    s3.put_object(Bucket=ref.bucket, Key=ref.key, Body=b"1", StorageClass="GLACIER")

    (listed,) = storage.list(Prefix(ref.bucket, ""), "", deadline=deadline)

    assert storage.head(ref, deadline=deadline).storage_class == listed.storage_class == "GLACIER"


def test_a_conflict_with_another_writer_starts_again(aws):
    client = make_client(1)
    with Stubber(client) as stubber:
        stubber.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)

        assert create(S3Storage(client), ObjectRef("bucket", "a"), io.BytesIO()) is WriteResult.CONFLICT


@pytest.mark.parametrize(
    "code", ["AccessDenied", "SlowDown", "InternalError", "RequestTimeout", "ExpiredToken", "NoSuchBucket"]
)
@pytest.mark.parametrize("operation", ["get_object", "head_object", "put_object"])
def test_every_other_error_of_s3_is_transient_and_names_operation_and_code(aws, operation, code):
    client, ref = make_client(1), ObjectRef("bucket", "a b.png")
    calls = {
        "get_object": lambda storage: read(storage, ref),
        "head_object": lambda storage: storage.head(ref, deadline=Deadline.after(60)),
        "put_object": lambda storage: create(storage, ref, io.BytesIO(b"")),
    }
    with Stubber(client) as stubber:
        stubber.add_client_error(operation, code)

        with pytest.raises(StorageUnavailable, match=r"s3://bucket/a b\.png") as raised:
            calls[operation](S3Storage(client))

    assert raised.value.operation.lower() == operation.replace("_", "")
    assert raised.value.code == code


def test_a_missing_bucket_is_no_missing_object(storage, aws):
    with pytest.raises(StorageUnavailable):
        read(storage, ObjectRef("no-such-bucket", "a"))


def test_every_exception_of_botocore_is_translated():
    """`_translated` catches these two families; an exception outside of them would escape unnamed."""
    exceptions = [
        value for value in vars(botocore.exceptions).values() if inspect.isclass(value) and issubclass(value, Exception)
    ]
    ours = [value for value in exceptions if value.__module__ == "botocore.exceptions"]
    strays = {
        value.__name__
        for value in ours
        if not issubclass(value, botocore.exceptions.BotoCoreError | botocore.exceptions.ClientError)
    }

    warnings_and_faults_of_its_own_service_files = {
        "ImminentRemovalWarning",
        "MissingServiceIdError",
        "UndefinedModelAttributeError",
        "UnsupportedTLSVersionWarning",
    }
    assert len(ours) > 50
    assert strays == warnings_and_faults_of_its_own_service_files


@contextmanager
def answering(respond):
    """A server on 127.0.0.1 that answers every GET with `respond(handler)`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            respond(self)

        def log_message(self, *_):
            pass

    with serving(Handler) as endpoint:
        yield endpoint


@contextmanager
def serving(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def impatient(endpoint):
    config = botocore.config.Config(read_timeout=0.5, connect_timeout=0.5, retries={"total_max_attempts": 1})
    return S3Storage(boto3.client("s3", endpoint_url=endpoint, config=config))


def send(handler, headers, body):
    handler.send_response(200)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def test_the_function_s_own_client_tries_again_and_gives_up_in_time(environment, monkeypatch):
    """Three times 503 and then an answer: four attempts in all, each with a bounded wait."""
    attempts = []

    def respond(handler):
        attempts.append(handler.path)
        if len(attempts) < 4:
            handler.send_error(503)
        else:
            send(handler, {"Content-Length": "6", "ETag": '"e"'}, b"pixels")

    with answering(respond) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        client = make_client(3)
        _, content = read(S3Storage(client), ObjectRef("bucket", "a"))

    assert content == b"pixels"
    assert len(attempts) == 4
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (2, 5)
    assert client.meta.config.max_pool_connections == 3


def test_a_body_that_breaks_off_is_never_taken_for_the_object(environment):
    def respond(handler):
        send(handler, {"Content-Length": "100", "ETag": '"e"'}, b"only these")

    with answering(respond) as endpoint, pytest.raises(StorageUnavailable, match="GetObject"):
        read(impatient(endpoint), ObjectRef("bucket", "a"))


def test_a_body_that_stalls_is_given_up(environment):
    stop = threading.Event()

    def respond(handler):
        send(handler, {"Content-Length": "100", "ETag": '"e"'}, b"only these")
        handler.wfile.flush()
        stop.wait(5)

    with answering(respond) as endpoint:
        with pytest.raises(StorageUnavailable, match="GetObject"):
            read(impatient(endpoint), ObjectRef("bucket", "a"))
        stop.set()


def test_a_body_that_fails_its_checksum_is_never_taken_for_the_object(environment):
    def respond(handler):
        send(handler, {"Content-Length": "6", "ETag": '"e"', "x-amz-checksum-crc32": "AAAAAA=="}, b"pixels")

    with answering(respond) as endpoint, pytest.raises(StorageUnavailable, match="GetObject"):
        read(impatient(endpoint), ObjectRef("bucket", "a"))


@pytest.mark.parametrize(
    "checksum",
    [{"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}, {"x-amz-checksum-crc32": "AAAAAA==-2"}],
    ids=["crc64nvme", "of parts"],
)
def test_a_checksum_that_botocore_cannot_verify_is_passed_over(environment, checksum):
    """If this fails, botocore verifies more than `S3Storage.open` says."""

    def respond(handler):
        send(handler, {"Content-Length": "6", "ETag": '"e"', **checksum}, b"pixels")

    with answering(respond) as endpoint:
        assert read(impatient(endpoint), ObjectRef("bucket", "a"))[1] == b"pixels"


def test_no_server_at_all_is_transient(environment):
    with pytest.raises(StorageUnavailable, match="GetObject"):
        read(impatient("http://127.0.0.1:9"), ObjectRef("bucket", "a"))


def test_the_files_of_an_artifact_are_read_by_name(storage, s3, buckets, deadline):
    put(s3, ObjectRef(buckets[0], "models/v1/manifest.json"), b"{}")
    read_file = store_reader(storage, Prefix(buckets[0], "models/v1/"), deadline)

    assert read_file("manifest.json") == b"{}"
    with pytest.raises(FileNotFoundError, match=r"models/v1/model\.tflite"):
        read_file("model.tflite")


def test_a_listing_of_many_pages_is_whole_and_asks_for_no_page_before_it_is_needed(storage, s3, buckets, deadline, monkeypatch):
    for number in range(7):
        put(s3, ObjectRef(buckets[0], f"uploads/{number}"))
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    pages = []
    storage._client.meta.events.register("before-call.s3.ListObjectsV2", lambda **_: pages.append(1))

    listed = storage.list(Prefix(buckets[0], "uploads/"), "", deadline=deadline)

    assert next(listed).ref.key == "uploads/0"
    assert len(pages) == 1
    assert [source.ref.key for source in listed] == [f"uploads/{number}" for number in range(1, 7)]
    assert len(pages) == 3


def test_a_listing_that_is_refused_is_transient(storage, buckets, deadline):
    with pytest.raises(StorageUnavailable, match="ListObjectsV2 of s3://no-such-bucket/uploads/"):
        list(storage.list(Prefix("no-such-bucket", "uploads/"), "", deadline=deadline))


def test_the_function_s_calls_can_be_told_from_others_in_access_logs(environment):
    assert "coatcheck" in make_client(1).meta.config.user_agent_extra


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Length": "300000"}, b"pixels"),
        ({"Content-Length": "6", "x-amz-checksum-crc32": "AAAAAA=="}, b"pixels"),
        ({"Content-Length": "900000"}, bytes(700_000)),
        ({"Content-Length": "700000", "x-amz-checksum-crc32": "AAAAAA=="}, bytes(700_000)),
        ({"Content-Length": str(2 * BLOCK_BYTES), "x-amz-checksum-crc32": "AAAAAA=="}, bytes(2 * BLOCK_BYTES)),
    ],
    ids=["short", "sum", "long and short", "long and sum", "whole blocks and sum"],
)
def test_an_open_body_that_breaks_off_or_fails_its_checksum_says_so_at_its_end(environment, headers, body):
    def respond(handler):
        send(handler, headers | {"ETag": '"e"'}, body)

    with answering(respond) as endpoint, pytest.raises(StorageUnavailable, match="GetObject of s3://bucket/a"):
        read_in_pieces(impatient(endpoint), ObjectRef("bucket", "a"))


def test_a_document_in_a_file_is_sent_out_of_it(storage, s3, buckets, tmp_path):
    """Larger than what is held in memory; S3 takes up to 5 GiB in one PUT, whole or not at all."""
    ref = ObjectRef(buckets[0], "a.jsonl")
    with (tmp_path / "document").open("w+b") as file:
        file.write(b"line\n" * 2_000_000)

        assert create(storage, ref, file) is WriteResult.WRITTEN
    assert s3.head_object(Bucket=ref.bucket, Key=ref.key)["ContentLength"] == 10_000_000


@contextmanager
def hanging():
    """A server on 127.0.0.1 that takes every request and never answers."""
    ended = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def hang(self):
            ended.wait(30)

        do_GET = do_HEAD = do_PUT = hang  # noqa: N815  # the names that the library calls

        def log_message(self, *_):
            pass

    with serving(Handler) as endpoint:
        yield endpoint
        ended.set()


CALLS = {
    "GetObject": lambda storage, ref, deadline: storage.open(ref, deadline=deadline),
    "HeadObject": lambda storage, ref, deadline: storage.head(ref, deadline=deadline),
    "PutObject": lambda storage, ref, deadline: storage.put(
        ref, io.BytesIO(b"1"), content_type="text/plain", metadata={}, replacing=None, deadline=deadline
    ),
    "ListObjectsV2": lambda storage, ref, deadline: list(storage.list(Prefix(ref.bucket, ""), "", deadline=deadline)),
}


@pytest.mark.parametrize("operation", CALLS)
def test_a_call_that_hangs_is_given_up_at_its_deadline_long_before_the_client_would(environment, monkeypatch, operation):
    """The client waits 5 s, four times; the test would fail by its own patience of 5 s."""
    with hanging() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        storage, patience = S3Storage(make_client(1)), Deadline.after(5)

        with pytest.raises(OutOfTime, match=f"Expected {operation} of s3://bucket/"):
            CALLS[operation](storage, ObjectRef("bucket", "a"), Deadline.after(0.05))
        assert not patience.is_over


@pytest.mark.parametrize("operation", CALLS)
def test_after_its_deadline_a_call_is_not_begun(environment, operation):
    client, made = make_client(1), []
    client.meta.events.register("before-call.s3.*", lambda model, **_: made.append(model.name))

    with pytest.raises(OutOfTime, match="not begun"):
        CALLS[operation](S3Storage(client), ObjectRef("bucket", "a"), Deadline.after(0))
    assert made == []


def trickled_zip():
    """A zip archive of 64 MB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.png", bytes(64 * 2**20))
    return file.getvalue()


@contextmanager
def trickling(content, at):
    """A server that sends `content` byte by byte from byte `at` on; yields its endpoint, and an event of its client leaving."""
    stop, left = threading.Event(), threading.Event()

    def respond(handler):
        send(handler, {"Content-Length": str(len(content)), "ETag": '"e"'}, content[:at])
        try:
            for position in range(at, len(content)):
                handler.wfile.write(content[position : position + 1])
                if stop.wait(0.02):
                    return
        except OSError:
            left.set()

    with answering(respond) as endpoint:
        yield endpoint, left
        stop.set()


def test_an_object_that_trickles_while_it_is_opened_is_given_up_at_its_deadline_and_its_thread_ends(environment):
    with trickling(bytes(2**16), at=10) as (endpoint, left):
        patience = Deadline.after(10)

        with pytest.raises(OutOfTime, match="GetObject of s3://bucket/a"):
            impatient(endpoint).open(ObjectRef("bucket", "a"), deadline=Deadline.after(0.2))
        assert not patience.is_over
        assert left.wait(10)  # the thread that read has released the connection


@pytest.mark.parametrize("size", [6, BLOCK_BYTES + 6], ids=["when it is opened", "when it is read"])
def test_a_body_whose_last_byte_comes_as_it_is_given_up_is_out_of_time(environment, monkeypatch, size):
    """urllib3 has given the connection back by then, and refuses to shut it down."""
    read_block, over = s3_calls.read_block, threading.Event()

    def read_and_wait(body):
        block = read_block(body)
        if len(block) < BLOCK_BYTES:
            over.wait(10)
        return block

    monkeypatch.setattr(s3_calls, "read_block", read_and_wait)
    with (
        answering(lambda handler: send(handler, {"Content-Length": str(size), "ETag": '"e"'}, bytes(size))) as endpoint,
        pytest.raises(OutOfTime, match="GetObject of s3://bucket/a"),
    ):
        impatient(endpoint).open(ObjectRef("bucket", "a"), deadline=Deadline.after(0.5)).body.read()
    over.set()


def test_a_broken_record_of_tls_is_transient(environment, monkeypatch):
    """botocore passes the error of urllib3 on."""
    read = http.client.HTTPResponse.read

    def read_what_is_broken(response, size=None):
        if size:
            raise ssl.SSLError(1, "decryption failed or bad record mac")
        return read(response, size)

    monkeypatch.setattr(http.client.HTTPResponse, "read", read_what_is_broken)
    with (
        answering(lambda handler: send(handler, {"Content-Length": "6", "ETag": '"e"'}, b"pixels")) as endpoint,
        pytest.raises(StorageUnavailable, match="bad record mac"),
    ):
        impatient(endpoint).open(ObjectRef("bucket", "a"), deadline=Deadline.after(10))


def test_a_call_that_waits_for_a_thread_is_never_made_after_its_deadline(environment, monkeypatch):
    """All threads are busy with calls that hang; what was given up meanwhile must not happen later."""
    monkeypatch.setattr("handler.aws.MAX_THREADS", 1)
    aws._threads.cache_clear()
    hung, made = threading.Event(), []

    for function in (hung.wait, lambda: made.append("late")):
        with pytest.raises(OutOfTime):
            aws.call_by(Deadline.after(0.05), "a call", function)
    hung.set()
    aws.call_by(Deadline.after(10), "another", lambda: made.append("in time"))

    assert made == ["in time"]
    aws._threads.cache_clear()


def test_a_body_that_trickles_into_a_decoder_is_given_up_at_its_deadline_and_its_thread_ends(environment, fashion_target):
    """Each piece comes sooner than any time-out of the network, and `zipfile` waits for all of them."""
    with trickling(trickled_zip(), at=2**20) as (endpoint, left):
        patience = Deadline.after(10)
        opened = impatient(endpoint).open(ObjectRef("bucket", "a.zip"), deadline=Deadline.after(0.5))
        with closing(opened.body), pytest.raises(OutOfTime, match=r"GetObject of s3://bucket/a\.zip"):
            list(decode(opened.body, "a.zip", fashion_target))

        assert not patience.is_over
        assert left.wait(10)  # the thread that read has released the connection


def test_an_archived_object_is_described_and_has_no_bytes(storage, s3, buckets):
    ref = ObjectRef(buckets[0], "a.png")
    s3.put_object(Bucket=ref.bucket, Key=ref.key, Body=b"pixels", StorageClass="GLACIER")

    opened = storage.open(ref, deadline=Deadline.after(60))

    assert (opened.is_archived, opened.body.read()) == (True, b"")
    assert (opened.source.storage_class, opened.source.size_bytes) == ("GLACIER", 6)


@pytest.mark.parametrize("operation", CALLS)
def test_an_empty_answer_with_status_200_is_no_answer(environment, monkeypatch, operation):
    """A bucket is not empty, and a document not written, because a proxy says "200 OK" and no more."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def respond(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            send(self, {"Content-Length": "0"}, b"")

        do_GET = do_HEAD = do_PUT = respond  # noqa: N815  # the names that the library calls

        def log_message(self, *_):
            pass

    with serving(Handler) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)

        with pytest.raises(StorageUnavailable, match="without"):
            CALLS[operation](S3Storage(make_client(1)), ObjectRef("bucket", "a"), Deadline.after(10))


def test_a_truncated_page_without_a_continuation_is_not_the_end_of_the_list(environment):
    client = make_client(1)
    with Stubber(client) as stubber:
        stubber.add_response("list_objects_v2", {"IsTruncated": True, "Contents": []})

        with pytest.raises(StorageUnavailable, match="NextContinuationToken"):
            list(S3Storage(client).list(Prefix("bucket", ""), "", deadline=Deadline.after(10)))


@pytest.mark.parametrize("field", ["Key", "ETag", "Size"])
def test_a_row_of_a_list_that_lost_a_field_is_an_error_that_can_be_tried_again(environment, field):
    client, row = make_client(1), {"Key": "a", "ETag": '"e"', "Size": 1}
    with Stubber(client) as stubber:
        stubber.add_response("list_objects_v2", {"IsTruncated": False, "Contents": [{**row, "Key": "b"}, row]})
        del row[field]

        with pytest.raises(StorageUnavailable, match=f"without {field}"):
            list(S3Storage(client).list(Prefix("bucket", ""), "", deadline=Deadline.after(10)))


@pytest.mark.parametrize("operation", CALLS)
def test_a_call_takes_no_longer_than_one_call_may_even_if_there_is_time(environment, monkeypatch, operation):
    """Otherwise one object that hangs would use up the time of all the others."""
    monkeypatch.setattr("handler.aws.call_by.__defaults__", (None, 0.1))
    for module in ("handler.s3_calls.call", "handler.storage.call"):
        monkeypatch.setattr(f"{module}.__defaults__", (None, 0.1))
    monkeypatch.setattr("handler.storage.MAX_WRITE_S", 0.1)
    with hanging() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        storage, patience = S3Storage(make_client(1)), Deadline.after(5)

        with pytest.raises(StorageUnavailable, match=rf"{operation} of s3://bucket/.*no answer within 0.1 s"):
            CALLS[operation](storage, ObjectRef("bucket", "a"), Deadline.after(3600))
        assert not patience.is_over


@pytest.mark.parametrize(
    "text", ["2026-11-02T10:00:00.000Z", "2026-11-02T10:00:00Z", "2026-11-02T10:00:00", "Mon, 02 Nov 2026 10:00:00 GMT"]
)
def test_times_are_those_that_botocore_would_read(text):
    assert parse_time(text) == datetime(2026, 11, 2, 10, tzinfo=UTC)
    assert parse_timestamp(text).replace(tzinfo=UTC) == parse_time(text)


def test_a_listing_tells_times_and_what_is_archived(s3, buckets):
    """moto lists no RestoreStatus, so its answer is given one as S3 would."""
    s3.put_object(Bucket=INPUT, Key="a", Body=b"a")
    s3.put_object(Bucket=INPUT, Key="b", Body=b"b", StorageClass="GLACIER")
    client = make_client(1)
    asked = []

    def restored(parsed, **_):
        parsed["Contents"][1]["RestoreStatus"] = {"IsRestoreInProgress": False, "RestoreExpiryDate": datetime.now(UTC)}

    client.meta.events.register("before-parameter-build.s3.*", lambda params, **_: asked.append(params))
    archived = [one.is_archived for one in S3Storage(client).list(Prefix(INPUT, ""), "", deadline=Deadline.after(60))]
    client.meta.events.register("after-call.s3.ListObjectsV2", restored)
    again = list(S3Storage(client).list(Prefix(INPUT, ""), "", deadline=Deadline.after(60)))

    assert asked[0]["OptionalObjectAttributes"] == ["RestoreStatus"]
    assert archived == [False, True]
    assert [one.is_archived for one in again] == [False, False]
    assert all(abs(datetime.now(UTC) - one.last_modified) < timedelta(hours=1) for one in again)


@pytest.mark.parametrize(
    ("answer", "is_archived"),
    [
        ({}, False),
        ({"StorageClass": "GLACIER"}, True),
        ({"StorageClass": "GLACIER_IR"}, False),
        ({"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'}, True),
        ({"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029"'}, False),
        ({"StorageClass": "INTELLIGENT_TIERING"}, False),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"}, True),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "DEEP_ARCHIVE_ACCESS"}, True),
    ],
    ids=str,
)
def test_head_tells_what_is_archived_and_not_restored(s3, buckets, answer, is_archived):
    s3.put_object(Bucket=INPUT, Key="a", Body=b"a")
    client = make_client(1)
    client.meta.events.register("after-call.s3.HeadObject", lambda parsed, **_: parsed.update(answer))

    assert S3Storage(client).head(ObjectRef(INPUT, "a"), deadline=Deadline.after(60)).is_archived is is_archived


def test_an_answer_that_comes_after_the_deadline_is_closed_unread():
    """Nobody waits for it any more, and its connection would stay open."""
    may_answer, is_closed, read = threading.Event(), threading.Event(), []

    class Raw(io.BytesIO):
        def read(self, *size):
            read.append(size)
            return super().read(*size)

        def close(self):
            super().close()
            is_closed.set()

    def get():
        may_answer.wait(10)
        return {"Body": StreamingBody(Raw(b"content"), 7)}

    with pytest.raises(OutOfTime):
        read_first_block(get, ObjectRef("bucket", "a"), Deadline.after(0.05))
    may_answer.set()

    assert is_closed.wait(10)
    assert read == []
