"""Runs over a backlog in memory: what is planned, what is written, and that nothing is scored twice or left out."""

import gzip
import hashlib
import io
import json
import random
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from handler.backlog import rows as row_module
from handler.backlog.files import encode_index, encode_keys
from handler.backlog.grouping import MAX_BYTES, MAX_OBJECTS
from handler.backlog.runs import Shard
from handler.backlog.shards import RETRY_AFTER_S as PAUSES_S
from handler.backlog.shards import ShardScorer, require_plan
from handler.backlog.tasks import parse_task
from handler.deadline import Deadline, TimeBudget
from handler.errors import InvocationFailed, StaleRun, StorageUnavailable, UnacceptedObject, UnrecognisedEvent
from handler.jobs import Sweep
from handler.maker import Maker
from handler.objects import ObjectRef
from handler.store import WriteResult
from infra.stores.memory import MemoryStore
from tests.handler.backlog.world import picture
from tests.handler.values import MAKER


def archive(count):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        for number in range(count):
            members.writestr(f"{number}.png", picture(number))
    return file.getvalue()


OVER = TimeBudget(Deadline.after(-1), Deadline.after(600))  # so a sweep does one chunk and hands the rest on


# Rows


def test_a_row_is_byte_for_byte_the_document_of_an_upload(world):
    """Of pictures, an archive, one with a broken member, what cannot be read, and an empty object."""
    here, there = world(), world()
    for bucket in (here, there):
        bucket.put_many(3)
        bucket.put("uploads/many.zip", archive(5))
        bucket.put("uploads/half.zip", archive(2).replace(b"IDAT", b"IDAX", 1))
        bucket.put("uploads/text.txt", b"no image at all")
        bucket.put("uploads/nothing", b"")
    there.upload(*(key for key in (ref.key for ref in there.store.refs()) if key.startswith("uploads/")))

    summary = here.run()

    keys = here.row_keys()
    assert sorted(keys) == sorted(ref.key for ref in here.store.refs() if ref.bucket == "inbox")
    assert here.rows() == [there.document(key) for key in keys]
    assert summary["outcomes"] | {"scored": 5, "rejected": 2} == summary["outcomes"]
    assert (summary["images"], summary["failed"], summary["failed_list"]) == (9, 0, None)
    assert summary["shards"] == {"planned": 1, "finished": 1}


def test_of_a_hundred_objects_three_bad_ones_are_rejected_rows_and_another_run_does_none_again(world):
    bucket = world()
    bucket.put_many(97)
    for key, content in {"cut.png": picture(1)[:-20], "empty": b"", "page.png": b"<html>"}.items():
        bucket.put(f"uploads/{key}", content)

    summary = bucket.run()
    rows = bucket.rows()

    assert {name: count for name, count in summary["outcomes"].items() if count} == {"scored": 97, "rejected": 3}
    errors = [json.loads(row)["error"]["name"] for row in rows if b'"error"' in row]
    assert sorted(errors) == ["EmptyObject", "UnreadableImage", "UnrecognisedFormat"]
    assert bucket.plan("second")["plan"]["objects"] == 0
    again = bucket.run()  # by the same name
    assert again | {"ended_at": summary["ended_at"]} == summary
    assert bucket.rows() == rows


def test_each_object_is_reported_as_an_upload_is(world):
    bucket = world()
    bucket.put_many(3)

    bucket.run()

    assert [report.outcome.value for _, report in bucket.recorded] == ["scored"] * 3
    assert [report.images for _, report in bucket.recorded] == [1, 1, 1]


def test_a_lines_layout_changes_no_row(world):
    lines, value = world(layout="jsonl"), world()
    for bucket in (lines, value):
        bucket.put_many(2)
        bucket.run()

    assert lines.rows() == value.rows()


def test_all_inputs_are_scored_without_a_prefix(world):
    bucket = world()
    bucket.put_many(2), bucket.put_many(2, "more/")
    bucket.put("elsewhere/a.png")

    bucket.run()

    assert sorted(bucket.row_keys()) == ["more/000000.png", "more/000001.png", "uploads/000000.png", "uploads/000001.png"]


def test_a_prefix_is_scored_alone(world):
    bucket = world()
    bucket.put_many(2), bucket.put_many(2, "uploads/deep/")

    bucket.run(prefix="s3://inbox/uploads/deep/")

    assert bucket.row_keys() == ["uploads/deep/000000.png", "uploads/deep/000001.png"]


@pytest.mark.parametrize("prefix", ["s3://inbox/", "s3://other/uploads/", "s3://inbox/uploads", "uploads/", ""])
def test_a_prefix_outside_of_the_inputs_is_refused(world, prefix):
    with pytest.raises(UnacceptedObject, match="Expected"):
        world().plan(prefix=prefix)


# Nothing twice


def test_a_sweep_after_a_backlog_sends_nothing(world):
    bucket = world()
    bucket.put_many(300)
    bucket.put("uploads/text.txt", b"no image at all")
    bucket.run()
    bucket.settle()

    report = bucket.sweep()

    assert (report.examined, report.sent, report.missing, report.looked_at) == (301, 0, 0, 0)
    assert bucket.queue.messages == []


def sweep_in_links(bucket):
    """Sweeps by invocations that end after one chunk each; yields the report of each of them."""
    jobs = [Sweep()]
    while jobs:
        report = bucket.sweep(jobs.pop(), OVER)
        assert report.error is None
        yield report
        jobs += report.handed_on


def sent(bucket):
    """The objects for which there are messages; a sweep that was handed on has one too."""
    return [uri for message in bucket.queue.messages for uri in message.get("objects", ())]


