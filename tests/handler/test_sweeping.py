"""Sweeps over a bucket that is a dict: what is found, where it goes, and what happens when time or services run out."""

import json

import pytest

from handler.errors import InvocationFailed, OutOfTime, QueueUnavailable, StorageUnavailable, UnacceptedObject
from handler.jobs import Sweep
from handler.objects import ObjectRef, Prefix, StoredDocument, StoredObject
from handler.outcomes import Outcome, Report
from handler.publishing import Document
from handler.sweeping import CHUNK_OBJECTS, Sweeper

UPLOADS, MORE = Prefix("in", "uploads/"), Prefix("in", "more/")
MODEL = "f" * 64


class World:
    """A bucket, its documents and a queue, and the sweeper between them."""

    def __init__(self, *keys, has_queue=True):
        self.inputs = {ObjectRef("in", key): f"etag-{key}" for key in keys}
        self.documents = {}
        self.queue = []
        self.scored = []
        self.outcome = Outcome.SCORED
        self.has_queue = has_queue

    def put_document(self, key, etag=None, model=MODEL, bucket="in", result="predictions"):
        ref = ObjectRef("in", key)
        source = StoredObject(ObjectRef(bucket, key), etag or self.inputs[ref], None, 1)
        document = Document(ObjectRef("out", f"{key}.json"), b"", "", source, model, result)
        self.documents[document.ref] = StoredDocument("e", document.metadata)

    def list_objects(self, prefix, after):
        for ref in sorted(self.inputs, key=lambda ref: ref.key):
            if prefix.holds(ref) and ref.key > after:
                yield StoredObject(ref, self.inputs[ref], None, 1)

    def describe(self, ref):
        document = self.documents.get(ref)
        if isinstance(document, Exception):
            raise document
        return document

    def score(self, refs):
        refs = list(refs)
        self.scored += refs
        return {ref: Report(ref, self.outcome, error=StorageUnavailable("down")) for ref in refs}

    def require_accepted(self, ref):
        if len(ref.key) > 50:
            raise UnacceptedObject("too long")

    def require_accepted_prefix(self, prefix):
        if not (UPLOADS.includes(prefix) or MORE.includes(prefix)):
            raise UnacceptedObject(f"Expected a prefix under INPUT_URIS. Received: {prefix}.")

    def sweep(self, sweep=Sweep(UPLOADS), has_time=lambda: True, inputs=(UPLOADS, MORE)):  # noqa: B008  # a frozen value
        sweeper = Sweeper(
            inputs=inputs,
            model_sha256=MODEL,
            list_objects=self.list_objects,
            describe=self.describe,
            locate=lambda ref: ObjectRef("out", f"{ref.key}.json"),
            require_accepted=self.require_accepted,
            require_accepted_prefix=self.require_accepted_prefix,
            send=self.queue.extend if self.has_queue else None,
            score=self.score,
            concurrency=4,
        )
        return sweeper.sweep(sweep, has_time)


def test_what_has_no_document_is_sent():
    world = World("uploads/a", "uploads/b", "elsewhere/c")
    world.put_document("uploads/a")

    report = world.sweep()

    assert world.queue == [{"objects": ["s3://in/uploads/b"]}]
    assert (report.examined, report.missing, report.sent, report.is_finished) == (2, 1, 1, True)


@pytest.mark.parametrize("stale", [{"etag": "older"}, {"model": "0" * 64}])
def test_a_document_of_another_state_or_model_counts_as_none(stale):
    world = World("uploads/a")
    world.put_document("uploads/a", **stale)

    world.sweep()

    assert len(world.queue) == 1


def test_a_rejection_is_a_document():
    world = World("uploads/a")
    world.put_document("uploads/a", result="UnreadableImage")

    world.sweep()

    assert world.queue == []


def test_a_sweep_of_everything_goes_through_all_inputs():
    world = World("uploads/a", "more/b", "elsewhere/c")

    world.sweep(Sweep(scheduled_time="t"))

    assert [message["objects"] for message in world.queue] == [["s3://in/uploads/a"], ["s3://in/more/b"]]


def test_without_a_queue_objects_are_scored_in_place():
    world = World("uploads/a", "uploads/b", has_queue=False)

    report = world.sweep()

    assert [ref.key for ref in world.scored] == ["uploads/a", "uploads/b"]
    assert (report.sent, dict(report.outcomes), report.is_finished) == (0, {"scored": 2}, True)


def test_an_object_that_fails_in_place_makes_the_sweep_unfinished_and_the_others_are_scored():
    world = World(*(f"uploads/{number:04}" for number in range(250)), has_queue=False)
    world.outcome = Outcome.FAILED

    report = world.sweep()

    assert (report.examined, dict(report.outcomes)) == (250, {"failed": 250})
    assert isinstance(report.error, InvocationFailed)
    assert "down" in str(report.error)


