"""One object on its way through scoring, and the report on it at the end. No AWS here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from handler.dispatch import Listing
from handler.errors import RejectedInput
from handler.objects import ObjectRef
from handler.outcomes import Outcome, Report
from handler.store import StoredObject
from handler.writing import DocumentWriter


@dataclass(slots=True)
class Work:
    """One object: what it was named as, and what has come of it so far.

    `source` is None until the object is opened, and stays None if it does not exist. `opened_at_s` is the moment, on the clock
    of the invocation, at which `body` was opened. `document` takes the rows of its images, `listing` the objects that it names
    if it is a list.
    """

    named: ObjectRef
    alternative: ObjectRef | None = None
    source: StoredObject | None = None
    body: BinaryIO | None = None
    opened_at_s: float = 0.0
    document: DocumentWriter | None = None
    listing: Listing | None = None
    rejection: RejectedInput | None = None
    failure: Exception | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all bytes of the object are in memory."""
        return isinstance(self.body, io.BytesIO)

    def close_body(self) -> None:
        """Lets go of the object's bytes, or of the connection that they come from."""
        if self.body:
            self.body.close()
            self.body = None

    def close(self) -> None:
        """Lets go of everything."""
        self.close_body()
        if self.document:
            self.document.close()


@contextmanager
def isolated(work: Work) -> Iterator[None]:
    """Turns whatever goes wrong with one object, a bug included, into that object's outcome."""
    try:
        yield
    except RejectedInput as error:
        # A copy, and the original's traceback is dropped: it holds every frame's variables, and so the object's bytes, and from
        # Python 3.12 on it is part of a cycle that only the garbage collector would break.
        work.rejection = type(error)(str(error))
        error.__traceback__ = None
    except Exception as error:  # the one place: a bug that one object brings out must not take the others with it
        work.failure = error


def report_on(work: Work, outcome: Outcome, place: ObjectRef | None) -> Report:
    """Reports on an object of which nothing is left to do; `place` is where its document belongs, if it got that far."""
    ref, size_bytes = (work.source.ref, work.source.size_bytes) if work.source else (work.named, 0)
    if work.failure:
        return Report(ref, Outcome.FAILED, error=work.failure, size_bytes=size_bytes)
    document = None if outcome in {Outcome.SUPERSEDED, Outcome.GONE} else place
    if work.rejection or not work.document:
        return Report(ref, outcome, document, work.rejection, size_bytes=size_bytes)
    rows = work.document
    return Report(ref, outcome, document, None, rows.images, size_bytes, rows.unsure, rows.by_class)
