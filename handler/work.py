"""Defines the state of one object that is being scored, and makes the report on it. No AWS here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import msgspec

from handler.deadline import Deadline
from handler.dispatch import Listing
from handler.errors import RejectedInput
from handler.jobs import Asked
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Report
from handler.store import StoredObject
from handler.writing import DocumentWriter


class Work(msgspec.Struct):
    """The state of one object while it is scored.

    `asked` is the object that was asked for, and how it is to be scored. `source` is None until
    an object is opened, and stays None if none exists; `body` may wait until `idle_until` before it is read. `writer` takes the
    rows of the object's images, and `listing` the objects that it names if it is a list. `rejection` or `failure` is the error
    that ended the work, if there was one.

    `is_done` is true if the object's document was looked for before the object was scored, and was found to be right.
    `is_early` is true if the object's turn came early in the invocation (see `TimeBudget`).
    """

    asked: Asked
    is_done: bool = False
    is_early: bool = True
    source: StoredObject | None = None
    body: BinaryIO | None = None
    idle_until: Deadline | None = None
    writer: DocumentWriter | None = None
    listing: Listing | None = None
    rejection: RejectedInput | None = None
    failure: Exception | None = None

    @property
    def is_whole(self) -> bool:
        """True if all bytes of the object are in memory."""
        return isinstance(self.body, io.BytesIO)

    def close_body(self) -> None:
        """Releases the object's bytes, or the connection that they come from."""
        if self.body:
            self.body.close()
            self.body = None

    def close(self) -> None:
        """Releases everything that the work holds."""
        self.close_body()
        self.listing = None
        if self.writer:
            self.writer.close()


def drop_tracebacks(error: BaseException) -> None:
    """Drops the tracebacks of an error and of those that led to it.

    A traceback holds every variable of its frames, and so the bytes of the object, and from Python 3.12 on it is part of a
    cycle that only the garbage collector would break.
    """
    held: list[BaseException | None] = [error]
    done: set[int] = set()  # by their ids, since one may be both the cause and the context of another, and even its own
    while held:
        one = held.pop()
        if one is not None and id(one) not in done:
            done.add(id(one))
            one.__traceback__ = None
            held += [one.__cause__, one.__context__]


@contextmanager
def isolated(work: Work) -> Iterator[None]:
    """Turns any error in the work on one object, including a bug, into the outcome of that object."""
    try:
        yield
    except RejectedInput as error:
        work.rejection = type(error)(str(error))  # a copy, which nothing led to
        drop_tracebacks(error)
    except Exception as error:  # a bug that one object triggers must not fail the other objects
        work.failure = error


def report_on(work: Work, outcome: Outcome, place: ObjectRef | None) -> Report:
    """Returns the report on an object whose work is done.

    `place` is where the object's document belongs; None if the work ended before this was known.
    """
    ref, size_bytes = (work.source.ref, work.source.size_bytes) if work.source else (work.asked.ref, 0)
    if work.failure:
        return Report(ref, Outcome.FAILED, error=work.failure, size_bytes=size_bytes, is_early=work.is_early)
    document = None if outcome in {Outcome.SUPERSEDED, Outcome.GONE} else place
    if work.rejection or not work.writer:
        return Report(ref, outcome, document, work.rejection, size_bytes=size_bytes)
    rows = work.writer
    return Report(ref, outcome, document, None, rows.images, size_bytes, rows.unsure, rows.unfamiliar, rows.by_class)
