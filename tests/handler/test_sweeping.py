"""Sweeps over a store in memory: what is found, where it goes, and what happens when time or services run out."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from unittest import mock

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handler.deadline import Deadline, TimeBudget
from handler.dispatch import CHUNK_OBJECTS, Dispatcher
from handler.documents import Document, Documents
from handler.errors import InvocationFailed, OutOfTime, QueueUnavailable, StorageUnavailable, UnacceptedObject
from handler.examining import Examined, State
from handler.inputs import Inputs
from handler.jobs import Asked, Chain, Sweep
from handler.layout import Layout, LayoutName
from handler.marks import RESERVED, SETTLED, Marks
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Outcome
from handler.scoring import Scorer
from handler.store import StoredObject
from handler.sweeping import Sweeper
from handler.tally import Tally
from infra.stores.memory import MemoryStore
from tests.handler.conftest import MemoryQueue
from tests.handler.values import MAKER

UPLOADS, MORE = Prefix("in", "uploads/"), Prefix("in", "more/")


class World:
    """A bucket, its documents and a queue, and the sweeper between them. Nothing in the bucket is an image.

    `time` is the time of day, which stands still. `calls` are the calls of the store, each with the place that it is about.
    """

    def __init__(
        self,
        model,
        target,
        queue,
        *keys,
        has_queue=True,
        inputs=(UPLOADS, MORE),
        store=None,
        maker=MAKER,
        has_marks=True,
        max_objects=10**6,
    ):
        self.time = datetime(2026, 11, 2, tzinfo=UTC)
        self.store = store or MemoryStore()
        self.store.clock = self.now
        self.calls = []
        self.store.before = lambda *call: self.calls.append(call)
        for key in keys:
            self.put(key)
        marks = Marks(self.store, Prefix("out", ""), maker, clock=lambda: self.now().timestamp()) if has_marks else None
        documents = Documents(self.store, Prefix("out", ""), Layout(LayoutName.JSON, 1), maker, marks=marks)
        reading = Inputs(self.store, inputs, documents)
        self.model, self.queue, self.recorded = model, queue, []
        dispatcher = Dispatcher(documents=documents, queue=queue, pool=ThreadPoolExecutor(1)) if has_queue else None
        scorer = Scorer(
            model=model,
            batch_images=4,
            inputs=reading,
            documents=documents,
            dispatcher=dispatcher,
            limits=target.limits,
            concurrency=4,
        )
        self.documents, self.scorer = documents, scorer
        self.sweeper = Sweeper(
            inputs=reading,
            documents=documents,
            dispatcher=dispatcher,
            scorer=scorer,
            concurrency=4,
            max_objects=max_objects,
            max_queue_messages=10,
            now=self.now,
        )

    def now(self):
        return self.time

    def put(self, key, content=None, **parts):
        self.store.place(ObjectRef("in", key), f"content of {key}".encode() if content is None else content, **parts)

    def pass_time(self, time=2 * SETTLED):
        self.time += time

    def looks(self):
        """The documents that were looked at since the last call."""
        seen = [place.key for method, place in self.calls if method == "head" and not place.key.startswith(RESERVED)]
        self.calls.clear()
        return seen

    def put_document(self, key, etag=None, maker=MAKER.results, bucket="in", result="predictions"):
        source = self.store.head(ObjectRef("in", key), deadline=Deadline.after(60))
        source = msgspec.structs.replace(source, ref=ObjectRef(bucket, key), etag=etag or source.etag)
        document = Document(source, b"", self.model.manifest.model.sha256, maker, result, Outcome.SCORED)
        self.store.place(ObjectRef("out", f"{key}.json"), b"", document.metadata)

    @property
    def sent(self):
        return self.queue.messages

    @property
    def sent_keys(self):
        return [uri.removeprefix("s3://in/") for message in self.sent for uri in message.get("objects", ())]

    @property
    def done(self):
        """The number of objects that were sent or opened."""
        return len(self.sent) + sum(method == "open" for method, _ in self.calls)

    def fail(self, error, method, *, after=0):
        """Has the store raise `error` at each call of `method` but for the first `after` ones."""
        calls = []

        def failing(called, place):
            if called == method:
                calls.append(place)
                if len(calls) > after:
                    raise error

        self.store.before = failing

    def sweep(self, sweep=Sweep(UPLOADS), *, within=None):  # noqa: B008  # a frozen value
        budget = within or TimeBudget.of(3600, 10, 1)
        return self.sweeper.sweep(sweep, budget, lambda *report: self.recorded.append(report))


@pytest.fixture
def world(model, target, queue):
    return lambda *keys, **parts: World(model, target, queue, *keys, **parts)


def over(bucket, chunks):
    """A budget in which nothing may be begun once so many chunks of missing objects, and one more, have been done."""
    return TimeBudget(Deadline(1, lambda: float(bucket.done >= (chunks + 1) * CHUNK_OBJECTS)), Deadline.after(3600))


LATE = TimeBudget(Deadline.after(0), Deadline.after(3600))


def test_what_has_no_document_is_sent(world):
    bucket = world("uploads/a", "uploads/b", "elsewhere/c")
    bucket.put_document("uploads/a")

    report = bucket.sweep()

    assert bucket.sent == [{"objects": ["s3://in/uploads/b"], "unless_done": True}]
    assert (report.examined, report.missing, report.sent, report.is_finished) == (2, 1, 1, True)


def test_two_sweeps_at_once_send_each_object_twice_at_most_and_it_is_scored_once(world):
    """An object that was uploaded a moment ago is sent too, beside its own event: it is scored once all the same."""
    bucket = world("uploads/a", "uploads/b", "uploads/c")

    bucket.sweep()
    bucket.sweep()  # before anything of what the first has sent is scored
    asked = [Asked(ObjectRef("in", key), unless_done=True) for key in bucket.sent_keys]
    outcomes = [
        report.outcome
        for one in asked
        for report in bucket.scorer.score([one], TimeBudget.of(3600, 10, 1), lambda *_: None).values()
    ]
    bucket.sent.clear()
    bucket.sweep()

    assert sorted(one.ref.key for one in asked) == sorted(["uploads/a", "uploads/b", "uploads/c"] * 2)
    assert Counter(outcomes) == {Outcome.DUPLICATE: 3, Outcome.REJECTED: 3}  # nothing in the bucket is an image
    assert bucket.sent == []


@pytest.mark.parametrize(("stale", "counts"), [({"etag": "older"}, (1, 0)), ({"maker": "0" * 64}, (0, 1))])
def test_a_document_of_another_state_or_maker_is_replaced(world, stale, counts):
    bucket = world("uploads/a")
    bucket.put_document("uploads/a", **stale)

    report = bucket.sweep()

    assert len(bucket.sent) == 1
    assert (report.missing, report.outdated) == counts


def test_a_rejection_is_a_document(world):
    bucket = world("uploads/a")
    bucket.put_document("uploads/a", maker=MAKER.rejections, result="UnreadableImage")

    bucket.sweep()

    assert bucket.sent == []


def test_a_sweep_of_everything_goes_through_all_inputs(world):
    bucket = world("uploads/a", "more/b", "elsewhere/c")

    bucket.sweep(Sweep(scheduled_time="t"))

    assert [message["objects"] for message in bucket.sent] == [["s3://in/uploads/a"], ["s3://in/more/b"]]


def test_without_a_queue_objects_are_scored_in_place(world):
    bucket = world("uploads/a", "uploads/b", has_queue=False)

    report = bucket.sweep()

    assert [named.key for named, _ in bucket.recorded] == ["uploads/a", "uploads/b"]
    assert (report.sent, dict(report.outcomes), report.is_finished) == (0, {"rejected": 2}, True)


def test_an_object_that_fails_in_place_makes_the_sweep_unfinished_and_the_others_are_scored(world):
    bucket = world(*(f"uploads/{number:04}" for number in range(250)), has_queue=False)
    bucket.fail(StorageUnavailable("down"), "open")

    report = bucket.sweep()

    assert (report.examined, dict(report.outcomes)) == (250, {"failed": 250})
    assert isinstance(report.error, InvocationFailed)
    assert "down" in str(report.error)


def test_a_sweep_that_runs_out_of_time_hands_on_what_is_left_and_that_goes_on_there(world):
    bucket = world(*(f"uploads/{number:04}" for number in range(2 * CHUNK_OBJECTS + 5)), "more/a")

    report = bucket.sweep(Sweep(scheduled_time="t"), within=over(bucket, 1))

    last = f"uploads/{2 * CHUNK_OBJECTS - 1:04}"
    left = 10**6 - 2 * CHUNK_OBJECTS
    assert report.handed_on == (
        Sweep(UPLOADS, last, "t", chain=Chain(bucket.time, left // 2, maker=MAKER.rejections)),
        Sweep(MORE, "", "t", chain=Chain(bucket.time, left // 2, maker=MAKER.rejections)),
    )
    assert bucket.sent[-2:] == [sweep.as_message() for sweep in report.handed_on]
    assert report.is_finished

    for sweep in report.handed_on:
        bucket.sweep(sweep)
    sent = [uri for message in bucket.sent for uri in message.get("objects", ())]
    refs = [ref for ref in bucket.store.refs() if ref.bucket == "in"]
    assert sent == [str(ref) for ref in sorted(refs, key=lambda ref: (ref.key.startswith("more"), ref.key))]


@pytest.mark.parametrize("is_late", [True, False])
def test_a_sweep_always_gets_somewhere(world, is_late):
    """A message that comes when little time is left must not be handed on unchanged for ever."""
    bucket = world(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS + 1)))

    report = bucket.sweep(within=LATE if is_late else over(bucket, 0))

    assert report.examined == CHUNK_OBJECTS
    assert [(rest.prefix, rest.after) for rest in report.handed_on] == [(UPLOADS, f"uploads/{CHUNK_OBJECTS - 1:04}")]


def test_nothing_is_handed_on_when_all_is_done_just_in_time(world):
    bucket = world(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS)))

    assert bucket.sweep(within=over(bucket, 0)).handed_on == ()


def test_out_of_time_without_a_queue_is_an_error_that_says_what_to_do(world):
    bucket = world(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS + 1)), has_queue=False)

    report = bucket.sweep(within=over(bucket, 0))

    assert isinstance(report.error, OutOfTime)
    assert "set QUEUE_URL" in str(report.error)
    assert len(bucket.recorded) == CHUNK_OBJECTS


def test_a_prefix_outside_the_inputs_is_not_listed(world):
    bucket = world("elsewhere/a")

    report = bucket.sweep(Sweep(Prefix("in", "")))

    assert isinstance(report.error, UnacceptedObject)
    assert (report.examined, bucket.sent) == (0, [])


def test_an_object_whose_document_has_no_place_is_not_sent_at_every_sweep(world):
    bucket = world("uploads/" + "k" * 1012, "uploads/a")

    report = bucket.sweep()

    assert (report.refused, report.missing) == (1, 1)


@pytest.mark.parametrize("error", [QueueUnavailable("full"), StorageUnavailable("down")])
def test_what_goes_wrong_is_reported_with_what_was_done(world, error):
    bucket = world(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS + 1)))
    calls = []

    def failing(messages):
        calls.append(messages)
        if len(calls) > CHUNK_OBJECTS / 10:
            raise error

    bucket.queue.before = failing
    report = bucket.sweep()

    assert report.error is error
    assert report.sent == CHUNK_OBJECTS
    assert not report.is_finished


def test_a_message_survives_its_way_through_json(world):
    bucket = world("uploads/\uffff\x01 ñ")

    bucket.sweep()

    assert json.loads(json.dumps(bucket.sent[0])) == {"objects": ["s3://in/uploads/\uffff\x01 ñ"], "unless_done": True}


def test_a_document_that_cannot_be_looked_at_holds_up_no_other_object(world):
    """A permanent 403, say; the object's own message will fail for the reason, and the others are found."""
    bucket = world(*(f"uploads/{number}" for number in range(5)))
    for number in range(5):
        bucket.put_document(f"uploads/{number}")
    bucket.fail(StorageUnavailable("403"), "head", after=2)  # those of the marks

    report = bucket.sweep()

    assert (report.missing, report.sent, report.is_finished) == (5, 5, True)