WAITING = [f"uploads/{name}" for name in ("0", "1", "a", "a-1", "a-2", "a-3", "a-4", "b")]  # the place of `a` follows `a-4`'s


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_row_holds_for_an_input_that_waits_where_a_sweep_is_cut(world, monkeypatch, size):
    monkeypatch.setattr("handler.dispatch.CHUNK_OBJECTS", size)
    bucket = world()
    for key in WAITING:
        bucket.put(key)
    bucket.run()
    bucket.settle()

    reports = list(sweep_in_links(bucket))

    assert len(reports) > 2
    assert sum(report.missing for report in reports) == 0
    assert sent(bucket) == []


@pytest.mark.parametrize("has_document", [False, True], ids=["a row", "a document beside the row"])
def test_an_input_that_waits_and_has_changed_is_sent_where_a_sweep_is_cut(world, monkeypatch, has_document):
    monkeypatch.setattr("handler.dispatch.CHUNK_OBJECTS", 2)
    bucket = world()
    for key in WAITING:
        bucket.put(key)
    before = picture(len("uploads/a"))
    bucket.run()
    bucket.settle()
    bucket.put("uploads/a", picture(99))
    if has_document:  # the row is of the present state again, but the document is the answer
        bucket.upload("uploads/a")
        bucket.put("uploads/a", before)

    for _ in sweep_in_links(bucket):
        pass

    assert set(sent(bucket)) == {"s3://inbox/uploads/a"}


def test_rows_that_cannot_be_read_hold_up_no_sweep(world, monkeypatch):
    monkeypatch.setattr("handler.dispatch.CHUNK_OBJECTS", 3)
    bucket = world()
    for key in WAITING:
        bucket.put(key)
    bucket.run()
    bucket.settle()
    reads = Counter()

    def fail(method, place):
        if method == "open" and "/covered/" in getattr(place, "key", ""):
            reads.update([place.key])
            if reads[place.key] > 1:  # once it was listed, and then for what waits
                raise StorageUnavailable("no answer")

    bucket.store.before = fail

    report = bucket.sweep(budget=OVER)

    assert report.error is None
    assert report.handed_on
    assert report.missing == 1


def test_the_next_plan_leaves_out_what_has_a_row_or_a_document(world):
    bucket = world()
    bucket.put_many(5)
    bucket.upload("uploads/000001.png")
    bucket.run()
    bucket.put("uploads/new.png")

    plan = bucket.plan("second")["plan"]

    assert (plan["objects"], plan["left_out"]) == (1, {"done": 5})


def test_an_object_that_changed_is_missing_for_sweeps_and_plans(world):
    bucket = world()
    bucket.put_many(3)
    bucket.run()
    bucket.put("uploads/000001.png", picture(200))
    bucket.settle()

    report = bucket.sweep()

    assert [message["objects"] for message in bucket.queue.messages] == [["s3://inbox/uploads/000001.png"]]
    assert (report.missing, bucket.plan("second")["plan"]["objects"]) == (1, 1)


def test_of_two_runs_the_row_of_the_later_one_counts(world):
    """An object changes to and fro; the row of its first state must not pass for an answer about the third."""
    bucket = world()
    bucket.put("uploads/a.png", picture(1))
    bucket.run("first")
    bucket.put("uploads/a.png", picture(2))
    bucket.settle()
    bucket.run("second")
    bucket.put("uploads/a.png", picture(1))
    bucket.settle()

    assert bucket.plan("third")["plan"]["objects"] == 1
    assert bucket.sweep().missing == 1


def test_a_document_is_the_answer_where_there_is_one(world):
    """An upload between two states: its document is of the present one, whatever the row says."""
    bucket = world()
    bucket.put("uploads/a.png", picture(1))
    bucket.run()
    bucket.put("uploads/a.png", picture(2))
    bucket.upload("uploads/a.png")
    bucket.settle()

    assert bucket.sweep().missing == 0
    bucket.put("uploads/a.png", picture(1))  # of which the row tells, but not the document
    bucket.settle()
    assert bucket.sweep().missing == 1


def test_a_row_of_something_rejected_counts_until_more_can_be_read(world):
    store = MemoryStore()
    before = world(store=store)
    before.put("uploads/a.png")
    before.put("uploads/text.txt", b"no image at all")
    before.run()
    after = world(store=store, maker=Maker(MAKER.results, "9" * 64))
    after.settle()

    assert after.plan("second")["plan"]["objects"] == 1
    assert [shard["first"] for shard in after.shards(after.plan("second"))] == ["uploads/text.txt"]
    assert after.sweep().missing == 1


def test_rows_of_another_model_cover_nothing(world):
    store = MemoryStore()
    before = world(store=store)
    before.put_many(3)
    before.run()
    after = world(store=store, maker=Maker("7" * 64, "8" * 64))

    assert after.plan("second")["plan"]["objects"] == 3


def test_a_shard_that_is_repeated_changes_no_byte(world):
    bucket = world()
    bucket.put_many(10)
    (shard,) = bucket.shards(bucket.plan())
    bucket.do(shard)
    before = {ref: bucket.store.content(ref) for ref in bucket.store.refs()}
    bucket.put("uploads/000003.png", picture(99))

    answer = bucket.do(shard)

    assert answer["was_done"]
    assert {ref: bucket.store.content(ref) for ref in before if ref.bucket == "outbox"} == {
        ref: content for ref, content in before.items() if ref.bucket == "outbox"
    }
    assert len(bucket.recorded) == 10


