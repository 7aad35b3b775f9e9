"""The protocol of conditional writes, against a store in memory that behaves as S3 does."""

import io
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handler.errors import ConcurrentWrites, UnacceptedObject
from handler.objects import ObjectRef, StoredDocument, StoredObject, WriteResult
from handler.publishing import ATTEMPTS, Document, Published, publish

INPUT = ObjectRef("in", "a.png")
PLACE = ObjectRef("out", "a.png.json")


class MemoryStore:
    """Objects by address, each with an ETag of its own for every write. `before` runs before each call, with its name."""

    def __init__(self, input_etag="e1"):
        self.inputs = {INPUT: input_etag} if input_etag else {}
        self.documents = {}
        self.writes = 0
        self.before = lambda call: None
        self._etags = (f"d{n}" for n in itertools.count())

    def identify(self, ref):
        self.before("identify")
        return StoredObject(ref, self.inputs[ref], None, 1) if ref in self.inputs else None

    def describe(self, ref):
        self.before("describe")
        return self.documents[ref][0] if ref in self.documents else None

    def create(self, ref, content, content_type, metadata):
        self.before("create")
        return WriteResult.STOPPED if ref in self.documents else self._write(ref, content, metadata)

    def replace(self, ref, content, content_type, metadata, *, etag):
        self.before("replace")
        if ref not in self.documents:
            return WriteResult.CONFLICT
        return self._write(ref, content, metadata) if self.documents[ref][0].etag == etag else WriteResult.STOPPED

    def _write(self, ref, content, metadata):
        self.writes += 1
        content.seek(0)  # as storage does
        self.documents[ref] = (StoredDocument(next(self._etags), metadata), content.read())
        return WriteResult.WRITTEN


def document(etag="e1", model="m1", bucket="in", result="predictions"):
    source = StoredObject(ObjectRef(bucket, "a.png"), etag, None, 1)
    return Document(PLACE, io.BytesIO(f"{etag} by {model}".encode()), "application/json", source, model, result)


def put(store, **of):
    return publish(document(**of), store, sleep=lambda seconds: None)


def test_a_first_document_is_written_with_its_identity():
    store = MemoryStore()

    assert put(store) is Published.WRITTEN
    assert store.documents[PLACE][0].metadata == {
        "input-bucket": "in",
        "input-etag": "e1",
        "model-sha256": "m1",
        "result": "predictions",
    }


def test_the_same_document_again_writes_nothing():
    store = MemoryStore()
    put(store)

    assert put(store) is Published.DUPLICATE
    assert store.writes == 1


def test_a_document_of_a_newer_input_replaces_that_of_an_older():
    store = MemoryStore("e1")
    put(store, etag="e1")
    store.inputs[INPUT] = "e2"

    assert put(store, etag="e2") is Published.WRITTEN
    assert store.documents[PLACE][1] == b"e2 by m1"


def test_a_document_of_an_older_input_never_replaces_that_of_a_newer():
    store = MemoryStore("e2")
    put(store, etag="e2")

    assert put(store, etag="e1") is Published.SUPERSEDED
    assert store.documents[PLACE][1] == b"e2 by m1"


def test_another_model_s_document_is_replaced():
    store = MemoryStore()
    put(store, model="m1")

    assert put(store, model="m2") is Published.WRITTEN
    assert store.documents[PLACE][1] == b"e1 by m2"


def test_a_rejection_gives_way_to_predictions_when_the_object_is_no_longer_rejected():
    store = MemoryStore()
    put(store, result="ObjectTooLarge")

    assert put(store, result="ObjectTooLarge") is Published.DUPLICATE
    assert put(store, result="predictions") is Published.WRITTEN


def test_an_input_that_changes_to_and_fro_hands_the_slow_writer_s_event_back():
    """e0, e1, e0: while e1 is about to replace the first document, the second e0 comes, finds that document and is done."""
    store = MemoryStore("e0")
    put(store, etag="e0")
    store.inputs[INPUT] = "e1"

    def second_e0(call):
        if call == "replace":
            store.before = lambda call: None
            store.inputs[INPUT] = "e0"
            assert put(store, etag="e0") is Published.DUPLICATE

    store.before = second_e0

    with pytest.raises(ConcurrentWrites, match="etag=e0"):
        put(store, etag="e1")
    assert put(store, etag="e0") is Published.WRITTEN  # e1's event again, which finds e0 in the bucket
    assert store.documents[PLACE][1] == b"e0 by m1"


