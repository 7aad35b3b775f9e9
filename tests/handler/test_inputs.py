"""What may be read, and how it is opened, on a store in memory."""

import contextlib
import io

import msgspec
import pytest

from handler.deadline import Deadline
from handler.documents import Documents
from handler.errors import UnacceptedObject
from handler.inputs import MAX_WHOLE_BYTES, Inputs
from handler.layout import Layout, LayoutName
from handler.objects import ObjectRef, Prefix
from infra.stores.memory import MemoryStore
from tests.handler.values import MAKER

DEADLINE = Deadline.after(3600)


@pytest.fixture
def inputs():
    store = MemoryStore()
    documents = Documents(store, Prefix("out-bucket", "documents/"), Layout(LayoutName.JSON, 1), MAKER)
    return Inputs(store, (Prefix("in-bucket", "uploads/"), Prefix("in-bucket", "more/")), documents)


@pytest.mark.parametrize("key", ["uploads/a.png", "more/b c/../d.png", "uploads/"])
def test_objects_under_an_input_are_accepted(inputs, key):
    inputs.require_accepted(ObjectRef("in-bucket", key))


@pytest.mark.parametrize(
    "ref",
    [
        ObjectRef("in-bucket", "elsewhere/a.png"),
        ObjectRef("in-bucket", "uploads"),
        ObjectRef("other-bucket", "uploads/a.png"),
        ObjectRef("out-bucket", "documents/uploads/a.png.json"),
    ],
)
def test_any_other_object_is_refused_and_not_looked_at(inputs, ref):
    inputs.store.before = pytest.fail

    with pytest.raises(UnacceptedObject, match="it was not read"):
        inputs.open(ref, DEADLINE)


@pytest.mark.parametrize("named", ["elsewhere/a+b", "uploads/a+b"])
def test_the_other_reading_of_a_key_is_not_read_either_if_it_lies_elsewhere(inputs, named):
    other = ObjectRef("in-bucket", "elsewhere/a b")
    inputs.store.place(other, b"secret")
    asked = []
    inputs.store.before = lambda method, place: asked.append(place)

    opened = None
    with contextlib.suppress(UnacceptedObject):
        opened = inputs.open_either(ObjectRef("in-bucket", named), other, DEADLINE)

    assert opened is None
    assert other not in asked


def test_a_document_is_no_input_even_where_an_input_holds_it(inputs):
    """The settings refuse such inputs; this is the second lock of the same door."""
    overlapping = Inputs(inputs.store, (Prefix("out-bucket", ""),), inputs.documents)

    overlapping.require_accepted(ObjectRef("out-bucket", "a"))
    with pytest.raises(UnacceptedObject):
        overlapping.require_accepted(ObjectRef("out-bucket", "documents/a"))


def test_a_key_whose_document_would_have_too_long_a_key_is_refused(inputs):
    room = 1024 - len("documents/") - len("uploads/") - len(".json")

    inputs.require_accepted(ObjectRef("in-bucket", "uploads/" + "é" * (room // 2)))
    with pytest.raises(UnacceptedObject, match="at most 1024 bytes"):
        inputs.require_accepted(ObjectRef("in-bucket", "uploads/" + "é" * (room // 2 + 1)))


def test_a_key_whose_document_would_lie_among_the_marks_is_refused():
    store = MemoryStore()
    documents = Documents(store, Prefix("out-bucket", "documents/"), Layout(LayoutName.JSON, 1), MAKER)
    inputs = Inputs(store, (Prefix("in-bucket", ""),), documents)

    inputs.require_accepted(ObjectRef("in-bucket", "_coatcheck"))
    inputs.require_accepted(ObjectRef("in-bucket", "a/_coatcheck/b"))
    with pytest.raises(UnacceptedObject, match="_coatcheck/"):
        inputs.require_accepted(ObjectRef("in-bucket", "_coatcheck/b"))


def test_a_small_object_that_is_archived_is_no_empty_one():
    class Archive(MemoryStore):
        def open(self, ref, **options):
            return msgspec.structs.replace(super().open(ref, **options), body=io.BytesIO(), is_archived=True)

    store = Archive()
    store.place(ObjectRef("in-bucket", "uploads/a"), b"content")
    documents = Documents(store, Prefix("out-bucket", ""), Layout(LayoutName.JSON, 1), MAKER)
    opened = Inputs(store, (Prefix("in-bucket", "uploads/"),), documents).open(ObjectRef("in-bucket", "uploads/a"), DEADLINE)

    assert opened.is_archived


@pytest.mark.parametrize(
    ("prefix", "is_accepted"),
    [
        (Prefix("in-bucket", "uploads/"), True),
        (Prefix("in-bucket", "uploads/2026/"), True),
        (Prefix("in-bucket", ""), False),
        (Prefix("in-bucket", "private/"), False),
        (Prefix("out-bucket", "documents/"), False),
        (Prefix("other-bucket", "uploads/"), False),
    ],
)
def test_a_prefix_is_accepted_if_all_of_it_may_be_read(inputs, prefix, is_accepted):
    if is_accepted:
        inputs.require_accepted_prefix(prefix)
    else:
        with pytest.raises(UnacceptedObject, match="Expected a prefix under INPUT_URIS"):
            inputs.require_accepted_prefix(prefix)


@pytest.mark.parametrize(("size", "is_whole"), [(0, True), (MAX_WHOLE_BYTES, True), (MAX_WHOLE_BYTES + 1, False)])
def test_a_small_object_is_read_whole_when_it_is_opened_and_a_large_one_is_not(inputs, size, is_whole):
    """The store's own body is closed by then, and what is read from afterwards is memory."""
    bodies = []

    class Recording(MemoryStore):
        def open(self, ref, **options):
            opened = super().open(ref, **options)
            bodies.append(opened.body)
            return opened

    store = Recording()
    store.place(ObjectRef("in-bucket", "uploads/a"), bytes(size))
    opened = Inputs(store, inputs.prefixes, inputs.documents).open(ObjectRef("in-bucket", "uploads/a"), DEADLINE)

    assert (opened.source.size_bytes, len(opened.body.read())) == (size, size)
    assert bodies[0].closed is is_whole
    assert isinstance(opened.body, io.BytesIO)


def test_of_prefixes_that_lie_in_one_another_the_outermost_are_listed(inputs):
    nested = Inputs(
        inputs.store, (Prefix("a", "x/y/"), Prefix("a", "x/"), Prefix("a", "x/"), Prefix("b", "x/y/")), inputs.documents
    )

    assert nested.outermost() == [Prefix("a", "x/"), Prefix("b", "x/y/")]