def test_an_object_whose_place_holds_another_bucket_s_document_is_not_sent_at_every_sweep(world):
    bucket = world("uploads/a")
    bucket.put_document("uploads/a", bucket="another")

    report = bucket.sweep()

    assert (report.refused, bucket.sent) == (1, [])


def test_inputs_that_lie_in_one_another_are_examined_once(world):
    bucket = world("uploads/a", "uploads/b/c", inputs=(Prefix("in", "uploads/b/"), UPLOADS, UPLOADS))

    report = bucket.sweep(Sweep())

    assert (report.examined, len(bucket.sent)) == (2, 2)


def test_a_bug_fails_the_sweep_and_nothing_beside_it(world):
    bucket = world("uploads/a")
    bucket.fail(ZeroDivisionError("a bug"), "list")

    assert isinstance(bucket.sweep().error, ZeroDivisionError)


def test_a_list_that_a_sweep_finds_is_scored_like_any_object(world):
    """In place there is no queue for what it names, so it is rejected, and the sweep is done with it."""
    bucket = world(has_queue=False)
    bucket.store.place(ObjectRef("in", "uploads/list.csv"), b"in,uploads/a.png")

    assert dict(bucket.sweep().outcomes) == {"rejected": 1}


class Hanging(MemoryStore):
    """A store in which one call, `hangs`, uses up the time to begin something, and then says that it is over."""

    def __init__(self, hangs):
        super().__init__()
        self.hangs = hangs
        self.now = 0.0
        self.begun = []

    def hang(self, method, place, deadline):
        if (method, place.key if isinstance(place, ObjectRef) else place.bucket) == self.hangs:
            self.now = deadline.at_s
            raise OutOfTime(f"Expected {method} of {place} to end. Received: no answer in time.")

    def head(self, ref, *, deadline):
        self.hang("head", ref, deadline)
        return super().head(ref, deadline=deadline)

    def list(self, prefix, after, *, deadline):
        found = list(super().list(prefix, after, deadline=deadline))
        self.begun.append(prefix.bucket)
        for number, listed in enumerate(found):
            if number == CHUNK_OBJECTS + 1:
                while len(self.begun) < 3:  # that of backlogs' rows, and the other one, on another thread, before time is over
                    time.sleep(0.001)
                self.hang("list", prefix, deadline)
            yield listed


