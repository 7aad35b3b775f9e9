"""The third listing: the rows of finished shards, whatever keys and runs there are."""

import gzip

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from handler.backlog import grouping
from handler.backlog.covering import Covered
from handler.backlog.files import Entry, Index, IndexHead, KeysHead, decode_index, decode_keys, encode_index, encode_keys
from handler.deadline import Deadline
from handler.errors import StorageUnavailable
from handler.layout import LayoutName
from handler.objects import ObjectRef, Prefix
from handler.pairing import RowRef
from infra.stores.memory import MemoryStore
from tests.handler.backlog.world import INPUT, UPLOADS

JSON, LINES = LayoutName.JSON, LayoutName.LINES
KEYS = st.text(st.sampled_from("-.a/\u00e9\U0001f9e5"), max_size=4).map(lambda name: f"uploads/{name}")
HEAD = IndexHead(
    run="a",
    number=1,
    bucket="inbox",
    results="1" * 64,
    rejections="2" * 64,
    outcomes={"scored": 2},
    images=2,
    bytes=9,
    seconds=0.5,
)


def covered(bucket):
    return Covered.read(bucket.scorer.documents, Deadline.after(60))


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(grouping, "MAX_OBJECTS", 3)


@given(
    st.sets(KEYS, max_size=12),
    st.sets(KEYS, max_size=6),
    st.sampled_from(["uploads/", "uploads/a/", "uploads/-/"]),
    KEYS | st.just(""),
    st.sampled_from([JSON, LINES]),
)
@example({"uploads/a", "uploads/a-", "uploads/a-b", "uploads/a.a"}, {"uploads/a"}, "uploads/", "uploads/a-", JSON)
@example(set(), {"uploads/a/", "uploads/a"}, "uploads/a/", "uploads/", JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_each_object_under_a_prefix_has_the_row_of_the_latest_run(world, first, second, prefix, after, layout):
    bucket = world(layout=layout)
    etags = {}
    for run, keys in (("one", first), ("two", second)):
        for key in keys:
            etags[key] = bucket.put(key, f"{run} {key}".encode()).etag
        bucket.run(run)
        bucket.settle()

    rows = list(covered(bucket).rows(Prefix(INPUT, prefix), after, Deadline.after(60)))

    suffix = f".{layout}"
    places = [row.key + suffix for row in rows]
    assert places == sorted(set(places))
    under = {key: etag for key, etag in etags.items() if key.startswith(prefix)}
    found = {row.key: row.etag for row in rows}
    assert found.items() <= under.items()
    assert {key for key in under if key > after} <= set(found)
    refs = [ObjectRef(INPUT, key) for key in sorted(etags)] + [
        ObjectRef(INPUT, "uploads/none"),
        ObjectRef("other", "uploads/a"),
    ]
    by_ref = covered(bucket).find(refs, Deadline.after(60))
    assert {ref.key: row.etag for ref, row in by_ref.items()} == etags


NAMES = st.lists(st.sampled_from(["a", ".json", ".jsonl", "/", "-"]), max_size=4).map(lambda name: f"uploads/{''.join(name)}")


@given(
    st.sets(NAMES, max_size=14),
    st.sets(NAMES, max_size=6),
    NAMES | st.just(""),
    st.tuples(*[st.sampled_from([JSON, LINES])] * 3),
    st.sampled_from([20, 60]),
)
@example({"uploads/a", "uploads/a.json", "uploads/a.json/0", "uploads/a.json/a"}, {"uploads/a"}, "", (LINES, JSON, JSON), 20)
@example({"uploads/a", "uploads/a.json", "uploads/a.json/0"}, {"uploads/a.json"}, "", (JSON, JSON, LINES), 20)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_each_object_has_the_row_of_the_latest_run_also_after_another_layout_was_set(
    world, first, second, after, layouts, size
):
    grouping.MAX_OBJECTS = size  # so that the first shards have an object each, or three; the fixture puts it back
    store = MemoryStore()
    etags, time = {}, None
    for run, keys, layout in zip(("one", "two"), (first, second), layouts, strict=False):
        bucket = world(layout=layout, store=store)
        bucket.time = time or bucket.time
        for key in keys:
            etags[key] = bucket.put(key, f"{run} {key}".encode()).etag
        bucket.run(run)
        bucket.settle()
        time = bucket.time

    known = covered(world(layout=layouts[-1], store=store))
    rows = list(known.rows(UPLOADS, after, Deadline.after(60)))

    places = [f"{row.key}.{layouts[-1]}" for row in rows]
    assert places == sorted(set(places))
    found = {row.key: row.etag for row in rows}
    assert found.items() <= etags.items()
    assert {key for key in etags if key > after} <= set(found)
    by_ref = known.find([ObjectRef(INPUT, key) for key in etags], Deadline.after(60))
    assert {ref.key: row.etag for ref, row in by_ref.items()} == etags


def test_only_indexes_of_the_range_are_read(world):
    bucket = world()
    bucket.put_many(300)
    bucket.run()
    known = covered(bucket)
    opened = []
    bucket.store.before = lambda method, place: opened.append(place.key) if method == "open" else None

    rows = list(known.rows(UPLOADS, "uploads/000290.png", Deadline.after(60)))
    found = known.find([ObjectRef(INPUT, "uploads/000001.png"), ObjectRef(INPUT, "uploads/000002.png")], Deadline.after(60))

    assert [row.key for row in rows][-1] == "uploads/000299.png"
    assert len(rows) <= 12
    assert len(opened) <= 8  # of 157
    assert len(found) == 2


def test_the_rows_of_a_run_whose_plan_was_deleted_cover_nothing(world):
    bucket = world()
    bucket.put_many(2)
    bucket.run()
    bucket.store.remove(bucket.places.plan("first"))

    assert list(covered(bucket).rows(UPLOADS, "", Deadline.after(60))) == []
    assert bucket.sweep().missing == 2


def test_the_rows_of_a_run_whose_list_of_shards_was_deleted_cover_nothing(world):
    bucket = world()
    bucket.put_many(2)
    planned = bucket.plan()
    bucket.run()
    bucket.store.remove(ObjectRef(planned["bucket"], planned["shards_key"]))

    assert list(covered(bucket).rows(UPLOADS, "", Deadline.after(60))) == []


def test_the_rows_of_a_shard_without_an_index_cover_nothing(world):
    bucket = world()
    bucket.put_many(6)
    bucket.run()
    (first, *_) = bucket.refs(bucket.places.indexes(bucket.scorer.documents.maker, "first"))
    bucket.store.remove(first)

    assert len(list(covered(bucket).rows(UPLOADS, "", Deadline.after(60)))) < 6


@given(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=5), st.booleans())))
def test_an_index_is_read_as_it_was_written(entries):
    index = Index(HEAD, [Entry(*entry) for entry in entries])

    content = encode_index(index)

    assert decode_index(content, "here") == index
    assert encode_index(index) == content


