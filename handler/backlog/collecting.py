"""Collects the objects of one invocation's part of a plan in shards, and writes the keys of each. No AWS here."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from handler.backlog.files import KeysHead, encode_keys
from handler.backlog.grouping import Group
from handler.backlog.keeping import GZIP, create, read
from handler.backlog.runs import Part, Places, Progress, Shard, Totals, Waiting
from handler.deadline import Deadline
from handler.errors import BROKEN_JSON, StorageUnavailable
from handler.objects import ObjectRef
from handler.store import Store, StoredObject

MAX_SAMPLED = 16  # objects that are looked into, to estimate the number of images
MAX_SAMPLED_BYTES = 2**23  # of such an object

MAX_WRITING = 16  # lists of keys at the same time


class Collector:
    """Collects objects, in the order of their documents' places, from `progress` on.

    They are to be scored by the maker `results`. The threads of `pool` write.
    """

    def __init__(
        self,
        store: Store,
        places: Places,
        run: str,
        results: str,
        progress: Progress,
        pool: ThreadPoolExecutor,
        deadline: Deadline,
    ) -> None:
        self._store, self._places, self._run, self._pool, self._deadline = store, places, run, pool, deadline
        self._results = results
        self._before = progress
        self._token = secrets.token_hex(8)
        self._bucket = ""
        self._group = Group()
        self._shards: list[Shard] = []
        self._writing: deque[Future[bool]] = deque()
        self._left_out = Counter(progress.totals.left_out)
        self._sample = list(progress.sample)

    def add(self, source: StoredObject, *, has_document: bool) -> None:
        """Adds the next object that is to be scored, whose document is to be replaced if it `has_document`."""
        ref = source.ref
        if ref.bucket != self._bucket or not self._group.has_room(source.size_bytes, self._next):
            self._flush()
            self._bucket = ref.bucket
        self._group.add(ref.key, source.size_bytes, has_document=has_document)
        if source.size_bytes <= MAX_SAMPLED_BYTES:
            self._choose(ref)

    def end_prefix(self) -> None:
        """Has the next shard begin with the next object, which lies under another prefix and perhaps before this one."""
        self._flush()

    def leave_out(self, reason: str) -> None:
        """Counts an object that is not to be scored."""
        self._left_out[reason] += 1

    def close(self, at: int, after: str, waiting: Iterable[StoredObject], *, is_listed: bool) -> Part:
        """Writes the keys of the last shard, waits for those of the others, and returns the part, which is not yet written.

        Raises:
            StorageUnavailable: the store failed.
            OutOfTime: a call did not end by the deadline.
        """
        self._flush()
        while self._writing:
            self._writing.popleft().result()
        totals = self._before.totals
        progress = Progress(
            totals=Totals(
                objects=totals.objects + sum(shard.objects for shard in self._shards),
                bytes=totals.bytes + sum(shard.bytes for shard in self._shards),
                left_out=dict(self._left_out),
            ),
            shards=self._before.shards + len(self._shards),
            at=at,
            after=after,
            waiting=[Waiting.of(source) for source in waiting],
            sample=self._sample,
            is_listed=is_listed,
        )
        return Part(self._results, self._shards, progress)

    @property
    def _next(self) -> int:
        """The number of the shard that is being collected."""
        return self._before.shards + len(self._shards) + 1

    def _flush(self) -> None:
        group = self._group
        if not group.keys:
            return
        shard = Shard(
            run=self._run,
            number=self._next,
            token=self._token,
            bucket=self._bucket,
            first=group.keys[0],
            last=group.keys[-1],
            objects=len(group.keys),
            bytes=group.bytes,
        )
        self._shards.append(shard)
        self._group = Group()
        while len(self._writing) >= MAX_WRITING:
            self._writing.popleft().result()
        head = KeysHead(run=shard.run, number=shard.number, bucket=shard.bucket, replaced=group.replaced)
        content = encode_keys(head, group.keys)
        self._writing.append(self._pool.submit(create, self._store, self._places.keys(shard), content, GZIP, self._deadline))

    def _choose(self, ref: ObjectRef) -> None:
        """Keeps the objects with the smallest digests, which are spread evenly over all."""
        digest = hashlib.blake2b(f"{ref.bucket}/{ref.key}".encode(), digest_size=8).hexdigest()
        if len(self._sample) < MAX_SAMPLED or digest < self._sample[-1][0]:
            self._sample = sorted([*self._sample, (digest, ref.bucket, ref.key)])[:MAX_SAMPLED]


def read_part(store: Store, place: ObjectRef, deadline: Deadline) -> Part | None:
    """Returns the part of a plan at `place`; None if there is none.

    Raises:
        StorageUnavailable: the store failed, or something else is there.
        OutOfTime: a call did not end by `deadline`.
    """
    content = read(store, place, deadline)
    try:
        return msgspec.json.decode(content, type=Part) if content is not None else None
    except BROKEN_JSON as error:
        raise StorageUnavailable(
            f"Expected a part of a plan. Received at {place}: {error}; plan it from the beginning."
        ) from error