@pytest.mark.parametrize("hangs", [("list", "in"), ("list", "out"), ("head", "uploads/0007.json")], ids=str)
def test_whatever_hangs_the_sweep_goes_on_by_the_queue_where_it_stood(world, hangs):
    store = Hanging(hangs)
    bucket = world(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS + 5)), store=store)
    for number in range(CHUNK_OBJECTS + 5):
        bucket.put_document(f"uploads/{number:04}", maker="0" * 64)
    budget = TimeBudget(Deadline(10, lambda: store.now), Deadline(20, lambda: store.now))

    report = bucket.sweep(within=budget)

    assert report.is_finished
    assert (report.examined, report.sent) == (CHUNK_OBJECTS, CHUNK_OBJECTS)
    assert [(rest.prefix, rest.after) for rest in report.handed_on] == [(UPLOADS, f"uploads/{CHUNK_OBJECTS - 1:04}")]


def test_a_listing_that_hangs_from_the_beginning_fails_the_sweep(world):
    """So that its message comes again, and is not handed on unchanged for ever."""
    bucket = world("uploads/a")
    bucket.fail(OutOfTime("no answer"), "list")

    report = bucket.sweep()

    assert isinstance(report.error, OutOfTime)
    assert report.handed_on == ()


# What the listings tell, and what has to be looked at