def test_an_input_deleted_meanwhile_leaves_the_document_alone():
    store = MemoryStore()
    put(store, model="m1")
    store.inputs.clear()

    assert put(store, model="m2") is Published.GONE
    assert store.documents[PLACE][1] == b"e1 by m1"


def test_a_document_of_another_bucket_s_input_is_left_alone():
    store = MemoryStore()
    put(store)

    with pytest.raises(UnacceptedObject, match="belongs to input bucket 'in'"):
        put(store, bucket="in-too")
    assert store.writes == 1


def test_a_foreign_object_in_the_place_is_left_alone():
    store = MemoryStore()
    store.documents[PLACE] = (StoredDocument("d", {}), b"somebody's")

    with pytest.raises(UnacceptedObject, match="input bucket None"):
        put(store)


def test_a_conflict_is_tried_again_after_a_pause():
    store, pauses = MemoryStore(), []
    create, store.create = store.create, lambda *_: WriteResult.CONFLICT

    def sleep(seconds):
        pauses.append(seconds)
        store.create = create

    assert publish(document(), store, sleep) is Published.WRITTEN
    assert len(pauses) == 1
    assert 0 < pauses[0] <= 0.05


def test_endless_conflicts_are_transient():
    store, pauses = MemoryStore(), []
    store.create = lambda *_: WriteResult.CONFLICT

    with pytest.raises(ConcurrentWrites):
        publish(document(), store, pauses.append)
    assert len(pauses) == ATTEMPTS


def test_a_document_deleted_before_it_is_described_is_written():
    store = MemoryStore()
    put(store)
    store.before = lambda call: store.documents.clear() if call == "describe" else None

    assert put(store) is Published.WRITTEN


def test_a_writer_that_wins_the_replacement_is_seen():
    store = MemoryStore("e2")
    store.documents[PLACE] = (StoredDocument("d", document(etag="e0").metadata), b"e0")

    def other_writer_first(call):
        if call == "replace":
            store.before = lambda call: None
            put(store, etag="e2")

    store.before = other_writer_first

    assert put(store, etag="e2") is Published.DUPLICATE


def test_a_replacement_whose_answer_was_lost_is_looked_at_as_one():
    """The write happened, the answer did not come, and trying again is stopped by the very document that was written."""
    store = MemoryStore("e0")
    put(store, etag="e0")
    store.inputs[INPUT] = "e1"
    replace = store.replace

    def lose_the_answer(*payload, etag):
        store.inputs[INPUT] = "e0"  # and meanwhile the input went back
        assert replace(*payload, etag=etag) is WriteResult.WRITTEN
        return replace(*payload, etag=etag)

    store.replace = lose_the_answer

    with pytest.raises(ConcurrentWrites, match="etag=e0"):
        put(store, etag="e1")


CALLS = ["create", "describe", "identify", "replace"]


@settings(max_examples=500, deadline=None)
@given(
    uploads=st.lists(st.tuples(st.sampled_from(CALLS), st.sampled_from(["e0", "e1", "e2"])), max_size=6),
    standing=st.sampled_from([None, "e0", "e1"]),
)
def test_whatever_comes_between_the_newest_input_s_document_stands(uploads, standing):
    """Uploads arrive inside the protocol of an older event, each with its own event handled at once, and once.

    An event is delivered again only if it was handed back; then it finds what is in the bucket by then. ETags repeat, because
    an upload may bring back an older content.
    """
    store, pending = MemoryStore("e1"), list(uploads)
    if standing:
        store.inputs[INPUT] = standing
        put(store, etag=standing)
        store.inputs[INPUT] = "e1"

    def handle_event():
        etag = store.inputs[INPUT]
        for _ in range(len(uploads) + 2):
            try:
                put(store, etag=etag)
            except ConcurrentWrites:
                etag = store.inputs[INPUT]
            else:
                return
        pytest.fail("an event was handed back more often than uploads came between")

    def interrupt(call):
        if pending and pending[0][0] == call:
            _, store.inputs[INPUT] = pending.pop(0)
            handle_event()

    store.before = interrupt
    handle_event()

    assert store.documents[PLACE][1] == f"{store.inputs[INPUT]} by m1".encode()