def test_two_workers_of_one_shard_leave_one_set_of_rows(world):
    """The second one reads an object that has changed meanwhile; the index tells of the rows that are there."""
    bucket = world()
    bucket.put_many(4)
    bucket.put("uploads/text.txt", b"no image at all")
    (shard,) = bucket.shards(bucket.plan())

    def overtake(method, place):
        if method == "create" and "/covered/" in getattr(place, "key", ""):
            bucket.store.before = lambda *_: None
            bucket.put("uploads/000001.png", picture(77))
            assert not bucket.do(shard)["was_done"]

    bucket.store.before = overtake
    bucket.do(shard)

    (index,) = bucket.indexes()
    rows = [json.loads(row)["input"] for row in bucket.rows()]
    assert [(entry.key, entry.etag) for entry in index.entries] == [(row["key"], row["etag"]) for row in rows]
    assert [entry.has_rejected for entry in index.entries] == [False] * 4 + [True]
    assert (index.head.images, dict(index.head.outcomes)) == (4, {"scored": 4, "rejected": 1})
    assert len(set(bucket.row_keys())) == len(bucket.row_keys()) == 5


@pytest.mark.parametrize(
    "broken",
    [b"{", b'{"input":{"key":"\xff"}}', b'{"more":' + b"[" * 2000 + b"]" * 2000 + b"}"],
    ids=["cut", "not UTF-8", "nested"],
)
def test_rows_that_are_none_fail_the_shard_and_are_named(broken, world):
    """Somebody has written over the rows of an earlier worker, which has told nothing of them."""
    bucket = world()
    bucket.put_many(2)
    (shard,) = bucket.shards(bucket.plan())
    bucket.do(shard)
    (rows,) = bucket.refs(bucket.places.rows_of(MAKER.results, "first"))
    (index,) = (ref for ref in bucket.store.refs() if "/covered/" in ref.key)
    there = bucket.store.head(rows, deadline=bucket.budget().finish_by)
    bucket.store.place(rows, broken, there.metadata)
    bucket.store.remove(index)

    with pytest.raises(StorageUnavailable, match=r"Expected rows of this shard at .*. Received: (?!other).*; delete them\."):
        bucket.do(shard)


def test_a_run_of_a_name_is_planned_once(world):
    bucket = world()
    bucket.put_many(3)
    first = bucket.plan()
    bucket.put("uploads/later.png")

    assert bucket.plan() == first


def test_of_two_who_plan_a_run_at_once_one_wins(world):
    bucket = world()
    bucket.put_many(3)
    planned = []

    def overtake(method, place):
        if method == "create" and getattr(place, "key", "").endswith("/plan.json") and not planned:
            planned.append(None)
            planned[0] = bucket.plan()

    bucket.store.before = overtake

    assert bucket.plan() == planned[0]


# Plans in parts


@pytest.mark.parametrize("has_documents", [False, True])
def test_a_plan_in_any_number_of_parts_names_each_object_once(world, has_documents):
    """Also keys that are beginnings of others, whose documents come in another order than they do."""
    bucket = world()
    keys = [f"uploads/{'-' * (number % 7)}{number:04}" for number in range(700)]
    keys += ["uploads/a", "uploads/a-", "uploads/a-b", "uploads/a.json", "uploads/a-b.json", "uploads/a0"]
    for key in keys:
        bucket.put(key, b"x")
    done = set(random.Random(1).sample(keys, 200)) if has_documents else set()
    bucket.upload(*sorted(done))
    bucket.settle()

    answer, calls = {"job": "plan", "run": "first"}, 0
    over = TimeBudget(Deadline.after(-1), Deadline.after(600))
    while not answer.get("is_planned"):
        answer, calls = bucket.do(json.loads(json.dumps(answer)), over), calls + 1

    shards = bucket.shards(answer)
    named = [key for shard in shards for key in keys_of(bucket, shard)]
    assert calls == 9  # a chunk of 100 in each, and the last one finds nothing under the other prefix
    assert Counter(named) == Counter(set(keys) - done)
    assert [shard["number"] for shard in shards] == list(range(1, len(shards) + 1))
    places = [f"{key}.json" for key in named]
    assert places == sorted(places)
    assert answer["plan"]["left_out"] == ({"done": 200} if has_documents else {})


def keys_of(bucket, shard):
    from handler.backlog.files import decode_keys
    from handler.backlog.runs import Shard

    place = bucket.places.keys(msgspec.convert(shard, Shard))
    return decode_keys(bucket.store.content(place), place)[1]


def test_a_part_whose_answer_was_lost_is_answered_again(world):
    """Step Functions repeats the same event; the inputs have changed by then."""
    bucket = world()
    bucket.put_many(250)
    over = TimeBudget(Deadline.after(-1), Deadline.after(600))
    first = bucket.do({"job": "plan", "run": "first"}, over)
    second = bucket.do(first, over)
    bucket.put("uploads/000150-new.png")

    assert bucket.do(first, over) == second


def test_what_was_planned_before_is_neither_listed_nor_looked_at_again(world):
    bucket = world()
    bucket.put_many(250)
    over = TimeBudget(Deadline.after(-1), Deadline.after(600))
    first = bucket.do({"job": "plan", "run": "first"}, over)
    assert first["planned"] == {"objects": 100, "bytes": sum(len(picture(number)) for number in range(100))}
    bucket.do(first, over)
    listed = []
    bucket.store.before = lambda method, place: listed.append(place) if method == "list" else None

    bucket.do(first, over)

    assert listed == []


def test_the_first_shards_are_small_and_grow(world):
    bucket = world()
    bucket.put_many(1000)

    shards = bucket.shards(bucket.plan())

    assert [shard["objects"] for shard in shards] == [124, 249, 374, 253]  # one less than by their number, for their bytes
    assert sum(shard["bytes"] for shard in shards) == sum(
        len(bucket.store.content(r)) for r in bucket.store.refs() if r.bucket == "inbox"
    )


