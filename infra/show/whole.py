"""Writes files and folders under temporary names, and moves them into place when they are whole."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from infra.errors import WrongUse

STANDARD_OUTPUT = Path("-")


def require_writable(out: Path) -> None:
    """Requires that a file can be written at `out`, as far as can be told beforehand; its folder is made if it is missing.

    Raises:
        WrongUse: it cannot.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(
            f"Expected a file to write. Received: {out}, whose folder cannot be made ({error.strerror}); name another."
        ) from error
    if out.is_dir():
        raise WrongUse(f"Expected a file to write. Received: {out}, a folder; name another.")
    written = out if out.exists() and not out.is_file() else out.parent  # a pipe is written as it is, a file by its folder
    if not os.access(written, os.W_OK):
        raise WrongUse(f"Expected a file to write. Received: {out}; {written} cannot be written to; name another.")


@contextmanager
def whole_file(out: Path) -> Iterator[BinaryIO]:
    """Opens a file for writing that takes the place of `out`, in one step, once it is whole.

    The standard output, which is `-`, and what is no file, such as a pipe, are written as they are.

    Raises:
        WrongUse: `out` is a folder.
    """
    if out == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if out.is_dir():
        raise WrongUse(f"Expected a file to write. Received: {out}, which is a folder; name another.")
    if out.exists() and not out.is_file():
        with out.open("wb") as file:
            yield file
        return
    partial = _partial(out)
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Makes a folder that gets the name `out` once it is whole.

    Raises:
        WrongUse: `out` is there already, and is not an empty folder.
    """
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise WrongUse(f"Expected a new folder. Received: {out}, which is there already; remove it, or name another one.")
    partial = _partial(out)
    partial.mkdir()
    try:
        yield partial
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _partial(out: Path) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    return out.with_name(f".{out.name}.{os.getpid()}.partial")