def test_a_sweep_that_runs_out_of_time_hands_on_what_is_left_and_that_goes_on_there():
    world = World(*(f"uploads/{number:04}" for number in range(2 * CHUNK_OBJECTS + 5)), "more/a")
    looks = iter([True, False])

    report = world.sweep(Sweep(scheduled_time="t"), lambda: next(looks))

    last = f"uploads/{2 * CHUNK_OBJECTS - 1:04}"
    assert report.handed_on == (Sweep(UPLOADS, last, "t"), Sweep(MORE, "", "t"))
    assert world.queue[-2:] == [sweep.as_message() for sweep in report.handed_on]
    assert report.is_finished

    for sweep in report.handed_on:
        world.sweep(sweep)
    sent = [uri for message in world.queue for uri in message.get("objects", ())]
    assert sent == [str(ref) for ref in sorted(world.inputs, key=lambda ref: (ref.key.startswith("more"), ref.key))]


def test_a_sweep_always_gets_somewhere():
    """A message that comes when little time is left must not be handed on unchanged for ever."""
    world = World(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS + 1)))

    report = world.sweep(has_time=lambda: False)

    assert report.examined == CHUNK_OBJECTS
    assert report.handed_on == (Sweep(UPLOADS, f"uploads/{CHUNK_OBJECTS - 1:04}"),)


def test_nothing_is_handed_on_when_all_is_done_just_in_time():
    world = World(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS)))

    assert world.sweep(has_time=lambda: False).handed_on == ()


def test_out_of_time_without_a_queue_is_an_error_that_says_what_to_do():
    world = World(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS + 1)), has_queue=False)

    report = world.sweep(has_time=lambda: False)

    assert isinstance(report.error, OutOfTime)
    assert "set QUEUE_URL" in str(report.error)
    assert len(world.scored) == CHUNK_OBJECTS


def test_a_prefix_outside_the_inputs_is_not_listed():
    world = World("elsewhere/a")

    report = world.sweep(Sweep(Prefix("in", "")))

    assert isinstance(report.error, UnacceptedObject)
    assert (report.examined, world.queue) == (0, [])


def test_an_object_whose_document_has_no_place_is_not_sent_at_every_sweep():
    world = World("uploads/" + "k" * 50, "uploads/a")

    report = world.sweep()

    assert (report.refused, report.missing) == (1, 1)


@pytest.mark.parametrize("error", [QueueUnavailable("full"), StorageUnavailable("down")])
def test_what_goes_wrong_is_reported_with_what_was_done(error):
    world = World(*(f"uploads/{number:04}" for number in range(CHUNK_OBJECTS + 1)))
    sent = world.queue.extend
    calls = iter([sent])

    def send(messages):
        try:
            next(calls)(messages)
        except StopIteration:
            raise error from None

    world.queue = type("Queue", (), {"extend": staticmethod(send)})()
    report = world.sweep()

    assert report.error is error
    assert report.sent == CHUNK_OBJECTS
    assert not report.is_finished


def test_a_message_survives_its_way_through_json():
    world = World("uploads/\uffff\x01 ñ")

    world.sweep()

    assert json.loads(json.dumps(world.queue[0])) == {"objects": ["s3://in/uploads/\uffff\x01 ñ"]}


def test_a_document_that_cannot_be_looked_at_holds_up_no_other_object():
    """A permanent 403, say; the object's own message will fail for the reason, and the others are found."""
    world = World(*(f"uploads/{number}" for number in range(5)))
    world.documents[ObjectRef("out", "uploads/2.json")] = StorageUnavailable("403")

    report = world.sweep()

    assert (report.missing, report.sent, report.is_finished) == (5, 5, True)


def test_an_object_whose_place_holds_another_bucket_s_document_is_not_sent_at_every_sweep():
    world = World("uploads/a")
    world.put_document("uploads/a", bucket="another")

    report = world.sweep()

    assert (report.refused, world.queue) == (1, [])


def test_inputs_that_lie_in_one_another_are_examined_once():
    world = World("uploads/a", "uploads/b/c")

    report = world.sweep(Sweep(), inputs=(Prefix("in", "uploads/b/"), UPLOADS, UPLOADS))

    assert (report.examined, len(world.queue)) == (2, 2)


def test_a_bug_fails_the_sweep_and_nothing_beside_it():
    world = World("uploads/a")
    world.list_objects = lambda prefix, after: 1 / 0

    assert isinstance(world.sweep().error, ZeroDivisionError)
