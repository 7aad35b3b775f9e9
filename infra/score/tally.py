"""Counts what became of objects and of the images in them. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from handler.outcomes import Outcome
from handler.predictions import RejectedImage
from infra.show.documents import Row


@dataclass(slots=True)
class Tally:
    """The counts of a run, or of a part of one.

    `outcomes` counts objects. Of their images, `by_class` counts the predictions by class, and `rejected` those that could not
    be read, by the name of the error. `failed` counts the objects without a document by the name of the error. `examples` holds
    one message for each of these names. `unsure` and `unfamiliar` count predictions that are marked so, and `classified` the
    images that the model saw in this run; those of objects that were passed over are not among them.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    by_class: Counter[str] = field(default_factory=Counter)
    classified: int = 0
    unsure: int = 0
    unfamiliar: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def objects(self) -> int:
        """The number of all objects."""
        return self.outcomes.total()

    @property
    def images(self) -> int:
        """The number of all predictions."""
        return self.by_class.total()

    def add_object(self, outcome: Outcome, error: str, message: str) -> None:
        """Counts one object; `error` and `message` are counted if it failed."""
        self.outcomes[outcome] += 1
        if outcome is Outcome.FAILED:
            self._note(self.failed, error, message)

    def add_row(self, row: Row) -> None:
        """Counts one image."""
        if isinstance(row.result, RejectedImage):
            self._note(self.rejected, row.result.error, row.result.message)
        else:
            self.by_class[row.result.class_name] += 1
            self.unsure += row.result.unsure is True
            self.unfamiliar += row.result.unfamiliar is True

    def add(self, other: Tally) -> None:
        """Adds the counts of another part."""
        self.outcomes.update(other.outcomes)
        for mine, its in ((self.by_class, other.by_class), (self.rejected, other.rejected), (self.failed, other.failed)):
            mine.update(its)
        self.classified += other.classified
        self.unsure += other.unsure
        self.unfamiliar += other.unfamiliar
        self.examples = {**other.examples, **self.examples}

    def _note(self, counts: Counter[str], error: str, message: str) -> None:
        counts[error] += 1
        self.examples.setdefault(error, message)
