"""Defines a run over a backlog: what is asked for, its plan, its shards, and where all of it lies. Pure values."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from handler.errors import StaleRun
from handler.maker import Maker
from handler.marks import RESERVED
from handler.objects import ObjectRef, Prefix
from handler.predictions import ModelName
from handler.store import StoredObject

RUN_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,79}\Z"

_MAKER_DIGITS = 16  # of a maker's digest, in the names of folders

RunName = Annotated[str, msgspec.Meta(pattern=RUN_PATTERN)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is asked to score.

    These are the inputs under `prefix`, or all inputs if that is None, or the objects that the files under the run's `asked/`
    name if it is `listed`. Those are left out that have an answer already, by the model of the run: the deployed one, or the
    one whose manifest has the digest `model`. With `documents`, each object gets a document of its own, as by an upload, and
    not a row. With `replace`, this also holds for objects that have a document of another model.
    """

    prefix: str | None = None
    listed: bool = False
    model: Digest | None = None
    documents: bool = False
    replace: bool = False

    @property
    def writes_documents(self) -> bool:
        """True if each object gets a document of its own."""
        return self.documents or self.replace


class Sampled(msgspec.Struct, frozen=True):
    """The number of objects that were looked into, and the number of images in them."""

    objects: Count = 0
    images: Count = 0


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a plan: objects to be scored, their bytes as far as known, and objects that were left out, by reason."""

    objects: Count = 0
    bytes: Count = 0
    left_out: dict[str, int] = msgspec.field(default_factory=dict)


class Plan(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="coatcheck.plan/1"):
    """The plan of a run, which is written once, after everything that it names.

    `results` is the maker of the rows (see `handler.maker`), `model` its model, and `attempt` the folder of the lists of keys.
    Of two runs, the rows of that with the later `planned_at` count. Plans of release 1.0.0 have no `model`.
    """

    run: RunName
    order: Order
    planned_at: str
    attempt: str
    results: Digest
    totals: Totals
    shards: Count
    sampled: Sampled
    model: ModelName | None = None


class Shard(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag="shard"):
    """The piece of a run that one invocation scores, which is also the event that asks for it.

    It has `objects` of `bucket` from the key `first` to the key `last`, in the order of their documents' places. `token` names
    the invocation that wrote the list of them.
    """

    run: RunName
    number: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
    token: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]
    bucket: str
    first: str
    last: str
    objects: Count
    bytes: Count


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An input that was found, but whose turn had not come when the time of an invocation was over."""

    bucket: str
    key: str
    etag: str
    size_bytes: Count
    last_modified: datetime | None
    storage_class: str

    @classmethod
    def of(cls, source: StoredObject) -> Waiting:
        """Returns what must be kept of an input that waits."""
        return cls(
            bucket=source.ref.bucket,
            key=source.ref.key,
            etag=source.etag,
            size_bytes=source.size_bytes,
            last_modified=source.last_modified,
            storage_class=source.storage_class,
        )

    def source(self) -> StoredObject:
        """Returns the input as it was found."""
        return StoredObject(
            ObjectRef(self.bucket, self.key),
            self.etag,
            None,
            self.size_bytes,
            last_modified=self.last_modified,
            storage_class=self.storage_class,
        )


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where an invocation goes on with a plan: after `parts` parts, which lie in the folder `attempt`.

    It is small, whatever the keys are, since Step Functions passes no more than 256 KiB on.
    """

    attempt: Annotated[str, msgspec.Meta(pattern=r"^[0-9TZ]{16}-[0-9a-f]{8}\Z")]
    planned_at: Annotated[str, msgspec.Meta(max_length=40)]
    parts: Count = 0


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What is planned so far: `totals` in a number of `shards`.

    The key `after` was reached of the prefix, or of the files of lists, whose number is `at`, except for the inputs that are
    `waiting`. Of the objects that were found, `sample` holds some to look into, each as a digest, a bucket and a key. Once
    everything `is_listed`, the plan only has to be written.
    """

    totals: Totals = Totals()
    shards: Count = 0
    at: Count = 0
    after: str = ""
    waiting: list[Waiting] = []
    sample: list[tuple[str, str, str]] = []
    is_listed: bool = False