def settled_world(world, *keys, **parts):
    """A bucket whose documents were written long after their inputs and long after the maker began."""
    bucket = world(*keys, **parts)
    bucket.documents.marks.made_since(Deadline.after(60))
    bucket.pass_time()
    for key in keys:
        bucket.put_document(key)
    bucket.calls.clear()
    return bucket


def test_a_document_that_is_surely_right_is_not_looked_at(world):
    keys = [f"uploads/{number:04}" for number in range(1000)]
    bucket = settled_world(world, *keys)

    report = bucket.sweep()

    assert (report.examined, report.looked_at, report.sent) == (1000, 0, 0)
    assert bucket.looks() == []


def test_without_a_document_nothing_is_looked_at_either(world):
    bucket = world("uploads/a", "uploads/b")

    report = bucket.sweep()

    assert (report.missing, report.looked_at) == (2, 0)


@pytest.mark.parametrize("is_stale", [True, False])
def test_a_document_as_young_as_its_input_is_looked_at(world, is_stale):
    """It may be about the state before, by an invocation that had begun by then."""
    bucket = settled_world(world, "uploads/a", "uploads/b")
    bucket.put("uploads/b", b"new")
    bucket.pass_time(timedelta(minutes=1))
    bucket.put_document("uploads/b", etag="older" if is_stale else None)
    bucket.looks()

    report = bucket.sweep()

    assert bucket.looks() == ["uploads/b.json"]
    assert bucket.sent_keys == ["uploads/b"] * is_stale
    assert report.looked_at == 1


