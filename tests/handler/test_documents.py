"""The protocol of conditional writes, against a store in memory that behaves as S3 does."""

import hashlib
import io
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handler.deadline import Deadline
from handler.documents import MAX_ATTEMPTS, Document, Documents, belongs_to_another_bucket, sendable
from handler.errors import ConcurrentWrites, OutOfTime, UnacceptedObject
from handler.layout import Layout, LayoutName
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Outcome
from handler.store import StoredObject, WriteResult
from infra.stores.memory import MemoryStore
from tests.handler.values import MAKER

INPUT = ObjectRef("in", "a.png")
PLACE = ObjectRef("out", "a.png.json")
DEADLINE = Deadline.after(3600)


def etag_of(content):
    return hashlib.md5(content.encode()).hexdigest()


class Bucket:
    """A store with one input, whose content is a word, and the document of it."""

    def __init__(self, content="e1", *, is_versioned=False):
        self.store = MemoryStore(is_versioned=is_versioned)
        self.version = self.upload(content)

    def upload(self, content):
        return self.store.place(INPUT, content.encode()).version_id

    @property
    def uploaded(self):
        return self.store.content(INPUT).decode()

    @property
    def document(self):
        return self.store.content(PLACE)

    def before(self, act):
        """Has `act` called with the name of each call of the protocol: create, find, identify, replace."""
        names = {("head", PLACE): "find", ("head", INPUT): "identify"}
        self.store.before = lambda method, ref: act(names.get((method, ref), method))

    def alone(self):
        """Has nothing come between from now on."""
        self.store.before = lambda method, ref: None


def document(content="e1", maker="m1", of_bucket="in", result="predictions", version=None):
    source = StoredObject(ObjectRef(of_bucket, "a.png"), etag_of(content), version, 2)
    return Document(source, io.BytesIO(f"{content} by {maker}".encode()), "f" * 64, maker, result, Outcome.SCORED)


def documents(store, **parts):
    return Documents(store, Prefix("out", ""), Layout(LayoutName.JSON, 1), MAKER, **{"sleep": lambda seconds: None} | parts)


class Conflicting(MemoryStore):
    """A store in which other writers are under way for the first `conflicts` writes."""

    def __init__(self, conflicts):
        super().__init__()
        self.conflicts = conflicts

    def put(self, *arguments, **options):
        self.conflicts -= 1
        return WriteResult.CONFLICT if self.conflicts >= 0 else super().put(*arguments, **options)


def put(bucket, content="e1", **of):
    return documents(bucket.store).publish(document(content, **of), DEADLINE)


def test_a_first_document_is_written_with_its_identity():
    bucket = Bucket()

    assert put(bucket) is Outcome.SCORED
    assert bucket.store.head(PLACE, deadline=DEADLINE).metadata == {
        "input-bucket": "in",
        "input-etag": etag_of("e1"),
        "model-sha256": "f" * 64,
        "maker": "m1",
        "result": "predictions",
    }


def test_the_same_document_again_writes_nothing():
    bucket = Bucket()
    put(bucket)
    written = bucket.store.head(PLACE, deadline=DEADLINE)

    assert put(bucket) is Outcome.DUPLICATE
    assert bucket.store.head(PLACE, deadline=DEADLINE) == written


def test_a_document_of_a_newer_input_replaces_that_of_an_older():
    bucket = Bucket("e1")
    put(bucket, content="e1")
    bucket.upload("e2")

    assert put(bucket, content="e2") is Outcome.SCORED
    assert bucket.document == b"e2 by m1"


def test_a_document_of_an_older_input_never_replaces_that_of_a_newer():
    bucket = Bucket("e2")
    put(bucket, content="e2")

    assert put(bucket, content="e1") is Outcome.SUPERSEDED
    assert bucket.document == b"e2 by m1"


def test_another_model_s_document_is_replaced():
    bucket = Bucket()
    put(bucket, maker="m1")

    assert put(bucket, maker="m2") is Outcome.SCORED
    assert bucket.document == b"e1 by m2"


