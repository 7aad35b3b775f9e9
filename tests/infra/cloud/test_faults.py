"""The proxy passes calls on as they are, names them, and does to one of them exactly what its fault says."""

import http.server
import json
import socket
import threading
import urllib.parse

import pytest

from infra.cloud.faults import Fault, Run, serve

BODY = b"<r>0123456789</r>"
SQS = {"X-Amz-Target": "AmazonSQS.SendMessageBatch", "Content-Type": "application/x-amz-json-1.0"}
ENTRIES = [{"Id": "0", "MessageBody": "taken"}, {"Id": "1", "MessageBody": "refused"}]


class Upstream(http.server.ThreadingHTTPServer):
    """A cloud that answers every call alike; `seen` are the calls that reached it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, self.headers.get("X-Own"), body))
        content = json.dumps({"Successful": [{"Id": "0"}]}).encode() if self.command == "POST" else BODY
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        self.wfile.write(b"" if self.command in {"HEAD", "PUT"} else content)

    def log_message(self, *_):
        pass

    do_GET = do_HEAD = do_POST = answer  # noqa: N815

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, self.headers.get("X-Own"), b""))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def upstream(socket_enabled):
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(upstream):
    with serve(f"http://127.0.0.1:{upstream.server_port}") as proxy:
        yield proxy


def call(proxy, method, path, body=b"", headers=None):
    """Makes a call, and returns all bytes that come before the connection is closed."""
    lines = [f"{method} {path} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", "Connection: close", "X-Own: own"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    with socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(proxy.endpoint).port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        received = b""
        while part := connection.recv(4096):
            received += part
        return received


def begin(proxy, fault=None, name="GET bucket-less/key#1"):
    run = Run(call=name, fault=fault)
    proxy.begin(run)
    return run


def test_calls_are_passed_on_as_they_are_and_noted_by_name(proxy, upstream):
    run = begin(proxy)

    answer = call(proxy, "GET", "/in/a%20b%2B?x-id=GetObject")
    call(proxy, "GET", "/in/a%20b%2B")
    call(proxy, "GET", "/in?list-type=2&prefix=uploads%2F")
    call(proxy, "HEAD", "/in/a")
    call(proxy, "PUT", "/out/a.json", b"document")
    call(proxy, "PUT", "/out/missing", b"never written")
    call(proxy, "POST", "/", json.dumps({"Entries": ENTRIES}).encode(), SQS)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n" + BODY)
    assert b'ETag: "e"' in answer
    assert upstream.seen[0] == ("GET", "/in/a%20b%2B?x-id=GetObject", "own", b"")
    assert run.calls == [
        *("GET a b+#1", "GET a b+#2", "LIST uploads/#1", "HEAD a#1", "PUT a.json#1", "PUT missing#1", "SendMessageBatch#1")
    ]
    assert run.read == ["s3://in/a b+"] * 2
    assert run.sent == ["taken"]
    assert not run.is_struck


ANSWERED = {
    Fault.SLOW_DOWN: (b"503", b"<Code>SlowDown</Code>"),
    Fault.OUTAGE: (b"503", b"<Code>SlowDown</Code>"),
    Fault.INTERNAL_ERROR: (b"500", b"<Code>InternalError</Code>"),
    Fault.ACCESS_DENIED: (b"403", b"<Code>AccessDenied</Code>"),
    Fault.EXPIRED_TOKEN: (b"400", b"<Code>ExpiredToken</Code>"),
    Fault.CONFLICT: (b"409", b"<Code>ConditionalRequestConflict</Code>"),
    Fault.STOPPED: (b"412", b"<Code>PreconditionFailed</Code>"),
    Fault.NOT_FOUND: (b"404", b"<Code>NoSuchKey</Code>"),
    Fault.EMPTY: (b"200", b"\r\n\r\n"),
}
SILENT = {Fault.CLOSE_BEFORE, Fault.CLOSE_AFTER, Fault.HANG_BEFORE, Fault.HANG_AFTER, Fault.KILL_BEFORE, Fault.KILL_AFTER}
REACHING = {Fault.CLOSE_AFTER, Fault.HANG_AFTER, Fault.KILL_AFTER, Fault.CUT, Fault.FLIP, Fault.SLOW}


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_strikes_one_call_alone_and_reaches_the_cloud_if_it_comes_after(proxy, upstream, fault):
    run = begin(proxy, fault, "GET a#2")
    killed = []
    run.kill = lambda: killed.append(True)

    before = call(proxy, "GET", "/in/a")
    if fault in {Fault.HANG_BEFORE, Fault.HANG_AFTER, Fault.SLOW}:
        threading.Timer(0.3, run.over.set).start()
    struck = call(proxy, "GET", "/in/a")
    reached = len(upstream.seen) - 1
    after = call(proxy, "GET", "/in/a")

    assert run.is_struck
    assert before.endswith(BODY)
    assert after.endswith(BODY) == (fault is not Fault.OUTAGE)
    assert reached == (fault in REACHING)
    assert bool(killed) == (fault in {Fault.KILL_BEFORE, Fault.KILL_AFTER})
    if fault in ANSWERED:
        status, code = ANSWERED[fault]
        assert struck.split(b" ")[1] == status
        assert code in struck
    elif fault in SILENT:
        assert struck == b""
    elif fault is Fault.FLIP:
        assert len(struck) == len(before)
        assert sum(one != other for one, other in zip(struck, before, strict=True)) == 1
    else:
        assert struck.startswith(b"HTTP/1.1 200 OK")
        assert len(struck) < len(before)


def test_an_outage_ends_when_it_is_lifted(proxy):
    run = begin(proxy, Fault.OUTAGE, "GET a#1")

    first, second = call(proxy, "GET", "/in/a"), call(proxy, "HEAD", "/in/b")
    run.is_out = False

    assert b" 503 " in first
    assert b" 503 " in second
    assert call(proxy, "GET", "/in/a").endswith(BODY)


def test_what_has_no_body_has_no_byte_to_flip(proxy):
    run = begin(proxy, Fault.FLIP, "HEAD a#1")

    assert b" 200 " in call(proxy, "HEAD", "/in/a")

    assert run.is_harmless


def test_a_queue_is_told_of_faults_in_its_own_words(proxy):
    begin(proxy, Fault.ACCESS_DENIED, "SendMessageBatch#1")

    answer = call(proxy, "POST", "/", b"{}", SQS)

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["__type"] == "com.amazonaws.sqs#AccessDeniedException"


def test_only_writes_that_took_effect_are_noted_as_written(proxy):
    run = begin(proxy, Fault.CLOSE_BEFORE, "PUT a#1")

    call(proxy, "PUT", "/out/a", b"lost")
    call(proxy, "PUT", "/out/a", b"written")

    assert run.written == [("s3://out/a", b"written")]
