"""Notes which objects of a shard are being scored, so that one that kills the process is found out in the end.

    at first, and after one attempt whose process was killed    all objects together: machines go down for many reasons
    after two in a row                                          one object at a time, each noted before it is begun
    two in a row that were killed at the same object            it is passed over from then on, as failed

So an object that kills the process (by using up its memory, say) fails alone, and its neighbours are scored. No AWS here.
"""

from __future__ import annotations

import msgspec

from handler.backlog.keeping import JSON, read, replace
from handler.deadline import Deadline
from handler.errors import BROKEN_JSON, StorageUnavailable
from handler.objects import ObjectRef
from handler.store import Store

MAX_TOGETHER = 2  # attempts in a row that may be killed before objects are scored one at a time


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt at a shard notes.

    `killed` is the number of attempts before it that were killed in a row. The objects with the numbers `killers` killed two
    attempts each, and the one with the number `suspect` killed the last one. `at` is the number of the object that is being
    scored alone, in the order of the keys; None while all are scored together, or once the attempt `has_ended` by itself.
    """

    killed: int = 0
    killers: list[int] = []
    suspect: int | None = None
    at: int | None = None
    has_ended: bool = False


class Attempts:
    """The notes of the attempts at one shard, which lie at `place`."""

    def __init__(self, store: Store, place: ObjectRef, deadline: Deadline) -> None:
        """Reads the note of the attempt before this one, if there was one.

        Raises:
            StorageUnavailable: the store failed, or something else lies there.
            OutOfTime: a call did not end by `deadline`.
        """
        self._store, self._place, self._deadline = store, place, deadline
        content = read(store, place, deadline)
        try:
            before = msgspec.json.decode(content, type=Note) if content is not None else Note(has_ended=True)
        except BROKEN_JSON as error:
            raise StorageUnavailable(f"Expected the note of an attempt. Received at {place}: {error}; delete it.") from error
        self._note = following(before)

    @property
    def are_careful(self) -> bool:
        """True if objects are to be scored one at a time."""
        return self._note.killed >= MAX_TOGETHER

    @property
    def killers(self) -> frozenset[int]:
        """The numbers of the objects that are to be passed over."""
        return frozenset(self._note.killers)

    def begin(self, at: int | None = None) -> None:
        """Notes that all objects are being scored, or the one of a number alone; raises the same as the constructor."""
        self._write(msgspec.structs.replace(self._note, at=at))

    def end(self) -> None:
        """Notes that the attempt ended by itself, so that the next one need not look out; raises the same."""
        self._write(Note(killers=self._note.killers, has_ended=True))

    def _write(self, note: Note) -> None:
        replace(self._store, self._place, msgspec.json.encode(note), JSON, self._deadline)


def following(before: Note) -> Note:
    """Returns the note with which an attempt begins that follows one with the note `before`."""
    if before.has_ended:
        return Note(killers=before.killers)
    if before.at is not None and before.at == before.suspect:
        return Note(killed=before.killed + 1, killers=[*before.killers, before.at])
    return Note(killed=before.killed + 1, killers=before.killers, suspect=before.at)
