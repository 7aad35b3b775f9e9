"""S3 through moto, and S3 that misbehaves through a server of our own on 127.0.0.1."""

import http.server
import inspect
import io
import threading
from collections import deque
from contextlib import closing, contextmanager

import boto3
import botocore.config
import botocore.exceptions
import pytest
from botocore.stub import Stubber

from handler.errors import StorageUnavailable
from handler.objects import ObjectRef, Prefix, WriteResult
from handler.storage import S3Storage, make_client

KEYS = ["a.png", "c++ notes+100%.png", "naïve/ñ 新.png", "../x", "//a", "a\nb", "\u202ertl", "trailing/", "k" * 1024]


@pytest.fixture
def storage(s3):
    return S3Storage(make_client(2))


def put(s3, ref, content=b"pixels"):
    return s3.put_object(Bucket=ref.bucket, Key=ref.key, Body=content)["ETag"].strip('"')


@pytest.mark.parametrize("key", KEYS)
def test_an_object_is_read_with_its_identity_whatever_its_key(storage, s3, buckets, key):
    ref = ObjectRef(buckets[0], key)
    etag = put(s3, ref)

    fetched = storage.read(ref, 100)

    assert fetched.content == b"pixels"
    assert (fetched.source.ref, fetched.source.etag, fetched.source.size_bytes) == (ref, etag, 6)
    assert fetched.source.version_id is None
    assert storage.identify(ref) == fetched.source


def test_in_a_versioned_bucket_the_identity_has_the_version(storage, s3, buckets):
    ref = ObjectRef(buckets[0], "a")
    s3.put_bucket_versioning(Bucket=ref.bucket, VersioningConfiguration={"Status": "Enabled"})
    version_id = s3.put_object(Bucket=ref.bucket, Key=ref.key, Body=b"1")["VersionId"]

    assert storage.read(ref, 100).source.version_id == version_id


def test_a_larger_object_than_wanted_comes_without_content(storage, s3, buckets):
    ref = ObjectRef(buckets[0], "a")
    put(s3, ref, bytes(11))

    fetched = storage.read(ref, 10)

    assert (fetched.content, fetched.source.size_bytes) == (b"", 11)


def test_what_is_gone_is_none(storage, buckets):
    ref = ObjectRef(buckets[0], "gone")

    assert storage.read(ref, 100) is None
    assert storage.identify(ref) is None
    assert storage.describe(ref) is None


def test_a_document_is_created_once(storage, s3, buckets):
    ref = ObjectRef(buckets[1], "a.json")

    assert storage.create(ref, io.BytesIO(b"1"), "application/json", {"input-etag": "e1"}) is WriteResult.WRITTEN
    assert storage.create(ref, io.BytesIO(b"2"), "application/json", {}) is WriteResult.STOPPED
    stored = s3.get_object(Bucket=ref.bucket, Key=ref.key)
    assert (stored["Body"].read(), stored["ContentType"]) == (b"1", "application/json")
    assert storage.describe(ref).metadata == {"input-etag": "e1"}


def test_a_document_is_replaced_only_if_it_is_still_the_same(storage, s3, buckets):
    ref = ObjectRef(buckets[1], "a.json")
    storage.create(ref, io.BytesIO(b"1"), "application/json", {})
    etag = storage.describe(ref).etag

    assert storage.replace(ref, io.BytesIO(b"2"), "application/json", {}, etag=etag) is WriteResult.WRITTEN
    assert storage.replace(ref, io.BytesIO(b"3"), "application/json", {}, etag=etag) is WriteResult.STOPPED
    assert s3.get_object(Bucket=ref.bucket, Key=ref.key)["Body"].read() == b"2"


def test_a_replacement_of_what_was_deleted_starts_again(storage, buckets):
    ref = ObjectRef(buckets[1], "gone.json")

    assert storage.replace(ref, io.BytesIO(b"1"), "application/json", {}, etag='"e"') is WriteResult.CONFLICT


def test_a_conflict_with_another_writer_starts_again(aws):
    client = make_client(1)
    with Stubber(client) as stubber:
        stubber.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)

        assert S3Storage(client).create(ObjectRef("bucket", "a"), io.BytesIO(), "application/json", {}) is WriteResult.CONFLICT


