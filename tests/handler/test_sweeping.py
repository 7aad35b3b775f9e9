"""Sweeps over a store in memory: what is found, where it goes, and what happens when time or services run out."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from handler.deadline import Deadline, TimeBudget
from handler.dispatch import CHUNK_OBJECTS, Dispatcher
from handler.documents import Document, Documents
from handler.errors import InvocationFailed, OutOfTime, QueueUnavailable, StorageUnavailable, UnacceptedObject
from handler.inputs import Inputs
from handler.jobs import Sweep
from handler.layout import Layout, LayoutName
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Outcome
from handler.scoring import Scorer
from handler.sweeping import Sweeper
from infra.stores.memory import MemoryStore
from tests.handler.values import MAKER

UPLOADS, MORE = Prefix("in", "uploads/"), Prefix("in", "more/")


class World:
    """A bucket, its documents and a queue, and the sweeper between them. Nothing in the bucket is an image."""

    def __init__(self, model, target, queue, *keys, has_queue=True, inputs=(UPLOADS, MORE), store=None):
        self.store = store or MemoryStore()
        for key in keys:
            self.store.place(ObjectRef("in", key), f"content of {key}".encode())
        documents = Documents(self.store, Prefix("out", ""), Layout(LayoutName.JSON, 1), MAKER)
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
        self.sweeper = Sweeper(inputs=reading, documents=documents, dispatcher=dispatcher, scorer=scorer, concurrency=4)

    def put_document(self, key, etag=None, maker=MAKER.results, bucket="in", result="predictions"):
        source = self.store.head(ObjectRef("in", key), deadline=Deadline.after(60))
        source = dataclasses.replace(source, ref=ObjectRef(bucket, key), etag=etag or source.etag)
        document = Document(source, b"", self.model.manifest.model.sha256, maker, result, Outcome.SCORED)
        self.store.place(ObjectRef("out", f"{key}.json"), b"", document.metadata)

    @property
    def sent(self):
        return self.queue.messages

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
    """A budget in which nothing may be begun once so many chunks, and one more, have been examined."""
    looks = []
    bucket.store.before = lambda method, place: looks.append(place) if method == "head" else None
    return TimeBudget(Deadline(1, lambda: float(len(looks) >= (chunks + 1) * CHUNK_OBJECTS)), Deadline.after(3600))


LATE = TimeBudget(Deadline.after(0), Deadline.after(3600))


def test_what_has_no_document_is_sent(world):
    bucket = world("uploads/a", "uploads/b", "elsewhere/c")
    bucket.put_document("uploads/a")

    report = bucket.sweep()

    assert bucket.sent == [{"objects": ["s3://in/uploads/b"]}]
    assert (report.examined, report.missing, report.sent, report.is_finished) == (2, 1, 1, True)


@pytest.mark.parametrize("stale", [{"etag": "older"}, {"maker": "0" * 64}])
def test_a_document_of_another_state_or_model_counts_as_none(world, stale):
    bucket = world("uploads/a")
    bucket.put_document("uploads/a", **stale)

    bucket.sweep()

    assert len(bucket.sent) == 1


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
    assert report.handed_on == (Sweep(UPLOADS, last, "t"), Sweep(MORE, "", "t"))
    assert bucket.sent[-2:] == [sweep.as_message() for sweep in report.handed_on]
    assert report.is_finished

    for sweep in report.handed_on:
        bucket.sweep(sweep)
    sent = [uri for message in bucket.sent for uri in message.get("objects", ())]
    assert sent == [str(ref) for ref in sorted(bucket.store.refs(), key=lambda ref: (ref.key.startswith("more"), ref.key))]


@pytest.mark.parametrize("is_late", [True, False])
def test_a_sweep_always_gets_somewhere(world, is_late):
    """A message that comes when little time is left must not be handed on unchanged for ever."""
    bucket = world(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS + 1)))

    report = bucket.sweep(within=LATE if is_late else over(bucket, 0))

    assert report.examined == CHUNK_OBJECTS
    assert report.handed_on == (Sweep(UPLOADS, f"uploads/{CHUNK_OBJECTS - 1:04}"),)


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

    assert json.loads(json.dumps(bucket.sent[0])) == {"objects": ["s3://in/uploads/\uffff\x01 ñ"]}


def test_a_document_that_cannot_be_looked_at_holds_up_no_other_object(world):
    """A permanent 403, say; the object's own message will fail for the reason, and the others are found."""
    bucket = world(*(f"uploads/{number}" for number in range(5)))
    bucket.fail(StorageUnavailable("403"), "head")

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

    def hang(self, method, place, deadline):
        if (method, place.key if isinstance(place, ObjectRef) else "") == self.hangs:
            self.now = deadline.at_s
            raise OutOfTime(f"Expected {method} of {place} to end. Received: no answer in time.")

    def head(self, ref, *, deadline):
        self.hang("head", ref, deadline)
        return super().head(ref, deadline=deadline)

    def list(self, prefix, after, *, deadline):
        for number, listed in enumerate(super().list(prefix, after, deadline=deadline)):
            if number == CHUNK_OBJECTS:
                self.hang("list", prefix, deadline)
            yield listed


@pytest.mark.parametrize("hangs", [("list", ""), ("head", "uploads/0007.json")], ids=str)
def test_whatever_hangs_the_sweep_goes_on_by_the_queue_where_it_stood(world, hangs):
    store = Hanging(hangs)
    bucket = world(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS + 5)), store=store)
    budget = TimeBudget(Deadline(10, lambda: store.now), Deadline(20, lambda: store.now))

    report = bucket.sweep(within=budget)

    assert report.is_finished
    assert (report.examined, report.missing) == (CHUNK_OBJECTS, CHUNK_OBJECTS)
    assert report.handed_on == (Sweep(UPLOADS, f"uploads/{CHUNK_OBJECTS - 1:04}"),)
