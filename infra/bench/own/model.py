"""The bare model: an image for each key, in the function's batches, without reading or writing anything."""

from __future__ import annotations

import os

import numpy as np

from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model
from handler.settings import load_settings
from infra.bench.samples import packed_object
from infra.bench.turns import Work, serve


def prepare() -> Work:
    """Loads the model as the function does."""
    settings = load_settings(os.environ)
    model = load_model(directory_reader(BUNDLED_ARTIFACT), settings.model_threads)
    size = settings.model_batch_images

    def work(keys: list[str]) -> None:
        images = np.frombuffer(packed_object(len(keys))[16:], np.uint8).reshape(-1, 28, 28, 1)
        for start in range(0, len(images), size):
            model.classify(images[start : start + size])

    return work


if __name__ == "__main__":
    serve(prepare)
