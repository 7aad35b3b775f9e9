"""Measures the speed of the model alone."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from handler.formats import decode
from handler.formats.image import Image
from handler.model import Model
from infra.bench.measurement import Measurement, measure_rates
from infra.bench.samples import packed_object, target

_IMAGES = 2048


def measure_model(model: Model) -> Iterator[Measurement]:
    """Yields the images per second that the model classifies in batches of several sizes."""
    decoded = list(decode(io.BytesIO(packed_object(_IMAGES)), "samples", target(model.manifest)))
    images = np.stack([image.pixels for image in decoded if isinstance(image, Image)])
    for size in (1, 16, 64, 256):
        batches = [images[start : start + size] for start in range(0, len(images), size)]

        def classify_all(batches: list[np.ndarray] = batches) -> None:
            for batch in batches:
                model.classify(batch)

        rates = measure_rates(classify_all, len(images))
        yield Measurement(f"model alone, 1 thread, batches of {size}", rates, "images/s")
