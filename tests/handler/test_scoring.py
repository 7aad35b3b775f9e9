"""Scoring over objects in memory and a fake model: the order of work, and who is touched by whose fault."""

import dataclasses
import gc
import io
import json
import threading
import time
import tracemalloc
import zipfile

import numpy as np
import PIL.Image
import pytest

from handler.errors import ObjectTooLarge, OutOfTime, QueueUnavailable, StorageUnavailable, UnacceptedObject, UnreadableImage
from handler.formats import Decoded
from handler.formats.image import Image, Unreadable
from handler.objects import FetchedObject, Layout, ObjectRef, OpenObject, StoredDocument, StoredObject
from handler.outcomes import Outcome
from handler.publishing import Published
from handler.scoring import Scorer

JSON, LINES = Layout("application/json", None), Layout("application/jsonl", -1)


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


@pytest.fixture
def score(manifest, target, classify):
    """Scores `objects`, contents by key, and returns the reports by key together with the documents by key."""

    def score(objects, *, asked=None, alternatives=None, publish=None, has_time=lambda: True, **changes):
        documents = {}

        def fetch(ref):
            content = objects.get(ref.key)
            if isinstance(content, Exception):
                raise content
            return content and FetchedObject(StoredObject(ref, f"etag of {ref.key}", None, len(content[0])), content[0])

        def open_(ref):
            fetched = fetch(ref)
            return fetched and OpenObject(fetched.source, io.BytesIO(fetched.content))

        def keep(document):
            documents[document.ref.key] = dataclasses.replace(document, content=document.content.read())
            return Published.WRITTEN

        settings = {
            "manifest": manifest,
            "fetch": fetch,
            "open": open_,
            "classify": classify,
            "publish": publish or keep,
            "locate": lambda ref: ObjectRef("out", ref.key + ".json"),
            "describe": lambda ref: None,
            "require_accepted": lambda ref: None,
            "send": None,
            "target": target,
            "max_object_bytes": 10_000,
            "batch_images": 4,
            "concurrency": 3,
            "layout": JSON,
        }
        refs = [ObjectRef("in", key) for key in (asked or objects)]
        others = {ObjectRef("in", key): ObjectRef("in", other) for key, other in (alternatives or {}).items()}
        reports = Scorer(**settings | changes).score(refs, others, has_time)
        return {ref.key: report for ref, report in reports.items()}, documents

    return score


def found(content):
    return (content,)


def classes(document):
    return [row["class_name"] for row in json.loads(document.content)["predictions"]]


def test_each_object_gets_the_document_of_its_own_images(score):
    reports, documents = score({"a": found(npy(0, 250)), "b": found(npy(250)), "c": found(npy(0, 0, 250, 0, 250, 250))})

    assert {key: report.outcome for key, report in reports.items()} == dict.fromkeys("abc", Outcome.SCORED)
    assert {key: classes(document) for key, document in documents.items()} == {
        "a.json": ["dark", "light"],
        "b.json": ["light"],
        "c.json": ["dark", "dark", "light", "dark", "light", "light"],
    }
    assert [report.images for report in reports.values()] == [2, 1, 6]


def test_images_of_all_objects_share_the_model_s_batches(score, classify):
    sizes = []

    def count(images):
        sizes.append(len(images))
        return classify(images)

    score({key: found(npy(0, 250, 0)) for key in "abc"}, classify=count)

    assert sizes == [4, 4, 1]


def test_the_size_of_batches_changes_no_byte_of_any_document(score):
    objects = {"a": found(npy(0, 250)), "b": found(npy(9, 80, 170)), "c": found(npy(250))}
    contents = [
        {key: document.content for key, document in score(objects, batch_images=size)[1].items()} for size in (1, 2, 5, 64)
    ]

    assert contents[1:] == contents[:1] * 3


def test_an_object_named_twice_is_scored_once(score):
    reports, documents = score({"a": found(npy(0))}, asked=["a", "a"])

    assert (len(reports), len(documents)) == (1, 1)


def test_an_unreadable_object_is_rejected_and_the_others_are_scored(score):
    reports, documents = score({"a": found(npy(0)), "bad": found(b"<html>"), "b": found(npy(250))})

    assert [report.outcome for report in reports.values()] == [Outcome.SCORED, Outcome.REJECTED, Outcome.SCORED]
    assert json.loads(documents["bad.json"].content)["error"]["name"] == "UnrecognisedFormat"


