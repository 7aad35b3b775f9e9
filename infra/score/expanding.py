"""Finds the objects that sources name, one by one, and counts them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from handler.deadline import Deadline
from handler.errors import ScoringError
from handler.objects import Prefix
from infra.locations import s3
from infra.score.folders import Folders
from infra.score.shards import Shard
from infra.score.sources import Item, LocalFile, LocalFolder, RemoteObject, Source, WrongSource, no_object, parse_line
from infra.score.walking import Unusable, walk

_LOOK_S = 30  # for one call of S3


def expand(sources: Iterable[Source], lines: Iterable[str] | None, folders: Folders) -> Iterator[Item | Unusable]:
    """Yields the objects of all sources, and then those of a list; nothing in the output is one.

    A line that names nothing, or something in the output, is Unusable. Whatever is wrong with a source is an error at once.

    Raises:
        WrongSource: two folders have the same name, or a folder and a bucket have.
        OSError: a folder cannot be read.
        StorageUnavailable: S3 failed.
    """
    for source in sources:
        yield from _objects_of(source, folders)
    current = Path.cwd().resolve()
    for line in lines or ():
        try:
            item = parse_line(line, current)
            if folders.job.holds(item):
                yield Unusable(line, "Expected an object outside of --out. Received: one in it.", is_output=True)
                continue
            folders.require_place(item)
            _require_object(item)
            yield item
        except WrongSource as error:
            yield Unusable(line, str(error))


def _require_object(item: Item) -> None:
    """Requires that an address with a slash at its end, which looks like that of a prefix, is that of an object.

    What is wrong with S3 otherwise is told by whoever scores the object.

    Raises:
        WrongSource: there is no such object.
    """
    if isinstance(item, RemoteObject) and not item.ref.name:
        with suppress(ScoringError):
            if s3().head(item.ref, deadline=Deadline.after(_LOOK_S)) is None:
                raise no_object(Prefix(item.ref.bucket, item.ref.key))


def require_distinct(sources: Iterable[Source]) -> None:
    """Requires that no two local files would have their documents in the same place, since the path in a folder decides it.

    Raises:
        WrongSource: two folders hold a file at the same path.
    """
    local = [source for source in sources if isinstance(source, LocalFile | LocalFolder)]
    if len(local) > 1:
        for (key, first), (other, second) in itertools.pairwise(heapq.merge(*map(_places, local))):
            if key == other:
                raise WrongSource(
                    f"Expected different paths in the folders, since a document is named after the path. Received: {key} in "
                    f"{first} and in {second}; score each folder with an --out of its own, or a folder above both."
                )


def _places(source: LocalFile | LocalFolder) -> Iterator[tuple[str, Path]]:
    """Yields the path of each file in its folder, and the folder, in the order of the paths."""
    if isinstance(source, LocalFile):
        yield source.key, source.folder
    else:
        yield from ((found, source.folder) for found in walk(source.folder) if isinstance(found, str))


def count(sources: Iterable[Source], folders: Folders, shard: Shard) -> int:
    """Returns the number of objects of all sources that belong to `shard`; see `expand`."""
    items = (item for source in sources for item in _objects_of(source, folders))
    return sum(not isinstance(item, Unusable) and shard.holds(item.ref) for item in items)


def _objects_of(source: Source, folders: Folders) -> Iterator[Item | Unusable]:
    if isinstance(source, LocalFolder):
        folders.require_alone(source.folder)
        for found in walk(source.folder, folders.job.folder):
            yield LocalFile(source.folder, found) if isinstance(found, str) else found
    elif isinstance(source, Prefix):
        folders.require_bucket(source.bucket)
        for stored in s3().list(source, "", deadline=Deadline.never()):
            item = RemoteObject(stored.ref)
            if not folders.job.holds(item):
                yield item
    else:
        folders.require_place(source)
        yield source
