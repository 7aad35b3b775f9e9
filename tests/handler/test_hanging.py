"""Whatever hangs, the answer leaves before Lambda ends the invocation, and exactly what is unfinished has failed.

S3 and SQS are a server of our own on 127.0.0.1, each of whose calls can be made to hang or to trickle.
"""

import hashlib
import http.server
import json
import threading
import urllib.parse
from pathlib import Path

import pytest

from handler.deadline import Deadline

IMAGES = Path(__file__).parent.parent.parent / "events" / "images"
PNG = (IMAGES / "coat-0.png").read_bytes()
INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"
LISTING = """<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><KeyCount>1</KeyCount>
<Contents><Key>uploads/0.png</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>
</ListBucketResult>"""


class Services:
    """A server of PNGs, which takes documents and messages; `hangs(method, path)` says which calls do not end."""

    def __init__(self):
        self.documents, self.sent, self.over = {}, [], threading.Event()
        self.contents = {}
        self.hangs = lambda method, path: False
        self.trickles = lambda method, path: False
        services = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                services.handle(self)

            do_GET = do_HEAD = do_PUT = do_POST = handle_one  # noqa: N815  # the names that the library calls

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        path = urllib.parse.unquote(handler.path)
        if self.hangs(handler.command, path):
            self.over.wait(60)
            handler.close_connection = True
            return
        if handler.command == "POST":
            self.answer_sqs(handler, body)
        elif handler.command == "PUT":
            if "/_coatcheck/" not in path:
                self.documents[path.split("?")[0]] = body
            self.answer(handler, b"", ETag='"d"')
        elif "list-type" in path:
            self.answer(handler, LISTING.encode())
        elif OUTPUT in path:
            self.answer(handler, b"", status=404)
        else:
            content, status, headers = self.contents.get(path, PNG), 200, {}
            if asked := handler.headers.get("Range"):
                first, last = asked.removeprefix("bytes=").split("-")
                start, size = int(first), len(content)
                content, status = content[start : int(last) + 1 if last else None], 206
                headers = {"Content-Range": f"bytes {start}-{start + len(content) - 1}/{size}"}
            self.answer(handler, content, status=status, **headers, trickling=self.trickles(handler.command, path), ETag='"e"')

    def answer_sqs(self, handler, body):
        entries = json.loads(body).get("Entries", [])
        self.sent += [entry["MessageBody"] for entry in entries if "MessageBody" in entry]
        done = [
            {"Id": it["Id"], "MessageId": "m", "MD5OfMessageBody": hashlib.md5(it.get("MessageBody", "").encode()).hexdigest()}
            for it in entries
        ]
        answer = {"Successful": done, "Attributes": {"ApproximateNumberOfMessages": "0"}}
        self.answer(handler, json.dumps(answer).encode(), **{"Content-Type": "application/x-amz-json-1.0"})

    def answer(self, handler, content, *, status=200, trickling=False, **headers):
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command == "HEAD":
            return
        step = 1 if trickling else len(content) or 1
        for start in range(0, len(content), step):
            try:
                handler.wfile.write(content[start : start + step])
            except OSError:
                return
            if trickling and self.over.wait(0.1):
                return


@pytest.fixture(params=["boto3", "obstore"])
def services(request, environment, monkeypatch, socket_enabled):
    services = Services()
    monkeypatch.setenv("S3_CLIENT", request.param)
    monkeypatch.setenv("AWS_ENDPOINT_URL", services.endpoint)
    monkeypatch.setenv("QUEUE_URL", f"{services.endpoint}/123456789012/work")
    monkeypatch.setenv("DEADLINE_RESERVE_MS", "4000")
    yield services
    services.close()


def message(name, body, count=1):
    return {
        "messageId": name,
        "receiptHandle": name,
        "body": json.dumps(body),
        "attributes": {"ApproximateReceiveCount": str(count)},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:work",
    }


def upload_event(key):
    return {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": INPUT}, "object": {"key": key}},
            }
        ]
    }


