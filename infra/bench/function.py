"""Measures the speed and the memory of the whole function without S3: its objects come from memory or from a file."""

from __future__ import annotations

import dataclasses
import io
import struct
import tempfile
from collections.abc import Iterator

from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model
from handler.objects import FetchedObject, Layout, ObjectRef, OpenObject, StoredObject
from handler.publishing import Published
from handler.scoring import Scorer
from handler.settings import load_settings
from handler.storage import BUFFER_BYTES
from infra.bench.measurement import Measurement, measure_rates
from infra.bench.samples import packed_object, read_pngs, target

ENVIRONMENT = {"OUTPUT_URI": "s3://out-bucket/", "INPUT_URIS": "s3://in-bucket/", "AWS_DEFAULT_REGION": "us-east-1"}


def measure_function() -> Iterator[Measurement]:
    """Yields the images per second that are scored from small objects, and from one that holds many images."""
    scorer = make_scorer()
    pngs = read_pngs() * 10
    rates = measure_rates(lambda: _score_many(scorer, pngs), len(pngs))
    yield Measurement(f"function without S3, {len(pngs):,} PNG objects", rates, "images/s")
    packed = packed_object(10_000)
    rates = measure_rates(lambda: score_once(scorer, "packed", packed), 10_000)
    yield Measurement("function without S3, one IDX object of 10,000", rates, "images/s")


def make_scorer() -> Scorer:
    """Returns the function's own scorer at its default settings, except that it writes its documents nowhere."""
    settings = load_settings(ENVIRONMENT | {"MAX_OBJECT_BYTES": str(10**9)})
    model = load_model(directory_reader(BUNDLED_ARTIFACT))
    return Scorer(
        manifest=model.manifest,
        fetch=lambda _: None,
        open=lambda _: None,
        classify=model.classify,
        publish=lambda _: Published.WRITTEN,
        locate=settings.locate,
        describe=lambda _: None,
        require_accepted=lambda _: None,
        send=None,
        target=target(model.manifest),
        max_object_bytes=settings.max_object_bytes,
        batch_images=settings.model_batch_images,
        concurrency=settings.s3_concurrency,
        layout=settings.layout,
    )


def score_stream(images: int) -> None:
    """Scores one IDX object of `images` images out of a file, as it would be read from S3, into a document in lines."""
    scorer = dataclasses.replace(make_scorer(), layout=Layout("application/jsonl", -1))
    ref = ObjectRef("in-bucket", "packed")
    with tempfile.TemporaryFile() as file:
        file.write(struct.pack(">IIII", 0x0803, images, 28, 28))
        block = packed_object(1_000)[16:]
        for _ in range(images // 1_000):
            file.write(block)
        source = StoredObject(ref, "etag", None, file.tell())
        file.seek(0)
        scorer = dataclasses.replace(
            scorer,
            fetch=lambda _: FetchedObject(source, b""),
            open=lambda _: OpenObject(source, io.BufferedReader(file.raw, BUFFER_BYTES)),
        )
        (report,) = scorer.score([ref]).values()
    if report.images != images:
        raise RuntimeError(f"Expected {images} images. Received: {report}.")


def score_once(scorer: Scorer, key: str, content: bytes) -> None:
    """Scores one object out of memory."""
    _score(scorer, {ObjectRef("in-bucket", key): content})


def _score_many(scorer: Scorer, contents: list[bytes]) -> None:
    _score(scorer, {ObjectRef("in-bucket", f"{number}.png"): content for number, content in enumerate(contents)})


def _score(scorer: Scorer, contents: dict[ObjectRef, bytes]) -> None:
    def fetch(ref: ObjectRef) -> FetchedObject:
        return FetchedObject(StoredObject(ref, "etag", None, len(contents[ref])), contents[ref])

    reports = dataclasses.replace(scorer, fetch=fetch).score(contents)
    if any(report.error for report in reports.values()):
        raise RuntimeError("The benchmark's own objects must be scored without an error.")
