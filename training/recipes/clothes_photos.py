"""Trains the artifact clothes-photos, which tells ten classes of clothes in photos, in about a quarter of an hour on two cores.

    git clone https://github.com/alexeygrigorev/clothing-dataset-small
    python -m training.recipes.clothes_photos clothing-dataset-small

The photos are Alexey Grigorev's (CC0 1.0): 3,068 to learn from and 372 to measure by. What ships was made of these photos
scaled to at most 256 pixels. docs/clothes-photos.md says what each step gave.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

PARTS = ("train", "test")  # the publisher's folder of validation photos is not used


def main(
    photos: Annotated[Path, typer.Argument(help="The publisher's folder, with the folders train and test.")],
    work: Annotated[Path, typer.Option(help="Folder in which the two parts are linked.")] = Path(".training"),
    out: Annotated[Path, typer.Option(help="Folder of the artifact.")] = Path("training/shipped/clothes-photos"),
    *,
    frozen: Annotated[bool, typer.Option("--frozen", help="Show in less time that every step works.")] = False,
) -> None:
    """Trains the artifact clothes-photos."""
    images = link_parts(photos, work / "clothing-dataset-small")
    command = [sys.executable, "-m", "training", "fit", "--images", str(images), "--backbone", "efficientnet-lite0"]
    command += ["--name", "clothes-photos", "--version", "1.0.0", "--out", str(out), *(["--frozen"] if frozen else [])]
    raise SystemExit(subprocess.run(command, check=False).returncode)


def link_parts(photos: Path, folder: Path) -> Path:
    """Makes a folder that holds links to the two parts alone, and returns it.

    Raises:
        typer.BadParameter: a part is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        if not (photos / part).is_dir():
            raise typer.BadParameter(f"Expected the folders {' and '.join(PARTS)} in {photos}. Received: no {photos / part}.")
        link = folder / part
        link.unlink(missing_ok=True)
        link.symlink_to((photos / part).resolve())
    return folder


if __name__ == "__main__":
    typer.run(main)
