"""Decides what is to be done about an input: by what the listings show, or by a look at its document if that leaves doubt.

Where an object has a document, the document is the answer. Only where it has none does the row of a backlog count.

No AWS here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from handler.deadline import Deadline
from handler.documents import Documents, belongs_to_another_bucket
from handler.errors import OutOfTime, StorageUnavailable, UnacceptedObject
from handler.inputs import Inputs
from handler.marks import Settled
from handler.objects import ObjectRef
from handler.pairing import Pair, RowRef
from handler.store import INSTANT, StoredObject

_NO_ROWS: Mapping[ObjectRef, RowRef] = MappingProxyType({})


class State(Enum):
    """The state of an input and its document."""

    DONE = auto()
    MISSING = auto()  # there is no document of the input's present state
    OUTDATED = auto()  # the document is of another maker
    REFUSED = auto()  # there is no place for the document
    ARCHIVED = auto()  # the input cannot be read before it is restored
    GONE = auto()  # the input was named, but there is none
    DOUBTFUL = auto()  # the listings leave it open, and nobody looked


class Examined(NamedTuple):
    """An input, the object that the listing shows in the place of its document, its state, and whether this took a look."""

    source: StoredObject
    document: StoredObject | None
    state: State
    was_looked_at: bool = False


class Examiner(msgspec.Struct, frozen=True):
    """Examines inputs. `settled` is what the times of the listings tell, and the threads of `pool` look at documents.

    If it `is_strict`, a document that cannot be looked at is an error, StorageUnavailable or OutOfTime.
    """

    inputs: Inputs
    documents: Documents
    settled: Settled
    pool: Executor
    is_strict: bool = False

    def examine(self, pairs: Iterable[Pair], deadline: Deadline, *, may_look: bool) -> list[Examined]:
        """Returns the state of each input, with a look at those that the listings leave open, if this `may_look`."""
        examined = [Examined(pair.source, pair.document, self._judge(pair)) for pair in pairs]
        return self._settle(examined, State.DOUBTFUL, deadline) if may_look else examined

    def examine_unpaired(
        self, sources: Iterable[StoredObject], rows: Mapping[ObjectRef, RowRef], deadline: Deadline
    ) -> list[Examined]:
        """Returns the state of inputs whose documents the listing did not come to, after a look at each.

        Where there is no document, the one of the `rows` counts that is the input's.
        """
        # Without its row, since a document that nobody has seen yet would be the answer.
        examined = [Examined(source, None, self._judge(Pair(source, None, None))) for source in sources]
        return self._settle(examined, State.MISSING, deadline, rows)

    def look_up(
        self, ref: ObjectRef, row: RowRef | None, deadline: Deadline, *, has_documents: bool
    ) -> tuple[StoredObject | None, StoredObject | None, State]:
        """Returns the present state of an object that somebody named, its document, and what is to be done about it.

        The object itself is only looked at if it has a row, or a document where it `has_documents`; otherwise None comes for
        its state.

        Raises:
            StorageUnavailable: the store failed.
            OutOfTime: a call did not end by `deadline`.
        """
        try:
            self.inputs.require_accepted(ref)
        except UnacceptedObject:
            return None, None, State.REFUSED
        document = self.documents.find(ref, deadline) if has_documents else None
        if document is None and row is None:
            return None, None, State.MISSING
        source = self.inputs.look_at(ref, deadline)
        if source is None:
            return None, document, State.GONE
        state = self._judge(Pair(source, document, row))
        return source, document, self._look_at(source, deadline, row) if state is State.DOUBTFUL else state

    def _settle(
        self, examined: list[Examined], unsettled: State, deadline: Deadline, rows: Mapping[ObjectRef, RowRef] = _NO_ROWS
    ) -> list[Examined]:
        looks = [
            self.pool.submit(self._look_at, one.source, deadline, rows.get(one.source.ref)) if one.state is unsettled else None
            for one in examined
        ]
        return [
            one._replace(state=look.result(), was_looked_at=True) if look else one
            for one, look in zip(examined, looks, strict=True)
        ]

    def _judge(self, pair: Pair) -> State:
        """Returns the state of one input.

        An object whose document has no place is refused: it would go to the dead letters at every sweep, and its own event took
        it there before. An archived one is left out, since scoring it is in vain.
        """
        source, document, row = pair
        try:
            self.inputs.require_accepted(source.ref)
        except UnacceptedObject:
            return State.REFUSED
        if source.is_archived:
            return State.ARCHIVED
        if document is None:
            return _by_row(source, row)
        return State.DONE if self.settled.holds(source, document) else State.DOUBTFUL

    def _look_at(self, source: StoredObject, deadline: Deadline, row: RowRef | None = None) -> State:
        """Returns the state of one input by its document, or by its row if it has no document.

        A document that cannot be looked at counts as missing, because the object's own message will report the error; where
        this `is_strict`, the error is raised.
        """
        try:
            document = self.documents.find(source.ref, deadline)
            if document is None:
                return _by_row(source, row)
            if belongs_to_another_bucket(document, source):
                return State.REFUSED
            is_outdated = self.documents.is_by_another_maker(document) and self.documents.is_about(document, source)
            # An archived object keeps what was said of it, so it would be sent at every sweep.
            may_be_archived = is_outdated and source.storage_class not in INSTANT
            if (may_be_archived or self.documents.waits_for_restore(document)) and self._is_archived(source, deadline):
                return State.ARCHIVED
            if is_outdated:
                return State.OUTDATED
            return State.DONE if self.documents.is_finished(document, source) else State.MISSING
        except (StorageUnavailable, OutOfTime):
            if self.is_strict:
                raise
            return State.MISSING

    def _is_archived(self, source: StoredObject, deadline: Deadline) -> bool:
        """Returns whether an object is archived now, of which a listing does not show every kind."""
        present = self.inputs.look_at(source.ref, deadline)
        return present is not None and present.is_archived


def _by_row(source: StoredObject, row: RowRef | None) -> State:
    """Returns the state of an input that has no document."""
    return State.DONE if row and row.holds(source) else State.MISSING
