"""Tells of the documents that appear in an embedded cloud, each as one line. Whoever wrote them, they are noticed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from handler.deadline import Deadline
from handler.marks import RESERVED
from handler.objects import Prefix
from handler.predictions import Prediction, RejectedImage
from handler.store import Store, StoredObject
from infra.printable import printable
from infra.show.documents import Document, read_named

_MAX_CHARACTERS = 160  # of what is said about an object; its document says all
_SHOWN_CLASSES = 3  # of an object with many images


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The documents under the prefix `output` of a store, of which `seen` holds the state that was told of."""

    store: Store
    output: Prefix
    seen: dict[str, StoredObject] = field(default_factory=dict)

    def look(self) -> Iterator[str]:
        """Yields one line for each document that is new or was replaced since the last look."""
        new = [found for found in self.store.list(self.output, "", deadline=Deadline.never()) if self._is_new(found)]
        self.seen.update((found.ref.key, found) for found in new)
        keys = [found.ref.key.removeprefix(self.output.prefix) for found in new]
        yield from map(describe, read_named(self.output, keys, lambda: self.store))

    def _is_new(self, found: StoredObject) -> bool:
        is_mark = found.ref.key.removeprefix(self.output.prefix).startswith(RESERVED)
        return not is_mark and self.seen.get(found.ref.key) != found


def describe(document: Document) -> str:
    """Returns what a document says in one line: the outcome, the class or classes, and the place of the document."""
    rows = list(document.rows())
    if not rows:
        return f"list       its objects were sent to the queue -> {printable(document.place)}"
    outcome, said = _said([row.result for row in rows])
    if len(said) > _MAX_CHARACTERS:
        said = f"{said[:_MAX_CHARACTERS]}…"
    return f"{outcome:<9}  {printable(rows[0].input.key)}: {printable(said)} -> {printable(document.place)}"


def _said(results: list[Prediction | RejectedImage]) -> tuple[str, str]:
    """Returns the outcome of an object and what was found in it."""
    predictions = [result for result in results if isinstance(result, Prediction)]
    if not predictions:
        first = next(result for result in results if isinstance(result, RejectedImage))
        return "rejected", f"{first.error}: {first.message}"
    if len(results) == 1:
        return "predicted", _predicted(predictions[0])
    common = Counter(row.class_name for row in predictions).most_common(_SHOWN_CLASSES)
    classes = ", ".join(f"{count} {name}" for name, count in common)
    more = ", …" if len(predictions) > sum(count for _, count in common) else ""
    rejected = f"; {len(results) - len(predictions)} rejected" if len(results) > len(predictions) else ""
    return "predicted", f"{len(predictions)} images: {classes}{more}{rejected}"


def _predicted(row: Prediction) -> str:
    marks = [mark for mark, is_set in (("unsure", row.unsure), ("unfamiliar", row.unfamiliar)) if is_set is True]
    return f"{row.class_name} {row.confidence:.3f}" + (f" ({', '.join(marks)})" if marks else "")
