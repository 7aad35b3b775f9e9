"""Scoring over a store in memory and a fake model: the order of work, and who is touched by whose fault."""

import dataclasses
import gc
import hashlib
import io
import json
import tempfile
import threading
import time
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import PIL.Image
import pytest

from handler.contract import Scores
from handler.deadline import Deadline, TimeBudget
from handler.dispatch import MAX_LISTS, Dispatcher
from handler.documents import Documents
from handler.errors import (
    BadArtifact,
    ObjectTooLarge,
    OutOfTime,
    QueueUnavailable,
    StorageUnavailable,
    UnacceptedObject,
    UnreadableImage,
)
from handler.formats import Decoded
from handler.formats.image import Image, Unreadable
from handler.inputs import MAX_WHOLE_BYTES, Inputs
from handler.jobs import Asked
from handler.layout import Layout, LayoutName
from handler.objects import ObjectRef, Prefix
from handler.opening import MAX_IDLE_S
from handler.outcomes import Outcome
from handler.scoring import Scorer
from handler.store import OpenObject
from infra.stores.memory import MemoryStore
from tests.handler.values import MAKER

JSON, LINES = (Layout(name, max_json_rows=1) for name in (LayoutName.JSON, LayoutName.LINES))
OUTPUT = Prefix("out", "")
FULL = Path("/dev/full")


def npy(*lightness):
    """An array object of 2x3 images, each of one lightness."""
    file = io.BytesIO()
    np.save(file, np.stack([np.full((2, 3), value, np.uint8) for value in lightness]))
    return file.getvalue()


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def white_png():
    file = io.BytesIO()
    PIL.Image.new("L", (3, 2), 255).save(file, "PNG")
    return file.getvalue()


@dataclasses.dataclass
class Written:
    """A document as it lies in the store."""

    content: bytes
    metadata: dict


def documents_in(store, budget):
    """Everything in the output bucket, by key."""
    return {
        ref.key: Written(store.content(ref), store.head(ref, deadline=budget.finish_by).metadata)
        for ref in store.refs()
        if ref.bucket == OUTPUT.bucket
    }


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def make_scorer(model, target, store):
    """Makes a scorer of the objects in `store`."""

    def make_scorer(
        *,
        store=store,
        classify=model.classify,
        layout=JSON,
        max_object_bytes=10**8,
        batch_images=4,
        concurrency=3,
        queue=None,
        output=OUTPUT,
    ):
        documents = Documents(store, output, layout, MAKER, sleep=lambda seconds: None)
        inputs = Inputs(store, (Prefix("in", ""), Prefix("bucket", "")), documents)
        dispatcher = queue and Dispatcher(documents=documents, queue=queue, pool=ThreadPoolExecutor(2))
        return Scorer(
            model=msgspec.structs.replace(model, classify=classify),
            batch_images=batch_images,
            inputs=inputs,
            documents=documents,
            dispatcher=dispatcher,
            limits=msgspec.structs.replace(target.limits, object_bytes=max_object_bytes),
            concurrency=concurrency,
        )

    return make_scorer


@pytest.fixture
def score(make_scorer, store, budget):
    """Scores `objects`, contents by key; an error instead of a content is what the store raises.

    Returns the reports by key, and the documents by key.
    """

    def score(objects, *, asked=None, alternatives=None, lists=0, within=budget, **parts):
        for key, content in objects.items():
            if isinstance(content, bytes):
                store.place(ObjectRef("in", key), content)
        before = store.before

        def failing(method, place):
            before(method, place)
            if method == "open" and isinstance(objects.get(place.key), Exception):
                raise objects[place.key]

        store.before = failing
        others = {key: ObjectRef("in", other) for key, other in (alternatives or {}).items()}
        jobs = [Asked(ObjectRef("in", key), others.get(key), lists=lists) for key in (asked or objects)]
        recorded = []
        reports = make_scorer(**parts).score(jobs, within, lambda *report: recorded.append(report))
        assert len(recorded) == len(reports)
        assert dict(recorded) == reports
        store.before = before
        return {ref.key: report for ref, report in reports.items()}, documents_in(store, budget)

    return score


def classes(document):
    return [row["class_name"] for row in json.loads(document.content)["predictions"]]


def test_each_object_gets_the_document_of_its_own_images(score):
    reports, documents = score({"a": npy(0, 250), "b": npy(250), "c": npy(0, 0, 250, 0, 250, 250)})

    assert {key: report.outcome for key, report in reports.items()} == dict.fromkeys("abc", Outcome.SCORED)
    assert {key: classes(document) for key, document in documents.items()} == {
        "a.json": ["dark", "light"],
        "b.json": ["light"],
        "c.json": ["dark", "dark", "light", "dark", "light", "light"],
    }
    assert [report.images for report in reports.values()] == [2, 1, 6]


def test_images_of_all_objects_share_the_model_s_batches(score, model, monkeypatch):
    monkeypatch.setattr("handler.opening.MAX_WAIT_S", 60)  # however slow this machine is
    sizes = []

    def count(images):
        sizes.append(len(images))
        return model.classify(images)

    score({key: npy(0, 250, 0) for key in "abc"}, classify=count)

    assert sizes == [4, 4, 1]


def test_images_do_not_wait_for_a_full_batch_while_an_object_is_slow_to_open(score, store, model):
    """The slow one is opened only once the images of the others are classified; with a wait for it, it would fail."""
    classified = threading.Event()

    def classify(images):
        classified.set()
        return model.classify(images)

    def slow(method, place):
        if (method, place.key) == ("open", "b") and not classified.wait(10):
            raise StorageUnavailable("the others waited for it")

    store.before = slow
    reports, _ = score({"a": npy(0), "b": npy(250), "c": npy(0)}, classify=classify, batch_images=16)

    assert {report.outcome for report in reports.values()} == {Outcome.SCORED}


