"""Measures the speed and the memory of the whole function without S3: its objects come from memory or from a file."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from msgspec.structs import replace

from handler.contract import Scores
from handler.deadline import Deadline, TimeBudget
from handler.documents import Documents
from handler.formats.picture import readable_kinds
from handler.inputs import Inputs
from handler.jobs import Asked
from handler.layout import Layout, LayoutName
from handler.maker import Maker
from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model
from handler.objects import ObjectRef
from handler.scoring import Scorer
from handler.settings import load_settings
from handler.store import Store, WriteResult
from infra.bench.measurement import Measurement, measure_rates
from infra.bench.samples import LIMITS, packed_object, read_pngs
from infra.errors import InfraError
from infra.stores.files import FileStore
from infra.stores.memory import MemoryStore

ENVIRONMENT = {"OUTPUT_URI": "s3://out-bucket/", "INPUT_URIS": "s3://in-bucket/", "AWS_DEFAULT_REGION": "us-east-1"}


class InputsInMemory(MemoryStore):
    """A store that keeps no document, so that each run finds it as the one before did."""

    def put(
        self,
        ref: ObjectRef,
        content: BinaryIO,
        *,
        content_type: str,
        metadata: Mapping[str, str],
        replacing: str | None,
        deadline: Deadline,
    ) -> WriteResult:
        """Drops an object, and says that it was written."""
        return WriteResult.WRITTEN


def measure_function() -> Iterator[Measurement]:
    """Yields the images per second that are scored from small objects, and from one that holds many images."""
    pngs = read_pngs() * 10
    store = InputsInMemory()
    refs = [store.place(ObjectRef("in-bucket", f"{number}.png"), png).ref for number, png in enumerate(pngs)]
    scorer = make_scorer(store)
    rates = measure_rates(lambda: score(scorer, refs), len(pngs))
    yield Measurement(f"function without S3, {len(pngs):,} PNG objects", rates, "images/s")
    packed = store.place(ObjectRef("in-bucket", "packed"), packed_object(10_000)).ref
    rates = measure_rates(lambda: score(scorer, [packed]), 10_000)
    yield Measurement("function without S3, one IDX object of 10,000", rates, "images/s")


def make_scorer(store: Store, layout: LayoutName = LayoutName.JSON) -> Scorer:
    """Returns the function's own scorer at its default settings, but for the limits, over `store`."""
    settings = load_settings(ENVIRONMENT)
    model = load_model(directory_reader(BUNDLED_ARTIFACT))
    maker = Maker.of(model, LIMITS, settings.inputs, formats=readable_kinds(), has_queue=False)
    documents = Documents(store, settings.output, Layout(layout, settings.layout.max_json_rows), maker)
    return Scorer(
        model=model,
        inputs=Inputs(store, settings.inputs, documents),
        documents=documents,
        dispatcher=None,
        limits=LIMITS,
        batch_images=settings.model_batch_images,
        concurrency=settings.s3_concurrency,
    )


def score_stream(images: int, *, at_once: bool = False) -> None:
    """Scores one IDX object of `images` images out of a file, as it would be read from S3, into a document in lines.

    With `at_once`, the model classifies the first batch alone, and its scores stand for those of all others: the memory is the
    same, and a million images take seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "packed").open("wb") as file:
            file.write(struct.pack(">IIII", 0x0803, images, 28, 28))
            block = packed_object(1_000)[16:]
            for _ in range(images // 1_000):
                file.write(block)
        with tempfile.TemporaryDirectory() as documents:
            store = FileStore({"in-bucket": Path(folder), "out-bucket": Path(documents)})
            scorer = make_scorer(store, LayoutName.LINES)
            if at_once:
                scorer = replace(scorer, model=replace(scorer.model, classify=_first_scores(scorer.model.classify)))
            count = score(scorer, [ObjectRef("in-bucket", "packed")])
    if count != images:
        raise InfraError(f"Expected {images} images to be scored. Received: {count}.")


def _first_scores(classify: Callable[[np.ndarray], Scores]) -> Callable[[np.ndarray], Scores]:
    """Returns a function that gives the scores of the first batch of each size for all batches of that size."""
    known: dict[int, Scores] = {}

    def first_scores(images: np.ndarray) -> Scores:
        if len(images) not in known:
            known[len(images)] = classify(images)
        return known[len(images)]

    return first_scores


def score(scorer: Scorer, refs: list[ObjectRef]) -> int:
    """Scores objects, and returns the number of their images.

    Raises:
        InfraError: one of the benchmark's own objects was not scored.
    """
    reports = scorer.score([Asked(ref) for ref in refs], TimeBudget.of(3600, 10, 1), lambda _named, _report: None)
    if errors := [str(report.error) for report in reports.values() if report.error]:
        raise InfraError(f"Expected the benchmark's own objects to be scored. Received: {errors[0]}")
    return sum(report.images for report in reports.values())