def test_large_objects_fill_a_shard_by_their_bytes(world):
    bucket = world()

    class Listing(MemoryStore):
        def list(self, prefix, after, *, deadline):
            for found in super().list(prefix, after, deadline=deadline):
                yield msgspec.structs.replace(found, size_bytes=MAX_BYTES // 4) if prefix.bucket == "inbox" else found

    bucket = world(store=Listing())
    for number in range(60):
        bucket.put(f"uploads/{number:02}", b"x")

    shards = bucket.shards(bucket.plan())

    assert max(shard["bytes"] for shard in shards) <= MAX_BYTES
    assert [shard["objects"] for shard in shards[:4]] == [1, 1, 1, 1]  # each is more than the first shards may have
    assert shards[-2]["objects"] == 3
    assert MAX_OBJECTS == 2500


def test_a_plan_tells_how_many_images_some_objects_have(world):
    bucket = world()
    bucket.put_many(3)
    bucket.put("uploads/many.zip", archive(5))
    bucket.put("uploads/text.txt", b"no image at all")

    assert bucket.plan()["plan"]["sampled"] == {"objects": 5, "images": 8}


def test_the_objects_that_are_looked_into_are_those_of_the_smallest_digests(world):
    bucket = world()
    keys = [f"uploads/{number:03}.png" for number in range(200)]
    ranked = sorted(keys, key=lambda key: hashlib.blake2b(f"inbox/{key}".encode(), digest_size=8).hexdigest())
    for key in keys:
        bucket.put(key, archive(3) if key in ranked[:16] else picture(0))

    assert bucket.plan()["plan"]["sampled"] == {"objects": 16, "images": 48}


def test_the_answer_to_a_plan_says_where_and_what_the_shards_are(world):
    bucket = world()
    for number in range(30):
        bucket.put(f"uploads/{number}", b"12345")
    bucket.settle()

    answer = bucket.plan()

    assert {name: answer[name] for name in ("job", "run", "is_planned", "planned")} == {
        "job": "plan",
        "run": "first",
        "is_planned": True,
        "planned": {"objects": 30, "bytes": 150},
    }
    assert sorted(answer["plan"]) == ["bytes", "left_out", "objects", "order", "planned_at", "rows", "sampled", "shards"]
    assert answer["plan"]["shards"] == len(bucket.shards(answer))
    assert answer["plan"]["rows"] == str(bucket.places.rows_of(MAKER.results, "first"))


def test_a_plan_of_nothing_has_no_shards(world):
    bucket = world()

    answer = bucket.plan()

    assert (answer["plan"]["objects"], bucket.shards(answer)) == (0, [])
    assert bucket.do({"job": "summarise", "run": "first"})["shards"] == {"planned": 0, "finished": 0}


# Lists


def ask(bucket, *named, run="first"):
    lines = [json.dumps(["inbox", key] if size is None else ["inbox", key, size]) for key, size in named]
    place = bucket.places.asked(run)
    bucket.store.place(ObjectRef("outbox", f"{place.prefix}00001.jsonl.gz"), gzip.compress("\n".join(lines).encode() + b"\n"))


def test_a_list_of_objects_is_scored_without_those_that_are_done(world):
    bucket = world()
    bucket.put_many(6)
    bucket.upload("uploads/000001.png")
    bucket.run("before", prefix="s3://inbox/uploads/")
    bucket.put("uploads/000002.png", picture(99))  # has changed since
    bucket.put("uploads/new.png")
    ask(
        bucket,
        ("uploads/000001.png", None),
        ("uploads/000002.png", 70),
        ("uploads/000003.png", None),
        ("uploads/gone.png", 9),
        ("uploads/new.png", None),
        ("outside/a.png", None),
    )

    summary = bucket.run(listed=True)

    plan = bucket.plan()["plan"]
    assert plan["left_out"] == {"done": 2, "refused": 1}
    assert bucket.row_keys() == ["uploads/000002.png", "uploads/new.png"]
    assert summary["outcomes"]["gone"] == 1


def test_a_listed_run_looks_at_no_input_of_which_nothing_is_known(world):
    bucket = world()
    bucket.put_many(50)
    ask(bucket, *((f"uploads/{number:06}.png", None) for number in range(50)))
    calls = Counter()
    bucket.store.before = lambda method, place: calls.update([(method, getattr(place, "bucket", ""))])

    bucket.plan(listed=True)

    assert calls["head", "inbox"] == 0
    assert calls["list", "inbox"] == 0


@pytest.mark.parametrize("line", ["[]", '["inbox"]', '["inbox", 1]', "{", '["inbox", "a", -1', ""])
def test_a_list_that_is_none_is_told_by_its_place(world, line):
    bucket = world()
    place = bucket.places.asked("first")
    bucket.store.place(ObjectRef("outbox", f"{place.prefix}1.jsonl.gz"), gzip.compress(line.encode()) if line else b"no gzip")

    with pytest.raises(StorageUnavailable, match="runs/first/asked/1"):
        bucket.plan(listed=True)


def test_what_one_invocation_hands_on_is_small_whatever_the_keys_are(world):
    """Step Functions passes 256 KiB on. Each key here is the beginning of the next one, so that all of them wait."""
    bucket = world()
    for length in range(1, 900):
        bucket.put(f"uploads/{'-' * length}", b"x")
    over = TimeBudget(Deadline.after(-1), Deadline.after(600))

    answer = bucket.do({"job": "plan", "run": "first"}, over)
    while not answer.get("is_planned"):
        assert len(json.dumps(answer)) < 400
        answer = bucket.do(answer, over)

    assert answer["plan"]["objects"] == 899


def test_a_list_in_a_backlog_is_sent_to_the_queue_and_has_the_row_of_its_document(world):
    here, there = (world(layout="jsonl", has_queue=True) for _ in range(2))
    for bucket in (here, there):
        bucket.put("uploads/list.csv", b"inbox,uploads/a.png\ninbox,more/b.png\n")
    there.upload("uploads/list.csv")

    here.run()

    (row,) = here.rows()
    assert row == there.content(ObjectRef("outbox", "results/uploads/list.csv.jsonl")).rstrip(b"\n")
    assert here.queue.messages == there.queue.messages
    assert len(here.queue.messages) == 2


def test_a_report_on_a_row_names_no_document(world):
    bucket = world()
    bucket.put("uploads/a.png")
    bucket.run("first")
    bucket.put("uploads/b.png")
    bucket.run("second", documents=True)

    assert [report.document and report.document.key for _, report in bucket.recorded] == [None, "results/uploads/b.png.json"]


# Documents, and other models


def test_documents_are_written_one_for_each_if_asked(world):
    here, there = world(), world()
    for bucket in (here, there):
        bucket.put_many(3)
    there.upload(*there.put_many(3))

    summary = here.run(documents=True)

    assert here.rows() == []
    assert summary["rows"] is None
    assert all(here.document(f"uploads/{number:06d}.png") == there.document(f"uploads/{number:06d}.png") for number in range(3))


def test_what_another_model_wrote_is_replaced_only_if_asked(world):
    store = MemoryStore()
    before = world(store=store, maker=Maker("7" * 64, "8" * 64))
    before.put_many(3)
    before.upload(*before.put_many(3))
    after = world(store=store)
    after.settle()

    assert after.plan("first")["plan"]["left_out"] == {"outdated": 3}
    after.run("second", replace=True)

    assert after.sweep().outdated == 0
    assert after.rows("second") == []


def test_a_run_of_another_model_has_a_place_of_its_own(world):
    """It takes no notice of the documents that are there, and touches neither these nor the marker."""
    bucket = world()
    bucket.put_many(3)
    bucket.upload(*bucket.put_many(3))
    before = {ref: bucket.store.content(ref) for ref in bucket.store.refs()}

    summary = bucket.run(model="b" * 64)

    assert len(bucket.rows(maker="a" * 64)) == 3
    assert bucket.rows() == []
    assert summary["rows"].startswith(f"s3://outbox/results/_coatcheck/shards/{'a' * 16}/first/")
    assert {ref: bucket.store.content(ref) for ref in before} == before


@pytest.mark.parametrize("how", [{"documents": True}, {"replace": True}])
def test_another_model_writes_no_documents(world, how):
    with pytest.raises(UnrecognisedEvent, match="not deployed"):
        world().plan(model="b" * 64, **how)


# Faults


def failing(bucket, keys, times=10**9):
    left = Counter(dict.fromkeys(keys, times))

    def fail(method, place):
        if method == "open" and left[getattr(place, "key", None)] > 0:
            left[place.key] -= 1
            raise StorageUnavailable(f"no answer about {place}")

    bucket.store.before = fail


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("handler.backlog.shards.RETRY_AFTER_S", (0.0, 0.0))


def test_an_object_that_fails_twice_is_scored_all_the_same(world):
    bucket = world()
    keys = bucket.put_many(20)
    plan = bucket.plan()
    failing(bucket, keys[:2], times=2)

    bucket.do(*bucket.shards(plan))

    assert bucket.row_keys() == keys
    assert Counter(report.outcome.value for _, report in bucket.recorded) == {"scored": 20}


def test_the_pauses_of_shards_that_failed_together_differ(world, monkeypatch):
    """At once, then after a second and five at most, of which half is left to chance."""
    monkeypatch.setattr("handler.backlog.shards.RETRY_AFTER_S", PAUSES_S)
    bucket, pauses = world(), []
    keys = bucket.put_many(3)
    (shard,) = bucket.shards(bucket.plan())
    plan = require_plan(bucket.store, bucket.places, "first", Deadline.after(60))
    failing(bucket, keys[:1])

    with pytest.raises(InvocationFailed):
        ShardScorer(scorer=bucket.scorer, sleep=pauses.append).score(parse_task(shard), plan, bucket.budget(), lambda *_: None)

    assert PAUSES_S == (1.0, 5.0)
    assert pauses[0] == 0
    assert all(most / 2 <= pause < most for pause, most in zip(pauses[1:], PAUSES_S, strict=True))


def test_an_object_that_fails_for_good_is_on_the_list_of_the_next_run(world):
    bucket = world()
    keys = bucket.put_many(20)
    plan = bucket.plan()
    failing(bucket, keys[4:5])

    bucket.do(*bucket.shards(plan))
    summary = bucket.do({"job": "summarise", "run": "first"})

    assert bucket.row_keys() == [key for key in keys if key != keys[4]]
    assert (summary["failed"], summary["outcomes"]["failed"]) == (1, 1)
    assert bucket.store.content(ObjectRef("outbox", "results/_coatcheck/runs/first/failed.jsonl")) == (
        b'{"source-ref":"s3://inbox/uploads/000004.png"}\n'
    )
    assert [(one.key, one.error) for one in bucket.indexes()[0].head.unfinished] == [(keys[4], "StorageUnavailable")]
    bucket.store.before = lambda *_: None
    assert bucket.plan("second")["plan"]["objects"] == 1


def test_a_shard_of_which_many_fail_is_repeated_and_finishes(world):
    bucket = world()
    keys = bucket.put_many(20)
    (shard,) = bucket.shards(bucket.plan())
    failing(bucket, keys[:3])

    with pytest.raises(InvocationFailed, match="3 of 20 objects of shard 1"):
        bucket.do(shard)
    assert bucket.rows() == bucket.indexes() == []

    bucket.store.before = lambda *_: None
    bucket.do(shard)
    assert bucket.row_keys() == keys


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="needs a file that is always full")
@pytest.mark.parametrize(
    ("is_full", "error"),
    [(lambda options: options, InvocationFailed), (lambda options: not options, OSError)],
    ids=["as the rows come", "as they are put in order"],
)
def test_a_disk_that_is_full_is_not_taken_for_objects_that_kill(world, monkeypatch, is_full, error):
    bucket = world()
    keys = bucket.put_many(20)
    (shard,) = bucket.shards(bucket.plan())
    make = tempfile.TemporaryFile

    def make_full(**options):
        return FULL.open("w+b", **options) if is_full(options) else make(**options)

    with monkeypatch.context() as patched:
        patched.setattr("handler.backlog.rows.TemporaryFile", make_full)
        for _ in range(3):
            with pytest.raises(error, match="No space left on device"):
                bucket.do(shard)
    notes = []
    bucket.store.before = lambda method, place: notes.append(method) if "/attempts/" in getattr(place, "key", "") else None

    bucket.do(shard)

    assert bucket.row_keys() == keys
    assert bucket.indexes()[0].head.unfinished == []
    assert notes.count("replace") == 1  # not of each object, as after attempts that were killed


