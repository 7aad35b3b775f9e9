"""Has the function score pictures, and reads their marks out of its documents."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import PIL.Image

from training.errors import TrainingError

File = tuple[str, bytes]  # the ending of its name, and its content


@dataclass(frozen=True, slots=True)
class Marked:
    """Holds what documents say of some images, each field `(n,)`: the class by its index, its confidence, and both marks."""

    classes: np.ndarray
    confidence: np.ndarray
    is_unsure: np.ndarray
    is_unfamiliar: np.ndarray

    @property
    def is_trusted(self) -> np.ndarray:
        """Returns whether an image has neither mark."""
        return np.asarray(~(self.is_unsure | self.is_unfamiliar))


class _Row(msgspec.Struct, frozen=True):
    """A row of the table of documents; `unsure` and `unfamiliar` are null in those of a model without such a threshold."""

    key: str
    image: str
    class_index: int | None
    confidence: float | None
    unsure: bool | None
    unfamiliar: bool | None
    message: str | None


def as_file(picture: PIL.Image.Image) -> File:
    """Returns a picture as PNG."""
    content = io.BytesIO()
    picture.save(content, "PNG", compress_level=1)
    return ".png", content.getvalue()


def pack(files: Iterable[File], path: Path) -> None:
    """Writes files of pictures into a zip file, named by their numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (suffix, content) in enumerate(files):
            archive.writestr(f"{number:06}{suffix}", content)


def unpack(path: Path, at_most: int | None = None) -> Iterator[bytes]:
    """Yields the files in a zip file that `pack` wrote, in their order."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist()[:at_most]:
            yield archive.read(name)


def score_packed(pictures: Path, artifact: Path, out: Path) -> dict[str, Marked]:
    """Scores the zip files in a folder by the command that scores folders, and returns the marks of each by its name.

    Args:
        pictures: the folder of zip files, as `pack` writes them.
        artifact: the folder of the artifact.
        out: the folder that the documents and the table of them are written to.

    Raises:
        TrainingError: the command failed, or a picture was rejected.
    """
    table = out / "rows.jsonl"
    command = [sys.executable, "-m", "infra", "score", str(pictures), "--artifact", str(artifact.resolve())]
    done = subprocess.run(
        [*command, "--out", str(out / "documents"), "--table", str(table), "--strict", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TrainingError(f"Expected every picture of a trial to be scored. Received: {done.stderr.strip() or done.stdout}.")
    rows: dict[str, list[_Row]] = {}
    for line in table.read_bytes().splitlines():
        row = msgspec.json.decode(line, type=_Row)
        rows.setdefault(row.key, []).append(row)
    return {key.removesuffix(".zip"): _read(some) for key, some in rows.items()}


def _read(rows: list[_Row]) -> Marked:
    for row in rows:
        if row.class_index is None:
            raise TrainingError(f"Expected a prediction for {row.image} of {row.key}. Received: {row.message}.")
    ordered = sorted(rows, key=lambda row: row.image)
    return Marked(
        np.array([row.class_index for row in ordered], int),
        np.array([row.confidence for row in ordered], float),
        np.array([bool(row.unsure) for row in ordered], bool),
        np.array([bool(row.unfamiliar) for row in ordered], bool),
    )
