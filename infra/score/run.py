"""Scores sources from this machine. The only module here that knows the order of the work.

    sources --expand--> objects --chunks--> processes: score, count --in order--> failed list, table, page, summary

Documents are the record: whatever has its document is passed over, so a run that was stopped goes on when it is started again,
and ends with the same documents. Memory does not grow with the number of objects: what is needed later is in temporary files.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from handler.contract import Manifest
from handler.limits import Limits
from handler.objects import Prefix
from handler.outcomes import Outcome
from handler.store import Store
from infra.locations import s3
from infra.score.expanding import expand
from infra.score.folders import Folders
from infra.score.lists import write_line
from infra.score.processes import Processes
from infra.score.shards import Shard
from infra.score.sources import Item, LocalFolder, Source
from infra.score.tally import Tally
from infra.score.walking import Unusable
from infra.score.worker import Job, Scored, load_parts, open_store
from infra.show.documents import Document, read_named
from infra.show.whole import whole_file

CHUNK_OBJECTS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a user asks for.

    `sources` are to be scored, and `lines` are those of a list, or None if there is no list; of all their objects, `shard` has
    a part. Documents go to `out`, a folder or an address in S3. What failed or was rejected is written to `failed`, as a list.
    `processes` score at the same time.
    """

    sources: tuple[Source, ...]
    lines: Iterable[str] | None
    out: Path | Prefix
    artifact: Path | Prefix
    limits: Limits
    failed: Path | None
    processes: int
    shard: Shard

    @property
    def title(self) -> str:
        """The names of the sources, for people."""
        names = [source.folder.name if isinstance(source, LocalFolder) else str(source) for source in self.sources]
        return ", ".join(names) or "a list"

    @property
    def job(self) -> Job:
        """What is the same for every object."""
        out = self.out if isinstance(self.out, Prefix) else Prefix(str(self.out), "")
        return Job(out, self.artifact, self.limits)


class Run:
    """One run over the sources of an order, which counts what it does in `tally`.

    It passes over `links`, and over what a list names in the output, `in_output`.
    """

    def __init__(self, order: Order, keys: IO[str]) -> None:
        """Loads the artifact, so that a broken one is noticed at once; `keys` is an empty file for the keys of the documents.

        Raises:
            BadArtifact: the artifact is missing or broken.
        """
        self.manifest: Manifest = load_parts(order.job).model.manifest
        self.tally = Tally()
        self.links = 0
        self.in_output = 0
        self._order = order
        self._folders = Folders(order.job)
        self._keys = keys

    def score(self, advance: Callable[[int], None]) -> None:
        """Scores every object; `advance` is told each number of objects that are done."""
        order = self._order
        items = expand(order.sources, order.lines, self._folders)
        with whole_file(order.failed) if order.failed else Path(os.devnull).open("wb") as failed:
            for scored, tally in Processes(order.job, order.processes).score(self._chunks(items, failed)):
                self.tally.add(tally)
                for one in scored:
                    self._keep(one, failed)
                advance(len(scored))

    @property
    def store(self) -> Store:
        """The store that holds the objects that were scored."""
        return open_store(self._order.job, self._folders.known)

    def documents(self) -> Iterator[Document]:
        """Yields the document of each object that has one, in the order of the sources."""
        self._keys.seek(0)
        return read_named(self._order.job.documents, map(json.loads, self._keys), s3)

    def _chunks(self, items: Iterable[Item | Unusable], failed: BinaryIO) -> Iterator[tuple[Item, ...]]:
        usable = self._usable(items, failed)
        while chunk := tuple(itertools.islice(usable, CHUNK_OBJECTS)):
            yield chunk

    def _usable(self, items: Iterable[Item | Unusable], failed: BinaryIO) -> Iterator[Item]:
        """Yields what can be scored of the shard, and counts the rest."""
        shard = self._order.shard
        for item in items:
            if not isinstance(item, Unusable):
                if shard.holds(item.ref):
                    yield item
            elif not shard.is_first:
                continue
            elif item.is_link:
                self.links += 1
            elif item.is_output:
                self.in_output += 1
            else:
                self.tally.add_object(Outcome.FAILED, "Unusable", item.reason)
                failed.write(write_line(item.text))

    def _keep(self, one: Scored, failed: BinaryIO) -> None:
        if one.is_rejected or one.outcome is Outcome.FAILED:
            failed.write(write_line(str(one.item)))
        if one.document:
            self._keys.write(json.dumps(one.document.key.removeprefix(self._order.job.output.prefix)) + "\n")