def test_a_shard_that_is_not_finished_is_on_the_list_as_a_whole(world):
    bucket = world()
    bucket.put_many(300)
    shards = bucket.shards(bucket.plan())
    bucket.do(shards[0])

    summary = bucket.do({"job": "summarise", "run": "first"})

    assert summary["shards"] == {"planned": 3, "finished": 1} if len(shards) == 3 else {"planned": 2, "finished": 1}
    assert summary["failed"] == 300 - shards[0]["objects"]


def test_a_later_summary_takes_the_place_of_an_earlier_one(world):
    bucket = world()
    bucket.put_many(300)
    shards = bucket.shards(bucket.plan())
    bucket.do({"job": "summarise", "run": "first"})
    for shard in shards:
        bucket.do(shard)

    assert bucket.do({"job": "summarise", "run": "first"})["failed"] == 0
    assert json.loads(bucket.store.content(ObjectRef("outbox", "results/_coatcheck/runs/first/summary.json")))["failed"] == 0


def test_what_another_model_has_no_room_for_is_left_to_another_run(world, monkeypatch):
    """Its documents would take the place of those of the deployed model."""
    monkeypatch.setattr(row_module, "MAX_ROWS_BYTES", 3000)
    bucket = world()
    bucket.put_many(20)

    summary = bucket.run(model="b" * 64)
    first = bucket.row_keys(maker="a" * 64)
    bucket.run("second", model="b" * 64)

    assert 0 < len(first) < 20
    assert summary["failed"] == 20 - len(first)
    assert set(bucket.row_keys("second", maker="a" * 64)).isdisjoint(first)
    assert not any(ref.key.startswith("results/uploads/") for ref in bucket.store.refs())


