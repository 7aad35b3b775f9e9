"""Each store with one empty bucket, and the calls that tests make of it."""

import functools
import io
import os
import threading

import pytest
from moto.s3.responses import S3Response

from handler.deadline import Deadline
from handler.objects import ObjectRef, Prefix
from handler.storage import S3Storage, make_client
from handler.stores import make_store
from infra.stores.files import FileStore
from infra.stores.memory import MemoryStore

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


@pytest.fixture(params=["s3", "versioned_s3", "obstore", "versioned_obstore", "files", "memory", "versioned_memory"])
def bucket(request):
    return request.getfixturevalue(f"{request.param}_bucket")
