"""The stub of S3 answers as S3 does: whole objects and ranges, conditions, and requests that come in any pieces."""

import hashlib
import socket
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.bench.contenders import Stub
from infra.bench.samples import BUCKET, OUTPUT, PACKED_KEY, packed_object, read_pngs, single_key
from infra.bench.stub.shelf import Entry, Shelf, parse_range
from infra.bench.stub.wire import MAX_BODY_BYTES, MAX_HEAD_BYTES, BadRequest, Reader, Request, parse_head

BODY = b"0123456789"
GET = b"GET /in/a%20b HTTP/1.1\r\nHost: stub\r\n\r\n"
PUT = b"PUT /out/c HTTP/1.1\r\nHost: stub\r\nContent-Length: 3\r\n\r\nabc"


def ask(shelf, method, path, body=b"", **headers):
    return shelf.answer(Request(method, path, "", {name.replace("_", "-"): its for name, its in headers.items()}, body))


@pytest.fixture
def shelf():
    return Shelf({"/in/a": Entry.of(BODY, {"Content-Type": "image/png"})})


def test_an_object_is_answered_with_its_md5_and_its_type(shelf):
    response = ask(shelf, "GET", "/in/a")

    assert (response.status, response.body) == (200, BODY)
    assert response.headers["ETag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    assert response.headers["Content-Type"] == "image/png"
    assert b"\r\nContent-Length: 10\r\n\r\n" in response.head()


def test_head_tells_the_length_without_the_body(shelf):
    response = ask(shelf, "HEAD", "/in/a")

    assert (response.status, response.body) == (200, b"")
    assert response.head().endswith(b"\r\nContent-Length: 10\r\n\r\n")


@pytest.mark.parametrize(
    ("text", "content", "told"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=-20", BODY, "bytes 0-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_a_range_is_answered_with_its_part(shelf, text, content, told):
    response = ask(shelf, "GET", "/in/a", range=text)

    assert (response.status, bytes(response.body), response.headers["Content-Range"]) == (206, content, told)


@pytest.mark.parametrize("text", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=5-4"])
def test_a_range_of_no_byte_is_refused(shelf, text):
    assert ask(shelf, "GET", "/in/a", range=text).status == 416


def test_a_range_of_nothing_in_an_empty_object_is_refused():
    assert parse_range("bytes=0-", 0) is None
    assert parse_range("bytes=-1", 0) is None


@pytest.mark.parametrize("text", [None, "bytes=-", "lines=1-2", "bytes=1-2,4-5"])
def test_what_is_no_single_range_gives_the_whole_object(text):
    assert parse_range(text, 10) == (0, 10)


def test_a_document_is_created_once_and_keeps_its_metadata(shelf):
    first = ask(shelf, "PUT", "/out/a.json", b"{}", if_none_match="*", x_amz_meta_maker="m", content_type="application/json")
    second = ask(shelf, "PUT", "/out/a.json", b"[]", if_none_match="*")
    read = ask(shelf, "GET", "/out/a.json", range="bytes=1-1")

    assert (first.status, second.status) == (200, 412)
    assert (bytes(read.body), read.headers["ETag"]) == (b"}", first.headers["ETag"])
    assert (read.headers["x-amz-meta-maker"], read.headers["content-type"]) == ("m", "application/json")


def test_a_document_is_replaced_only_if_it_is_the_one_that_was_named(shelf):
    etag = ask(shelf, "PUT", "/out/a.json", b"{}").headers["ETag"]

    assert ask(shelf, "PUT", "/out/a.json", b"[]", if_match='"other"').status == 412
    assert ask(shelf, "PUT", "/out/a.json", b"[]", if_match=etag).status == 200
    assert ask(shelf, "PUT", "/out/none.json", b"[]", if_match=etag).status == 404
    assert ask(shelf, "GET", "/out/a.json", if_match=etag).status == 412


def test_what_is_not_there_and_what_is_not_known_are_errors_of_s3(shelf):
    assert (ask(shelf, "GET", "/in/none").status, ask(shelf, "DELETE", "/in/a").status) == (404, 501)
    assert b"<Code>NoSuchKey</Code>" in ask(shelf, "GET", "/in/none").body
    assert ask(shelf, "HEAD", "/in/none").body == b""


def test_a_reset_forgets_documents_and_calls_and_sets_the_delay(shelf):
    ask(shelf, "PUT", "/out/a.json", b"{}")
    shelf.answer(Request("POST", "/-/reset", "delay_ms=30", {}, b""))

    assert (shelf.documents, dict(shelf.calls), shelf.delay_s) == ({}, {}, 0.03)
    assert ask(shelf, "GET", "/in/a").status == 200


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_requests_are_read_out_of_pieces_of_any_size(size):
    reader, data = Reader(), (GET + PUT) * 3
    found = [request for start in range(0, len(data), size) for request in reader.feed(data[start : start + size])]

    assert [(it.method, it.path, it.body) for it in found] == [("GET", "/in/a b", b""), ("PUT", "/out/c", b"abc")] * 3


def test_a_client_that_waits_is_told_to_go_on_until_its_body_is_there():
    reader = Reader()
    head, body = PUT.replace(b"Host", b"Expect: 100-continue\r\nHost").split(b"\r\n\r\n")

    assert (reader.feed(head + b"\r\n\r\n"), reader.wants_continue) == ([], True)
    assert ([it.body for it in reader.feed(body)], reader.wants_continue) == ([b"abc"], False)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /",
        b"GET / HTTP/2",
        b"PUT / HTTP/1.1\r\nContent-Length: -1",
        b"PUT / HTTP/1.1\r\nContent-Length: \xb2",
        b"PUT / HTTP/1.1\r\nContent-Length: %d" % (MAX_BODY_BYTES + 1),
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked",
    ],
)
def test_what_is_no_request_of_told_length_is_refused(head):
    with pytest.raises(BadRequest):
        parse_head(head)


def test_headers_without_an_end_are_refused():
    with pytest.raises(BadRequest):
        Reader().feed(b"x" * (MAX_HEAD_BYTES + 1))


@pytest.fixture(scope="module")
def stub():
    with Stub(packed_images=3) as stub:
        yield stub


@pytest.fixture
def client(stub):
    config = Config(retries={"total_max_attempts": 1})
    credentials = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
    stub.reset()
    return boto3.client("s3", endpoint_url=stub.url, config=config, **credentials)


def test_boto3_reads_and_writes_over_the_network(stub, client):
    assert client.get_object(Bucket=BUCKET, Key=single_key(101))["Body"].read() == read_pngs()[1]
    assert client.get_object(Bucket=BUCKET, Key=PACKED_KEY)["Body"].read() == packed_object(3)
    client.put_object(Bucket=OUTPUT, Key="a b.json", Body=b"{}", Metadata={"maker": "m"}, IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=OUTPUT, Key="a b.json", Body=b"{}", IfNoneMatch="*")
    assert client.head_object(Bucket=OUTPUT, Key="a b.json")["Metadata"] == {"maker": "m"}
    assert stub.calls() == {"GET": 2, "PUT": 2, "HEAD": 1}


def test_obstore_reads_parts_and_creates_once(stub, client):
    obstore = pytest.importorskip("obstore")
    from obstore.store import S3Store

    options = {"endpoint": stub.url, "access_key_id": "none", "secret_access_key": "none", "region": "us-east-1"}
    source, target = (S3Store(name, **options, client_options={"allow_http": True}) for name in (BUCKET, OUTPUT))
    png = read_pngs()[0]

    assert bytes(source.get(single_key(0)).bytes()) == png
    assert bytes(source.get_range(single_key(0), start=10, end=20)) == png[10:20]
    target.put("c.json", b"{}", mode="create")
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        target.put("c.json", b"{}", mode="create")
    assert bytes(target.get_range("c.json", start=0, end=1)) == b"{"


def test_an_answer_waits_for_its_delay_and_holds_up_no_other(stub):
    """Twenty answers that wait for half a second each would take ten, one after the other; a busy machine takes some of it."""
    stub.reset(delay_ms=500)
    request = f"GET /{BUCKET}/{single_key(0)} HTTP/1.1\r\nHost: stub\r\n\r\n".encode()
    began = time.monotonic()
    connections = [socket.create_connection(("127.0.0.1", stub.port)) for _ in range(20)]
    for connection in connections:
        connection.sendall(request)
    answers = [connection.recv(12) for connection in connections]
    took_s = time.monotonic() - began
    for connection in connections:
        connection.close()
    stub.reset()

    assert answers == [b"HTTP/1.1 200"] * 20
    assert took_s >= 0.5


def test_a_connection_that_sends_no_request_is_told_why_and_closed(stub):
    with socket.create_connection(("127.0.0.1", stub.port)) as connection:
        connection.sendall(b"hello\r\n\r\n")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Expected METHOD TARGET HTTP/1.1" in answer