def test_objects_for_which_there_is_no_time_are_left_to_another_run(world):
    bucket = world()
    bucket.put_many(20)
    (shard,) = bucket.shards(bucket.plan())
    now = [0.0]
    bucket.store.before = lambda method, place: now.__setitem__(0, now[0] + (method == "open" and place.bucket == "inbox"))

    def clock():
        return now[0]

    budget = TimeBudget(Deadline(12, clock), Deadline(10**6, clock), Deadline(1, clock))

    bucket.do(shard, budget)

    assert 0 < len(bucket.rows()) < 20
    assert len(bucket.rows()) + len(bucket.indexes()[0].head.unfinished) == 20


def test_an_archived_object_has_no_row(world):
    bucket = world()
    bucket.put_many(20)
    (shard,) = bucket.shards(bucket.plan())

    class Archived(MemoryStore):
        pass

    source = bucket.store.place(ObjectRef("inbox", "uploads/000002.png"), picture(2), storage_class="GLACIER")
    original = bucket.store.open

    def open_(ref, **how):
        opened = original(ref, **how)
        return msgspec.structs.replace(opened, is_archived=True, body=io.BytesIO()) if opened and ref == source.ref else opened

    bucket.scorer.inputs.store.__class__.open, before = (lambda self, ref, **how: open_(ref, **how)), MemoryStore.open
    try:
        bucket.do(shard)
    finally:
        MemoryStore.open = before

    assert "uploads/000002.png" not in bucket.row_keys()
    assert [one.error for one in bucket.indexes()[0].head.unfinished] == ["ArchivedObject"]


def test_a_run_that_was_planned_for_another_model_is_refused(world):
    store = MemoryStore()
    before = world(store=store, maker=Maker("7" * 64, "8" * 64))
    before.put_many(3)
    (shard,) = before.shards(before.plan())

    for event in (shard, {"job": "plan", "run": "first"}):
        with pytest.raises(StaleRun, match="deployed anew"):
            world(store=store).do(event)


def test_a_shard_of_no_run_is_refused(world):
    shard = {
        "job": "shard",
        "run": "none",
        "number": 1,
        "token": "0" * 16,
        "bucket": "inbox",
        "first": "a",
        "last": "b",
        "objects": 1,
        "bytes": 1,
    }

    with pytest.raises(StaleRun, match="planned"):
        world().do(shard)


EARLIER = r"Expected the index of shard 1 .*\. Received: .* an earlier run of this name; start a run of another name\."