@pytest.mark.parametrize("batch_images", [1, 2, 3, 64])
def test_what_cannot_be_read_is_a_row_at_its_place_and_the_others_are_scored(score, batch_images):
    content = zipped(a=b"?", b=npy(0, 250, 0), c=b"", d=white_png(), e=npy(0.5)[:-1])
    objects = {"rack.zip": found(content), "other": found(npy(0))}
    errors = [["a", "UnrecognisedFormat"], ["c", "EmptyObject"], ["e", "UnreadableArray"]]

    reports, documents = score(objects, batch_images=batch_images)
    assert (reports["rack.zip"].outcome, reports["rack.zip"].images) == (Outcome.SCORED, 4)
    document = json.loads(documents["rack.zip.json"].content)
    assert [[row["image"], row["error"]] for row in document["rejected"]] == errors
    assert [row["image"] for row in document["predictions"]] == ["b/0", "b/1", "b/2", "d"]
    assert classes(documents["rack.zip.json"]) == ["dark", "light", "dark", "light"]
    assert (document["summary"]["images"], document["summary"]["rejected"]) == (4, 3)

    _, lines = score(objects, batch_images=batch_images, layout=LINES)
    rows = [json.loads(line) for line in lines["rack.zip.json"].content.splitlines()[1:-1]]
    assert [row["image"] for row in rows] == ["a", "b/0", "b/1", "b/2", "c", "d", "e"]


def test_an_archive_of_nothing_readable_has_a_document_without_predictions(score):
    reports, documents = score({"rack.zip": found(zipped(a=b"?", b=b"?"))}, classify=pytest.fail)

    assert reports["rack.zip"].outcome is Outcome.SCORED
    assert json.loads(documents["rack.zip.json"].content)["summary"]["mean_confidence"] is None


def test_an_array_that_breaks_off_is_rejected_whole(score):
    reports, documents = score({"cut": found(npy(0, 250, 0, 250, 0)[:-1]), "b": found(npy(250))}, batch_images=1)

    assert reports["cut"].outcome is Outcome.REJECTED
    assert reports["cut"].images == 0
    assert json.loads(documents["cut.json"].content)["schema"] == "coatcheck.rejection/1"
    assert classes(documents["b.json"]) == ["light"]


def test_an_object_that_is_gone_has_no_document(score):
    reports, documents = score({"a": None, "b": found(npy(0))})

    assert reports["a"].outcome is Outcome.GONE
    assert list(documents) == ["b.json"]


def test_an_object_that_storage_cannot_give_fails_alone(score):
    reports, documents = score({"a": StorageUnavailable("S3 is down."), "b": found(npy(0))})

    assert reports["a"].outcome is Outcome.FAILED
    assert str(reports["a"].error) == "S3 is down."
    assert list(documents) == ["b.json"]


def test_a_bug_that_one_object_brings_out_fails_that_object_alone(score):
    reports, _ = score({"a": ZeroDivisionError("a bug"), "b": found(npy(0))})

    assert [report.outcome for report in reports.values()] == [Outcome.FAILED, Outcome.SCORED]
    assert isinstance(reports["a"].error, ZeroDivisionError)


def test_a_document_that_cannot_be_written_fails_its_object_alone(score):
    def publish(document):
        if document.ref.key == "a.json":
            raise StorageUnavailable("S3 is full.")
        return Published.WRITTEN

    reports, _ = score({"a": found(npy(0)), "b": found(npy(0))}, publish=publish)

    assert [report.outcome for report in reports.values()] == [Outcome.FAILED, Outcome.SCORED]


@pytest.mark.parametrize(
    ("published", "outcome", "has_document"),
    [
        (Published.WRITTEN, Outcome.SCORED, True),
        (Published.DUPLICATE, Outcome.DUPLICATE, True),
        (Published.SUPERSEDED, Outcome.SUPERSEDED, False),
        (Published.GONE, Outcome.GONE, False),
    ],
)
def test_what_became_of_the_document_is_the_outcome(score, published, outcome, has_document):
    reports, _ = score({"a": found(npy(0))}, publish=lambda document: published)

    assert reports["a"].outcome is outcome
    assert bool(reports["a"].document) is has_document