@pytest.mark.parametrize(
    "code", ["AccessDenied", "SlowDown", "InternalError", "RequestTimeout", "ExpiredToken", "NoSuchBucket"]
)
@pytest.mark.parametrize("operation", ["get_object", "head_object", "put_object"])
def test_every_other_error_of_s3_is_transient_and_names_operation_and_code(aws, operation, code):
    client, ref = make_client(1), ObjectRef("bucket", "a b.png")
    calls = {
        "get_object": lambda storage: storage.read(ref, 1),
        "head_object": lambda storage: storage.identify(ref),
        "put_object": lambda storage: storage.create(ref, io.BytesIO(b""), "application/json", {}),
    }
    with Stubber(client) as stubber:
        stubber.add_client_error(operation, code)

        with pytest.raises(StorageUnavailable, match=r"s3://bucket/a b\.png") as raised:
            calls[operation](S3Storage(client))

    assert raised.value.operation.lower() == operation.replace("_", "")
    assert raised.value.code == code


def test_a_missing_bucket_is_no_missing_object(storage, aws):
    with pytest.raises(StorageUnavailable):
        storage.read(ObjectRef("no-such-bucket", "a"), 1)


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

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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
        fetched = S3Storage(client).read(ObjectRef("bucket", "a"), 1000)

    assert fetched.content == b"pixels"
    assert len(attempts) == 4
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (2, 10)
    assert client.meta.config.max_pool_connections == 3


def test_a_body_that_breaks_off_is_never_taken_for_the_object(environment):
    def respond(handler):
        send(handler, {"Content-Length": "100", "ETag": '"e"'}, b"only these")

    with answering(respond) as endpoint, pytest.raises(StorageUnavailable, match="GetObject"):
        impatient(endpoint).read(ObjectRef("bucket", "a"), 1000)


def test_a_body_that_stalls_is_given_up(environment):
    stop = threading.Event()

    def respond(handler):
        send(handler, {"Content-Length": "100", "ETag": '"e"'}, b"only these")
        handler.wfile.flush()
        stop.wait(5)

    with answering(respond) as endpoint:
        with pytest.raises(StorageUnavailable, match="GetObject"):
            impatient(endpoint).read(ObjectRef("bucket", "a"), 1000)
        stop.set()


def test_a_body_that_fails_its_checksum_is_never_taken_for_the_object(environment):
    def respond(handler):
        send(handler, {"Content-Length": "6", "ETag": '"e"', "x-amz-checksum-crc32": "AAAAAA=="}, b"pixels")

    with answering(respond) as endpoint, pytest.raises(StorageUnavailable, match="GetObject"):
        impatient(endpoint).read(ObjectRef("bucket", "a"), 1000)


def test_no_server_at_all_is_transient(environment):
    with pytest.raises(StorageUnavailable, match="GetObject"):
        impatient("http://127.0.0.1:9").read(ObjectRef("bucket", "a"), 1)


def test_the_files_of_an_artifact_are_read_by_name(storage, s3, buckets):
    put(s3, ObjectRef(buckets[0], "models/v1/manifest.json"), b"{}")
    read = storage.reader(Prefix(buckets[0], "models/v1/"))

    assert read("manifest.json") == b"{}"
    with pytest.raises(FileNotFoundError, match=r"models/v1/model\.tflite"):
        read("model.tflite")


def test_a_listing_has_every_key_as_it_is_with_its_identity(storage, s3, buckets):
    keys = [f"uploads/{key}" for key in KEYS if len(key) < 1000]
    for key in keys:
        put(s3, ObjectRef(buckets[0], key), key.encode())
    put(s3, ObjectRef(buckets[0], "elsewhere/a"))

    listed = list(storage.list_objects(Prefix(buckets[0], "uploads/"), ""))

    assert [source.ref.key for source in listed] == sorted(keys, key=str.encode)
    assert listed[0] == storage.identify(listed[0].ref)