class WaitingBody(io.BufferedReader):
    """A body that can be read only once the documents of the other objects are written."""

    def __init__(self, content, others):
        super().__init__(io.BytesIO(content))
        self.others = others

    def read(self, size=-1):
        if not self.others.wait(10):
            raise StorageUnavailable("the others waited for it")
        return super().read(size)


class StoreOfOneSlowBody(MemoryStore):
    """A store of which the body of `large` waits for two documents."""

    def open(self, ref, **options):
        opened = super().open(ref, **options)
        if ref.key != "large":
            return opened
        return msgspec.structs.replace(opened, body=WaitingBody(opened.body.read(), self.others))


def test_objects_that_are_in_memory_come_before_those_that_must_be_read(score, store):
    """Reading an object of more than 1 MiB may block; its documents must not be waited for by the others."""
    slow, written = StoreOfOneSlowBody(), []
    slow.others = threading.Event()

    def before(method, place):
        if method == "create":
            written.append(place.key)
            if len(written) == 2:
                slow.others.set()

    slow.before = before
    for key, content in {"large": bytes(MAX_WHOLE_BYTES + 1), "a": npy(0), "b": npy(250)}.items():
        slow.place(ObjectRef("in", key), content)

    reports, _ = score({}, asked=["large", "a", "b"], store=slow, concurrency=2)

    assert [report.outcome for report in reports.values()] == [Outcome.REJECTED, Outcome.SCORED, Outcome.SCORED]


def test_the_size_of_batches_changes_no_byte_of_any_document(score):
    objects = {"a": npy(0, 250), "b": npy(9, 80, 170), "c": npy(250)}
    contents = [
        {key: document.content for key, document in score(objects, batch_images=size)[1].items()} for size in (1, 2, 5, 64)
    ]

    assert contents[1:] == contents[:1] * 3


def test_an_object_named_twice_is_scored_once(score):
    reports, documents = score({"a": npy(0)}, asked=["a", "a"])

    assert (len(reports), len(documents)) == (1, 1)


def test_an_unreadable_object_is_rejected_and_the_others_are_scored(score):
    reports, documents = score({"a": npy(0), "bad": b"<html>", "b": npy(250)})

    assert [report.outcome for report in reports.values()] == [Outcome.SCORED, Outcome.REJECTED, Outcome.SCORED]
    assert json.loads(documents["bad.json"].content)["error"]["name"] == "UnrecognisedFormat"


@pytest.mark.parametrize("batch_images", [1, 2, 3, 64])
def test_what_cannot_be_read_is_a_row_at_its_place_and_the_others_are_scored(score, batch_images):
    content = zipped(a=b"?", b=npy(0, 250, 0), c=b"", d=white_png(), e=npy(0.5)[:-1])
    objects = {"rack.zip": content, "other": npy(0)}
    errors = [["a", "UnrecognisedFormat"], ["c", "EmptyObject"], ["e", "UnreadableArray"]]

    reports, documents = score(objects, batch_images=batch_images)
    assert (reports["rack.zip"].outcome, reports["rack.zip"].images) == (Outcome.SCORED, 4)
    document = json.loads(documents["rack.zip.json"].content)
    assert [[row["image"], row["error"]] for row in document["rejected"]] == errors
    assert [row["image"] for row in document["predictions"]] == ["b/0", "b/1", "b/2", "d"]
    assert classes(documents["rack.zip.json"]) == ["dark", "light", "dark", "light"]
    assert (document["summary"]["images"], document["summary"]["rejected"]) == (4, 3)

    _, lines = score(objects, batch_images=batch_images, layout=LINES)
    rows = [json.loads(line) for line in lines["rack.zip.jsonl"].content.splitlines()[1:-1]]
    assert [row["image"] for row in rows] == ["a", "b/0", "b/1", "b/2", "c", "d", "e"]


def test_an_archive_of_nothing_readable_has_a_document_without_predictions(score):
    reports, documents = score({"rack.zip": zipped(a=white_png()[:50], b=white_png()[:45])}, classify=pytest.fail)

    assert reports["rack.zip"].outcome is Outcome.SCORED
    assert json.loads(documents["rack.zip.json"].content)["summary"]["mean_confidence"] is None


def test_an_array_that_breaks_off_is_rejected_whole(score):
    reports, documents = score({"cut": npy(0, 250, 0, 250, 0)[:-1], "b": npy(250)}, batch_images=1)

    assert reports["cut"].outcome is Outcome.REJECTED
    assert reports["cut"].images == 0
    assert json.loads(documents["cut.json"].content)["schema"] == "coatcheck.rejection/2"
    assert classes(documents["b.json"]) == ["light"]


def test_an_object_that_is_gone_has_no_document(score):
    reports, documents = score({"a": None, "b": npy(0)})

    assert reports["a"].outcome is Outcome.GONE
    assert list(documents) == ["b.json"]


def test_an_object_that_storage_cannot_give_fails_alone(score):
    reports, documents = score({"a": StorageUnavailable("S3 is down."), "b": npy(0)})

    assert reports["a"].outcome is Outcome.FAILED
    assert str(reports["a"].error) == "S3 is down."
    assert list(documents) == ["b.json"]