def test_an_object_above_the_limit_is_rejected_unread(score):
    reports, documents = score({"a": found(npy(0, 0, 0, 0))}, max_object_bytes=100)

    assert json.loads(documents["a.json"].content)["error"]["name"] == "ObjectTooLarge"
    assert reports["a"].outcome is Outcome.REJECTED


def test_a_folder_is_rejected_as_one(score):
    _, documents = score({"uploads/new folder/": found(b"")})

    assert "of a folder" in json.loads(documents["uploads/new folder/.json"].content)["error"]["message"]


def test_a_single_image_is_named_after_its_file(score):
    _, documents = score({"rack 1/white.png": found(white_png())})

    assert json.loads(documents["rack 1/white.png.json"].content)["predictions"][0]["image"] == "white.png"


def test_documents_are_lines_if_asked_for(score):
    _, documents = score({"a": found(npy(0, 0, 0)), "bad": found(b"?")}, layout=LINES)

    assert {document.content_type for document in documents.values()} == {"application/jsonl"}
    assert len(documents["a.json"].content.splitlines()) == 5
    assert len(documents["bad.json"].content.splitlines()) == 1


def test_a_document_carries_what_came_out(score):
    _, documents = score({"a": found(npy(0)), "bad": found(b"?")})

    assert {key: document.result for key, document in documents.items()} == {
        "a.json": "predictions",
        "bad.json": "UnrecognisedFormat",
    }


@pytest.mark.parametrize(("head", "outcome"), [(b"?", Outcome.REJECTED), (white_png(), Outcome.SCORED)])
def test_memory_is_bounded_by_what_is_in_flight(score, head, outcome):
    """Sixty objects of a megabyte; what holds on to any (a batch that fills slowly, an error's traceback) shows in the peak."""

    def fetch(ref):
        return FetchedObject(StoredObject(ref, "e", None, len(head) + 2**20), head + bytes(2**20))

    gc.disable()  # what only the collector would free is not let go of
    tracemalloc.start()
    reports, _ = score(dict.fromkeys(map(str, range(60))), fetch=fetch, batch_images=64, concurrency=3, max_object_bytes=2**21)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gc.enable()

    assert {report.outcome for report in reports.values()} == {outcome}
    assert peak_bytes < 12 * 2**20


def test_nothing_to_score_is_no_work(score):
    assert score({}) == ({}, {})


def test_objects_are_fetched_concurrently(score):
    """Three fetches meet at a barrier, which one after the other never could."""
    barrier = threading.Barrier(3, timeout=10)

    reports, _ = score(dict.fromkeys("abcdef"), fetch=lambda ref: barrier.wait() and None, concurrency=3)

    assert {report.outcome for report in reports.values()} == {Outcome.GONE}


def test_objects_are_fetched_no_further_ahead_than_the_concurrency(score, classify):
    """While the model holds everything up, the objects in memory are those in its batch and `concurrency` more."""
    contents, fetched, ahead = {str(number): npy(0) for number in range(40)}, [], []

    def fetch(ref):
        fetched.append(ref.key)
        return FetchedObject(StoredObject(ref, "e", None, len(contents[ref.key])), contents[ref.key])

    def slow(images):
        time.sleep(0.05)  # for fetches that should not have been started to show themselves
        ahead.append(len(fetched) - 2 * len(ahead) - len(images))
        return classify(images)

    score(contents, fetch=fetch, classify=slow, batch_images=2, concurrency=3)

    assert len(ahead) == 20
    assert max(ahead) <= 3


def test_a_model_that_fails_fails_the_invocation(score):
    def broken(images):
        raise RuntimeError("the graph is broken")

    with pytest.raises(RuntimeError, match="the graph is broken"):
        score({"a": found(npy(0))}, classify=broken)


def test_where_a_name_is_missing_its_alternative_is_scored_under_its_own_name(score):
    reports, documents = score({"a b": found(npy(255))}, asked=["a+b"], alternatives={"a+b": "a b"})

    assert reports["a+b"].outcome is Outcome.SCORED
    assert reports["a+b"].ref == ObjectRef("in", "a b")
    assert list(documents) == ["a b.json"]