def test_documents_written_at_once_are_looked_at_once_and_then_known(world):
    """As they are where uploads are scored within seconds."""
    keys = [f"uploads/{number}" for number in range(20)]
    bucket = world(*keys)
    for key in keys:
        bucket.put_document(key)
    bucket.pass_time()
    bucket.looks()
    bucket.sweep()
    assert sorted(bucket.looks()) == sorted(f"{key}.json" for key in keys)
    bucket.pass_time()
    bucket.put("uploads/3", b"new")

    report = bucket.sweep()

    assert bucket.looks() == ["uploads/3.json"]
    assert (report.examined, report.missing) == (20, 1)


def test_while_an_old_document_is_wrong_no_sweep_is_noted(world):
    bucket = world("uploads/a", "uploads/b")
    bucket.put_document("uploads/a")
    bucket.put_document("uploads/b", maker="0" * 64)
    bucket.looks()
    bucket.pass_time()
    for _ in range(2):
        bucket.sweep()
        assert len(bucket.looks()) == 2
        bucket.pass_time()

    assert bucket.sent_keys == ["uploads/b", "uploads/b"]


def test_an_upload_that_is_being_scored_hinders_no_note(world):
    bucket = world("uploads/a")
    bucket.put_document("uploads/a")
    bucket.pass_time()
    bucket.put("uploads/b")
    bucket.put("uploads/c")
    bucket.put_document("uploads/c", etag="older")
    bucket.sweep()
    bucket.looks()
    bucket.pass_time()
    bucket.sweep()

    assert bucket.looks() == ["uploads/c.json"]


def test_a_sweep_of_a_part_is_no_sweep_of_the_whole(world):
    bucket = world("uploads/a", "uploads/b")
    for key in ("uploads/a", "uploads/b"):
        bucket.put_document(key)
    bucket.pass_time()
    bucket.sweep(Sweep(UPLOADS, "uploads/a"))
    bucket.looks()
    bucket.pass_time()
    bucket.sweep()

    assert len(bucket.looks()) == 2


@pytest.mark.parametrize("is_right", [True, False])
def test_what_a_chain_found_is_noted_at_its_end(world, is_right):
    """Not what its last invocation alone found."""
    keys = [f"uploads/{number:04}" for number in range(3 * CHUNK_OBJECTS)]
    bucket = world(*keys)
    for key in keys:
        bucket.put_document(key)
    bucket.put_document(keys[0], etag=None if is_right else "older")
    bucket.pass_time()
    waiting = [Sweep(UPLOADS)]
    while waiting:
        waiting += bucket.sweep(waiting.pop(), within=LATE).handed_on
        bucket.pass_time()
    bucket.looks()
    bucket.sweep()

    assert len(bucket.looks()) == (0 if is_right else len(keys))


