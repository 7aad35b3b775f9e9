"""Writes the objects that lists name to where the function plans from: sorted, each once, in files that are written once.

The digest of all of them is in the metadata of every file, so that a run which was asked for another list is noticed.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from handler.backlog.keeping import GZIP, create
from handler.backlog.runs import Places
from handler.deadline import Deadline
from handler.objects import ObjectRef
from handler.store import Store
from infra.backlog.entries import Entry
from infra.errors import WrongUse

FILE_ENTRIES = 20_000  # what an invocation plans at once: some 10 s, and 400 KB, compressed

_WRITE_S = 120  # for one file
_DIGEST = "list-sha256"


@dataclass(frozen=True, slots=True)
class Listed:
    """How many objects lists name, and the digest of them, which is the same for the same objects in any order."""

    objects: int
    digest: str


def examine(entries: Iterable[Entry], advance: Callable[[int], None]) -> Listed:
    """Counts sorted entries; `advance` is told each number of them that is done."""
    digest, count = hashlib.sha256(), 0
    for count, entry in enumerate(entries, 1):
        digest.update(_line(entry))
        if count % FILE_ENTRIES == 0:
            advance(count)
    return Listed(count, digest.hexdigest())


def write_asked(store: Store, places: Places, run: str, entries: Iterable[Entry], listed: Listed) -> None:
    """Writes sorted entries as what a run is asked for; what is there already stays.

    Raises:
        WrongUse: the run was asked for other objects before.
        StorageUnavailable: S3 failed.
    """
    folder, rest = places.asked(run), iter(entries)
    for number in itertools.count(1):
        lines = [_line(entry) for entry in itertools.islice(rest, FILE_ENTRIES)]
        if not lines:
            return
        ref = ObjectRef(folder.bucket, f"{folder.prefix}{number:05d}.jsonl.gz")
        _put(store, ref, gzip.compress(b"".join(lines), mtime=0), listed.digest)


def _put(store: Store, ref: ObjectRef, content: bytes, digest: str) -> None:
    deadline = Deadline.after(_WRITE_S)
    if create(store, ref, content, GZIP, deadline, {_DIGEST: digest}):
        return
    there = store.head(ref, deadline=deadline)
    if there is None or there.metadata.get(_DIGEST) != digest:
        raise WrongUse(
            f"Expected the objects that the run was asked for. Received: others than {ref} tells of; name another --run."
        )


def _line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"