def test_where_a_name_is_there_its_alternative_is_not_looked_at(score):
    reports, documents = score(
        {"a+b": found(npy(255)), "a b": StorageUnavailable("never asked")}, asked=["a+b"], alternatives={"a+b": "a b"}
    )

    assert reports["a+b"].ref == ObjectRef("in", "a+b")
    assert list(documents) == ["a+b.json"]


@pytest.mark.parametrize("other", [None, UnacceptedObject("outside")])
def test_where_neither_can_be_had_the_name_is_gone(score, other):
    reports, documents = score({"a b": other}, asked=["a+b"], alternatives={"a+b": "a b"})

    assert (reports["a+b"].outcome, reports["a+b"].ref) == (Outcome.GONE, ObjectRef("in", "a+b"))
    assert documents == {}


def test_an_alternative_that_cannot_be_read_now_is_tried_again(score):
    reports, _ = score({"a b": StorageUnavailable("down")}, asked=["a+b"], alternatives={"a+b": "a b"})

    assert reports["a+b"].outcome is Outcome.FAILED


def test_a_report_counts_what_was_predicted(score):
    reports, _ = score({"a": found(npy(0, 255, 140)), "bad": found(b"?")})

    assert (reports["a"].images, reports["a"].unsure, dict(reports["a"].by_class)) == (3, 1, {"dark": 1, "light": 2})
    assert reports["a"].size_bytes == len(npy(0, 255, 140))
    assert (reports["bad"].images, reports["bad"].size_bytes, dict(reports["bad"].by_class)) == (0, 1, {})


class Body(io.BytesIO):
    """An object's body that says whether it was read to its end and closed, and may break off."""

    def __init__(self, content, breaks_after=None):
        super().__init__(content)
        self.breaks_after = breaks_after
        self.ended = False

    def read(self, size=-1):
        block = super().read(size)
        self.ended |= not block
        if self.breaks_after is not None and self.tell() > self.breaks_after:
            raise StorageUnavailable("broken off")
        return block


@pytest.fixture
def stream(score):
    """Scores one object that is too large to be fetched ahead; returns its report, its documents and its body."""

    def stream(content, *, breaks_after=None, found=True, opened_as=None, **changes):
        body = Body(content, breaks_after)
        source = StoredObject(ObjectRef("in", "a"), "e1", None, len(content))

        def fetch(ref):
            return FetchedObject(source, b"")

        def open_(ref):
            return OpenObject(opened_as or source, body) if found else None

        reports, documents = score({"a": None}, fetch=fetch, open=open_, **changes)
        return reports["a"], documents, body

    return stream


def test_a_large_object_is_read_when_its_turn_comes_to_its_end_and_closed(stream):
    report, documents, body = stream(npy(0, 255))

    assert (report.outcome, report.images) == (Outcome.SCORED, 2)
    assert classes(documents["a.json"]) == ["dark", "light"]
    assert body.ended
    assert body.closed


def test_a_large_object_that_is_rejected_is_read_to_its_end_and_closed(stream):
    """Bytes that arrived wrongly look like a broken object; whether they did is known at the end."""
    report, _, body = stream(npy(0, 255)[:-1] + b"more and more")

    assert report.outcome is Outcome.REJECTED
    assert body.ended
    assert body.closed


@pytest.mark.parametrize("content", [npy(*range(200)), b"no format that is known" * 100])
def test_an_object_that_breaks_off_is_tried_again_and_never_rejected(stream, content):
    report, documents, body = stream(content, breaks_after=len(content) - 2)

    assert (report.outcome, documents) == (Outcome.FAILED, {})
    assert isinstance(report.error, StorageUnavailable)
    assert body.closed


def test_an_object_that_is_gone_when_its_turn_comes_is_gone(stream):
    report, documents, _ = stream(npy(0), found=False)

    assert (report.outcome, documents) == (Outcome.GONE, {})


def test_an_object_that_was_overwritten_before_its_turn_is_scored_as_it_is_then(stream):
    newer = StoredObject(ObjectRef("in", "a"), "e2", None, len(npy(255)))

    report, documents, _ = stream(npy(255), opened_as=newer)

    assert report.outcome is Outcome.SCORED
    assert documents["a.json"].source.etag == "e2"
    assert json.loads(documents["a.json"].content)["input"]["etag"] == "e2"