def test_a_store_without_times_has_everything_looked_at(world):
    class Timeless(MemoryStore):
        def list(self, prefix, after, *, deadline):
            for listed in super().list(prefix, after, deadline=deadline):
                yield msgspec.structs.replace(listed, last_modified=None)

    bucket = settled_world(world, "uploads/a", "uploads/b", store=Timeless())

    assert (bucket.sweep().looked_at, bucket.sent) == (2, [])


def test_a_job_may_ask_that_every_document_is_looked_at(world):
    """For what no listing shows: an earlier version that became the present one again, or a replica."""
    bucket = settled_world(world, "uploads/a", "uploads/b")
    bucket.put_document("uploads/b", etag="that of a version that was deleted since")
    assert bucket.sweep().looked_at == 0

    report = bucket.sweep(Sweep(UPLOADS, verify=True))

    assert (report.looked_at, bucket.sent_keys) == (2, ["uploads/b"])


def test_without_marks_everything_is_looked_at(world):
    bucket = world("uploads/a", has_marks=False)
    bucket.pass_time()
    bucket.put_document("uploads/a")

    assert (bucket.sweep().looked_at, bucket.sent) == (1, [])


AWKWARD = [
    "a",
    "a-b",
    "a-b.json",
    "a.json",
    "a.json.json",
    "a ",
    "a!",
    "a.",
    "a..json",
    "a/b",
    "a\x00",
    "aa",
    "ñ",
    "\uffff",
    "😀",
]


@pytest.mark.parametrize("within", [None, LATE], ids=["one", "chain"])
def test_whatever_keys_look_like_each_document_is_found(world, within, monkeypatch):
    """In one invocation, and in a chain of invocations that stop after two inputs each."""
    monkeypatch.setattr("handler.dispatch.CHUNK_OBJECTS", 2)
    keys = [f"uploads/{key}" for key in AWKWARD]
    bucket = settled_world(world, *keys)
    for key in keys[::3]:
        bucket.store.remove(ObjectRef("out", f"{key}.json"))
    for foreign in ("uploads/a.txt", "uploads/b.json", "_coatcheck/x", "z"):
        bucket.store.place(ObjectRef("out", foreign), b"")

    waiting, reports = [Sweep(UPLOADS)], []
    while waiting:
        reports.append(bucket.sweep(waiting.pop(), within=within))
        waiting += reports[-1].handed_on

    assert not any(report.error for report in reports)
    assert sum(report.examined for report in reports) == len(keys)
    assert sorted(bucket.sent_keys) == sorted(keys[::3])
    assert len(reports) == 1 if within is None else len(reports) > 4


PIECES = st.sampled_from(["a", "-", ".", "/", "0", "\x00", "\x01", "ñ", "\uffff", "😀", ".json", "k" * 500])
KEYS = (
    st.lists(PIECES, min_size=1, max_size=4).map(lambda parts: f"uploads/{''.join(parts)}").filter(lambda key: len(key) < 1000)
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(KEYS, max_size=12), st.sets(KEYS, max_size=12), st.sets(KEYS, max_size=4), st.integers(1, 3))
def test_a_chain_finds_what_one_sweep_finds(model, target, keys, with_document, of_other_buckets, size):
    """Wherever it is broken off, whatever the keys are, and whatever else lies where documents do."""
    expected = sorted(keys - with_document - of_other_buckets)
    for within in (None, LATE):
        bucket = World(model, target, MemoryQueue(), *keys)
        for key in keys & with_document - of_other_buckets:
            bucket.put_document(key)
        for key in with_document - keys - of_other_buckets:
            bucket.store.place(ObjectRef("out", f"{key}.json"), b"of an object that was deleted", {"input-bucket": "in"})
        for key in of_other_buckets:
            bucket.store.place(ObjectRef("out", f"{key}.json"), b"", {"input-bucket": "another"})
        waiting, reports = [Sweep(UPLOADS)], []
        with mock.patch("handler.dispatch.CHUNK_OBJECTS", size):
            while waiting:
                reports.append(bucket.sweep(waiting.pop(), within=within))
                waiting += reports[-1].handed_on
        assert not any(report.error for report in reports)
        assert sorted(bucket.sent_keys) == expected
        assert sum(report.examined for report in reports) == len(keys)
        assert sum(report.refused for report in reports) == len(keys & of_other_buckets)