TEST_EVENT = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": INPUT}
BATCH = [message(str(number), upload_event(f"uploads/{number}.png")) for number in range(10)] + [message("test", TEST_EVENT)]


def failed(answer):
    return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}


def test_one_body_that_trickles_fails_alone(services, invoke):
    """Each byte comes sooner than any time-out; the three PNGs before it wait for a full batch of 16, the six after for it."""
    services.trickles = lambda method, path: path.endswith("/uploads/3.png")
    in_time = Deadline.after(7)

    answer = invoke({"Records": BATCH}, remaining_ms=7000)

    assert not in_time.is_over
    assert failed(answer) == {"3"}
    assert len(services.documents) == 9


@pytest.mark.parametrize("bodies", [1, 2, 8])
def test_large_bodies_that_trickle_take_nobody_along(services, invoke, bodies, monkeypatch):
    """Objects above 1 MiB are read as they are decoded, in the very thread that classifies; so they come last.

    Eight of them keep all connections busy until the time is over, so the others are sent again as new messages.
    """
    monkeypatch.setenv("S3_CONCURRENCY", "8")
    monkeypatch.setattr("handler.deadline.EARLY_SHARE", 0.9)  # all of them are opened early, however slow this machine is
    slow = {f"/{INPUT}/uploads/{number}.png" for number in range(bodies)}
    services.contents = dict.fromkeys(slow, PNG + bytes(3 * 2**20))
    services.trickles = lambda method, path: path in slow
    in_time = Deadline.after(7)

    answer = invoke({"Records": BATCH}, remaining_ms=7000)

    assert not in_time.is_over
    assert failed(answer) == {str(number) for number in range(bodies)}
    assert len(services.documents) == (10 - bodies if bodies < 8 else 0)
    assert len(services.documents) + len(services.sent) == 10 - bodies


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_call_for_one_object_that_hangs_fails_it_alone(services, invoke, method):
    services.hangs = lambda called, path: called == method and "/uploads/3.png" in path
    in_time = Deadline.after(7)

    answer = invoke({"Records": BATCH}, remaining_ms=7000)

    assert not in_time.is_over
    assert failed(answer) == {"3"}
    assert len(services.documents) == 9


def test_a_look_at_a_document_that_hangs_fails_its_object_alone(services, invoke):
    """Messages that were received before are done one at a time, so those behind the one that hangs are postponed."""
    services.hangs = lambda called, path: called == "HEAD" and "/uploads/3.png" in path
    in_time = Deadline.after(7)

    answer = invoke(
        {"Records": [{**each, "attributes": {"ApproximateReceiveCount": "2"}} for each in BATCH]}, remaining_ms=7000
    )

    assert not in_time.is_over
    assert "3" in failed(answer) or "uploads/3.png" in str(services.sent)
    assert len(services.documents) + len(services.sent) + len(failed(answer)) == 10


def test_a_listing_that_hangs_fails_its_sweep_and_no_object(services, invoke):
    services.hangs = lambda called, path: "list-type" in path
    in_time = Deadline.after(7)

    answer = invoke({"Records": [*BATCH, message("sweep", {"job": "sweep"})]}, remaining_ms=7000)

    assert not in_time.is_over
    assert failed(answer) == {"sweep"}
    assert len(services.documents) == 10


def test_a_queue_that_hangs_fails_the_list_and_no_object(services, invoke):
    services.hangs = lambda called, path: called == "POST"
    services.contents = {f"/{INPUT}/uploads/list": f"{INPUT},uploads/0.png\n".encode()}
    in_time = Deadline.after(8)

    answer = invoke({"Records": [*BATCH, message("list", upload_event("uploads/list"))]}, remaining_ms=8000)

    assert not in_time.is_over
    assert failed(answer) == {"list"}
    assert len(services.documents) == 10


def test_everything_that_hangs_at_once_fails_everything_in_time(services, invoke):
    services.hangs = lambda called, path: True
    in_time = Deadline.after(7)

    answer = invoke({"Records": BATCH}, remaining_ms=7000)

    assert not in_time.is_over
    assert failed(answer) == {str(number) for number in range(10)}