def test_an_object_that_has_grown_too_large_before_its_turn_is_rejected_and_closed(stream):
    newer = StoredObject(ObjectRef("in", "a"), "e2", None, 10**9)

    report, _, body = stream(npy(255), opened_as=newer)

    assert isinstance(report.error, ObjectTooLarge)
    assert body.closed


def test_what_there_is_no_time_for_has_failed_and_what_is_done_is_done(score):
    objects = {str(number): found(npy(0, 255)) for number in range(6)}
    looks = iter([True] * 8)  # one before each fetch, one before each image

    reports, documents = score(objects, has_time=lambda: next(looks, False), concurrency=1)

    outcomes = [report.outcome for report in reports.values()]
    done = outcomes.count(Outcome.SCORED)
    assert 0 < done < 6
    assert outcomes == [Outcome.SCORED] * done + [Outcome.FAILED] * (6 - done)
    assert sorted(documents) == [f"{number}.json" for number in range(done)]
    assert {type(report.error) for report in reports.values() if report.outcome is Outcome.FAILED} == {OutOfTime}


def test_without_time_nothing_is_read(score):
    read = []

    reports, documents = score({"a": None, "b": None}, fetch=read.append, has_time=lambda: False)

    assert ({report.outcome for report in reports.values()}, documents, read) == ({Outcome.FAILED}, {}, [])


def test_an_image_that_cannot_be_read_is_a_row_in_its_place_and_the_others_are_scored(score, monkeypatch):
    dark, light = np.zeros((2, 3, 1), np.uint8), np.full((2, 3, 1), 255, np.uint8)
    broken = Unreadable("b", UnreadableImage("It is cut."))
    monkeypatch.setattr(
        "handler.scoring.decode", lambda *_: Decoded("zip", iter([Image("a", dark), broken, Image("c", light), broken]))
    )

    reports, documents = score({"x": found(b"?")}, layout=LINES)

    rows = [json.loads(line) for line in documents["x.json"].content.splitlines()[1:]]
    assert [row.get("image") for row in rows] == ["a", "b", "c", "b", None]
    assert rows[1] == {"image": "b", "error": "UnreadableImage", "message": "It is cut."}
    assert (rows[4]["summary"]["images"], rows[4]["summary"]["rejected"]) == (2, 2)
    assert (reports["x"].outcome, reports["x"].images) == (Outcome.SCORED, 2)


def test_an_object_of_unreadable_images_only_has_a_document_of_them(score, monkeypatch, classify):
    monkeypatch.setattr(
        "handler.scoring.decode", lambda *_: Decoded("zip", iter([Unreadable("b", UnreadableImage("It is cut."))]))
    )
    calls = []

    _, documents = score({"x": found(b"?")}, classify=lambda images: calls.append(images) or classify(images))

    assert json.loads(documents["x.json"].content)["summary"]["rejected"] == 1
    assert calls == []


def test_a_disk_that_is_full_fails_its_object_and_no_other(score, monkeypatch):
    from handler.writing import DocumentWriter

    add = DocumentWriter.add

    def full(self, row):
        if self.source.ref.key == "a":
            raise OSError(28, "No space left on device")
        add(self, row)

    monkeypatch.setattr(DocumentWriter, "add", full)
    reports, documents = score({"a": found(npy(0)), "b": found(npy(0))})

    assert (reports["a"].outcome, reports["b"].outcome) == (Outcome.FAILED, Outcome.SCORED)
    assert list(documents) == ["b.json"]


def test_an_alternative_is_tried_also_for_a_name_that_may_not_be_read(score):
    reports, _ = score(
        {"x%2Fa": UnacceptedObject("outside"), "x/a": found(npy(0))}, asked=["x%2Fa"], alternatives={"x%2Fa": "x/a"}
    )

    assert (reports["x%2Fa"].outcome, reports["x%2Fa"].ref.key) == (Outcome.SCORED, "x/a")


