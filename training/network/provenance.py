"""States the code and the libraries that a result was made by."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

import keras

_HANDLER = ("contract", "conversion", "article", "article_parts", "model")
_CODE = ("training", *(f"handler/{name}.py" for name in _HANDLER), "requirements/train.txt")
_LIBRARIES = ("keras", "numpy", "ai-edge-litert")
_BACKENDS = {"tensorflow": ("tensorflow-cpu", "tensorflow"), "jax": ("jax",), "torch": ("torch",)}


def read_revision() -> str:
    """Returns the commit of the training code, with `-dirty` after it if files were changed; "unknown" outside a checkout."""
    root = Path(__file__).parents[2]
    command = ["git", "-C", str(root)]
    commit = subprocess.run([*command, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if commit.returncode:
        return "unknown"
    changed = subprocess.run([*command, "status", "--porcelain", "--", *_CODE], capture_output=True, text=True, check=True)
    return commit.stdout.strip() + ("-dirty" if changed.stdout else "")


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the libraries that a run's result depends on, by name."""
    found = {"python": platform.python_version()}
    for name in (*_LIBRARIES, *_BACKENDS.get(keras.backend.backend(), ())):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