# What is left out


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_is_left_out_and_counted(world, storage_class):
    bucket = world("uploads/a")
    bucket.put("uploads/b", storage_class=storage_class)

    report = bucket.sweep()

    assert (report.archived, report.missing, bucket.sent_keys) == (1, 1, ["uploads/a"])


def test_an_object_that_can_be_read_again_is_scored(world):
    """Whether it was copied back, or restored for some days, which leaves its class and its time as they were."""
    bucket = world("uploads/a", "uploads/b", "uploads/c")
    for key in ("uploads/a", "uploads/b", "uploads/c"):
        bucket.put_document(key, maker=MAKER.rejections, result="ArchivedObject")
    for key in ("uploads/b", "uploads/c"):
        bucket.put(key, storage_class="GLACIER")
    restored, content = bucket.store._objects[ObjectRef("in", "uploads/b")]
    bucket.store._objects[restored.ref] = msgspec.structs.replace(restored, is_restored=True), content

    report = bucket.sweep()

    assert (report.archived, bucket.sent_keys) == (1, ["uploads/a", "uploads/b"])


@pytest.mark.parametrize("said", [{"maker": MAKER.rejections, "result": "ArchivedObject"}, {"maker": "another"}])
def test_an_object_in_an_archive_tier_that_no_listing_shows_is_not_sent_again_and_again(world, said):
    """Neither one of which is known that it is archived, nor one that has a document of an earlier model."""

    class Tiered(MemoryStore):
        """Intelligent-Tiering: HEAD tells the tier, a listing does not."""

        def list(self, prefix, after, *, deadline):
            for listed in super().list(prefix, after, deadline=deadline):
                is_tiered = listed.storage_class == "ARCHIVE_ACCESS"
                yield msgspec.structs.replace(listed, storage_class="INTELLIGENT_TIERING") if is_tiered else listed

    bucket = world(store=Tiered())
    bucket.put("uploads/a", storage_class="ARCHIVE_ACCESS")
    bucket.put_document("uploads/a", **said)
    assert (bucket.sweep().archived, bucket.sent) == (1, [])
    bucket.put("uploads/a", storage_class="INTELLIGENT_TIERING")

    bucket.sweep()
    assert bucket.sent_keys == ["uploads/a"]


def test_an_input_whose_document_would_lie_among_the_marks_is_refused(world):
    bucket = world("_coatcheck/a", "_coatcheck", "b", inputs=(Prefix("in", ""),))

    report = bucket.sweep(Sweep(Prefix("in", "")))

    assert (report.refused, bucket.sent_keys) == (1, ["_coatcheck", "b"])


# How much is sent


def test_a_sweep_that_finds_the_queue_deep_does_nothing_and_says_so(world):
    bucket = world("uploads/a")
    bucket.queue.waiting = 11

    report = bucket.sweep()

    assert (report.examined, bucket.sent, bucket.calls, report.is_finished) == (0, [], [], True)
    assert "about 11" in report.stopped
    assert "MAX_SWEEP_QUEUE_MESSAGES" in report.stopped


def test_what_a_sweep_sent_itself_does_not_stop_its_rest(world):
    bucket = world("uploads/a")
    bucket.queue.waiting = 11

    report = bucket.sweep(Sweep(UPLOADS, chain=Chain(bucket.time, 5)))

    assert (report.stopped, bucket.sent_keys) == (None, ["uploads/a"])


