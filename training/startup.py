"""Loads native libraries without their start-up messages, so that the first lines that a command prints are its own."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from training.errors import TrainingError

_PASS_ON = ["grep", "--line-buffered", "-Ev", "^(I0000 |INFO: |WARNING: All log messages before absl::InitializeLog)"]


@contextmanager
def without_startup_messages() -> Iterator[None]:
    """Removes informational messages of TensorFlow and LiteRT from standard error while the body runs.

    No setting does that: TensorFlow 2.21 writes its first messages before it reads `TF_CPP_MIN_LOG_LEVEL`, and LiteRT has no
    log level in Python. Every other line is passed on, by a process of its own, so that a message before a crash is shown too.
    """
    sys.stderr.flush()
    stderr, (reading, writing) = os.dup(2), os.pipe()
    passing_on = subprocess.Popen(_PASS_ON, stdin=reading, stdout=stderr)
    os.dup2(writing, 2)
    os.close(reading)
    os.close(writing)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)  # closes the last writing end of the pipe, so that the process ends
        os.close(stderr)
        passing_on.wait()


def load_keras() -> None:
    """Imports Keras and its backend, which takes seconds, and lets TensorFlow log errors only.

    Raises:
        TrainingError: KERAS_BACKEND names a backend that is unknown or not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with without_startup_messages():
            importlib.import_module("keras")
    except (ImportError, ValueError) as error:
        backend = os.environ.get("KERAS_BACKEND", "the default")
        raise TrainingError(f"Expected an installed backend in KERAS_BACKEND. Received: {backend} ({error}).") from error
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
