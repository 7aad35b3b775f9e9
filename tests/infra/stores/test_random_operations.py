"""Whatever is done in whatever order, every store does what a dict would: files, memory, and S3 on ministack by each client."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handler.store import WriteResult
from handler.stores import make_store
from infra.stores.files import FileStore
from infra.stores.memory import MemoryStore
from tests.infra.stores.conftest import BUCKET, Bucket
from tests.ministack import reset

# Few characters, so that keys are often equal or one begins with another. Some can be no names of files, some sort next to "/".
KEYS = st.text(st.sampled_from("ab/.-0\0é😀"), min_size=1, max_size=5) | st.sampled_from(
    ["b" * 60, "b" * 61, "b" * 120, "b" * 255, "b" * 256, "a/" + "b" * 300, ".coatcheck/a", "a/.coatcheck/a"]
)
CONTENTS = st.sampled_from([b"", b"1", b"2"])
METADATA = st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["v", ""]), max_size=2)
STATES = st.sampled_from(["nothing", "what stands there", "another state"])

EXAMPLES = 200
BOUNDED = 10  # of the examples, on ministack in `make test`


@st.composite
def some_operations(draw):
    """Puts to a few keys, and listings below and after them."""
    key = st.sampled_from(draw(st.lists(KEYS, min_size=1, max_size=6)))
    put = st.tuples(st.just("put"), key, CONTENTS, METADATA, STATES)
    prefix = st.builds(lambda key: key[: key.rfind("/") + 1], key)
    after = st.builds(str.__add__, key, st.sampled_from(["", "-", "/", "0"]))
    return draw(st.lists(put | put | st.tuples(st.just("list"), prefix, after), max_size=25))


@given(some_operations())
@settings(max_examples=EXAMPLES)
def test_files_and_memory_do_what_a_dict_would(operations):
    with tempfile.TemporaryDirectory() as folder:
        for bucket in (Bucket(FileStore({BUCKET: Path(folder)})), Bucket(MemoryStore())):
            check(bucket, operations)


@pytest.mark.parametrize("client", ["boto3", "obstore"])
@pytest.mark.parametrize("examples", [BOUNDED, pytest.param(EXAMPLES, marks=pytest.mark.soak)])
def test_s3_does_what_a_dict_would(client, examples, ministack, ministack_s3):
    """The bounded form takes the same examples at each run."""
    store = make_store(client, 1, os.environ)

    @given(some_operations())
    @settings(max_examples=examples, derandomize=examples == BOUNDED)
    def check_all(operations):
        reset(ministack)
        ministack_s3.create_bucket(Bucket=BUCKET)
        check(Bucket(store), operations)

    check_all()
    print(f"{examples} of {EXAMPLES} examples")  # noqa: T201  # how bounded it is


def check(bucket, operations):
    model = {}
    for operation, *arguments in operations:
        if operation == "put":
            check_put(bucket, model, *arguments)
        else:
            check_list(bucket, model, *arguments)
    check_list(bucket, model, "", "")
    for key, (content, metadata) in model.items():
        assert (bucket.read(key), bucket.head(key).metadata) == (content, metadata)


def check_put(bucket, model, key, content, metadata, replacing):
    head = bucket.head(key)
    assert (head is not None) is (key in model)
    etag = {"nothing": None, "what stands there": head.etag if head else "0" * 32, "another state": "1" * 32}[replacing]
    expected = WriteResult.CONFLICT if head is None else WriteResult.STOPPED
    if (head.etag if head else None) == etag:
        expected = WriteResult.WRITTEN
        model[key] = content, metadata

    assert bucket.put(key, content, metadata, replacing=etag) is expected


def check_list(bucket, model, prefix, after):
    expected = [key for key in sorted(model, key=str.encode) if key.startswith(prefix) and key.encode() > after.encode()]

    listed = list(bucket.list(prefix, after))

    assert [source.ref.key for source in listed] == expected
    assert [source.size_bytes for source in listed] == [len(model[key][0]) for key in expected]