class Part(msgspec.Struct, frozen=True):
    """The shards that one invocation made, and the progress with which it ended.

    `results` is the maker that it planned for, and `prefixes` those that it lists, unless the objects are named. It is written
    once. So an invocation that is repeated, since its answer was lost, answers the same again.
    """

    results: Digest
    shards: list[Shard]
    progress: Progress
    prefixes: list[str] = []


class Places(msgspec.Struct, frozen=True):
    """The places of everything about runs, under the `output` that they write to."""

    output: Prefix

    def plan(self, run: str) -> ObjectRef:
        """Returns where the plan of a run is."""
        return self._ref(f"runs/{run}/plan.json")

    def asked(self, run: str) -> Prefix:
        """Returns where the lists of the objects are that a run was asked for."""
        return self._prefix(f"runs/{run}/asked/")

    def parts(self, run: str, position: Position) -> Prefix:
        """Returns where the invocations that plan a run leave the shards that each of them made."""
        return self._prefix(f"runs/{run}/{position.attempt}/parts/")

    def part(self, run: str, position: Position) -> ObjectRef:
        """Returns where the last part before `position` is."""
        return self._ref(f"runs/{run}/{position.attempt}/parts/{position.parts:07d}.json")

    def sampling(self, run: str) -> ObjectRef:
        """Returns where it is noted that an invocation began to look into some objects of a run."""
        return self._ref(f"runs/{run}/sampling")

    def shards(self, run: str, attempt: str) -> ObjectRef:
        """Returns where the list of all shards of a run is, for Step Functions."""
        return self._ref(f"runs/{run}/{attempt}/shards.json")

    def keys(self, shard: Shard) -> ObjectRef:
        """Returns where the keys of a shard are."""
        return self._ref(f"runs/{shard.run}/keys/{shard.token}/{shard.number:07d}.jsonl.gz")

    def note(self, shard: Shard) -> ObjectRef:
        """Returns where the attempts at a shard note what they do."""
        return self._ref(f"runs/{shard.run}/attempts/{shard.number:07d}.json")

    def results(self, run: str) -> Prefix:
        """Returns where Step Functions tells what became of each shard."""
        return self._prefix(f"runs/{run}/results/")

    def summary(self, run: str) -> ObjectRef:
        """Returns where the summary of a run is."""
        return self._ref(f"runs/{run}/summary.json")

    def failed(self, run: str) -> ObjectRef:
        """Returns where the list of the objects is that a run could not score."""
        return self._ref(f"runs/{run}/failed.jsonl")

    def rows(self, results: str, run: str, number: int) -> ObjectRef:
        """Returns where the rows of a shard are, by the maker of their results."""
        return self._ref(f"shards/{results[:_MAKER_DIGITS]}/{run}/{number:07d}.jsonl")

    def rows_of(self, results: str, run: str) -> Prefix:
        """Returns where all rows of a run are."""
        return self._prefix(f"shards/{results[:_MAKER_DIGITS]}/{run}/")

    def index(self, results: str, run: str, number: int) -> ObjectRef:
        """Returns where the index of a shard is, by the maker of its results."""
        return self._ref(f"covered/{results[:_MAKER_DIGITS]}/{run}/{number:07d}.jsonl.gz")

    def indexes(self, maker: Maker, run: str | None = None) -> Prefix:
        """Returns where the indexes of a run are, or those of all runs, of one maker."""
        folder = f"covered/{maker.results[:_MAKER_DIGITS]}/"
        return self._prefix(f"{folder}{run}/" if run else folder)

    def model(self, digest: str) -> Prefix:
        """Returns where the artifact is whose manifest has a digest."""
        return self._prefix(f"models/{digest}/")

    def _ref(self, name: str) -> ObjectRef:
        return ObjectRef(self.output.bucket, f"{self.output.prefix}{RESERVED}{name}")

    def _prefix(self, name: str) -> Prefix:
        return Prefix(self.output.bucket, f"{self.output.prefix}{RESERVED}{name}")


def require_current(plan: Plan, maker: Maker) -> None:
    """Requires that a run was planned for the results of a maker.

    Raises:
        StaleRun: it was not.
    """
    if plan.results != maker.results:
        raise StaleRun(
            f"Expected the model for which the run {plan.run!r} was planned. Received: another one, or other thresholds, since "
            "the function was deployed anew; start a run of another name."
        )