@given(st.lists(st.text(max_size=20)))
def test_keys_are_read_as_they_were_written(keys):
    head = KeysHead(run="a", number=3, bucket="inbox")

    assert decode_keys(encode_keys(head, keys), "here") == (head, keys)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b""),
        gzip.compress(b"{}\n"),
        gzip.compress(b'{"schema":"coatcheck.shard/1"}\n'),
        encode_index(Index(HEAD, [Entry("a", "b")]))[:-9],
        gzip.compress(encode_index(Index(HEAD, []))),
        gzip.compress(b" " * (2**26 + 1)),
        gzip.compress(b"[" * 100_000),
        gzip.compress(b'{"schema":"coatcheck.shard/1"}\n\xff\xfe'),
    ],
    ids=lambda content: f"{len(content)} bytes",  # gzip's format tells the time
)
@pytest.mark.parametrize("decode", [decode_index, decode_keys])
def test_a_file_that_is_none_is_told_by_its_place(decode, content):
    with pytest.raises(StorageUnavailable, match=r"Received at s3://a/b"):
        decode(content, ObjectRef("a", "b"))


def test_a_row_that_is_no_longer_right_is_told(world):
    bucket = world()
    bucket.put("uploads/text", b"no image")
    bucket.run()
    known = covered(bucket)
    other = Covered(known.store, known.places, type(known.maker)(known.maker.results, "9" * 64), known.suffix, known.runs)

    (row,) = known.rows(UPLOADS, "", Deadline.after(60))
    (late,) = other.rows(UPLOADS, "", Deadline.after(60))

    assert (row.is_valid, late.is_valid) == (True, False)
    assert isinstance(row, RowRef)


def test_an_object_that_two_shards_of_a_run_have_has_one_row(world):
    """A list that a person wrote may name it twice, far apart."""
    bucket = world()
    bucket.put_many(2)
    bucket.run()
    covered = Covered.read(bucket.scorer.documents, bucket.budget().finish_by)
    (run,) = covered.runs
    twice = {name: [shard for shard in shards for _ in range(2)] for name, shards in run.shards.items()}
    covered = msgspec.structs.replace(covered, runs=(msgspec.structs.replace(run, shards=twice),))

    rows = list(covered.rows(UPLOADS, "", bucket.budget().finish_by))

    assert [row.key for row in rows] == ["uploads/000000.png", "uploads/000001.png"]