def replan(bucket, **order):
    """Removes what a run left beside its rows and indexes, as a lifecycle rule does, and plans another one of its name."""
    for ref in list(bucket.store.refs()):
        if ref.key.startswith("results/_coatcheck/runs/"):
            bucket.store.remove(ref)
    return bucket.shards(bucket.plan(**order))


def test_a_shard_is_not_done_by_the_index_of_an_earlier_run_of_its_name(world):
    bucket = world()
    bucket.put_many(3)
    bucket.run()
    bucket.put("uploads/new.png", picture(77))
    (shard,) = replan(bucket)

    with pytest.raises(StaleRun, match=EARLIER):
        bucket.do(shard)


def test_the_index_that_an_earlier_run_writes_meanwhile_is_not_taken_for_the_shard_s(world):
    bucket = world()
    bucket.put_many(3)
    (before,) = bucket.shards(bucket.plan(documents=True))
    place = bucket.places.keys(msgspec.convert(before, Shard))
    keys = bucket.content(place)
    bucket.put("uploads/new.png", picture(77))
    (shard,) = replan(bucket, documents=True)
    bucket.store.place(place, keys)

    def overtake(method, place):
        if method == "create" and "/covered/" in getattr(place, "key", ""):
            bucket.store.before = lambda *_: None
            bucket.do(before)

    bucket.store.before = overtake
    with pytest.raises(StaleRun, match=EARLIER):
        bucket.do(shard)


def test_an_index_of_an_earlier_version_counts_without_a_digest(world):
    bucket = world()
    bucket.put_many(3)
    (shard,) = bucket.shards(bucket.plan())
    bucket.do(shard)
    (index,), (place,) = bucket.indexes(), (ref for ref in bucket.store.refs() if "/covered/" in ref.key)
    assert index.head.keys is not None
    bucket.store.place(place, encode_index(index._replace(head=msgspec.structs.replace(index.head, keys=None))))

    assert bucket.do(shard)["was_done"]


def test_keys_outside_of_the_inputs_are_not_read(world):
    """An event that somebody made up, with a list of keys of their own."""
    bucket = world()
    bucket.put_many(3)
    (shard,) = bucket.shards(bucket.plan())
    from handler.backlog.files import KeysHead
    from handler.backlog.runs import Shard

    secret = bucket.put("secret/a.png")
    place = bucket.places.keys(msgspec.convert(shard, Shard))
    bucket.store.place(place, encode_keys(KeysHead(run="first", number=1, bucket="inbox"), ["secret/a.png"]))

    with pytest.raises(InvocationFailed, match="UnacceptedObject"):
        bucket.do(shard)
    assert secret
    assert bucket.rows() == []


@pytest.mark.parametrize(
    "event",
    [
        {"job": "plan"},
        {"job": "plan", "run": "../up"},
        {"job": "plan", "run": "a/b"},
        {"job": "plan", "run": "a", "prefx": "s3://inbox/"},
        {"job": "plan", "run": "a", "model": "../../secret"},
        {"job": "plan", "run": "a", "max_seconds": -1},
        {"job": "plan", "run": "a", "state": {"attempt": "x"}},
        {"job": "shard", "run": "a", "number": 1},
        {
            "job": "shard",
            "run": "a",
            "number": 0,
            "token": "0" * 16,
            "bucket": "b",
            "first": "",
            "last": "",
            "objects": 1,
            "bytes": 1,
        },
        {
            "job": "shard",
            "run": "a",
            "number": 1,
            "token": "../x",
            "bucket": "b",
            "first": "",
            "last": "",
            "objects": 1,
            "bytes": 1,
        },
        {"job": "summarise", "run": "a", "more": 1},
        {"job": "plan", "run": "\ud800"},
    ],
)
def test_a_task_that_is_none_is_refused(world, event):
    with pytest.raises(UnrecognisedEvent, match="Expected a task of a backlog"):
        world().do(event)


# Objects that kill the process


class Dead(BaseException):
    """Ends a process as the system does: nothing catches it."""


def poisoned(bucket, *keys):
    def kill(method, place):
        if method == "open" and getattr(place, "key", None) in keys:
            raise Dead

    bucket.store.before = kill


def attempt(bucket, shard, most=10):
    """Repeats a shard as Step Functions does; returns how many times the process was killed."""
    for killed in range(most):
        try:
            bucket.do(shard)
        except Dead:
            continue
        return killed
    raise AssertionError(f"killed {most} times")


def test_an_object_that_kills_the_process_fails_alone(world):
    bucket = world()
    keys = bucket.put_many(30)
    (shard,) = bucket.shards(bucket.plan())
    poisoned(bucket, keys[7])

    assert attempt(bucket, shard) == 4  # twice among all, and twice alone

    assert bucket.row_keys() == [key for key in keys if key != keys[7]]
    (index,) = bucket.indexes()
    assert [(one.key, one.error) for one in index.head.unfinished] == [(keys[7], "ProcessKilled")]
    assert bucket.do({"job": "summarise", "run": "first"})["failed"] == 1


def test_several_objects_that_kill_cost_two_attempts_each(world):
    bucket = world()
    keys = bucket.put_many(30)
    (shard,) = bucket.shards(bucket.plan())
    poisoned(bucket, keys[0], keys[29], keys[3])

    assert attempt(bucket, shard) == 8

    assert bucket.row_keys() == [key for key in keys if key not in {keys[0], keys[3], keys[29]}]


def test_a_shard_of_one_object_that_kills_is_finished_all_the_same(world):
    bucket = world()
    keys = bucket.put_many(1)
    (shard,) = bucket.shards(bucket.plan())
    poisoned(bucket, *keys)

    assert attempt(bucket, shard) == 4
    assert bucket.rows() == []
    assert bucket.indexes()[0].head.outcomes == {"failed": 1}