def test_the_error_in_a_report_holds_no_frame_and_so_none_of_the_object_s_bytes(score):
    """Nor do the errors that led to it: that of a call that failed holds what was sent."""
    refused = StorageUnavailable("S3 is down.")
    try:
        try:
            raise ConnectionResetError
        finally:
            raise KeyError
    except KeyError as error:
        refused.__cause__ = error

    reports, _ = score({"a": refused, "b": b"", "c": ZeroDivisionError("a bug")})

    assert [report.error.__traceback__ for report in reports.values()] == [None] * 3
    cause = reports["a"].error.__cause__
    assert (type(cause), cause.__traceback__) == (KeyError, None)
    assert (type(cause.__context__), cause.__context__.__traceback__) == (ConnectionResetError, None)


def test_errors_that_led_to_each_other_are_let_go_of(score):
    """A library may raise an error once more from one to which it had led."""
    first, second = StorageUnavailable("S3 is down."), KeyError("a")
    first.__cause__, second.__cause__ = second, first

    reports, _ = score({"a": first})

    assert (reports["a"].error, first.__traceback__, second.__traceback__) == (first, None, None)


@pytest.mark.parametrize("bug", [ZeroDivisionError, MemoryError, RecursionError, UnicodeError])
def test_a_bug_that_one_object_brings_out_fails_that_object_alone(score, bug):
    reports, _ = score({"a": bug(), "b": npy(0)})

    assert [report.outcome for report in reports.values()] == [Outcome.FAILED, Outcome.SCORED]
    assert isinstance(reports["a"].error, bug)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("call", ["open", "create"])
def test_the_end_of_the_process_ends_the_invocation_and_leaves_whole_documents_alone(score, store, budget, call, end):
    """It is no error of an object, so nothing is reported, and all messages come again."""

    def interrupt(method, place):
        if (method, place.key.removesuffix(".json")) == (call, "b"):
            raise end

    store.before = interrupt
    with pytest.raises(end):
        score({key: npy(0) for key in "abc"}, concurrency=1)

    documents = documents_in(store, budget)
    assert "b.json" not in documents
    assert all(classes(document) == ["dark"] for document in documents.values())


@pytest.mark.parametrize("content", [npy(0), b"<html>"], ids=["predictions", "rejection"])
def test_a_document_that_cannot_be_written_fails_its_object_alone(score, store, content):
    def full(method, place):
        if (method, place.key) == ("create", "a.json"):
            raise StorageUnavailable("S3 is full.")

    store.before = full
    reports, _ = score({"a": content, "b": npy(0)})

    assert [report.outcome for report in reports.values()] == [Outcome.FAILED, Outcome.SCORED]


def test_a_document_that_stands_already_is_the_report_s(score, store):
    score({"a": npy(0), "bad": b"?"})

    reports, _ = score({"a": npy(0), "bad": b"?"})

    assert [report.outcome for report in reports.values()] == [Outcome.DUPLICATE, Outcome.DUPLICATE]
    assert [report.document.key for report in reports.values()] == ["a.json", "bad.json"]
    assert reports["a"].images == 1
    assert reports["bad"].error is not None


@pytest.mark.parametrize(("newer", "outcome"), [(npy(9), Outcome.SUPERSEDED), (None, Outcome.GONE)])
def test_an_object_that_changed_while_it_was_scored_has_no_document_of_its_old_state(score, store, newer, outcome):
    score({"a": npy(0)})

    def change(method, place):
        if (method, place.key) == ("create", "a.json"):
            store.before = lambda method, place: None
            if newer:
                store.place(ObjectRef("in", "a"), newer)
            else:
                store.remove(ObjectRef("in", "a"))

    store.before = change
    reports, _ = score({"a": npy(250)})

    assert (reports["a"].outcome, reports["a"].document) == (outcome, None)


@pytest.mark.parametrize("size", [101, MAX_WHOLE_BYTES + 1])
def test_an_object_above_the_limit_is_rejected(score, size):
    reports, documents = score({"a": npy(0) + bytes(size)}, max_object_bytes=100)

    assert json.loads(documents["a.json"].content)["error"]["name"] == "ObjectTooLarge"
    assert reports["a"].outcome is Outcome.REJECTED


class StoreOfUnreadBodies(MemoryStore):
    """A store of which no byte may be read."""

    def open(self, ref, **options):
        return msgspec.structs.replace(super().open(ref, **options), body=UnreadBody())


class UnreadBody(io.BytesIO):
    """A body that must not be read."""

    def read(self, size=-1):
        pytest.fail("it was read")


def test_no_byte_is_read_of_a_large_object_above_the_limit(score):
    store = StoreOfUnreadBodies()
    store.place(ObjectRef("in", "a"), bytes(MAX_WHOLE_BYTES + 1))

    reports, _ = score({}, asked=["a"], store=store, max_object_bytes=MAX_WHOLE_BYTES)

    assert isinstance(reports["a"].error, ObjectTooLarge)


def test_a_folder_is_rejected_as_one(score):
    _, documents = score({"uploads/new folder/": b""})

    assert "of a folder" in json.loads(documents["uploads/new folder/.json"].content)["error"]["message"]


def test_a_single_image_is_named_after_its_file(score):
    _, documents = score({"rack 1/white.png": white_png()})

    assert json.loads(documents["rack 1/white.png.json"].content)["predictions"][0]["image"] == "white.png"


def test_documents_are_lines_if_asked_for(score):
    _, documents = score({"a": npy(0, 0, 0), "bad": b"?"}, layout=LINES)

    assert len(documents["a.jsonl"].content.splitlines()) == 5
    assert len(documents["bad.jsonl"].content.splitlines()) == 1


def test_a_document_carries_what_came_out(score):
    _, documents = score({"a": npy(0), "bad": b"?"})

    assert {key: document.metadata["result"] for key, document in documents.items()} == {
        "a.json": "predictions",
        "bad.json": "UnrecognisedFormat",
    }


