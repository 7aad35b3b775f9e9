"""One object's document, written row by row: in memory while it is small, in a temporary file beyond that.

As JSON it is one value; as JSON Lines it is a head, a line for each row in the object's order, and the summary. In the layout
"auto" it is the one value, which is a line too, up to a stated number of rows, and lines above it.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import msgspec

from handler.contract import Manifest
from handler.objects import Layout, StoredObject
from handler.predictions import (
    DECIMALS,
    LinesEnd,
    LinesHead,
    Prediction,
    PredictionDocument,
    RejectedImage,
    Row,
    Summary,
    name_input,
    name_model,
)

IN_MEMORY_BYTES = 2**20  # about 4,000 rows of ten classes; several objects are under way at once

_encoder = msgspec.json.Encoder()


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
    _file: SpooledTemporaryFile[bytes] = field(default_factory=lambda: SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115
    _rejected_rows: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._write(LinesHead(input=name_input(self.source, self.kind), model=name_model(self.manifest)))

    def add(self, row: Row) -> None:
        """Takes the next row.

        Raises:
            OSError: there is no room left for temporary files.
        """
        if isinstance(row, RejectedImage):
            self._rejected_rows.add(self.images + self.rejected)
            self.rejected += 1
        else:
            self.images += 1
            self.unsure += row.unsure is True
            self.by_class[row.class_name] += 1
            self._confidence += row.confidence
        self._write(row)

    def finish(self) -> BinaryIO:
        """Returns the whole document, to be read from its beginning."""
        above = self.layout.lines_above
        if above is None or self.images + self.rejected <= above:
            return io.BytesIO(self._as_value())
        self._write(LinesEnd(self.summarise()))
        self._file.seek(0)
        return cast("BinaryIO", self._file)

    def read_rejected(self) -> list[RejectedImage]:
        """The rows that say why something could not be read."""
        self._file.seek(0)
        rows = self._file.read().split(b"\n")[1:-1]
        return [msgspec.json.decode(row, type=RejectedImage) for n, row in enumerate(rows) if n in self._rejected_rows]

    def summarise(self) -> Summary:
        """Counts what was taken so far; every class is named, in index order."""
        mean = round(self._confidence / self.images, DECIMALS) if self.images else None
        by_class = {name: self.by_class[name] for name in self.manifest.classes}
        return Summary(self.images, self.rejected, mean, by_class)

    def close(self) -> None:
        """Lets go of the rows, and of the document."""
        self._file.close()

    def _as_value(self) -> bytes:
        self._file.seek(0)
        rows = [msgspec.Raw(line) for line in self._file.read().split(b"\n")[1:-1]]
        document = PredictionDocument(
            input=name_input(self.source, self.kind),
            model=name_model(self.manifest),
            summary=self.summarise(),
            predictions=cast("list[Prediction]", [row for n, row in enumerate(rows) if n not in self._rejected_rows]),
            rejected=cast("list[RejectedImage]", [row for n, row in enumerate(rows) if n in self._rejected_rows]),
        )
        return _encoder.encode(document)

    def _write(self, line: LinesHead | Row | LinesEnd) -> None:
        self._file.write(_encoder.encode(line) + b"\n")
