"""The marker and the notes, by which sweeps know what they need not look at."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handler.deadline import Deadline
from handler.errors import ConcurrentWrites, OutOfTime, StorageUnavailable
from handler.maker import Maker
from handler.marks import MAX_ATTEMPTS, RENEWAL_S, SETTLED, Marks, Settled
from handler.objects import ObjectRef, Prefix
from handler.store import StoredObject
from infra.stores.memory import MemoryStore

OUTPUT, PREFIX = Prefix("out", "documents/"), Prefix("in", "uploads/")
MARKER = ObjectRef("out", "documents/_coatcheck/maker")
A, B = Maker("a" * 64, "1" * 64), Maker("b" * 64, "1" * 64)
SAME_RESULTS = Maker("a" * 64, "2" * 64)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class World:
    """A store with a clock, which stands still, and the calls that it gets."""

    def __init__(self):
        self.time, self.calls = NOON, []
        self.store = MemoryStore(lambda *call: self.calls.append(call), clock=lambda: self.time)

    def marks(self, maker=A):
        return Marks(self.store, OUTPUT, maker, clock=lambda: self.time.timestamp())  # noqa: PLW0108  # the time goes on

    def made_since(self, maker):
        return self.marks(maker).made_since(Deadline.after(60))


@pytest.fixture
def world():
    return World()


@pytest.fixture
def deadline():
    return Deadline.after(60)


def test_the_marker_tells_since_when_its_maker_works(world):
    assert world.made_since(A) is None
    assert world.made_since(A) == NOON
    world.time += 60 * MINUTE

    assert world.made_since(A) == NOON


@pytest.mark.parametrize("other", [B, SAME_RESULTS])
def test_another_maker_begins_anew_also_after_a_rollback(world, other):
    world.made_since(A)
    for minutes, maker in enumerate((other, A, other), 1):
        world.time += MINUTE
        assert world.made_since(maker) is None
        assert world.made_since(maker) == NOON + minutes * MINUTE


def test_a_process_looks_at_the_marker_once_in_four_minutes_by_the_time_of_day(world, deadline):
    marks = world.marks()
    marks.renew(deadline)
    world.calls.clear()
    world.time += timedelta(seconds=RENEWAL_S - 1)
    marks.renew(deadline)
    assert world.calls == []
    world.time += timedelta(seconds=1)
    marks.renew(deadline)

    assert world.calls == [("head", MARKER)]


def test_a_clock_that_went_back_is_not_trusted(world, deadline):
    marks = world.marks()
    marks.renew(deadline)
    world.time -= MINUTE
    world.calls.clear()
    marks.renew(deadline)

    assert world.calls == [("head", MARKER)]


@given(st.lists(st.tuples(st.sampled_from("AB"), st.booleans(), st.integers(0, 45)), max_size=40))
@example([("A", True, 30), ("B", False, 30), ("A", True, 30), ("B", False, 30), ("A", True, 0)])
@example([("B", False, 0), ("A", True, 21), ("B", False, 1), ("A", True, 0)])
def test_whatever_two_makers_do_in_turn_no_sweep_takes_a_document_for_its_own(steps):
    """Each step is that one of them writes a document, in the process that it has, or sweeps, and then some minutes pass."""
    world = World()
    marks, documents = {"A": world.marks(A), "B": world.marks(B)}, []
    for name, is_sweep, minutes in steps:
        if is_sweep:
            since = marks[name].made_since(Deadline.after(60))
            assert not since or not [made for made, written in documents if made != name and written >= since + SETTLED]
        else:
            marks[name].renew(Deadline.after(60))
            documents.append((name, world.time))
        world.time += minutes * MINUTE


def test_a_marker_that_others_replace_at_every_attempt_is_an_error(world, deadline):
    contents = (f"of another maker, {number}".encode() for number in itertools.count())

    def replaced(method, place):
        if method in {"create", "replace"}:
            world.store.place(place, next(contents), {"results": "?"})

    world.store.before = replaced

    with pytest.raises(ConcurrentWrites, match=f"{MAX_ATTEMPTS} attempts"):
        world.marks().renew(deadline)


def test_a_marker_that_cannot_be_read_is_an_error_each_time(world, deadline):
    marks = world.marks()

    def failing(*_):
        raise StorageUnavailable("down")

    world.store.before = failing
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            marks.renew(deadline)


def test_a_thread_that_waits_for_another_one_s_look_ends_at_its_deadline(world):
    marks = world.marks()
    with marks._lock, pytest.raises(OutOfTime):
        marks.renew(Deadline.after(0.01))


def test_a_note_holds_for_its_maker_and_its_prefix(world, deadline):
    world.marks().note_swept(PREFIX, NOON, deadline)

    assert world.marks().swept_since(PREFIX, deadline) == NOON
    assert world.marks().swept_since(Prefix("in", "uploads/more/"), deadline) is None
    assert world.marks(B).swept_since(PREFIX, deadline) is None
    assert world.marks(SAME_RESULTS).swept_since(PREFIX, deadline) is None


def test_the_latest_note_stays(world, deadline):
    for minutes in (5, 3):  # the sweep that began first ends last
        world.marks().note_swept(PREFIX, NOON + minutes * MINUTE, deadline)
    assert world.marks().swept_since(PREFIX, deadline) == NOON + 5 * MINUTE
    world.marks(B).note_swept(PREFIX, NOON, deadline)

    assert world.marks(B).swept_since(PREFIX, deadline) == NOON


@pytest.mark.parametrize("began", [None, "yesterday", "2026-11-02T12:00:00"])
def test_a_note_that_somebody_damaged_is_none(world, deadline, began):
    world.marks().note_swept(PREFIX, NOON, deadline)
    (place,) = world.store.refs()
    names = {"results": A.results, "rejections": A.rejections}
    world.store.place(place, b"", names if began is None else names | {"began": began})

    assert world.marks().swept_since(PREFIX, deadline) is None


@pytest.mark.parametrize("error", [StorageUnavailable("down"), OutOfTime("over")])
def test_a_note_that_cannot_be_written_is_left_out(world, deadline, error):
    def failing(*_):
        raise error

    world.store.before = failing
    world.marks().note_swept(PREFIX, NOON, deadline)

    assert world.store.refs() == ()


def test_marks_lie_where_no_document_does(world, deadline):
    world.made_since(A)
    world.marks().note_swept(PREFIX, NOON, deadline)

    assert all(ref.key.startswith("documents/_coatcheck/") for ref in world.store.refs())


def stored(minutes, **parts):
    time = None if minutes is None else NOON + minutes * MINUTE
    return StoredObject(
        ObjectRef("in", "a"), **{"etag": "e", "version_id": None, "size_bytes": 1, "last_modified": time} | parts
    )


S = SETTLED // MINUTE


@pytest.mark.parametrize(
    ("source", "document", "made", "swept", "expected"),
    [
        (0, S, 0, None, True),
        (1, S, 0, None, False),  # the document may be of an earlier state
        (0, S, 1, None, False),  # or of an earlier maker
        (0, S, None, None, False),
        (0, 1, 2, 2 + S, True),  # a sweep saw both, and nothing changed since
        (2, 1, 2, 2 + S, False),  # what a sweep may not have seen
        (0, 2, 2, 2 + S, False),
        (None, S, 0, 100, False),
        (0, None, 0, 100, False),
    ],
)
def test_times_tell_whether_a_document_is_surely_right(source, document, made, swept, expected):
    made, swept = (None if minutes is None else NOON + minutes * MINUTE for minutes in (made, swept))

    assert Settled(made, swept).holds(stored(source), stored(document)) is expected


@pytest.mark.parametrize(
    "parts",
    [
        {"etag": "0123-2"},  # in parts: it bears the time at which the upload began
        {"storage_class": "GLACIER"},
        {"storage_class": "DEEP_ARCHIVE", "is_restored": True},
        {"storage_class": "INTELLIGENT_TIERING"},
        {"storage_class": "OF_THE_FUTURE"},
    ],
)
def test_times_tell_nothing_of_an_input_that_may_change_without_them(parts):
    assert not Settled(NOON, NOON + 100 * MINUTE).holds(stored(0, **parts), stored(S))


@pytest.mark.parametrize("storage_class", ["STANDARD_IA", "GLACIER_IR"])
def test_a_cheaper_class_that_can_be_read_at_once_is_like_any_other(storage_class):
    assert Settled(NOON).holds(stored(0, storage_class=storage_class), stored(S))