def test_a_listing_goes_on_behind_a_key(storage, s3, buckets):
    for key in ("uploads/a b", "uploads/a+c", "uploads/ñ"):
        put(s3, ObjectRef(buckets[0], key))

    listed = storage.list_objects(Prefix(buckets[0], "uploads/"), "uploads/a b")

    assert [source.ref.key for source in listed] == ["uploads/a+c", "uploads/ñ"]


def test_a_listing_of_many_pages_is_whole_and_asks_for_no_page_before_it_is_needed(storage, s3, buckets, monkeypatch):
    for number in range(7):
        put(s3, ObjectRef(buckets[0], f"uploads/{number}"))
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    pages = []
    storage._client.meta.events.register("before-call.s3.ListObjectsV2", lambda **_: pages.append(1))

    listed = storage.list_objects(Prefix(buckets[0], "uploads/"), "")

    assert next(listed).ref.key == "uploads/0"
    assert len(pages) == 1
    assert [source.ref.key for source in listed] == [f"uploads/{number}" for number in range(1, 7)]
    assert len(pages) == 3


def test_a_listing_that_is_refused_is_transient(storage, buckets):
    with pytest.raises(StorageUnavailable, match="ListObjectsV2 of s3://no-such-bucket/uploads/"):
        list(storage.list_objects(Prefix("no-such-bucket", "uploads/"), ""))


def test_the_function_s_calls_can_be_told_from_others_in_access_logs(environment):
    assert "coatcheck" in make_client(1).meta.config.user_agent_extra


def test_an_open_object_is_read_forwards_with_its_identity(storage, s3, buckets):
    ref = ObjectRef(buckets[0], "a b.bin")
    content = bytes(range(256)) * 5000
    etag = put(s3, ref, content)

    opened = storage.open(ref)

    assert (opened.source.ref, opened.source.etag, opened.source.size_bytes) == (ref, etag, len(content))
    assert opened.body.read(10) == content[:10]
    assert opened.body.peek(1)[:1] == content[10:11]
    assert opened.body.read() == content[10:]
    assert opened.body.read(1) == b""
    opened.body.close()


def test_an_open_object_that_is_gone_is_none(storage, buckets):
    assert storage.open(ObjectRef(buckets[0], "none")) is None


def test_an_open_object_that_may_not_be_read_is_transient(storage):
    with pytest.raises(StorageUnavailable, match="GetObject"):
        storage.open(ObjectRef("no-such-bucket", "a"))


@pytest.mark.parametrize(
    "headers", [{"Content-Length": "300000"}, {"Content-Length": "6", "x-amz-checksum-crc32": "AAAAAA=="}], ids=["short", "sum"]
)
def test_an_open_body_that_breaks_off_or_fails_its_checksum_says_so_at_its_end(environment, headers):
    def respond(handler):
        send(handler, headers | {"ETag": '"e"'}, b"pixels")

    with answering(respond) as endpoint:
        opened = impatient(endpoint).open(ObjectRef("bucket", "a"))
        with closing(opened.body), pytest.raises(StorageUnavailable, match="GetObject of s3://bucket/a"):
            deque(iter(lambda: opened.body.read(2), b""), maxlen=0)


def test_a_document_is_read_from_its_beginning_at_every_attempt(storage, s3, buckets):
    ref, content = ObjectRef(buckets[0], "a.json"), io.BytesIO(b"document")
    content.read()

    storage.create(ref, content, "application/json", {})

    assert s3.get_object(Bucket=ref.bucket, Key=ref.key)["Body"].read() == b"document"


def test_a_document_in_a_file_is_sent_out_of_it(storage, s3, buckets, tmp_path):
    """Larger than what is held in memory; S3 takes up to 5 GiB in one PUT, whole or not at all."""
    ref = ObjectRef(buckets[0], "a.jsonl")
    with (tmp_path / "document").open("w+b") as file:
        file.write(b"line\n" * 2_000_000)

        assert storage.create(ref, file, "application/jsonl", {}) is WriteResult.WRITTEN
    assert s3.head_object(Bucket=ref.bucket, Key=ref.key)["ContentLength"] == 10_000_000
