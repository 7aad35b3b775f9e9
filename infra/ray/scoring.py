"""Scores the bytes of objects into rows of a table: the class for `map_batches` of Ray Data. Ray itself is not needed here.

a table of "path" and "bytes" --> a store in memory --the function's own Scorer--> documents --> a table of rows
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from handler.deadline import Deadline, TimeBudget
from handler.documents import Documents
from handler.formats.picture import readable_kinds
from handler.inputs import Inputs
from handler.jobs import Asked
from handler.layout import Layout, LayoutName
from handler.limits import Limits
from handler.maker import Maker
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Report
from handler.predictions import RejectedImage, name_input, name_model
from handler.scoring import Scorer
from handler.settings import DEFAULTS
from infra.locations import load_artifact
from infra.show.documents import Document, Row
from infra.show.parquet import SCHEMA
from infra.show.records import Record, flatten
from infra.stores.memory import MemoryStore

MAX_TABLE_ROWS = 8_192  # 20 MB as objects of Python with ten classes

_OUTPUT = Prefix("/", "")  # of the documents, in a bucket that no object has: neither buckets nor folders hold a slash


class ObjectScorer:
    """Scores whole objects of any format; each worker makes one, which loads the artifact once.

    The path of an object is `above`, its bucket, a slash and its key. So the objects of a local folder `/data/photos` have the
    bucket `photos` if `above` is `/data/`; in S3 and the like, paths begin with the bucket.
    """

    def __init__(self, artifact: Path | Prefix, limits: Limits, above: str = "") -> None:
        """Loads the artifact.

        Raises:
            BadArtifact: the artifact is missing or broken.
            StorageUnavailable: the artifact cannot be read from S3.
        """
        self._model = load_artifact(artifact)
        self._limits = limits
        self._above = above
        self._maker = Maker.of(self._model, limits, (), formats=readable_kinds(), has_queue=False)

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Scores a batch, and yields the rows of its objects as `coatcheck table` has them, in the order of the objects.

        An object that cannot be read is a row with its `error`, and costs no other object anything. `written_at` is null, since
        no document is written.

        Args:
            batch: the columns `path`, text, and `bytes`, the content as it lies in the file.
        """
        store = MemoryStore()
        for path, content in zip(batch["path"], batch["bytes"], strict=True):
            bucket, _, key = path.as_py().removeprefix(self._above).partition("/")
            store.place(ObjectRef(bucket, key), content.as_py())
        asked = [Asked(ref) for ref in store.refs()]
        reports = self._scorer(store).score(asked, TimeBudget(Deadline.never(), Deadline.never()), lambda _ref, _report: None)
        yield from _tables(flatten(row) for report in reports.values() for row in self._rows(store, report))

    def _scorer(self, store: MemoryStore) -> Scorer:
        documents = Documents(store, _OUTPUT, Layout(LayoutName.JSON, 0), self._maker)
        buckets = {ref.bucket for ref in store.refs()}
        return Scorer(
            model=self._model,
            inputs=Inputs(store, tuple(Prefix(bucket, "") for bucket in buckets), documents),
            documents=documents,
            dispatcher=None,
            limits=self._limits,
            batch_images=DEFAULTS["MODEL_BATCH_IMAGES"],
            concurrency=1,  # threads only help to wait, and everything is here
        )

    def _rows(self, store: MemoryStore, report: Report) -> Iterator[Row]:
        """Yields the rows of an object's document, or one that says why the function would write none."""
        if report.document:
            yield from Document(str(report.document), store.content(report.document)).rows()
            return
        source = store.head(report.ref, deadline=Deadline.never())
        if source:
            problem = RejectedImage(source.ref.name, type(report.error).__name__, str(report.error))
            yield Row(name_input(source, None), name_model(self._model.manifest), problem, is_object=True)


def _tables(records: Iterable[Record]) -> Iterator[pa.Table]:
    rows = map(msgspec.structs.asdict, records)
    while some := list(islice(rows, MAX_TABLE_ROWS)):
        yield pa.Table.from_pylist(some, SCHEMA)
