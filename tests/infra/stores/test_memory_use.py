"""However large an object is, it passes through in small pieces: written to files, read from files, read from S3."""

import http.server
import io
import os
import threading
import tracemalloc
from contextlib import contextmanager

import boto3
import pytest

from handler.deadline import Deadline
from handler.objects import ObjectRef
from handler.storage import S3Storage
from handler.store import WriteResult

OBJECT_BYTES, MAX_PEAK_BYTES = 64 * 2**20, 3 * 2**20


class Zeros(io.RawIOBase):
    """A file of zeros that takes no memory."""

    def __init__(self):
        super().__init__()
        self.position = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        self.position = offset + (OBJECT_BYTES if whence == os.SEEK_END else 0)
        return self.position

    def readinto(self, buffer):
        count = min(len(buffer), OBJECT_BYTES - self.position)
        buffer[:count] = bytes(count)
        self.position += count
        return count


@contextmanager
def little_memory():
    tracemalloc.start()
    try:
        yield
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < MAX_PEAK_BYTES


def count_bytes(body):
    with body:
        return sum(len(piece) for piece in iter(lambda: body.read(100_000), b""))


def test_a_large_object_passes_through_files_in_pieces(files_bucket):
    with little_memory():
        assert files_bucket.put("a", io.BufferedReader(Zeros())) is WriteResult.WRITTEN
        assert files_bucket.head("a").size_bytes == OBJECT_BYTES
        assert [listed.size_bytes for listed in files_bucket.list()] == [OBJECT_BYTES]
        assert count_bytes(files_bucket.open("a").body) == OBJECT_BYTES


class LargeObject(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(OBJECT_BYTES))
        self.send_header("ETag", '"e"')
        self.end_headers()
        for _ in range(OBJECT_BYTES // 2**16):
            self.wfile.write(bytes(2**16))

    def log_message(self, *_):
        pass


@pytest.fixture
def large_object_endpoint(environment):
    server = http.server.HTTPServer(("127.0.0.1", 0), LargeObject)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_large_object_comes_from_s3_in_pieces(large_object_endpoint):
    storage = S3Storage(boto3.client("s3", endpoint_url=large_object_endpoint))
    ref, deadline = ObjectRef("photos", "a"), Deadline.after(60)

    with little_memory():
        assert count_bytes(storage.open(ref, deadline=deadline).body) == OBJECT_BYTES