class Generated(MemoryStore):
    """A store of objects that are made when they are opened; `opened` are their keys."""

    def __init__(self, content):
        super().__init__()
        self.made = content
        self.opened = []

    def open(self, ref, *, deadline, **part):
        self.place(ref, self.made)
        self.opened.append(ref.key)
        opened = super().open(ref, deadline=deadline, **part)
        self.remove(ref)
        return OpenObject(opened.source, io.BytesIO(bytes(bytearray(self.made))))  # a copy of its own


def numbered(count):
    return [ObjectRef("in", str(number)) for number in range(count)]


def no_record(named, report):
    pass


@pytest.mark.parametrize(("head", "outcome"), [(b"?", Outcome.REJECTED), (white_png(), Outcome.SCORED)])
def test_memory_is_bounded_by_what_is_in_flight(make_scorer, budget, head, outcome):
    """Sixty objects of a megabyte; what holds on to any (a batch that fills slowly, an error's traceback) shows in the peak."""
    store = Generated(head + bytes(MAX_WHOLE_BYTES - len(head)))
    gc.disable()  # what only the collector would free is not let go of
    tracemalloc.start()
    reports = make_scorer(store=store, batch_images=64).score(map(Asked, numbered(60)), budget, no_record)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gc.enable()

    assert {report.outcome for report in reports.values()} == {outcome}
    assert peak_bytes < 12 * 2**20


def test_nothing_to_score_is_no_work(score):
    assert score({}) == ({}, {})


def test_objects_are_opened_concurrently(score, store):
    """Three calls meet at a barrier, which one after the other never could."""
    barrier = threading.Barrier(3, timeout=10)
    store.before = lambda method, place: barrier.wait() if method == "open" else None

    reports, _ = score(dict.fromkeys("abcdef"), concurrency=3)

    assert {report.outcome for report in reports.values()} == {Outcome.GONE}


def test_objects_are_opened_no_further_ahead_than_the_concurrency(make_scorer, budget, model):
    """While the model holds everything up, the objects in memory are those in its batch and `concurrency` more."""
    store, ahead = Generated(npy(0)), []

    def slow(images):
        time.sleep(0.05)  # for calls that should not have been started to show themselves
        ahead.append(len(store.opened) - 2 * len(ahead) - len(images))
        return model.classify(images)

    make_scorer(store=store, classify=slow, batch_images=2, concurrency=3).score(map(Asked, numbered(40)), budget, no_record)

    assert len(ahead) == 20
    assert max(ahead) <= 3


def test_a_model_that_fails_fails_the_invocation(score):
    def broken(images):
        raise RuntimeError("the graph is broken")

    with pytest.raises(RuntimeError, match="the graph is broken"):
        score({"a": npy(0)}, classify=broken)


def without_numbers(model, output):
    """A model that has no number for an image whose pixels are all alike, as one that divides by their deviation."""

    def classify(images):
        scores = model.classify(images)
        probabilities = scores.probabilities.copy()
        familiarity = np.zeros(len(images), np.float32)
        outputs = {"probabilities": probabilities, "familiarity": familiarity}
        outputs[output][images.reshape(len(images), -1).std(axis=1) == 0] = np.nan
        return Scores(probabilities, familiarity)

    return classify


def varied():
    """An array object of one image whose pixels differ."""
    file = io.BytesIO()
    np.save(file, np.array([[0, 40, 200], [9, 9, 9]], np.uint8))
    return file.getvalue()


@pytest.mark.parametrize("batch_images", [1, 2, 16])
@pytest.mark.parametrize("output", ["probabilities", "familiarity"])
def test_an_image_that_the_model_has_no_number_for_fails_its_object_alone(score, model, batch_images, output):
    objects = {"a": varied(), "blank": npy(0), "half": zipped(**{"1.npy": varied(), "2.npy": npy(9)}), "b": varied()}
    _, healthy = score({"healthy": varied()})

    reports, documents = score(objects, classify=without_numbers(model, output), batch_images=batch_images)

    assert [reports[key].outcome for key in objects] == [Outcome.SCORED, Outcome.FAILED, Outcome.FAILED, Outcome.SCORED]
    assert sorted(documents) == ["a.json", "b.json", "healthy.json"]
    assert classes(documents["a.json"]) == classes(documents["b.json"]) == classes(healthy["healthy.json"])
    for key in ("blank", "half"):
        assert type(reports[key].error) is BadArtifact
        assert "NaN" in str(reports[key].error)
        assert reports[key].error.__traceback__ is None


def test_a_model_that_has_no_number_for_anything_fails_each_object_and_says_why(score):
    nothing = Scores(np.full((1, 2), np.nan, np.float32))

    reports, documents = score(
        {"a": npy(0), "b": npy(9), "c": b"?"}, classify=lambda images: Scores.joined([nothing] * len(images))
    )

    assert [reports[key].outcome for key in "abc"] == [Outcome.FAILED, Outcome.FAILED, Outcome.REJECTED]
    assert {str(reports[key].error) for key in "ab"} == {
        "Expected finite probabilities of the model. Received: NaN or infinite ones; export it again."
    }
    assert list(documents) == ["c.json"]


def test_where_a_name_is_missing_its_alternative_is_scored_under_its_own_name(score):
    reports, documents = score({"a b": npy(255)}, asked=["a+b"], alternatives={"a+b": "a b"})

    assert reports["a+b"].outcome is Outcome.SCORED
    assert reports["a+b"].ref == ObjectRef("in", "a b")
    assert list(documents) == ["a b.json"]


