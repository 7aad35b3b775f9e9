"""Scores a chunk of objects in a process of its own, and counts what their documents hold.

The function's own `Scorer` does it, over the same stores, so documents are those of the function. An object whose document is
there and right is passed over before the model sees it.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path

import msgspec
import numpy as np

from handler.contract import Model, Scores
from handler.deadline import Deadline, TimeBudget
from handler.documents import Documents
from handler.formats.picture import readable_kinds
from handler.inputs import Inputs
from handler.jobs import Asked
from handler.layout import Layout, LayoutName
from handler.limits import Limits
from handler.maker import Maker
from handler.marks import Marks
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Outcome, Report
from handler.scoring import Scorer
from handler.settings import DEFAULTS
from handler.store import Store
from infra.locations import CONCURRENCY, load_artifact, s3
from infra.score.sources import Item, LocalFile
from infra.score.tally import Tally
from infra.show.documents import BrokenDocument, read_named
from infra.stores.files import FileStore
from infra.stores.routed import RoutedStore


@dataclass(frozen=True, slots=True)
class Job:
    """What is the same for all chunks of a run: where documents belong, the artifact, and the limits on an object.

    `output` is the place of all documents; that of a folder has its absolute path for a bucket, which no input has.
    """

    output: Prefix
    artifact: Path | Prefix
    limits: Limits

    @property
    def folder(self) -> Path | None:
        """The folder of the documents; None if they lie in S3."""
        return Path(self.output.bucket) if self.output.bucket.startswith(os.sep) else None

    @property
    def documents(self) -> Path | Prefix:
        """The folder or the prefix of S3 in which the documents lie."""
        return self.folder or self.output

    def holds(self, item: Item) -> bool:
        """Returns whether an object lies where documents do, so that it is none that is to be scored."""
        if isinstance(item, LocalFile):
            return self.folder is not None and item.path.is_relative_to(self.folder)
        return self.output.holds(item.ref)


@dataclass(frozen=True, slots=True)
class Scored:
    """What became of one object.

    It `is_rejected` if its document, whose place is `document`, says so, whenever that was written.
    """

    item: Item
    outcome: Outcome
    document: ObjectRef | None
    is_rejected: bool = False


@dataclass(slots=True)
class Counted:
    """A model's `classify`, which counts the `images` that it was given."""

    classify: Callable[[np.ndarray], Scores]
    images: int = 0

    def __call__(self, images: np.ndarray) -> Scores:
        """Classifies one batch; see `handler.contract.Model`."""
        self.images += len(images)
        return self.classify(images)


@dataclass(frozen=True, slots=True)
class Parts:
    """What outlives a chunk: the model, its maker, and the writer's marks."""

    model: Model
    maker: Maker
    marks: Marks


def ignore_interrupts() -> None:
    """Has a process leave Ctrl-C to its parent, and end as soon as the parent is gone, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent:
        wait([parent.sentinel])
        os._exit(1)


def score_chunk(job: Job, chunk: tuple[Item, ...]) -> tuple[list[Scored], Tally]:
    """Scores some objects; returns what became of each, in their order, and the counts of their documents.

    Raises:
        MisconfiguredError: the artifact is unusable.
    """
    parts = load_parts(job)
    folders = {item.ref.bucket: item.folder for item in chunk if isinstance(item, LocalFile)}
    store = open_store(job, folders)
    documents = Documents(store, job.output, Layout(LayoutName.JSON, 0), parts.maker, marks=parts.marks)
    buckets = {item.ref.bucket for item in chunk}
    inputs = Inputs(store, tuple(Prefix(bucket, "") for bucket in buckets), documents)
    classify = Counted(parts.model.classify)
    scorer = Scorer(
        model=msgspec.structs.replace(parts.model, classify=classify),
        inputs=inputs,
        documents=documents,
        dispatcher=None,
        limits=job.limits,
        batch_images=DEFAULTS["MODEL_BATCH_IMAGES"],
        concurrency=1 if job.folder and len(folders) == len(buckets) else CONCURRENCY,  # threads only help to wait for S3
    )
    budget = TimeBudget(Deadline.never(), Deadline.never())
    reports = scorer.score([Asked(item.ref, unless_done=True) for item in chunk], budget, lambda _ref, _report: None)
    tally, rejected = _count(job, folders, reports, classify.images)
    scored = ((item, reports[item.ref]) for item in chunk)
    return [Scored(item, report.outcome, report.document, item.ref in rejected) for item, report in scored], tally


def _count(
    job: Job, folders: Mapping[str, Path], reports: Mapping[ObjectRef, Report], classified: int
) -> tuple[Tally, set[ObjectRef]]:
    """Returns the counts of all objects and of their documents, and the objects whose documents reject them."""
    tally, rejected = Tally(classified=classified), set()
    for report in reports.values():
        tally.add_object(report.outcome, type(report.error).__name__, _with_paths(str(report.error), folders))
    keys = [report.document.key.removeprefix(job.output.prefix) for report in reports.values() if report.document]
    for document in read_named(job.documents, keys, s3):
        with suppress(BrokenDocument):  # somebody changed it meanwhile
            for row in document.rows():
                tally.add_row(row)
                if row.is_object:
                    rejected.add(ObjectRef(row.input.bucket, row.input.key))
    return tally, rejected


def _with_paths(message: str, folders: Mapping[str, Path]) -> str:
    """Returns a message in which local files, which are objects to the function, are named by their paths."""
    for bucket, folder in folders.items():
        message = message.replace(f"s3://{bucket}/", f"{folder}/")
    return message.replace(f"s3://{os.sep}", os.sep)  # the folder of the documents


@functools.cache
def load_parts(job: Job) -> Parts:
    """Loads the model and all that outlives a chunk, once for each process.

    Raises:
        BadArtifact: the artifact is missing or broken.
        StorageUnavailable: the artifact cannot be read from S3.
    """
    model = load_artifact(job.artifact)
    maker = Maker.of(model, job.limits, (), formats=readable_kinds(), has_queue=False)
    return Parts(model, maker, Marks(open_store(job), job.output, maker))


def open_store(job: Job, folders: Mapping[str, Path] | None = None) -> Store:
    """Returns the store that holds the documents, S3, and some folders by their buckets."""
    own = {job.output.bucket: job.folder} if job.folder else {}
    return RoutedStore(FileStore({**(folders or {}), **own}), s3)
