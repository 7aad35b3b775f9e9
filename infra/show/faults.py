"""Tells what could not be read or written, each fault in one line, and counts the faults."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator

from infra.errors import InfraError
from infra.printable import as_line
from infra.show.documents import BrokenDocument, Document, Row


class Faults:
    """The faults of one run, which `tell` is called with, one line each."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.count = 0
        self._tell = tell

    def add(self, message: str) -> None:
        """Counts a fault and tells it; it is made harmless on a terminal."""
        self.count += 1
        self._tell(as_line(message))


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
            "Expected documents with images. Received: none; name the folder or prefix that `coatcheck score` writes them to."
        )
    yield from itertools.chain([first], given)