def test_where_a_name_is_there_its_alternative_is_not_looked_at(score):
    reports, documents = score(
        {"a+b": npy(255), "a b": StorageUnavailable("never asked")}, asked=["a+b"], alternatives={"a+b": "a b"}
    )

    assert reports["a+b"].ref == ObjectRef("in", "a+b")
    assert list(documents) == ["a+b.json"]


@pytest.mark.parametrize("other", ["a b", "outside/a b"])
def test_where_neither_can_be_had_the_name_is_gone(score, other):
    reports, documents = score({"a c": npy(0)}, asked=["a+b"], alternatives={"a+b": other})

    assert (reports["a+b"].outcome, reports["a+b"].ref) == (Outcome.GONE, ObjectRef("in", "a+b"))
    assert documents == {}


def test_an_alternative_that_cannot_be_read_now_is_tried_again(score):
    reports, _ = score({"a b": StorageUnavailable("down")}, asked=["a+b"], alternatives={"a+b": "a b"})

    assert reports["a+b"].outcome is Outcome.FAILED


def test_a_report_counts_what_was_predicted(score):
    reports, _ = score({"a": npy(0, 255, 140), "bad": b"?"})

    assert (reports["a"].images, reports["a"].unsure, dict(reports["a"].by_class)) == (3, 1, {"dark": 1, "light": 2})
    assert reports["a"].size_bytes == len(npy(0, 255, 140))
    assert (reports["bad"].images, reports["bad"].size_bytes, dict(reports["bad"].by_class)) == (0, 1, {})


class Body(io.RawIOBase):
    """An object's body, which says whether it was read to its end and closed, and may break off."""

    def __init__(self, content, *, breaks):
        super().__init__()
        self.content = io.BytesIO(content)
        self.breaks = breaks
        self.ended = False

    def readable(self):
        return True

    def readinto(self, buffer):
        count = self.content.readinto(buffer)
        self.ended |= not count
        if self.breaks and not count:
            raise StorageUnavailable("broken off")
        return count


class Streaming(MemoryStore):
    """A store whose bodies are not in memory as a whole; `bodies` are those that were opened, by key."""

    def __init__(self, *, breaks=False):
        super().__init__()
        self.breaks = breaks
        self.bodies = []
        self.opened = threading.Condition()

    def open(self, ref, *, deadline, **part):
        opened = super().open(ref, deadline=deadline, **part)
        if opened is None:
            return None
        body = Body(opened.body.getvalue(), breaks=self.breaks)
        with self.opened:
            self.bodies.append(body)
            self.opened.notify_all()
        return OpenObject(opened.source, body)

    def wait_for_bodies(self, count):
        with self.opened:
            assert self.opened.wait_for(lambda: len(self.bodies) >= count, timeout=10)


def large(lightness):
    """An archive of two images, and of a megabyte that is none: more than is read whole when it is opened."""
    return zipped(images=npy(0, lightness), other=bytes(MAX_WHOLE_BYTES))


LARGE_ARRAY = npy(*[0, 255] * 90_000)
A = ObjectRef("in", "a")


@pytest.fixture
def stream(make_scorer, budget):
    """Scores one object that is too large to be read ahead; returns its report, its documents and the bodies of it."""

    def stream(content, *, breaks=False, **parts):
        assert len(content) > MAX_WHOLE_BYTES
        store = Streaming(breaks=breaks)
        store.place(A, content)
        (report,) = make_scorer(store=store, **parts).score([Asked(A)], budget, no_record).values()
        return report, documents_in(store, budget), store.bodies

    return stream


@pytest.fixture
def target(target):
    """With room for the images of large objects."""
    return msgspec.structs.replace(target, limits=msgspec.structs.replace(target.limits, images=10**6))


def test_a_large_object_is_opened_once_read_to_its_end_and_closed(stream):
    report, documents, (body,) = stream(large(255))

    assert (report.outcome, report.images) == (Outcome.SCORED, 2)
    assert classes(documents["a.json"]) == ["dark", "light"]
    assert body.ended
    assert body.closed


def test_a_large_object_that_is_rejected_is_read_to_its_end_and_closed(stream):
    """Corruption in transit can look like a broken object; whether it was one is known at the end."""
    report, _, (body,) = stream(b"no format that is known" * 100_000)

    assert report.outcome is Outcome.REJECTED
    assert body.ended
    assert body.closed


@pytest.mark.parametrize(
    "content",
    [
        LARGE_ARRAY,
        large(255),
        b"no format that is known" * 100_000,
        npy(0)[:-1] + bytes(2 * MAX_WHOLE_BYTES),
        b"bucket,key\n" * 200_000,
    ],
    ids=["array", "archive", "unknown", "too long", "list"],
)
def test_an_object_that_breaks_off_is_tried_again_and_never_rejected(stream, content):
    """Only its very last read says so: a transfer that was wrong in a byte looks like this, whatever the decoder made of it."""
    report, documents, (body,) = stream(content, breaks=True, batch_images=10_000)

    assert (report.outcome, documents) == (Outcome.FAILED, {})
    assert isinstance(report.error, StorageUnavailable)
    assert body.closed


def test_what_a_decoder_leaves_of_a_body_is_read_too(stream, monkeypatch):
    """Corruption shows only at the end of a body, also where a format has all it needs before that."""
    image = Image("a", np.zeros((2, 3, 1), np.uint8))
    monkeypatch.setattr("handler.scoring.decode", lambda *_: Decoded("png", iter([image])))

    report, documents, (body,) = stream(large(255), breaks=True)

    assert (report.outcome, documents) == (Outcome.FAILED, {})
    assert body.ended


