"""Compares two sets of predictions of the same images, in a database on disk, so that memory does not depend on their number.

An image is the same in both if the key of its object and its name in the object are. Buckets may differ, as the folders of two
copies do.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.judging.searching import Search
from infra.judging.statistics import mcnemar
from infra.show.rereading import Predicted
from training.data.labels import Labels

MAX_CHANGES = 20  # pairs of classes that are told apart
MOVED = 0.01  # a smaller change of confidence is none

_SET = "(bucket, key, image, class, confidence, unsure, unfamiliar, PRIMARY KEY (key, image))"
_BOTH = "FROM a JOIN b USING (key, image)"
_PREDICTED = f"{_BOTH} WHERE a.class IS NOT NULL AND b.class IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Change:
    """A change from one class to another; None stands for a rejected image."""

    before: str | None
    after: str | None
    images: int


@dataclass(frozen=True, slots=True)
class Marks:
    """How many images have a mark before and after, and how many gained or lost it."""

    before: int
    after: int
    gained: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The result: how many images are in both sets, or in one alone, and what differs in both.

    `changed` images have another class; `changes` are the most frequent pairs of classes. Of the `predicted` ones, which were
    rejected in neither set, confidence went up by more than a hundredth in `rose` and down in `fell`, and is `moved` on
    average. `tenths` divide the changes of confidence, from the least to the greatest: each is the greatest of one tenth.
    """

    both: int
    only_first: int
    only_second: int
    predicted: int
    changed: int
    changes: tuple[Change, ...]
    rose: int
    fell: int
    moved: float
    tenths: tuple[float, ...]
    unsure: Marks
    unfamiliar: Marks


@dataclass(frozen=True, slots=True)
class Trial:
    """The result on labelled images: how often both are right, one alone, and neither."""

    both: int
    first_alone: int
    second_alone: int
    neither: int

    @property
    def images(self) -> int:
        """The number of labelled images that both sets predict."""
        return self.both + self.first_alone + self.second_alone + self.neither

    @property
    def probability(self) -> float:
        """The probability of so large a difference by chance, if both are equally good; see `mcnemar`."""
        return mcnemar(self.first_alone, self.second_alone)


class Pair:
    """Two sets of predictions, which `fill` takes one after the other, as "a" and as "b"."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Makes the tables in an empty database."""
        self._database = database
        for name in "ab":
            database.execute(f"CREATE TABLE {name} {_SET}")

    def fill(self, name: str, rows: Iterable[Predicted]) -> int:
        """Takes one set, and returns the number of images whose key and name were there already; the first of each counts."""
        statement = f"INSERT OR IGNORE INTO {name} VALUES (?, ?, ?, ?, ?, ?, ?)"
        repeated = 0
        with self._database:
            for row in rows:
                values = (
                    *(row.bucket, row.key, row.image, row.class_name, row.confidence),
                    *(row.unsure is True, row.unfamiliar is True),
                )
                repeated += 1 - self._database.execute(statement, values).rowcount
        return repeated

    def compare(self) -> Comparison:
        """Returns what differs between both sets."""
        both, changed = self._row(f"SELECT count(*), total(a.class IS NOT b.class) {_BOTH}")
        rose, fell = self._row(
            f"SELECT total(b.confidence > a.confidence + {MOVED}), total(b.confidence < a.confidence - {MOVED}) {_PREDICTED}"
        )
        images, moved = self._row(f"SELECT count(*), total(b.confidence - a.confidence) {_PREDICTED}")
        tenths = self._database.execute(
            "SELECT max(change) FROM (SELECT change, ntile(10) OVER (ORDER BY change) AS tenth FROM "
            f"(SELECT b.confidence - a.confidence AS change {_PREDICTED}) WHERE change IS NOT NULL) GROUP BY tenth ORDER BY 1"
        )
        pairs = self._database.execute(
            f"SELECT a.class, b.class, count(*) {_BOTH} WHERE a.class IS NOT b.class GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 "
            f"LIMIT {MAX_CHANGES}"
        )
        return Comparison(
            both=both,
            only_first=self._row("SELECT count(*) FROM a")[0] - both,
            only_second=self._row("SELECT count(*) FROM b")[0] - both,
            predicted=images,
            changed=int(changed),
            changes=tuple(Change(*pair) for pair in pairs),
            rose=int(rose),
            fell=int(fell),
            moved=moved / images if images else 0.0,
            tenths=tuple(change for (change,) in tenths),
            unsure=self._marks("unsure"),
            unfamiliar=self._marks("unfamiliar"),
        )

    def classes(self) -> Iterator[tuple[str, int, int]]:
        """Yields each class with the numbers of its predictions in the first and in the second set, of the images in both."""
        yield from self._database.execute(
            f"SELECT name, total(one), total(other) FROM (SELECT a.class AS name, 1 AS one, 0 AS other {_BOTH} UNION ALL "
            f"SELECT b.class, 0, 1 {_BOTH}) WHERE name IS NOT NULL GROUP BY name ORDER BY name"
        )

    def judge(self, labels: Labels) -> Trial:
        """Returns how often both sets are right, one alone, or none, of the labelled images that both predict.

        Raises:
            InfraError: a label names several images.
        """
        counts = {(first, second): 0 for first in (True, False) for second in (True, False)}
        search = Search(labels)
        rows = self._database.execute(f"SELECT b.bucket, a.bucket, key, image, a.class, b.class {_PREDICTED}")
        for *buckets, key, image, first, second in rows:
            label = search.find(buckets, key, image)
            if label and label.class_name is not None:
                counts[first == label.class_name, second == label.class_name] += 1
        return Trial(counts[True, True], counts[True, False], counts[False, True], counts[False, False])

    def before(self, key: str, image: str) -> str | None:
        """Returns how the first set names an image whose class is another one in the second; None if it did not change."""
        found = self._database.execute(
            f"SELECT coalesce(a.class, 'rejected') {_BOTH} WHERE key = ? AND image = ? AND a.class IS NOT b.class", (key, image)
        ).fetchone()
        return found[0] if found else None

    def _marks(self, name: str) -> Marks:
        counts = self._row(
            f"SELECT total(a.{name}), total(b.{name}), total(b.{name} > a.{name}), total(b.{name} < a.{name}) {_BOTH}"
        )
        return Marks(*map(int, counts))

    def _row(self, query: str) -> tuple[int, ...]:
        row: tuple[int, ...] = self._database.execute(query).fetchone()
        return row


@contextmanager
def open_pair() -> Iterator[Pair]:
    """Opens an empty pair in a temporary folder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder, "pair.db"), isolation_level=None)) as database,
    ):
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        yield Pair(database)
