"""Each store with one empty bucket, and the calls that tests make of it."""

import functools
import io
import os
import threading

import boto3
import pytest
from moto.s3.responses import S3Response

from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix
from handler.storage import S3Storage, make_client
from handler.stores import make_store
from infra.stores.files import FileStore
from infra.stores.memory import MemoryStore
from tests.ministack import reset

BUCKET = "photos"
RACERS = 16


class Bucket:
    """One bucket of a store: its methods by keys, with a minute for each."""

    def __init__(self, store, *, is_versioned=False):
        self.store = store
        self.is_versioned = is_versioned

    def ref(self, key):
        return ObjectRef(BUCKET, key)

    def put(self, key, content=b"content", metadata=None, replacing=None, deadline=None):
        file = io.BytesIO(content) if isinstance(content, bytes) else content
        return self.store.put(
            self.ref(key),
            file,
            content_type="application/octet-stream",
            metadata=metadata or {},
            replacing=replacing,
            deadline=deadline or Deadline.after(60),
        )

    def head(self, key, deadline=None):
        return self.store.head(self.ref(key), deadline=deadline or Deadline.after(60))

    def open(self, key, deadline=None, **part):
        return self.store.open(self.ref(key), deadline=deadline or Deadline.after(60), **part)

    def read(self, key, **part):
        opened = self.open(key, **part)
        with opened.body as body:
            return body.read()

    def list(self, prefix="", after="", deadline=None):
        return self.store.list(Prefix(BUCKET, prefix), after, deadline=deadline or Deadline.after(60))

    def keys(self, prefix="", after=""):
        return [listed.ref.key for listed in self.list(prefix, after)]


@pytest.fixture
def put_in_one_step(monkeypatch):
    """S3 judges the condition of a PUT and writes in one step; moto takes two, so a lock makes them one."""
    put_object, lock = S3Response.put_object, threading.Lock()

    @functools.wraps(put_object)
    def put_in_one_step(response):
        with lock:
            return put_object(response)

    monkeypatch.setattr(S3Response, "put_object", put_in_one_step)


@pytest.fixture
def s3_bucket(s3, put_in_one_step):
    """S3 on moto, by boto3."""
    s3.create_bucket(Bucket=BUCKET)
    return Bucket(S3Storage(make_client(RACERS)))


@pytest.fixture
def versioned_s3_bucket(s3, s3_bucket):
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3_bucket.is_versioned = True
    return s3_bucket


@pytest.fixture
def obstore_bucket(s3_server, put_in_one_step):
    """S3 on moto's server, by obstore, which reaches no other."""
    s3_server.create_bucket(Bucket=BUCKET)
    return Bucket(make_store("obstore", RACERS, os.environ))


@pytest.fixture
def versioned_obstore_bucket(s3_server, obstore_bucket):
    s3_server.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    obstore_bucket.is_versioned = True
    return obstore_bucket


@pytest.fixture
def ministack_s3(ministack, environment, botocore_data, monkeypatch):
    """A client of ministack, which is empty, and to which the environment leads every client of AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack)
    reset(ministack)
    return boto3.client("s3")


@pytest.fixture
def ministack_bucket(ministack_s3):
    """S3 on ministack, by boto3."""
    ministack_s3.create_bucket(Bucket=BUCKET)
    return Bucket(S3Storage(make_client(RACERS)))


@pytest.fixture
def versioned_ministack_bucket(ministack_s3, ministack_bucket):
    ministack_s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    ministack_bucket.is_versioned = True
    return ministack_bucket


@pytest.fixture
def obstore_ministack_bucket(ministack_s3):
    """S3 on ministack, by obstore."""
    ministack_s3.create_bucket(Bucket=BUCKET)
    return Bucket(make_store("obstore", RACERS, os.environ))


@pytest.fixture
def versioned_obstore_ministack_bucket(ministack_s3, obstore_ministack_bucket):
    ministack_s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    obstore_ministack_bucket.is_versioned = True
    return obstore_ministack_bucket


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def files_bucket(folder):
    return Bucket(FileStore({BUCKET: folder}))


@pytest.fixture
def memory_bucket():
    return Bucket(MemoryStore())


@pytest.fixture
def versioned_memory_bucket():
    return Bucket(MemoryStore(is_versioned=True), is_versioned=True)


MINISTACK = ["ministack", "versioned_ministack", "obstore_ministack", "versioned_obstore_ministack"]
STORES = ["s3", "versioned_s3", "obstore", "versioned_obstore", *MINISTACK, "files", "memory", "versioned_memory"]

# Where a store does not do what a test of this folder asks of all, and why: by the test and the stores. Such a case runs all
# the same, and must fail; so none is skipped, and a row that is no longer true is a failure.
MEMORIES = ["memory", "versioned_memory"]
DIFFERENCES = {
    "test_an_unknown_bucket_is_no_unknown_object": dict.fromkeys(MEMORIES, "memory has every bucket"),
    "test_a_body_is_read_by_the_deadline_too": dict.fromkeys(MEMORIES, "memory has read all when it opens an object"),
}


@pytest.fixture(params=STORES)
def bucket(request):
    reason = DIFFERENCES.get(request.node.originalname, {}).get(request.param)
    if reason:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    return request.getfixturevalue(f"{request.param}_bucket")