def test_an_open_body_is_not_kept_waiting_for_long_and_opened_again_as_the_object_is_then(make_scorer, budget, model):
    """Stores reset connections that nobody reads from; so an object behind slow ones is opened again when its turn comes."""
    store, now = Streaming(), [0.0]
    store.place(ObjectRef("in", "slow"), npy(0))
    store.place(A, large(255))

    def slow(images):
        if now[0] == 0.0:
            store.wait_for_bodies(2)
            now[0] = MAX_IDLE_S + 1.0
            store.place(A, large(9))
        return model.classify(images)

    clocked = TimeBudget(Deadline(1000, lambda: now[0]), Deadline(1000, lambda: now[0]))
    scorer = make_scorer(store=store, classify=slow, batch_images=1)
    reports = scorer.score([Asked(ObjectRef("in", "slow")), Asked(A)], clocked, no_record)

    assert {report.outcome for report in reports.values()} == {Outcome.SCORED}
    assert [body.closed for body in store.bodies] == [True, True, True]
    document = json.loads(documents_in(store, budget)["a.json"].content)
    assert document["input"]["etag"] == store.head(A, deadline=budget.finish_by).etag


@pytest.mark.parametrize("is_deleted", [True, False])
def test_an_object_that_is_opened_again_may_be_gone_or_too_large_by_then(make_scorer, budget, model, is_deleted):
    store, now = Streaming(), [0.0]
    store.place(ObjectRef("in", "slow"), npy(0))
    store.place(A, large(255))

    def slow(images):
        store.wait_for_bodies(2)
        now[0] += MAX_IDLE_S + 1.0
        store.remove(A)
        if not is_deleted:
            store.place(A, large(255) + b"?")
        return model.classify(images)

    clocked = TimeBudget(Deadline(1000, lambda: now[0]), Deadline(1000, lambda: now[0]))
    scorer = make_scorer(store=store, classify=slow, batch_images=1, max_object_bytes=len(large(255)))
    reports = scorer.score([Asked(ObjectRef("in", "slow")), Asked(A)], clocked, no_record)

    assert reports[A].outcome is (Outcome.GONE if is_deleted else Outcome.REJECTED)
    assert is_deleted or isinstance(reports[A].error, ObjectTooLarge)
    assert all(body.closed for body in store.bodies)


def test_what_there_is_no_time_for_has_failed_and_what_is_done_is_done(score, ticking):
    objects = {str(number): npy(0, 255) for number in range(6)}

    reports, documents = score(objects, within=ticking(begin_looks=20), concurrency=1)

    outcomes = [report.outcome for report in reports.values()]
    done = outcomes.count(Outcome.SCORED)
    assert 0 < done < 6
    assert outcomes == [Outcome.SCORED] * done + [Outcome.FAILED] * (6 - done)
    assert sorted(documents) == [f"{number}.json" for number in range(done)]
    assert {type(report.error) for report in reports.values() if report.outcome is Outcome.FAILED} == {OutOfTime}


def test_without_time_nothing_is_read(score, store, ticking):
    read = []
    store.before = lambda method, place: read.append(place)

    reports, documents = score({"a": None, "b": None}, within=ticking(begin_looks=0))

    assert ({report.outcome for report in reports.values()}, documents, read) == ({Outcome.FAILED}, {}, [])


def test_objects_for_which_there_is_no_time_cost_no_thread_and_no_call(make_scorer, store):
    """There may be tens of thousands of them, and the answer must be on its way within seconds."""
    called, over = [], TimeBudget(Deadline.after(-1), Deadline.after(60))
    store.before = lambda *call: called.append(call)

    def no_threads(count):
        executor = ThreadPoolExecutor(count)
        executor.shutdown()
        return executor

    scorer = msgspec.structs.replace(make_scorer(), threads=no_threads)
    reports = scorer.score([Asked(ref) for ref in numbered(1000)], over, no_record)

    assert [type(report.error) for report in reports.values()] == [OutOfTime] * 1000
    assert called == []


def test_what_was_classified_is_written_when_the_time_to_begin_is_over_and_not_after_the_end(score, model):
    now = [0.0]

    def slow(images):
        now[0] += 10
        return model.classify(images)

    for end_s, outcome in ((11, Outcome.SCORED), (10, Outcome.FAILED)):
        now[0] = 0
        within = TimeBudget(Deadline(5, lambda: now[0]), Deadline(end_s, lambda: now[0]))
        reports, documents = score({f"{end_s}": npy(0)}, within=within, classify=slow)

        assert reports[f"{end_s}"].outcome is outcome
        assert (f"{end_s}.json" in documents) is (outcome is Outcome.SCORED)


def test_an_image_that_cannot_be_read_is_a_row_in_its_place_and_the_others_are_scored(score, monkeypatch):
    dark, light = np.zeros((2, 3, 1), np.uint8), np.full((2, 3, 1), 255, np.uint8)
    broken = Unreadable("b", UnreadableImage("It is cut."))
    monkeypatch.setattr(
        "handler.scoring.decode", lambda *_: Decoded("zip", iter([Image("a", dark), broken, Image("c", light), broken]))
    )

    reports, documents = score({"x": b"?"}, layout=LINES)

    rows = [json.loads(line) for line in documents["x.jsonl"].content.splitlines()[1:]]
    assert [row.get("image") for row in rows] == ["a", "b", "c", "b", None]
    assert rows[1] == {"image": "b", "error": "UnreadableImage", "message": "It is cut."}
    assert (rows[4]["summary"]["images"], rows[4]["summary"]["rejected"]) == (2, 2)
    assert (reports["x"].outcome, reports["x"].images) == (Outcome.SCORED, 2)


