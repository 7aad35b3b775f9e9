"""One object's document, written row by row: in memory while it is small, in temporary files beyond that.

As JSON it is one value: rows are encoded once, into a file of predictions and one of rejected images, and the document is read
out of both, so that memory does not depend on their number. As JSON Lines it is a head, a line for each row in the object's
order, and the summary. In the layout "auto" lines are written, and become the one value at the end if they are few.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

import msgspec

from handler.contract import Manifest
from handler.layout import Layout, LayoutName
from handler.predictions import (
    DECIMALS,
    LinesEnd,
    LinesHead,
    ListDocument,
    ListSummary,
    NamedObject,
    PredictionDocument,
    RejectedImage,
    Row,
    Summary,
    name_input,
    name_model,
)
from handler.store import StoredObject

IN_MEMORY_BYTES = 2**20  # of one file: about 4,000 rows of ten classes; several objects are under way at once

_encoder = msgspec.json.Encoder()


class Spool:
    """JSON values separated by commas, or lines, in memory while they are few and in a temporary file beyond that."""

    def __init__(self) -> None:
        self.file = cast("BinaryIO", SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115  # closed by its owner
        self.count = 0

    def add(self, value: bytes) -> None:
        """Adds an encoded value; raises OSError if there is no room left for temporary files."""
        self.file.write(b"," + value if self.count else value)
        self.count += 1

    def add_line(self, value: bytes) -> None:
        """Adds an encoded value as a line; raises OSError if there is no room left for temporary files."""
        self.file.write(value + b"\n")
        self.count += 1

    def lines(self) -> Iterator[bytes]:
        """Reads the lines from the first one on, without their ends."""
        self.file.seek(0)
        return (line[:-1] for line in self.file)


class Joined(io.RawIOBase):
    """Several files, read as one."""

    def __init__(self, files: Iterable[BinaryIO]) -> None:
        super().__init__()
        self._files = tuple(files)
        self._ends: list[int] = []
        for file in self._files:
            self._ends.append(file.seek(0, io.SEEK_END) + (self._ends[-1] if self._ends else 0))
        self._position = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position, in bytes from the beginning of the first file."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to another position, and returns it."""
        self._position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._ends[-1]}[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Reads what the file at the position still holds, or as much as fits; returns the number of bytes, 0 at the end."""
        start = 0
        for file, end in zip(self._files, self._ends, strict=True):
            if self._position < end:
                file.seek(self._position - start)
                part = file.read(len(buffer))
                buffer[: len(part)] = part
                self._position += len(part)
                return len(part)
            start = end
        return 0


@dataclass(slots=True)
class DocumentWriter:
    """Takes the rows of one object's document and counts them; `close` lets go of what it holds."""

    source: StoredObject
    kind: str | None
    manifest: Manifest
    layout: Layout
    images: int = 0
    rejected: int = 0
    unsure: int = 0
    by_class: Counter[str] = field(default_factory=Counter)
    _confidence: float = 0.0
    _spools: list[Spool] = field(default_factory=list)  # of predictions and of rejected images, or of lines
    _rejected_lines: set[int] = field(default_factory=set)  # of as many lines as may still become one value

    def __post_init__(self) -> None:
        if self.layout.name is LayoutName.JSON:
            self._spools = [Spool(), Spool()]
        else:
            self._spools = [Spool()]
            head = LinesHead(input=name_input(self.source, self.kind), model=name_model(self.manifest))
            self._spools[0].add_line(_encoder.encode(head))

    def add(self, row: Row) -> None:
        """Takes the next row.

        Raises:
            OSError: there is no room left for temporary files.
        """
        is_rejected = isinstance(row, RejectedImage)
        line = _encoder.encode(row)
        if self.layout.name is LayoutName.JSON:
            self._spools[is_rejected].add(line)
        else:
            if is_rejected and self._rows < self.layout.max_json_rows:
                self._rejected_lines.add(self._spools[0].count)
            self._spools[0].add_line(line)
        if isinstance(row, RejectedImage):
            self.rejected += 1
        else:
            self.images += 1
            self.unsure += row.unsure is True
            self.by_class[row.class_name] += 1
            self._confidence += row.confidence

    def finish(self) -> BinaryIO:
        """Returns the whole document, to be read from its beginning."""
        if self.layout.name is LayoutName.JSON:
            return self._as_value()
        if self.layout.name is LayoutName.AUTO and self._rows <= self.layout.max_json_rows:
            self._become_value()
            return self._as_value()
        (lines,) = self._spools
        lines.add_line(_encoder.encode(LinesEnd(self.summarise())))
        lines.file.seek(0)
        return lines.file

    def finish_list(self, objects: Iterable[NamedObject], refused: Iterable[RejectedImage]) -> BinaryIO:
        """Returns the document of a list, which is one value in every layout, to be read from its beginning.

        `objects` are those that it names, `refused` the rows of those that may not be read; the rows that were added before are
        all of lines that name none.
        """
        if self.layout.name is not LayoutName.JSON:
            self._rejected_lines = set(range(1, self._spools[0].count))
            self._become_value()
        named, rejected = self._spools
        for it in objects:
            named.add(_encoder.encode(it))
        for row in refused:
            rejected.add(_encoder.encode(row))
        document = ListDocument(
            input=name_input(self.source, self.kind),
            model=name_model(self.manifest),
            summary=ListSummary(named.count, rejected.count),
            objects=[],
            rejected=[],
        )
        return self._filled(document)

    def summarise(self) -> Summary:
        """Counts the rows so far; every class is named, in index order."""
        mean = round(self._confidence / self.images, DECIMALS) if self.images else None
        by_class = {name: self.by_class[name] for name in self.manifest.classes}
        return Summary(self.images, self.rejected, mean, by_class)

    def close(self) -> None:
        """Lets go of the rows, and of the document."""
        for spool in self._spools:
            spool.file.close()

    @property
    def _rows(self) -> int:
        return self.images + self.rejected

    def _become_value(self) -> None:
        """Sorts lines into predictions and rejected images."""
        (lines,) = self._spools
        self._spools = [Spool(), Spool()]
        for number, line in enumerate(lines.lines()):
            if number:  # the first line is the head
                self._spools[number in self._rejected_lines].add(line)
        lines.file.close()

    def _as_value(self) -> BinaryIO:
        document = PredictionDocument(
            input=name_input(self.source, self.kind),
            model=name_model(self.manifest),
            summary=self.summarise(),
            predictions=[],
            rejected=[],
        )
        return self._filled(document)

    def _filled(self, document: PredictionDocument | ListDocument) -> BinaryIO:
        """Returns `document`, whose last two lists are empty, with the values of both spools in these."""
        first, second = self._spools
        head = _encoder.encode(document).removesuffix(b'],"rejected":[]}')
        parts = io.BytesIO(head), first.file, io.BytesIO(b'],"rejected":['), second.file, io.BytesIO(b"]}")
        return cast("BinaryIO", Joined(parts))