@pytest.mark.parametrize("maker", ["m1", "m0"])
@pytest.mark.parametrize("result", ["predictions", "UnreadableImage"])
def test_what_was_said_of_a_state_of_an_object_outlives_that_it_is_archived(maker, result):
    """A lifecycle rule archives it, and then its event comes once more."""
    bucket = Bucket()
    put(bucket, maker=maker, result=result)

    assert put(bucket, maker="m1", result="ArchivedObject") is Outcome.DUPLICATE
    assert bucket.document == f"e1 by {maker}".encode()


def test_that_an_object_is_archived_replaces_what_was_said_of_an_earlier_state():
    bucket = Bucket("e1")
    put(bucket, content="e1")
    bucket.upload("e2")

    assert put(bucket, content="e2", result="ArchivedObject") is Outcome.SCORED
    assert bucket.document == b"e2 by m1"


def test_a_rejection_gives_way_to_predictions_when_the_object_is_no_longer_rejected():
    bucket = Bucket()
    put(bucket, result="ObjectTooLarge")

    assert put(bucket, result="ObjectTooLarge") is Outcome.DUPLICATE
    assert put(bucket, result="predictions") is Outcome.SCORED


def test_an_input_that_changes_to_and_fro_hands_the_slow_writer_s_event_back():
    """e0, e1, e0: while e1 is about to replace the first document, the second e0 comes, finds that document and is done."""
    bucket = Bucket("e0")
    put(bucket, content="e0")
    bucket.upload("e1")

    def second_e0(call):
        if call == "replace":
            bucket.alone()
            bucket.upload("e0")
            assert put(bucket, content="e0") is Outcome.DUPLICATE

    bucket.before(second_e0)

    with pytest.raises(ConcurrentWrites, match=f"etag={etag_of('e0')}"):
        put(bucket, content="e1")
    assert put(bucket, content="e0") is Outcome.SCORED  # e1's event again, which finds e0 in the bucket
    assert bucket.document == b"e0 by m1"


def test_a_document_names_the_version_of_its_input():
    assert document(version="v1").metadata == document().metadata | {"input-version": "v1"}


def test_an_equal_content_in_a_newer_version_has_a_document_of_its_own():
    """So a late write that is to replace the document of the first version finds another one."""
    bucket = Bucket("e0", is_versioned=True)
    put(bucket, content="e0", version=bucket.version)
    newer = bucket.upload("e0")

    assert put(bucket, content="e0", version=newer) is Outcome.SCORED
    assert put(bucket, content="e0", version=newer) is Outcome.DUPLICATE
    assert bucket.store.head(PLACE, deadline=DEADLINE).metadata["input-version"] == newer


def test_a_document_of_an_older_version_never_replaces_that_of_a_newer_even_if_the_content_came_back():
    bucket = Bucket("e0", is_versioned=True)
    put(bucket, content="e1", version=bucket.upload("e1"))
    bucket.upload("e0")

    assert put(bucket, content="e0", version=bucket.version) is Outcome.SUPERSEDED
    assert bucket.document == b"e1 by m1"


def test_an_input_deleted_meanwhile_leaves_the_document_alone():
    bucket = Bucket()
    put(bucket, maker="m1")
    bucket.store.remove(INPUT)

    assert put(bucket, maker="m2") is Outcome.GONE
    assert bucket.document == b"e1 by m1"


ODD_FOLDERS = ["Hüte", " photos", "photos ", "  ", "a\tb", "a\nb", "服", "100 % wool"]


@pytest.mark.parametrize("name", [*ODD_FOLDERS, "in", "photos-2026", "My photos (new), v2_~#1!"])
def test_a_folder_s_name_is_sent_as_metadata_that_s3_takes_and_gives_back(name):
    sent = sendable(name)

    assert sent == sent.strip()
    assert sent.isascii()
    assert sent.isprintable()
    assert unquote(sent) == name
    assert (sent == name) == (name not in ODD_FOLDERS or name == "100 % wool")