def test_an_object_of_unreadable_images_only_has_a_document_of_them(score, monkeypatch, model):
    monkeypatch.setattr(
        "handler.scoring.decode", lambda *_: Decoded("zip", iter([Unreadable("b", UnreadableImage("It is cut."))]))
    )
    calls = []

    _, documents = score({"x": b"?"}, classify=lambda images: calls.append(images) or model.classify(images))

    assert json.loads(documents["x.json"].content)["summary"]["rejected"] == 1
    assert calls == []


@pytest.mark.skipif(not FULL.exists(), reason="needs a file that is always full")
def test_a_disk_that_is_full_fails_its_object_and_no_other(score, monkeypatch):
    """Also when the rows are let go of, which the file tries to write once more then."""
    full = [FULL.open("w+b") for _ in range(2)]  # those of the first document
    files = iter(full)
    make = tempfile.SpooledTemporaryFile
    monkeypatch.setattr("handler.spool.SpooledTemporaryFile", lambda size: next(files, None) or make(size))

    reports, documents = score({"a": npy(*[0] * 90), "b": npy(0)}, concurrency=1)

    assert (reports["a"].outcome, reports["b"].outcome) == (Outcome.FAILED, Outcome.SCORED)
    assert str(reports["a"].error) == "[Errno 28] No space left on device"
    assert list(documents) == ["b.json"]
    assert all(file.closed for file in full)


def test_an_alternative_is_tried_also_for_a_name_that_may_not_be_read(make_scorer, store, budget):
    """A key that is too long for a document's place, until it is decoded."""
    named, decoded = ObjectRef("in", "%20" * 340), ObjectRef("in", " " * 340)
    store.place(decoded, npy(0))

    reports = make_scorer().score([Asked(named, decoded)], budget, no_record)

    assert (reports[named].outcome, reports[named].ref) == (Outcome.SCORED, decoded)


@pytest.mark.parametrize("other", [ObjectRef("elsewhere", "a"), ObjectRef("in", "gone")], ids=str)
def test_a_name_that_may_not_be_read_and_has_no_alternative_has_failed(make_scorer, store, budget, other):
    named = ObjectRef("private", "a")
    store.place(named, npy(0))

    reports = make_scorer().score([Asked(named, other)], budget, no_record)

    assert isinstance(reports[named].error, UnacceptedObject)


class Full(MemoryStore):
    """A store that reads what it is given, and keeps nothing."""

    def put(self, ref, content, **options):
        raise StorageUnavailable(f"down after {len(content.read())} bytes")


def test_documents_that_could_not_be_written_are_let_go_of(make_scorer, budget):
    """An error's traceback holds what its frames held: here it would be the rows of 300 objects, 20 KB each."""
    store = Full()
    refs = numbered(300)
    for ref in refs:
        store.place(ref, npy(*[0] * 90))

    tracemalloc.start()
    reports = make_scorer(store=store, batch_images=64).score(map(Asked, refs), budget, no_record)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert {report.outcome for report in reports.values()} == {Outcome.FAILED}
    assert peak_bytes < 4 * 2**20


@pytest.fixture
def score_list(score, queue):
    """Scores one list of CSV; returns its report, its document, and what was sent to the queue."""

    def score_list(content, *, queue=queue, **parts):
        reports, documents = score({"list.csv": content}, queue=queue, **parts)
        document = documents.get("list.csv.json")
        return reports["list.csv"], document and json.loads(document.content), queue and queue.messages

    return score_list


def test_what_a_list_names_is_sent_and_its_document_says_where_theirs_will_be(score_list, manifest):
    report, document, sent = score_list(b"bucket,a%20b\nbucket,a%20b\nbucket\nbucket,c")

    assert sent == [
        {"objects": ["s3://bucket/a b"], "unless_done": True, "lists": 1},
        {"objects": ["s3://bucket/c"], "unless_done": True, "lists": 1},
    ]
    assert (report.outcome, report.images) == (Outcome.SCORED, 0)
    assert document == {
        "schema": "coatcheck.list/2",
        "input": {
            "bucket": "in",
            "key": "list.csv",
            "etag": hashlib.md5(b"bucket,a%20b\nbucket,a%20b\nbucket\nbucket,c").hexdigest(),
            "version_id": None,
            "size_bytes": 41,
            "format": "list",
        },
        "model": {"name": "lightness", "version": "2.1.0", "sha256": manifest.model.sha256},
        "summary": {"objects": 2, "rejected": 1},
        "objects": [
            {"object": "s3://bucket/a b", "document": "s3://out/a b.json"},
            {"object": "s3://bucket/c", "document": "s3://out/c.json"},
        ],
        "rejected": [
            {
                "image": "line 3",
                "error": "UnreadableList",
                "message": "Expected a bucket and a key, with a comma between. Received: one of them; mend the line.",
            }
        ],
    }


def test_a_list_of_json_lines_means_its_own_bucket(score, queue):
    score({"list": b'{"key": "a"}'}, queue=queue)

    assert queue.messages == [{"objects": ["s3://in/a"], "unless_done": True, "lists": 1}]


def test_what_a_list_names_and_may_not_be_read_is_a_row_and_is_not_sent(score_list):
    _, document, sent = score_list(b"bucket,a\nprivate,b")

    assert sent == [{"objects": ["s3://bucket/a"], "unless_done": True, "lists": 1}]
    assert [(row["image"], row["error"]) for row in document["rejected"]] == [("s3://private/b", "UnacceptedObject")]