def outdated_world(world, count, **parts):
    keys = [f"uploads/{number:05}" for number in range(count)]
    bucket = world(*keys, **parts)
    for key in keys:
        bucket.put_document(key, maker="0" * 64)
    return bucket


def test_after_a_new_maker_a_sweep_stops_at_its_limit_and_says_how_to_go_on(world):
    bucket = outdated_world(world, 350, max_objects=150)

    report = bucket.sweep()

    assert (report.examined, report.outdated, report.sent, report.unsent) == (350, 200, 150, 50)
    assert (report.unseen, report.looked_at) == (150, 200)
    assert "50 more so far, and 150 whose documents were not looked at" in report.stopped
    assert '"rescore": true' in report.stopped
    assert report.is_finished


def test_a_job_may_ask_that_everything_is_scored_again(world):
    bucket = outdated_world(world, 350, max_objects=150)

    report = bucket.sweep(Sweep(UPLOADS, rescore=True))

    assert (report.sent, report.unsent, report.stopped) == (350, 0, None)


def test_the_limit_holds_for_what_is_scored_in_place_too(world):
    bucket = world(*(f"uploads/{number:04}" for number in range(350)), has_queue=False, max_objects=150)

    report = bucket.sweep()

    assert (dict(report.outcomes), report.unsent) == ({"rejected": 150}, 200)


@pytest.mark.parametrize("rescore", [True, False])
def test_the_limit_holds_for_the_whole_chain(world, rescore):
    bucket = world(*(f"{prefix}/{number:04}" for prefix in ("uploads", "more") for number in range(350)), max_objects=450)

    waiting, reports = [Sweep(rescore=rescore)], []
    while waiting:
        reports.append(bucket.sweep(waiting.pop(0), within=LATE))
        waiting += reports[-1].handed_on

    assert len(bucket.sent_keys) == (700 if rescore else 450)
    assert sum(report.unsent for report in reports) == 700 - len(bucket.sent_keys)
    assert sum(report.examined for report in reports) == 700


def test_the_last_invocation_of_a_chain_tells_all_that_were_left(world):
    bucket = world(*(f"uploads/{number:04}" for number in range(400)), max_objects=50)

    waiting, reports = [Sweep(UPLOADS)], []
    while waiting:
        reports.append(bucket.sweep(waiting.pop(0), within=LATE))
        waiting += reports[-1].handed_on

    assert len(reports) == 4
    assert "350 more so far" in reports[-1].stopped


def test_a_report_says_about_what_it_costs(world):
    """A little more for those whose documents must be replaced."""
    missing = world(*(f"uploads/{number:05}" for number in range(10_000))).sweep()
    outdated = outdated_world(world, 10_000).sweep()

    assert missing.dollars == 0.06
    assert outdated.dollars == 0.12


@pytest.mark.parametrize(("maker", "is_noted"), [(MAKER.rejections, True), ("another", False), ("", False)])
def test_what_another_maker_found_right_is_not_noted_as_right(world, maker, is_noted):
    """A version that was deployed while a sweep was handed on goes on with it, but has not seen its beginning."""
    bucket = world("uploads/a", "uploads/b")
    bucket.put_document("uploads/b")

    bucket.sweep(Sweep(UPLOADS, "uploads/a", chain=Chain(bucket.time, 5, is_clean=True, maker=maker)))

    assert any("_coatcheck/swept/" in ref.key for ref in bucket.store.refs()) is is_noted


@pytest.mark.parametrize(
    ("state", "was_looked_at", "is_clean"),
    [(State.OUTDATED, True, False), (State.MISSING, True, False), (State.MISSING, False, True), (State.DONE, True, True)],
)
def test_a_wrong_document_of_which_no_time_is_known_leaves_no_note(state, was_looked_at, is_clean):
    """It was found when the time was over, and would pass for right by the note if nobody scored its input."""
    tally = Tally(Sweep(), Chain(datetime(2026, 11, 2, tzinfo=UTC), 5))

    tally.add([Examined(StoredObject(ObjectRef("in", "a"), "e", None, 1), None, state, was_looked_at)])

    assert tally.is_clean is is_clean
