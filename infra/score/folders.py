"""Keeps folders of one name apart: their files would be taken for each other's, since a name is all that a document holds.

A note under the output says where the folder of each name lies, so that a later run notices another folder of the same name. A
bucket of S3 has a name as well: in a run with a folder of this name, the objects of one would be looked for in the other.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from handler.deadline import Deadline
from handler.documents import FIRST_PAUSE_S, MAX_ATTEMPTS
from handler.errors import ConcurrentWrites
from handler.marks import RESERVED
from handler.objects import ObjectRef
from handler.store import Store, WriteResult
from infra.score.sources import Item, LocalFile, WrongSource
from infra.score.worker import Job, open_store

_CALL_S = 60


@dataclass(slots=True)
class Folders:
    """The folders whose files a run scores, `known` by their names, and the notes on them; `buckets` are those of S3.

    `sleep` waits for some seconds.
    """

    job: Job
    known: dict[str, Path] = field(default_factory=dict)
    buckets: set[str] = field(default_factory=set)
    sleep: Callable[[float], None] = time.sleep

    def require_place(self, item: Item) -> None:
        """Requires that an object's folder or bucket is alone with its name; raises the same as the methods for both."""
        if isinstance(item, LocalFile):
            self.require_alone(item.folder)
        else:
            self.require_bucket(item.ref.bucket)

    def require_bucket(self, bucket: str) -> None:
        """Requires that no folder has the name of a bucket of S3 in which objects are scored.

        Raises:
            WrongSource: one has.
        """
        self.buckets.add(bucket)
        if bucket in self.known:
            raise _two_meanings(self.known[bucket])

    def require_alone(self, folder: Path) -> None:
        """Requires that no other folder of the same name has its documents in the same output, and that no bucket has it.

        Raises:
            WrongSource: another one has.
        """
        if folder.name in self.buckets or folder.name == self.job.output.bucket:
            raise _two_meanings(folder)
        known = self.known.get(folder.name)
        if known is None:
            known = self.known[folder.name] = self._claim(folder)
        if known != folder:
            raise WrongSource(
                f"Expected one folder of the name {folder.name!r}. Received: {folder}, but the documents of {known} are in the "
                "same --out; name another --out, or a folder above both."
            )

    def _claim(self, folder: Path) -> Path:
        """Returns the folder of this name that the output belongs to, which is this one if there was none.

        A write that met another one may have failed without a note being there yet, so it is tried again.

        Raises:
            ConcurrentWrites: this was so at every attempt.
        """
        store: Store = open_store(self.job)
        place = ObjectRef(self.job.output.bucket, f"{self.job.output.prefix}{RESERVED}folders/{quote(folder.name)}/place")
        text, by = io.BytesIO(str(folder).encode()), Deadline.after(_CALL_S)
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                self.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
            written = store.put(place, text, content_type="text/plain", metadata={}, replacing=None, deadline=by)
            if written is WriteResult.WRITTEN:
                return folder
            opened = store.open(place, deadline=by)
            if opened:
                with closing(opened.body) as body:
                    return Path(body.read().decode(errors="replace"))
        raise ConcurrentWrites(
            f"Expected to note in {place} where {folder} lies, within {MAX_ATTEMPTS} attempts. "
            "Received: a conflict with another write each time; run the command again."
        )


def _two_meanings(folder: Path) -> WrongSource:
    return WrongSource(
        "Expected a folder and a bucket of different names, since the name is all that a document tells. "
        f"Received: {folder} and s3://{folder.name}; rename the folder, or leave this bucket to another run."
    )