@pytest.mark.parametrize(
    "objects", [{"a": UnacceptedObject("outside")}, {"a": UnacceptedObject("x"), "b": UnacceptedObject("y")}]
)
def test_a_name_that_may_not_be_read_and_has_no_alternative_has_failed(score, objects):
    reports, _ = score(objects, asked=["a"], alternatives={"a": "b"})

    assert isinstance(reports["a"].error, UnacceptedObject)


def test_documents_that_could_not_be_written_are_let_go_of(score):
    """An error's traceback holds what its frames held: here it would be the rows of 300 objects, 20 KB each."""

    def publish(document):
        raise StorageUnavailable(f"down after {len(document.content.read())} bytes")

    tracemalloc.start()
    reports, _ = score({str(number): found(npy(*[0] * 90)) for number in range(300)}, publish=publish, batch_images=64)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert {report.outcome for report in reports.values()} == {Outcome.FAILED}
    assert peak_bytes < 4 * 2**20


@pytest.fixture
def score_list(score):
    """Scores one list of CSV; returns its report, its document, and what was sent to the queue."""

    def score_list(content, *, standing=None, refuse=(), sent=None, **changes):
        sent = [] if sent is None else sent

        def require_accepted(ref):
            if ref.key in refuse:
                raise UnacceptedObject(f"Expected another. Received: {ref}.")

        settings = {"send": sent.extend, "describe": lambda ref: standing, "require_accepted": require_accepted}
        reports, documents = score({"list.csv": found(content)}, **settings | changes)
        document = documents.get("list.csv.json")
        return reports["list.csv"], document and json.loads(document.content), sent

    return score_list


def test_what_a_list_names_is_sent_and_its_document_says_where_theirs_will_be(score_list, manifest):
    report, document, sent = score_list(b"bucket,a%20b\nbucket,a%20b\nbucket\nbucket,c")

    assert sent == [{"objects": ["s3://bucket/a b"]}, {"objects": ["s3://bucket/c"]}]
    assert (report.outcome, report.images) == (Outcome.SCORED, 0)
    assert document == {
        "schema": "coatcheck.list/1",
        "input": {
            "bucket": "in",
            "key": "list.csv",
            "etag": "etag of list.csv",
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
                "message": "Expected a bucket and a key, with a comma between. Received: one of them.",
            }
        ],
    }


def test_a_list_of_json_lines_means_its_own_bucket(score):
    sent = []

    score({"list": found(b'{"key": "a"}')}, send=sent.extend)

    assert sent == [{"objects": ["s3://in/a"]}]


def test_what_a_list_names_and_may_not_be_read_is_a_row_and_is_not_sent(score_list):
    _, document, sent = score_list(b"bucket,a\nbucket,private", refuse={"private"})

    assert sent == [{"objects": ["s3://bucket/a"]}]
    assert [(row["image"], row["error"]) for row in document["rejected"]] == [("s3://bucket/private", "UnacceptedObject")]


def test_a_list_whose_document_stands_is_not_sent_again(score_list, manifest):
    """So a list that names itself, or two that name each other, come to an end."""
    about = {"input-bucket": "in", "input-etag": "etag of list.csv", "model-sha256": manifest.model.sha256}

    _, _, sent = score_list(b"bucket,a", standing=StoredDocument("e", about))
    _, _, sent_of_an_older = score_list(b"bucket,a", standing=StoredDocument("e", about | {"input-etag": "older"}))

    assert (sent, len(sent_of_an_older)) == ([], 1)


def test_a_list_that_could_not_be_sent_has_no_document_and_comes_again(score_list):
    def send(messages):
        raise QueueUnavailable("full")

    report, document, _ = score_list(b"bucket,a", send=send)

    assert (report.outcome, document) == (Outcome.FAILED, None)


def test_without_a_queue_a_list_is_rejected_and_says_what_to_set(score_list):
    report, document, _ = score_list(b"bucket,a", send=None)

    assert report.outcome is Outcome.REJECTED
    assert document["error"]["name"] == "UnreadableList"
    assert "QUEUE_URL" in document["error"]["message"]


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
def test_a_name_that_lies_is_scored_by_its_content_and_the_document_says_so(score, key, content, kind):
    _, documents = score({key: found(content)}, send=[].extend)

    assert json.loads(documents[f"{key}.json"].content)["input"]["format"] == kind
