"""Runs a trial: makes the pictures, has the function score them, and tells and draws what it makes of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from handler.contract import Manifest, Trial
from handler.conversion import convert
from handler.formats.picture import read_picture
from handler.model import Model
from training.artifact import score
from training.data.dataset import Split
from training.data.pictures import each_of
from training.report.figures import render_png, shown
from training.report.tiles import draw_tiles
from training.trial.changed import change_images
from training.trial.figures import judge_changed, judge_foreign
from training.trial.foreign import draw_foreign
from training.trial.marks import Marked, pack, score_packed

logger = logging.getLogger(__name__)

CLEAN, CHANGED, FAR, NEAR = "clean", "changed", "far", "near"  # folders of the pictures
UPSIDE_DOWN = "upside down"  # which is a near kind too
SEED = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """Holds one kind of pictures: the folder that it belongs to, its name, and the pictures as the model sees them."""

    folder: str
    name: str
    seen: np.ndarray

    @property
    def key(self) -> str:
        """Returns the name of the kind's archive, without its ending."""
        return f"{self.folder}/{self.name}"


def try_model(model: Model, artifact: Path, test: Split, others: Path | None, out: Path, count: int) -> Trial:
    """Tries a model, and leaves the pictures, the documents, and a page of tiles for each group of kinds in `out`.

    Args:
        model: the model of the artifact.
        artifact: the artifact's folder.
        test: its test images, of which at most `count` are changed.
        others: a folder of folders of pictures that show none of the classes, each a near kind of its own; or None.
        out: a folder, which is created if it is missing.
        count: the number of images of each kind, at most.

    Raises:
        TrainingError: a picture cannot be read or scored.
    """
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(test))[:count])
    some = Split(test.images[chosen], test.labels[chosen])
    kinds = list(_write_kinds(model.manifest, some, others, out / "pictures", count))
    logger.info("scoring %d kinds of pictures", len(kinds))
    marked = score_packed(out / "pictures", artifact, out)
    for folder in (CHANGED, FAR, NEAR):
        _draw(model.manifest, [kind for kind in kinds if kind.folder == folder], marked, out / f"{folder}.png")
    own = score(model, some.images).familiarity
    return Trial(
        changed=tuple(
            judge_changed(kind.name, marked[kind.key], some.labels) for kind in kinds if kind.folder in {CLEAN, CHANGED}
        ),
        foreign=tuple(
            judge_foreign(kind.name, marked[kind.key], score(model, kind.seen).familiarity, own, is_near=kind.folder == NEAR)
            for kind in kinds
            if kind.folder in {FAR, NEAR}
        ),
    )


def _write_kinds(manifest: Manifest, test: Split, others: Path | None, pictures: Path, count: int) -> Iterator[Kind]:
    def write(folder: str, name: str, some: list[PIL.Image.Image]) -> Kind:
        pack(some, pictures / folder / f"{name}.zip")
        seen = np.stack([convert(picture, manifest.input, manifest.conversion) for picture in some])
        return Kind(folder, name, seen)

    yield write(CLEAN, "as they are", _as_pictures(test.images))
    for name, images in change_images(test.images, SEED):
        yield write(CHANGED, name, _as_pictures(images))
        if name == UPSIDE_DOWN:
            yield write(NEAR, name, _as_pictures(images))
    for name, drawn in draw_foreign(test.images, min(count, 500), SEED):
        yield write(FAR, name, drawn)
    for folder in sorted(others.iterdir()) if others else ():
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))[:count]
        yield write(NEAR, folder.name, list(each_of(paths, lambda path: read_picture(path.read_bytes()), folder.name)))


def _as_pictures(images: np.ndarray) -> list[PIL.Image.Image]:
    return [PIL.Image.fromarray(image if image.shape[-1] == 3 else image[..., 0]) for image in images]


def _draw(manifest: Manifest, kinds: list[Kind], marked: dict[str, Marked], path: Path) -> None:
    """Draws the first four images of each kind as the model sees them, and says how many have neither mark."""
    blocks = [np.concatenate([np.concatenate(list(row), axis=1) for row in _square(kind.seen)]) for kind in kinds]
    captions = [f"{shown(kind.name)}\n{marked[kind.key].is_trusted.mean():.0%} trusted" for kind in kinds]
    path.write_bytes(render_png(draw_tiles(shown(f"{manifest.name} {manifest.version}"), np.stack(blocks), captions)))


def _square(images: np.ndarray) -> np.ndarray:
    """Returns the first four of the images, again and again if they are fewer, as two rows of two."""
    return np.resize(images, (4, *images.shape[1:])).reshape(2, 2, *images.shape[1:])
