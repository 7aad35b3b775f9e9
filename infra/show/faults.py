"""Tells what could not be read or written, each fault in one line, and counts the faults."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator

from infra.errors import InfraError
from infra.show.documents import BrokenDocument, Document, Row


class Faults:
    """The faults of one run, which `tell` is called with, one line each."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.count = 0
        self._tell = tell

    def add(self, message: str) -> None:
        """Counts a fault and tells it; what a terminal could take for a command is escaped."""
        self.count += 1
        line = " ".join(message.split())
        self._tell("".join(char if char.isprintable() else ascii(char)[1:-1] for char in line))


def standard_error() -> Faults:
    """Returns faults that are told on the standard error."""
    return Faults(lambda line: print(f"error: {line}", file=sys.stderr))  # noqa: T201  # a line of the command


def gather_rows(documents: Iterable[Document], faults: Faults) -> Iterator[Row]:
    """Yields the rows of all documents; a document that is broken is a fault, and costs no row of another one.

    Of a document whose end is missing, the rows before the fault are yielded.
    """
    for document in documents:
        try:
            yield from document.rows()
        except BrokenDocument as error:
            faults.add(str(error))


def require_rows(rows: Iterable[Row]) -> Iterator[Row]:
    """Yields the rows, of which there must be one at least.

    Raises:
        InfraError: there is none.
    """
    given = iter(rows)
    first = next(given, None)
    if first is None:
        raise InfraError(
            "Expected documents with images. Received: none; name the folder or prefix that documents are written to."
        )
    yield from itertools.chain([first], given)
