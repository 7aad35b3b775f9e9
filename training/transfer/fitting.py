"""Makes a model of one's own photos: loads them, learns them from a backbone, says what to expect, and exports."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from handler.model import Model
from training.data.folders import load_folders
from training.transfer.backbones import Backbone, side_of
from training.transfer.contest import prefer_backbone, try_own_network
from training.transfer.guidance import say_what_to_expect
from training.transfer.learning import export_learnt, learn, tune_learnt

COMPARED = 5_000  # images of each part that a backbone is compared by, since more would need gigabytes at its size


def fit_photos(
    images: Path,
    labels: Path | None,
    size: int | None,
    backbone: str | None,
    out: Path,
    *,
    tuned: bool,
    name: str | None,
    version: str,
) -> Model | None:
    """Learns the classes of photos from a backbone, and writes the artifact into `out`.

    Args:
        images: the folder of folders of images.
        labels: a CSV of the classes of some of the images.
        size: the side in pixels that the images are brought to; None takes the backbone's.
        backbone: the name of the pretrained network; None takes the one that ships, if it is better than a network that starts
            from nothing.
        out: the artifact's folder, which is created if it is missing.
        tuned: whether the upper layers of the backbone are tuned.
        name: the model's name in documents; None takes that of `images`.
        version: the model's version in documents.

    Returns:
        The artifact, verified; or None, without an artifact, if a network that starts from nothing is better.

    Raises:
        TrainingError: the images cannot be used, or the backbone is not to be had.
    """
    chosen = Backbone(backbone or Backbone.efficientnet_lite0)
    load = partial(load_folders, images, size or side_of(chosen), labels=labels, in_colour=True)
    dataset = load(at_most=None if backbone else COMPARED)
    learnt = learn(dataset, chosen)
    if backbone is None:
        if not prefer_backbone(chosen, learnt.judged.accuracy, try_own_network(dataset.train, dataset.classes)):
            return None
        if max(len(dataset.train), len(dataset.test)) >= COMPARED:  # there may be more
            del learnt  # gigabytes
            dataset = load()
            learnt = learn(dataset, chosen)
    by_heads = learnt.judged
    if tuned:
        learnt = tune_learnt(learnt, dataset, chosen)
    say_what_to_expect(learnt.features, by_heads, learnt.judged)
    return export_learnt(learnt, dataset, chosen, out, name=name, version=version)
