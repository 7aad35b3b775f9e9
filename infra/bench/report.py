"""Measures what the README states: cold start, model speed, speed of the whole function, memory.

    make bench        a quarter of an hour, most of it to score a million images; run it on an otherwise idle machine

Everything is measured in this one run. S3 is left out (objects come from memory), so that the figures are the function's own.
Each figure is a median with its quartiles over the stated number of runs.
"""

from __future__ import annotations

import dataclasses
import gzip
import importlib.metadata
import io
import os
import platform
import statistics
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from rich.console import Console
from rich.table import Table

from handler.contract import Manifest
from handler.formats import decode
from handler.formats.image import Image, Limits, Target, Unreadable
from handler.model import BUNDLED_ARTIFACT, Model, directory_reader, load_model
from handler.objects import FetchedObject, Layout, ObjectRef, OpenObject, StoredObject
from handler.publishing import Published
from handler.scoring import Scorer
from handler.settings import load_settings
from handler.storage import BUFFER_BYTES
from infra.paths import IMAGES

RUNS = 10
ENVIRONMENT = {"OUTPUT_URI": "s3://out-bucket/", "INPUT_URIS": "s3://in-bucket/", "AWS_DEFAULT_REGION": "us-east-1"}

# Printed by a process of its own: milliseconds from the start of `import` to a function that is ready for its first event.
_START_HANDLER = "import handler.app; handler.app.build_parts()"
_START_TENSORFLOW = "import tensorflow"
_TIMED = "import time; began = time.perf_counter(); {code}; print((time.perf_counter() - began) * 1e3)"
# The kernel's own high-water mark of this process: ru_maxrss would begin at that of the process which started it.
_PEAK = (
    "import re; from infra.bench.report import score_stream; score_stream({images})\n"
    "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024)"
)


def main() -> None:
    """Runs every measurement and prints one table."""
    console = Console(width=110)
    model = load_model(directory_reader(BUNDLED_ARTIFACT))
    table = Table("what", "median", "quartiles", "runs", title=f"Coatcheck on {_processor()}, {os.cpu_count()} cores")
    if metrics := model.manifest.metrics:
        table.add_row("test accuracy, from the manifest", f"{metrics.accuracy:.2%}", "", f"{metrics.images:,} images")
    table.add_row("artifact", f"{model.manifest.model.size_bytes / 2**20:.2f} MiB", "", "")
    for label, code in (
        ("cold start: import, settings, model", _START_HANDLER),
        ("for comparison: import tensorflow", _START_TENSORFLOW),
    ):
        _add(table, label, [_process(_TIMED.format(code=code)) for _ in range(RUNS)], "ms")
    for size in (1, 16, 64, 256):
        _add(table, f"model alone, 1 thread, batches of {size}", _model_rates(model, size), "images/s")
    pngs = [path.read_bytes() for path in sorted(IMAGES.glob("*.png"))] * 10
    scorer = make_scorer()
    _add(
        table,
        f"function without S3, {len(pngs):,} PNG objects",
        _rates(lambda: _score_many(scorer, pngs), len(pngs)),
        "images/s",
    )
    packed = packed_object(10_000)
    rates = _rates(lambda: score_once(scorer, "packed", packed), 10_000)
    _add(table, "function without S3, one IDX object of 10,000", rates, "images/s")
    for label, content, images in packed_formats(pngs[:100]):
        _add(table, f"decoding alone, {label}", _rates(partial(_decode_all, model, content), images), "images/s")
    for images in (10_000, 100_000, 1_000_000):
        _add(
            table,
            f"peak memory, one IDX object of {images:,}, read as it arrives",
            [_process(_PEAK.format(images=images))],
            "MiB",
        )
    console.print(table)
    libraries = ("ai-edge-litert", "numpy", "pillow", "boto3", "msgspec")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in libraries)
    console.print(f"Python {platform.python_version()}, {versions}")


