"""The loop that the peers share: threads read and decode, the main thread classifies batches, threads write documents."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

import numpy as np
from PIL import Image

BUCKET, OUTPUT = "in-bucket", "out-bucket"
CONCURRENCY = int(os.environ.get("S3_CONCURRENCY", "8"))
BATCH = int(os.environ.get("MODEL_BATCH_IMAGES", "16"))
MODEL = os.environ.get("MODEL_FILE", "handler/artifact/model.tflite")
ONNX = os.environ.get("ONNX_FILE", ".venv-peers/model.onnx")

Get = Callable[[str], bytes]
Put = Callable[[str, bytes], None]
Classify = Callable[[np.ndarray], np.ndarray]


def make_loop(get: Get, put: Put, classify: Classify) -> Callable[[list[str]], None]:
    """Returns a function that scores the pictures of some keys, each into a document, by the threads of one pool.

    `classify` takes `(n, 28, 28, 1)` uint8, 0..255, and returns probabilities, `(n, classes)` float32.
    """
    pool = ThreadPoolExecutor(CONCURRENCY)

    def read(key: str) -> tuple[str, np.ndarray]:
        return key, np.asarray(Image.open(io.BytesIO(get(key))).convert("L"))[..., np.newaxis]

    def write(key: str, probabilities: list[float]) -> None:
        best = int(np.argmax(probabilities))
        document = {"object": f"s3://{BUCKET}/{key}", "class_index": best, "probabilities": probabilities}
        put(f"{key}.json", json.dumps(document).encode())

    def score(keys: list[str]) -> None:
        waiting: list[tuple[str, np.ndarray]] = []
        writes: list[Future[None]] = []

        def flush() -> None:
            rows = classify(np.stack([image for _, image in waiting])).tolist()
            writes.extend(pool.submit(write, key, row) for (key, _), row in zip(waiting, rows, strict=True))
            waiting.clear()

        for future in as_completed([pool.submit(read, key) for key in keys]):
            waiting.append(future.result())
            if len(waiting) == BATCH:
                flush()
        if waiting:
            flush()
        for written in writes:
            written.result()

    return score
