"""Keeps the images of a sheet in a temporary database, so that memory does not depend on their number.

SQLite counts and sorts them on disk. A million images take about 200 MB there, and each thumbnail a few kilobytes more.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from handler.predictions import Input
from infra.show.sheet.entries import Entry, Noted, Rank, Thumbnail, Thumbnails, Unshowable, entry_of

MAX_CLASSES = 1000  # that are counted; where each image has a class of its own, they would fill the memory

_TABLES = """
CREATE TABLE objects (id INTEGER PRIMARY KEY, input BLOB);
CREATE TABLE images (
    id INTEGER PRIMARY KEY, object INTEGER, rank INTEGER, confidence REAL, class_name TEXT, image TEXT, entry BLOB,
    place INTEGER, missing TEXT NOT NULL DEFAULT '', kind TEXT, content BLOB, is_crisp INTEGER
);
"""
_INDEX = """
CREATE INDEX places ON images (place) WHERE place IS NOT NULL;
CREATE INDEX wanted ON images (object, image) WHERE place IS NOT NULL;
"""
_CHOOSE = """
UPDATE images SET place = chosen.place FROM (
    SELECT id, row_number() OVER (ORDER BY rank, confidence, id) - 1 AS place FROM images ORDER BY rank, confidence, id LIMIT ?
) AS chosen WHERE images.id = chosen.id
"""
_COUNT_CLASSES = """
SELECT class_name, count(*) FROM images WHERE class_name IS NOT NULL
GROUP BY class_name ORDER BY count(*) DESC, class_name LIMIT ?
"""
_CHOSEN_OBJECTS = "SELECT id, input FROM objects WHERE id IN (SELECT object FROM images WHERE place IS NOT NULL) ORDER BY id"
_CHOSEN_NAMES = "SELECT image FROM images WHERE object = ? AND place IS NOT NULL"
_ILLUSTRATE = """
UPDATE images SET kind = ?, content = ?, is_crisp = ? WHERE object = ? AND image = ? AND place IS NOT NULL
"""
_EXPLAIN = "UPDATE images SET missing = ? WHERE object = ? AND place IS NOT NULL AND kind IS NULL"
_TAKE = "SELECT input, entry, missing, kind, content, is_crisp FROM images JOIN objects ON objects.id = images.object"


@dataclass(frozen=True, slots=True)
class Kept:
    """An image on the shelf, with its thumbnail, or the reason why it has none."""

    object: str
    entry: Entry
    thumbnail: Thumbnail | None
    missing: str


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of all images, whether they are shown or not: by rank, and by class, the largest first.

    Of more than `MAX_CLASSES`, the smallest classes are not counted.
    """

    by_rank: dict[Rank, int]
    by_class: dict[str, int]

    @property
    def images(self) -> int:
        """The number of all images."""
        return sum(self.by_rank.values())

    @property
    def doubtful(self) -> int:
        """The number of images that were rejected, or are unfamiliar or unsure."""
        return self.images - self.by_rank[Rank.SURE]


class Shelf:
    """The images of one sheet; `open_shelf` makes one. `digest` names the content, once all images were added."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._digest = hashlib.sha256()
        database.executescript(_TABLES)

    @property
    def digest(self) -> str:
        """A name for the sheet, which is the same whenever the same images are added, with the same predictions."""
        return self._digest.hexdigest()[:16]

    def add(self, rows: Iterable[Noted]) -> None:
        """Adds an image for each row."""
        self._database.executemany(
            "INSERT INTO images (object, rank, confidence, class_name, image, entry) VALUES (?, ?, ?, ?, ?, ?)",
            self._values(rows),
        )

    def _values(self, rows: Iterable[Noted]) -> Iterator[tuple[object, ...]]:
        last, place = None, None
        for noted in rows:
            if noted.row.input != last:
                last = noted.row.input
                place = self._database.execute("INSERT INTO objects (input) VALUES (?)", (msgspec.json.encode(last),)).lastrowid
            entry = entry_of(noted)
            self._digest.update(msgspec.json.encode((noted.row.object, entry)))
            yield place, entry.rank, entry.confidence, entry.class_name, entry.image, msgspec.json.encode(entry)

    def count(self) -> Counts:
        """Counts all images."""
        by_rank = dict(self._database.execute("SELECT rank, count(*) FROM images GROUP BY rank"))
        by_class = self._database.execute(_COUNT_CLASSES, (MAX_CLASSES,))
        return Counts({rank: by_rank.get(rank, 0) for rank in Rank}, dict(by_class))

    def choose(self, count: int) -> None:
        """Chooses the images to be shown: the first `count` in the order of ranks and then of confidence, the least first."""
        self._database.execute(_CHOOSE, (count,))
        self._database.executescript(_INDEX)

    def illustrate(self, thumbnails: Thumbnails) -> None:
        """Gives each chosen image its thumbnail; one object is read at a time."""
        for number, content in self._database.execute(_CHOSEN_OBJECTS):
            missing = "The image was not found in its object."
            names = frozenset(name for (name,) in self._database.execute(_CHOSEN_NAMES, (number,)))
            try:
                for name, thumbnail in thumbnails(msgspec.json.decode(content, type=Input), names):
                    file = (thumbnail.kind, thumbnail.content, thumbnail.is_crisp)
                    self._database.execute(_ILLUSTRATE, (*file, number, name))
            except Unshowable as error:
                missing = str(error)
            self._database.execute(_EXPLAIN, (missing, number))

    def take(self, start: int, end: int) -> list[Kept]:
        """Returns the chosen images from the place `start` up to and without the place `end`."""
        rows = self._database.execute(f"{_TAKE} WHERE place >= ? AND place < ? ORDER BY place", (start, end))
        return [_kept(*row) for row in rows]


@contextmanager
def open_shelf() -> Iterator[Shelf]:
    """Makes an empty shelf, whose file is removed at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="coatcheck-") as folder,
        closing(sqlite3.connect(Path(folder, "shelf.db"), isolation_level=None)) as database,
    ):
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        yield Shelf(database)


def _kept(source: bytes, entry: bytes, missing: str, kind: str | None, content: bytes, is_crisp: int) -> Kept:
    place = msgspec.json.decode(source, type=Input)
    thumbnail = Thumbnail("png" if kind == "png" else "webp", content, bool(is_crisp)) if kind else None
    return Kept(f"{place.bucket}/{place.key}", msgspec.json.decode(entry, type=Entry), thumbnail, missing)
