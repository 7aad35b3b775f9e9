"""Writes the document of one object row by row, in memory while it is small and in temporary files beyond that.

A JSON document is one value: rows are encoded once, into a file of predictions and a file of rejected images, and the document
is read from both files, so that memory does not depend on the number of rows. A JSON Lines document is a head, a line for each
row in the object's order, and the summary. In the layout "auto", lines are written, and are turned into one JSON value at the
end if they are few.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import BinaryIO, cast

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
from handler.spool import Joined, Spool
from handler.store import StoredObject

_encoder = msgspec.json.Encoder()


class DocumentWriter(msgspec.Struct):
    """Takes the rows of one object's document, and counts them; `close` releases its files.

    `images` is the number of predictions, `rejected` of images that could not be read, `unsure` and `unfamiliar` of
    predictions that are marked so, and `by_class` of predictions for each class.
    """

    source: StoredObject
    kind: str | None
    manifest: Manifest
    layout: Layout
    images: int = 0
    rejected: int = 0
    unsure: int = 0
    unfamiliar: int = 0
    by_class: Counter[str] = msgspec.field(default_factory=Counter)
    _confidence: float = 0.0
    _spools: list[Spool] = msgspec.field(default_factory=list)  # one of predictions and one of rejected images, or one of lines
    _rejected_lines: set[int] = msgspec.field(default_factory=set)  # line numbers, as long as the lines may become one value

    def __post_init__(self) -> None:
        if self.layout.name is LayoutName.JSON:
            self._spools = [Spool(), Spool()]
        else:
            self._spools = [Spool()]
            head = LinesHead(input=name_input(self.source, self.kind), model=name_model(self.manifest))
            self._spools[0].add_line(_encoder.encode(head))

    def add(self, row: Row) -> None:
        """Adds the next row.

        Raises:
            OSError: there is no room left for temporary files.
        """
        is_rejected = isinstance(row, RejectedImage)
        line = _encoder.encode(row)
        if self.layout.name is LayoutName.JSON:
            self._spools[is_rejected].add(line)
        else:
            if is_rejected and self.layout.name is LayoutName.AUTO and self._rows < self.layout.max_json_rows:
                self._rejected_lines.add(self._spools[0].count)
            self._spools[0].add_line(line)
        if isinstance(row, RejectedImage):
            self.rejected += 1
        else:
            self.images += 1
            self.unsure += row.unsure is True
            self.unfamiliar += row.unfamiliar is True
            self.by_class[row.class_name] += 1
            self._confidence += row.confidence

    def finish(self) -> BinaryIO:
        """Returns the whole document as a file, to be read from its beginning."""
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
        """Returns the document of a list, which is one JSON value in every layout, to be read from its beginning.

        `objects` are the objects that the list names, and `refused` the rows of named objects that may not be read. The rows
        that were added before are those of lines that name no object.
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
        """Returns the counts of the rows so far; every class is counted, in index order."""
        mean = round(self._confidence / self.images, DECIMALS) if self.images else None
        by_class = {name: self.by_class[name] for name in self.manifest.classes}
        return Summary(self.images, self.rejected, mean, by_class)

    def close(self) -> None:
        """Releases the rows and the document, also where they could not be written."""
        for spool in self._spools:
            with suppress(OSError):  # of rows for which there was no room, and which the file tries to write once more
                spool.file.close()

    @property
    def _rows(self) -> int:
        return self.images + self.rejected

    def _become_value(self) -> None:
        """Sorts the lines into predictions and rejected images, as for one JSON value."""
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
        """Returns a file of `document`, with the values of both spools in the document's last two lists.

        These two lists are empty in `document` itself.
        """
        first, second = self._spools
        head = _encoder.encode(document).removesuffix(b'],"rejected":[]}')
        parts = io.BytesIO(head), first.file, io.BytesIO(b'],"rejected":['), second.file, io.BytesIO(b"]}")
        return cast("BinaryIO", Joined(parts))