@pytest.mark.parametrize("name", ODD_FOLDERS)
@pytest.mark.parametrize("is_of_an_earlier_release", [False, True])
def test_a_document_of_a_folder_with_an_odd_name_is_that_folder_s(name, is_of_an_earlier_release):
    source = StoredObject(ObjectRef(name, "a"), "e1", None, 2)
    existing = {"input-bucket": name if is_of_an_earlier_release else sendable(name), "input-etag": "e1"}

    assert documents(MemoryStore()).is_about(StoredObject(PLACE, "d", None, 1, existing), source)
    for other in {*ODD_FOLDERS, "photos"} - {name}:
        assert belongs_to_another_bucket(StoredObject(PLACE, "d", None, 1, {"input-bucket": sendable(other)}), source)


def test_a_document_of_another_bucket_s_input_is_left_alone():
    bucket = Bucket()
    put(bucket)

    with pytest.raises(UnacceptedObject, match="belongs to input bucket 'in'"):
        put(bucket, of_bucket="in-too")
    assert bucket.document == b"e1 by m1"


def test_a_foreign_object_in_the_place_is_left_alone():
    bucket = Bucket()
    bucket.store.place(PLACE, b"somebody's")

    with pytest.raises(UnacceptedObject, match="input bucket None"):
        put(bucket)


def test_a_conflict_is_tried_again_after_a_pause():
    store, pauses = Conflicting(conflicts=1), []

    assert documents(store, sleep=pauses.append).publish(document(), DEADLINE) is Outcome.SCORED
    assert len(pauses) == 1
    assert 0.025 <= pauses[0] <= 0.05


def test_endless_conflicts_are_transient():
    store, pauses = Conflicting(conflicts=100), []

    with pytest.raises(ConcurrentWrites):
        documents(store, sleep=pauses.append).publish(document(), DEADLINE)
    assert len(pauses) == MAX_ATTEMPTS - 1  # none after the last attempt


def test_pauses_double_and_each_is_multiplied_by_a_jitter_of_its_own():
    jitters, pauses = iter([0.5, 1.0, 0.75, 0.5, 1.0]), []
    publishing = documents(Conflicting(conflicts=100), sleep=pauses.append, jitter=lambda: next(jitters))

    with pytest.raises(ConcurrentWrites):
        publishing.publish(document(), DEADLINE)
    assert pauses == pytest.approx([0.025, 0.1, 0.15, 0.2, 0.8])


def test_a_pause_that_the_deadline_does_not_allow_is_not_begun():
    pauses = []

    with pytest.raises(OutOfTime, match=r"Expected time to write s3://out/a\.png\.json once more"):
        documents(Conflicting(conflicts=100), sleep=pauses.append).publish(document(), Deadline.after(0.01))
    assert pauses == []


def test_the_jitter_spreads_writers_over_the_upper_half_of_a_pause():
    jitter = Documents(MemoryStore(), Prefix("out", ""), Layout(LayoutName.JSON, 1), MAKER).jitter
    spread = [jitter() for _ in range(200)]

    assert all(0.5 <= one <= 1 for one in spread)
    assert len({round(one, 3) for one in spread}) > 50


def test_after_the_deadline_nothing_is_written_and_the_event_is_handed_back():
    store = MemoryStore()

    with pytest.raises(OutOfTime):
        documents(store).publish(document(), Deadline.after(0))
    assert store.refs() == ()


@pytest.mark.parametrize(
    ("layout", "suffix"), [(LayoutName.JSON, ".json"), (LayoutName.LINES, ".jsonl"), (LayoutName.AUTO, ".jsonl")]
)
def test_a_document_lies_where_the_user_can_compute_it(layout, suffix):
    publishing = Documents(MemoryStore(), Prefix("out", "documents/"), Layout(layout, 1), MAKER)

    assert publishing.place(ObjectRef("in", "uploads/rack 1.zip")) == ObjectRef("out", f"documents/uploads/rack 1.zip{suffix}")


def test_a_document_s_key_has_exactly_1024_bytes_at_most():
    publishing = documents(MemoryStore())
    longest = ObjectRef("in", "k" * (1024 - len(".json")))

    assert len(publishing.place(longest).key.encode()) == 1024
    with pytest.raises(UnacceptedObject, match=r"at most 1024 bytes\. Received: 1025 bytes"):
        publishing.place(ObjectRef("in", longest.key + "k"))


