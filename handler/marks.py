"""Keeps the small objects under `_coatcheck/` of the output by which a sweep knows what it need not look at.

The marker names the maker at work. Whoever finds another maker's name there replaces it, so that the marker's `LastModified` is
the time at which the present maker began, also after a rollback. A sweep looks at the marker when it begins, and every process
does so when it writes its first document, and again once `RENEWAL_S` have passed. Without the processes, a maker that worked
between two sweeps of another one would leave no trace: A, then B, then A again, and B's documents would pass for A's.

So a document of another maker was written at most `RENEWAL_S` and the longest invocation after the present maker began: its
process saw the marker with its own name before that. `SETTLED` is longer than both together.

The note of a prefix tells when the last sweep began that found each document there to be right. It costs one object for each
prefix, and is what spares an input whose document was written at once, within minutes of its upload: times cannot tell such a
document from one of the input's earlier state.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from handler.deadline import Deadline
from handler.errors import ConcurrentWrites, OutOfTime, StorageUnavailable
from handler.maker import Maker
from handler.objects import ObjectRef, Prefix
from handler.store import INSTANT, Store, StoredObject, WriteResult

RESERVED = "_coatcheck/"  # under the output; no document lies there, and nothing there has the suffix of a document

# The longest invocation, 15 minutes, then the time for which a process trusts the marker, and a minute for clocks that differ.
RENEWAL_S = 4 * 60
SETTLED = timedelta(minutes=20)

MAX_ATTEMPTS = 6

_BEGAN = "began"


class Settled(msgspec.Struct, frozen=True):
    """The knowledge by which a document is known to be right from the times of two listings.

    The present maker began at `made_since`, and `swept_since` is when a sweep began that found all documents to be right. None
    if this is not known.
    """

    made_since: datetime | None = None
    swept_since: datetime | None = None

    def holds(self, source: StoredObject, document: StoredObject) -> bool:
        """Returns whether `document` is surely about the present state of `source`, and of the present maker.

        The times of an input say nothing if it came in parts, since it bears the time at which its upload began, or if it may
        have been restored from an archive, which leaves its time as it was.
        """
        read, written = source.last_modified, document.last_modified
        if read is None or written is None or "-" in source.etag or source.storage_class not in INSTANT:
            return False
        if self.swept_since and max(read, written) < self.swept_since - SETTLED:
            return True
        return self.made_since is not None and written >= max(read, self.made_since) + SETTLED


class Marks(msgspec.Struct):
    """The marker and the notes of an output, for the present `maker`. `clock` returns the time of day in seconds."""

    store: Store
    output: Prefix
    maker: Maker
    clock: Callable[[], float] = time.time
    _renewed_at: float | None = None
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def renew(self, deadline: Deadline) -> None:
        """Makes sure that the marker names the present maker, unless this was so within the last `RENEWAL_S` seconds.

        The time of day counts on while a process is frozen, as other clocks may not.

        Raises:
            StorageUnavailable: the store failed.
            OutOfTime: a call did not end by `deadline`.
            ConcurrentWrites: functions of other makers replaced the marker at every attempt.
        """
        if not self._lock.acquire(timeout=max(0, deadline.left_s)):
            raise OutOfTime("Expected to look at the marker in time. Received: another thread that still waits for it.")
        try:
            if self._renewed_at is None or not 0 <= self.clock() - self._renewed_at < RENEWAL_S:
                self.made_since(deadline)
        finally:
            self._lock.release()

    def made_since(self, deadline: Deadline) -> datetime | None:
        """Has the marker name the present maker, and returns since when it does; raises the same as `renew`.

        None if it names it only now, when no document can be known to be of this maker.
        """
        place, names = self._place("maker"), self._names()
        for _ in range(MAX_ATTEMPTS):
            looked_at = self.clock()
            there = self.store.head(place, deadline=deadline)
            if there and names.items() <= there.metadata.items():
                self._renewed_at = looked_at
                return there.last_modified
            if self._put(place, names, there, deadline) is WriteResult.WRITTEN:
                self._renewed_at = looked_at
                return None
        raise ConcurrentWrites(
            f"Expected {place} to name the maker at work, {self.maker.results}. Received: another one at {MAX_ATTEMPTS} "
            "attempts. Let one version of the function write to one OUTPUT_URI."
        )

    def swept_since(self, prefix: Prefix, deadline: Deadline) -> datetime | None:
        """Returns when the last complete sweep of a prefix by the present maker began; None if there was none."""
        there = self.store.head(self._note(prefix), deadline=deadline)
        if there is None or not self._names().items() <= there.metadata.items():
            return None
        with suppress(KeyError, ValueError):
            began = datetime.fromisoformat(there.metadata[_BEGAN])
            return began if began.tzinfo else None
        return None

    def note_swept(self, prefix: Prefix, began: datetime, deadline: Deadline) -> None:
        """Notes that a sweep which began at `began` found each document under `prefix` to be right.

        A note that cannot be written is left out: the next sweep only looks at more documents.
        """
        with suppress(StorageUnavailable, OutOfTime):
            earlier = self.swept_since(prefix, deadline)
            if earlier is None or earlier < began:
                place = self._note(prefix)
                names = self._names() | {_BEGAN: began.isoformat()}
                self._put(place, names, self.store.head(place, deadline=deadline), deadline)

    def _names(self) -> dict[str, str]:
        return {"results": self.maker.results, "rejections": self.maker.rejections}

    def _note(self, prefix: Prefix) -> ObjectRef:
        return self._place(f"swept/{hashlib.sha256(str(prefix).encode()).hexdigest()}")

    def _place(self, name: str) -> ObjectRef:
        return ObjectRef(self.output.bucket, f"{self.output.prefix}{RESERVED}{name}")

    def _put(
        self, place: ObjectRef, metadata: Mapping[str, str], there: StoredObject | None, deadline: Deadline
    ) -> WriteResult:
        return self.store.put(
            place,
            io.BytesIO(json.dumps(metadata).encode()),
            content_type="application/json",
            metadata=metadata,
            replacing=there.etag if there else None,
            deadline=deadline,
        )
