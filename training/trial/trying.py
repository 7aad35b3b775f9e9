"""Runs a trial: makes the pictures, has the function score them, and tells and draws what it makes of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handler.contract import Manifest, Trial
from handler.conversion import convert
from handler.formats.picture import read_picture
from handler.model import Model
from training.artifact import score
from training.data.classified import visible, visible_folders
from training.data.dataset import Split
from training.data.pictures import as_picture
from training.errors import DataError
from training.report.figures import render_png, shown
from training.report.tiles import draw_tiles
from training.trial.changed import change_images
from training.trial.figures import judge_changed, judge_foreign
from training.trial.foreign import draw_foreign
from training.trial.marks import File, Marked, as_file, pack, score_packed, unpack

logger = logging.getLogger(__name__)

CLEAN, CHANGED, FAR, NEAR, OTHERS = "clean", "changed", "far", "near", "others"  # folders of the pictures
TURNED = {"c-flip up and down": "upside down", "c-turn left": "turned by a quarter"}  # changes that are near kinds too
DRAWN = 4  # pictures of each kind
SEED = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """Holds one kind of pictures: the folder that it belongs to, its name, and what the model makes of the pictures.

    `seen` are the first four as the model sees them, and `familiarity` is `(n,)`, or None.
    """

    folder: str
    name: str
    seen: np.ndarray
    familiarity: np.ndarray | None

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
        out: a folder without an earlier trial, which is created if it is missing.
        count: the number of images of each kind, at most.

    Raises:
        TrainingError: a picture cannot be read or scored, or there are pictures of an earlier trial.
    """
    pictures = out / "pictures"
    if pictures.exists():
        raise DataError(f"Expected a new folder for the pictures. Received: {pictures}, which exists. Name another --out.")
    found = _find_others(others) if others else {}
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(test))[:count])
    some = Split(test.images[chosen], test.labels[chosen])
    kinds = []
    for folder, name, files in _make(some, found, count):
        pack(files, pictures / folder / f"{name}.zip")
        kinds.append(_look(model, folder, name, pictures))
    logger.info("scoring %d kinds of pictures", len(kinds))
    marked = score_packed(pictures, artifact, out)
    for group in ({CHANGED}, {FAR}, {NEAR, OTHERS}):
        _draw(model.manifest, [kind for kind in kinds if kind.folder in group], marked, out / f"{min(group)}.png")
    own = next(kind.familiarity for kind in kinds if kind.folder == CLEAN)
    return Trial(
        changed=tuple(
            judge_changed(kind.name, marked[kind.key], some.labels) for kind in kinds if kind.folder in {CLEAN, CHANGED}
        ),
        foreign=tuple(
            judge_foreign(kind.name, marked[kind.key], kind.familiarity, own, is_near=kind.folder != FAR)
            for kind in kinds
            if kind.folder in {FAR, NEAR, OTHERS}
        ),
    )


def _make(test: Split, others: dict[str, list[Path]], count: int) -> Iterator[tuple[str, str, Iterator[File]]]:
    """Yields the folder, the name and the pictures of each kind."""
    yield CLEAN, "as they are", map(as_file, map(as_picture, test.images))
    for name, images in change_images(test.images, SEED):
        yield CHANGED, name, map(as_file, map(as_picture, images))
        if name in TURNED:
            yield NEAR, TURNED[name], map(as_file, map(as_picture, images))
    for name, drawn in draw_foreign(test.images, count, SEED):
        yield FAR, name, map(as_file, drawn)
    for name, paths in others.items():
        yield OTHERS, name, ((path.suffix, path.read_bytes()) for path in paths[:count])


def _look(model: Model, folder: str, name: str, pictures: Path) -> Kind:
    """Converts the pictures of a kind as the function does; of those that are changed, just those that are drawn."""
    files = unpack(pictures / folder / f"{name}.zip", DRAWN if folder == CHANGED else None)
    seen = np.stack([convert(read_picture(file), model.manifest.input, model.manifest.conversion) for file in files])
    return Kind(folder, name, seen[:DRAWN].copy(), None if folder == CHANGED else score(model, seen).familiarity)


def _find_others(others: Path) -> dict[str, list[Path]]:
    """Returns the files in each folder, by the folder's name."""
    found = {folder.name: visible(folder) for folder in visible_folders(others)}
    empty = [name for name, paths in found.items() if not paths]
    if empty or not found:
        received = f"empty: {', '.join(empty)}" if empty else "none"
        raise DataError(f"Expected folders of pictures in {others}. Received: {received}; make one for each kind of them.")
    return found


def _draw(manifest: Manifest, kinds: list[Kind], marked: dict[str, Marked], path: Path) -> None:
    """Draws four images of each kind as the model sees them, and says how many have neither mark."""
    fours = [kind.seen[np.arange(DRAWN) % len(kind.seen)] for kind in kinds]
    blocks = [np.concatenate([np.hstack(list(row)) for row in (four[:2], four[2:])]) for four in fours]
    captions = [f"{shown(kind.name)}\n{marked[kind.key].is_trusted.mean():.0%} trusted" for kind in kinds]
    path.write_bytes(render_png(draw_tiles(shown(f"{manifest.name} {manifest.version}"), np.stack(blocks), captions)))