def test_a_document_deleted_before_it_is_described_is_written():
    bucket = Bucket()
    put(bucket)
    bucket.before(lambda call: bucket.store.remove(PLACE) if call == "find" else None)

    assert put(bucket) is Outcome.SCORED


def test_a_writer_that_wins_the_replacement_is_seen():
    bucket = Bucket("e2")
    bucket.store.place(PLACE, b"e0 by m1", document(content="e0").metadata)

    def other_writer_first(call):
        if call == "replace":
            bucket.alone()
            put(bucket, content="e2")

    bucket.before(other_writer_first)

    assert put(bucket, content="e2") is Outcome.DUPLICATE


def test_a_replacement_whose_answer_was_lost_is_looked_at_as_one():
    """The write happened, the answer did not come, and trying again is stopped by the very document that was written."""
    bucket = Bucket("e0")
    put(bucket, content="e0")
    bucket.upload("e1")

    def write_and_lose_the_answer(call):
        if call == "replace":
            bucket.alone()
            bucket.upload("e0")  # and meanwhile the input went back
            bucket.store.place(PLACE, b"e1 by m1", document("e1").metadata)

    bucket.before(write_and_lose_the_answer)

    with pytest.raises(ConcurrentWrites, match=f"etag={etag_of('e0')}"):
        put(bucket, content="e1")


CALLS = ["create", "find", "identify", "replace"]


@settings(max_examples=500)
@given(
    uploads=st.lists(st.tuples(st.sampled_from(CALLS), st.sampled_from(["e0", "e1", "e2"])), max_size=6),
    standing=st.sampled_from([None, "e0", "e1"]),
)
def test_whatever_comes_between_the_newest_input_s_document_stands(uploads, standing):
    """Uploads arrive inside the protocol of an older event, each with its own event handled at once, and once.

    An event is delivered again only if it was handed back; then it finds what is in the bucket by then. ETags repeat, because
    an upload may bring back an older content.
    """
    bucket, pending = Bucket("e1"), list(uploads)
    if standing:
        bucket.upload(standing)
        put(bucket, content=standing)
        bucket.upload("e1")

    def handle_event():
        content = bucket.uploaded
        for _ in range(len(uploads) + 2):
            try:
                put(bucket, content=content)
            except ConcurrentWrites:
                content = bucket.uploaded
            else:
                return
        pytest.fail("an event was handed back more often than uploads came between")

    def interrupt(call):
        if pending and pending[0][0] == call:
            bucket.upload(pending.pop(0)[1])
            handle_event()

    bucket.before(interrupt)
    handle_event()

    assert bucket.document == f"{bucket.uploaded} by m1".encode()


def test_a_document_by_the_present_maker_about_the_present_state_is_finished():
    store = MemoryStore()
    source = store.place(INPUT, b"e1")

    def is_finished(**changes):
        made = document(maker=changes.pop("maker", MAKER.results), **changes)
        place = store.place(PLACE, b"", made.metadata)
        return documents(store).is_finished(place, source)

    assert is_finished()
    assert is_finished(maker=MAKER.rejections, result="UnreadableImage")
    assert not is_finished(maker="another")
    assert not is_finished(content="e0")
    assert not is_finished(of_bucket="another")
    assert not is_finished(maker=MAKER.rejections, result="ArchivedObject")  # it may be restored by now


@pytest.mark.parametrize(
    ("standing", "present", "is_finished"),
    [("v1", "v1", True), ("v1", "v2", False), ("v1", None, True), (None, "v1", True), (None, None, True)],
    ids=["same", "other", "listed", "of an earlier release", "unversioned"],
)
def test_a_document_of_another_version_with_the_same_content_is_not_finished(standing, present, is_finished):
    source = msgspec.structs.replace(document(maker=MAKER.results).source, version_id=standing)
    metadata = msgspec.structs.replace(document(maker=MAKER.results), source=source).metadata
    existing = StoredObject(PLACE, "d1", None, 2, metadata)

    found = documents(MemoryStore()).is_finished(existing, msgspec.structs.replace(source, version_id=present))

    assert found is is_finished
