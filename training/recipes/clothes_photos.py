"""Trains the artifact clothes-photos, which tells ten classes of clothes in photos, in about a quarter of an hour on two cores.

    git clone https://github.com/alexeygrigorev/clothing-dataset-small
    python -m training.recipes.clothes_photos clothing-dataset-small

The photos are Alexey Grigorev's (CC0 1.0): 3,068 to learn from and 372 to measure by. They are scaled to at most 256 pixels
first. docs/clothes-photos.md says what each step gave.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import PIL.Image
import typer

PARTS = ("train", "test")  # the publisher's folder of validation photos is not used
OUT = Path("training/shipped/clothes-photos")
LONGER_SIDE = 256  # pixels, at most
QUALITY = 90  # of a photo that is scaled and stored as JPEG again


def main(
    photos: Annotated[Path, typer.Argument(help="The publisher's folder, with the folders train and test.")],
    work: Annotated[Path, typer.Option(help="Folder of the scaled photos.")] = Path(".training"),
    out: Annotated[Path, typer.Option(help="Folder of the artifact.")] = OUT,
    *,
    frozen: Annotated[bool, typer.Option("--frozen", help="Show sooner that every step works; name another --out.")] = False,
) -> None:
    """Trains the artifact clothes-photos."""
    if frozen and out == OUT:
        raise typer.BadParameter(f"Expected another --out with --frozen. Received: {OUT}, which is what ships.")
    images = scale_photos(photos, work / "clothing-dataset-small")
    command = [sys.executable, "-m", "training", "fit", "--images", str(images), "--backbone", "efficientnet-lite0"]
    command += ["--name", "clothes-photos", "--version", "1.1.0", "--out", str(out), *(["--frozen"] if frozen else [])]
    raise SystemExit(subprocess.run(command, check=False).returncode)


def scale_photos(photos: Path, folder: Path) -> Path:
    """Writes both parts of the photos into `folder`, anew, and returns it; what is small enough stays as it is.

    Raises:
        typer.BadParameter: a part is missing, or both folders are one.
    """
    missing = [part for part in PARTS if not (photos / part).is_dir()]
    if missing or folder.resolve() == photos.resolve():
        received = f"no {photos / missing[0]}" if missing else f"{photos}, where the scaled ones belong"
        raise typer.BadParameter(
            f"Expected the folders {' and '.join(PARTS)} in the publisher's folder. Received: {received}; name the folder of a "
            "clone of clothing-dataset-small."
        )
    for part in PARTS:
        shutil.rmtree(folder / part, ignore_errors=True)
        for path in sorted((photos / part).glob("*/*")):
            scaled = folder / part / path.parent.name / path.name
            scaled.parent.mkdir(parents=True, exist_ok=True)
            _scale(path, scaled)
    return folder


def _scale(path: Path, scaled: Path) -> None:
    with PIL.Image.open(path) as picture:
        if max(picture.size) <= LONGER_SIDE:
            shutil.copyfile(path, scaled)
            return
        picture.thumbnail((LONGER_SIDE, LONGER_SIDE), PIL.Image.Resampling.LANCZOS)
        picture.save(scaled, quality=QUALITY)


if __name__ == "__main__":
    typer.run(main)