def test_a_list_whose_document_stands_is_not_sent_again(score_list, queue):
    """So a list that names itself, or two that name each other, come to an end."""
    score_list(b"bucket,a")
    report, _, _ = score_list(b"bucket,a")

    assert report.outcome is Outcome.DUPLICATE
    assert len(queue.messages) == 1

    score_list(b"bucket,a\nbucket,b")
    assert len(queue.messages) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"image,class_name,position\nt-shirt-top-0.png,T-shirt/top,19\n",
        b"private,a\nprivate,b\n",
        b'{"name": "x", "key": "value", "bucket": "private"}',
        b'{"source-ref": "s3://private/a.png"}\n{"source-ref": "a.png"}',
    ],
)
@pytest.mark.parametrize("has_queue", [True, False])
def test_what_names_nothing_that_may_be_scored_is_rejected_with_one_reason(score_list, queue, content, has_queue):
    """Any table of two columns looks like a list."""
    report, document, _ = score_list(content, queue=queue if has_queue else None)

    assert report.outcome is Outcome.REJECTED
    assert document["error"]["name"] == "UnreadableList"
    assert "Expected a list that names objects under INPUT_URIS. Received: " in document["error"]["message"]
    assert queue.messages == []


def test_a_list_that_is_rejected_sends_nothing_of_what_it_named_before(score, queue):
    """Its last line is far too long, so it is no list; the names before that line are not to be trusted."""
    content = b"bucket,a\n" * 50 + b"bucket," + b"k" * 20_000

    reports, documents = score({"list.csv": content}, queue=queue)

    assert reports["list.csv"].outcome is Outcome.REJECTED
    assert json.loads(documents["list.csv.json"].content)["error"]["name"] == "UnreadableList"
    assert queue.messages == []


def test_a_list_that_could_not_be_sent_has_no_document_and_comes_again(score_list, queue):
    def full(messages):
        raise QueueUnavailable("full")

    queue.before = full
    report, document, _ = score_list(b"bucket,a")

    assert (report.outcome, document) == (Outcome.FAILED, None)


def test_without_a_queue_a_list_is_rejected_and_says_what_to_set(score_list):
    report, document, _ = score_list(b"bucket,a", queue=None)

    assert report.outcome is Outcome.REJECTED
    assert document["error"]["name"] == "UnreadableList"
    assert "QUEUE_URL" in document["error"]["message"]


def test_a_list_that_names_itself_is_not_sent_itself(score_list):
    """Otherwise it would be sent without end if its document could not be written."""
    _, document, sent = score_list(b'{"key": "list.csv"}\n{"bucket": "bucket", "key": "a"}')

    assert [message["objects"] for message in sent] == [["s3://bucket/a"]]
    assert document["summary"] == {"objects": 1, "rejected": 0}


def test_a_list_that_names_itself_alone_is_rejected(score_list):
    report, document, sent = score_list(b'{"key": "list.csv"}')

    assert (report.outcome, document["error"]["name"], sent) == (Outcome.REJECTED, "UnreadableList", [])


def test_a_list_says_how_many_lists_led_to_what_it_names(score, queue):
    score({"list.csv": b"bucket,a"}, queue=queue)
    score({"other.csv": b"bucket,b"}, queue=queue, lists=2)

    assert [message["lists"] for message in queue.messages] == [1, 3]


def test_lists_that_name_each_other_come_to_an_end_even_if_no_document_can_be_written(score_list):
    report, document, sent = score_list(b"bucket,a", lists=MAX_LISTS)

    assert (report.outcome, document["error"]["name"], sent) == (Outcome.REJECTED, "UnreadableList", [])


def test_a_list_whose_document_has_no_place_is_not_sent(score_list, store, queue):
    store.place(ObjectRef("out", "list.csv.json"), b"{}", {"input-bucket": "another"})

    report, _, _ = score_list(b"bucket,a")

    assert isinstance(report.error, UnacceptedObject)
    assert queue.messages == []


def test_a_list_that_was_once_rejected_sends_its_objects_when_it_is_delivered_again(score_list, queue):
    """The rejection is about the same state of the list, and yet nothing was sent."""
    score_list(b"bucket,a", queue=None)
    report, document, sent = score_list(b"bucket,a", queue=queue)

    assert report.outcome is Outcome.SCORED
    assert document["objects"] == [{"object": "s3://bucket/a", "document": "s3://out/a.json"}]
    assert [message["objects"] for message in sent] == [["s3://bucket/a"]]


@pytest.mark.parametrize(
    ("content", "maker"),
    [
        (npy(0), MAKER.results),
        (b"bucket,a", MAKER.results),
        (b"?", MAKER.rejections),
        (zipped(**{"a.npy": npy(0), "b.png": b"?"}), MAKER.rejections),
        (b"bucket,a\nprivate,b", MAKER.rejections),
        (b"bucket,a\nbucket", MAKER.rejections),
    ],
    ids=["images", "list", "rejection", "member", "name", "line"],
)
def test_a_document_that_says_what_was_rejected_is_by_the_maker_of_rejections(score, queue, content, maker):
    """Whatever lifts the rejection gives the object another document; nothing else does."""
    _, documents = score({"a": content}, queue=queue)

    assert documents["a.json"].metadata["maker"] == maker


@pytest.mark.parametrize(
    ("key", "content", "kind"),
    [
        ("a.jpg", npy(0), "npy"),
        ("a.npy", white_png(), "png"),
        ("a.png", b"bucket,a", "list"),
        ("a.png", b"", None),
        ("a.png", b"?", None),
    ],
)
def test_a_name_that_lies_is_scored_by_its_content_and_the_document_says_so(score, queue, key, content, kind):
    _, documents = score({key: content}, queue=queue)

    assert json.loads(documents[f"{key}.json"].content)["input"]["format"] == kind