def test_a_careful_attempt_that_runs_out_of_time_keeps_the_rows_that_it_has(world):
    """It notes nothing of the objects that it does not begin, so that there is time to write."""
    bucket = world()
    bucket.put_many(20)
    (shard,) = bucket.shards(bucket.plan())
    poisoned(bucket, "uploads/000000.png")
    for _ in range(2):
        with pytest.raises(Dead):
            bucket.do(shard)
    now, notes = [0.0], []

    def pass_time(method, place):
        now[0] += method == "open" and place.bucket == "inbox"
        notes.extend([place.key] if method == "replace" and "/attempts/" in place.key else [])

    def clock():
        return now[0]

    bucket.store.before = pass_time
    bucket.do(shard, TimeBudget(Deadline(5.5, clock), Deadline(10**6, clock), Deadline(1, clock)))

    assert (len(bucket.rows()), len(notes)) == (5, 6)  # the time was over while the sixth was read
    assert len(bucket.rows()) + len(bucket.indexes()[0].head.unfinished) == 20


def test_who_kills_now_and_then_is_not_taken_for_an_object_that_kills(world):
    """Each time, another object is being scored when the machine goes down."""
    bucket = world()
    keys = bucket.put_many(12)
    (shard,) = bucket.shards(bucket.plan())
    for key in [keys[3], keys[5], keys[2], keys[9], keys[2], keys[7]]:
        poisoned(bucket, key)
        with pytest.raises(Dead):
            bucket.do(shard)
    bucket.store.before = lambda *_: None

    bucket.do(shard)

    assert bucket.row_keys() == keys


def test_after_an_attempt_that_ended_by_itself_all_objects_are_scored_together(world):
    bucket = world()
    keys = bucket.put_many(20)
    (shard,) = bucket.shards(bucket.plan())
    failing(bucket, keys[:5])
    with pytest.raises(InvocationFailed):
        bucket.do(shard)
    calls = Counter()
    bucket.store.before = lambda method, place: calls.update(["note" if "/attempts/" in getattr(place, "key", "") else method])

    bucket.do(shard)

    assert bucket.row_keys() == keys
    assert calls["note"] == 3  # read once, and written once with a look at what is there


def test_an_object_whose_row_has_no_room_has_a_document(world, monkeypatch):
    """However large it is: another run would have no more room for it."""
    monkeypatch.setattr(row_module, "MAX_ROWS_BYTES", 1000)
    bucket = world()
    bucket.put("uploads/large.zip", archive(20))
    bucket.put_many(2)

    summary = bucket.run()

    assert summary["failed"] == 0
    assert "uploads/large.zip" not in bucket.row_keys()
    assert json.loads(bucket.document("uploads/large.zip"))["summary"]["images"] == 20
    bucket.settle()
    assert bucket.sweep().missing == 0


class LostAnswer(MemoryStore):
    """Rows are written, but the answer that says so is lost, and the client's next attempt finds that something is there."""

    def put(self, ref, content, **options):
        written = super().put(ref, content, **options)
        return WriteResult.STOPPED if "/shards/" in ref.key else written


def test_what_has_a_document_for_lack_of_room_is_counted_once_though_the_answer_for_the_rows_was_lost(world, monkeypatch):
    monkeypatch.setattr(row_module, "MAX_ROWS_BYTES", 1000)
    bucket = world(store=LostAnswer())
    keys = bucket.put_many(3)

    summary = bucket.run()

    with_document = [ref.key for ref in bucket.store.refs() if ref.key.startswith("results/uploads/")]
    assert 0 < len(with_document) < len(keys)
    assert (summary["outcomes"]["scored"], summary["outcomes"]["failed"], summary["failed"]) == (3, 0, 0)
    assert summary["images"] == 3


def test_an_object_that_has_both_a_row_and_a_document_for_lack_of_room_is_counted_once(world, monkeypatch):
    """An attempt that is killed before the index is written has room for a row, and the next one has none."""
    bucket = world()
    keys = bucket.put_many(3)
    (shard,) = bucket.shards(bucket.plan())
    bucket.do(shard)
    (index,) = (ref for ref in bucket.store.refs() if "/covered/" in ref.key)
    bucket.store.remove(index)
    monkeypatch.setattr(row_module, "MAX_ROWS_BYTES", 1000)

    bucket.do(shard)

    (index,) = bucket.indexes()
    assert [entry.key for entry in index.entries] == keys
    assert (dict(index.head.outcomes), index.head.images, index.head.unfinished) == ({"scored": 3}, 3, [])


@pytest.mark.parametrize("store", [MemoryStore, LostAnswer])
def test_what_is_gone_is_not_listed_as_failed(world, store):
    bucket = world(store=store())
    gone, *_ = bucket.put_many(3)
    shards = bucket.shards(bucket.plan())
    bucket.store.remove(ObjectRef("inbox", gone))
    for shard in shards:
        bucket.do(shard)

    summary = bucket.do({"job": "summarise", "run": "first"})

    outcomes = summary["outcomes"]
    assert (summary["failed"], outcomes["gone"], outcomes["scored"], outcomes["failed"]) == (0, 1, 2, 0)


@pytest.mark.parametrize("store", [MemoryStore, LostAnswer])
def test_what_failed_is_listed_with_its_own_reason(world, store):
    bucket = world(store=store())
    keys = bucket.put_many(20)
    (shard,) = bucket.shards(bucket.plan())
    failing(bucket, keys[:1])

    bucket.do(shard)

    (index,) = bucket.indexes()
    assert [(one.key, one.error) for one in index.head.unfinished] == [(keys[0], "StorageUnavailable")]
    assert dict(index.head.outcomes) == {"scored": 19, "failed": 1}