def make_scorer() -> Scorer:
    """The function's own scorer at its default settings, with the documents going nowhere."""
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
        target=_target(model.manifest),
        max_object_bytes=settings.max_object_bytes,
        batch_images=settings.model_batch_images,
        concurrency=settings.s3_concurrency,
        layout=settings.layout,
    )


def packed_object(images: int) -> bytes:
    """An IDX object of so many images: the samples, over and over."""
    content = gzip.decompress((IMAGES / "packed-idx3-ubyte.gz").read_bytes())[16:]
    pixels = (content * (images * 784 // len(content) + 1))[: images * 784]
    return struct.pack(">IIII", 0x0803, images, 28, 28) + pixels


def score_stream(images: int) -> None:
    """Scores one IDX object of so many images out of a file, as it would be read from S3, into a document in lines."""
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


def _target(manifest: Manifest) -> Target:
    limits = Limits(
        image_pixels=2**24,
        images=10**6,
        archive_members=10**6,
        member_bytes=10**9,
        unpacked_bytes=10**9,
        compression_ratio=100,
    )
    return Target(manifest.input, manifest.conversion, limits)


def packed_formats(pngs: list[bytes]) -> Iterator[tuple[str, list[bytes], int]]:
    """The same images in each format: what it is called, its objects, and how many images they hold."""
    pictures = [PIL.Image.open(io.BytesIO(content)) for content in pngs]
    pixels = np.stack([np.asarray(picture) for picture in pictures])
    many = np.tile(pixels, (100, 1, 1))
    yield "PNG", pngs * 10, len(pngs) * 10
    for kind, options in (("JPEG", {}), ("WebP", {"lossless": True})):
        yield kind, [_saved(picture, kind, **options) for picture in pictures] * 10, len(pngs) * 10
    array = io.BytesIO()
    np.save(array, many)
    yield ".npy", [array.getvalue()], len(many)
    zipped = io.BytesIO()
    np.savez_compressed(zipped, many)
    yield ".npz, deflated", [zipped.getvalue()], len(many)
    packed = struct.pack(">IIII", 0x0803, *many.shape) + many.tobytes()
    yield "IDX", [packed], len(many)
    yield "IDX, gzipped", [gzip.compress(packed)], len(many)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zip_file:
        for number, content in enumerate(pngs):
            zip_file.writestr(f"{number}.png", content)
    yield "zip of PNGs", [archive.getvalue()] * 10, len(pngs) * 10
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for number, content in enumerate(pngs):
            member = tarfile.TarInfo(f"{number}.png")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    yield "tar.gz of PNGs", [archive.getvalue()] * 10, len(pngs) * 10


def _saved(picture: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _decode_all(model: Model, contents: list[bytes]) -> None:
    for content in contents:
        for image in decode(io.BytesIO(content), "object", _target(model.manifest)):
            if isinstance(image, Unreadable):
                raise TypeError(f"The benchmark's own objects must be readable. Received: {image.error}")


def _model_rates(model: Model, size: int) -> list[float]:
    with (IMAGES / "packed-idx3-ubyte.gz").open("rb") as file:
        decoded = list(decode(file, "samples", _target(model.manifest)))
    samples = np.stack([image.pixels for image in decoded if isinstance(image, Image)])
    images = np.tile(samples, (21, 1, 1, 1))[:2048]
    batches = [images[start : start + size] for start in range(0, len(images), size)]

    def classify_all() -> None:
        for batch in batches:
            model.classify(batch)

    return _rates(classify_all, len(images))


def _rates(work: Callable[[], None], images: int) -> list[float]:
    work()  # once to warm up
    rates = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        rates.append(images / (time.perf_counter() - began))
    return rates


def _process(program: str) -> float:
    """What a Python process of its own prints last, with its caches warm and the project in its path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODEL_"))} | ENVIRONMENT
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _add(table: Table, label: str, values: list[float], unit: str) -> None:
    low, median, high = statistics.quantiles(values, n=4) if len(values) > 1 else (values * 3)
    quartiles = f"{low:,.0f} to {high:,.0f}" if len(values) > 1 else ""
    table.add_row(label, f"{median:,.0f} {unit}", quartiles, str(len(values)))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
