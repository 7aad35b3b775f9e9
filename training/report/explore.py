"""Shows labelled images: each class in three rows, how many there are, and how a model pulls the classes apart.

The embeddings are t-SNE's: van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008. The second one begins
where the first one ended and is turned to lie on it as well as it can, so that what moves is what the model did.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from handler.contract import Manifest
from handler.model import Model
from training.artifact import score
from training.config import Config
from training.data.mnist import Dataset, Split, hold_out
from training.network.fit import slices
from training.report.data_figures import draw_class_balance, draw_embedding, draw_sprite
from training.report.figures import render_gif, render_png, shown
from training.report.page import Picture, write_page

POINTS = 1_500  # of an embedding; t-SNE takes seconds for them
FRAMES = 40
HOLD_MS, FRAME_MS = 2_000, 60
SEED = 0

_TEXTS = {
    "sprite.png": (
        "Images of each class",
        "Three rows of each class, its first training images: how alike they are, and how odd.",
    ),
    "class-balance.png": (
        "How many images each class has",
        "A class with a shorter bar is seen less in training, and its figures rest on fewer images.",
    ),
    "embedding.gif": (
        "From pixels to classes",
        (
            "Points begin near each other where images have like pixels, and end so where the model gives like probabilities; "
            "one that ends in a crowd of another colour is one that the model takes for that class, or hesitates about."
        ),
    ),
}


def explore(model: Model, dataset: Dataset, out: Path, points: int = POINTS) -> list[Path]:
    """Writes the pictures of `dataset`, an embedding of `points` images with them, and their page; returns the paths."""
    train, test, names = dataset.train, dataset.test, dataset.classes
    chosen, described = sample(model.manifest, dataset, points)
    contents = {
        "sprite.png": render_png(draw_sprite(train.images, train.labels, names)),
        "class-balance.png": render_png(draw_class_balance({"train": train.labels, "test": test.labels}, names)),
        "embedding.gif": embed(model, chosen, described),
    }
    notes = [
        f"{len(train):,} training images, {len(test):,} test images, {len(names)} classes.",
        f"The embedding is of {described}, and the model in it is {model.manifest.name} {model.manifest.version}.",
    ]
    pictures = [Picture(file, *_TEXTS[file], content) for file, content in contents.items()]
    return write_page(out, f"Images of {dataset.name}", notes, pictures)


def sample(manifest: Manifest, dataset: Dataset, points: int) -> tuple[Split, str]:
    """At most `points` images, with the share that each class has, and what they are.

    They are of those held out of the model's training where the manifest tells which these are, of all training images if not.
    """
    pool, kind = dataset.train, "training"
    if manifest.dataset.get("md5_of_content") == dataset.checksums:
        try:
            _, pool = slices(msgspec.convert(manifest.training.get("config"), Config), dataset)
            kind = "held-out training"
        except msgspec.ValidationError:  # of a model from elsewhere, or of other code
            pass
    _, chosen = hold_out(pool, points, SEED)
    return chosen, f"{len(chosen):,} {kind} images"


def embed(model: Model, chosen: Split, described: str) -> bytes:
    """The way from an embedding of pixels to one of the model's log-probabilities, as a GIF."""
    console = Console(stderr=True)
    features = log_odds(score(model, chosen.images))
    with console.status(f"embedding {described} twice, by t-SNE"):
        ends = embeddings(chosen.images, features)
    frames = track(
        draw_embedding(
            f"{described} of {shown(model.manifest.name)}",
            ends,
            ("pixels", "model's output"),
            chosen.labels,
            model.manifest.classes,
            FRAMES,
        ),
        "drawing",
        FRAMES,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    return render_gif(list(frames), [HOLD_MS, *[FRAME_MS] * (FRAMES - 2), HOLD_MS])


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """What probabilities `(n, classes)` tell of the logits: their logarithms, each row brought to a mean of 0."""
    logarithms = np.log(np.maximum(probabilities, 1e-9))
    return np.asarray(logarithms - logarithms.mean(axis=1, keepdims=True))


def embeddings(images: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two embeddings `(n, 2)` from -1 to 1: of uint8 `images` `(n, …)`, and of `features` `(n, d)`, laid upon the first."""
    pixels = images.reshape(len(images), -1) / 255
    components = PCA(min(50, *pixels.shape), random_state=SEED).fit_transform(pixels)
    with threadpool_limits(1):  # threads would add up the forces in an order of their own, and so end elsewhere each time
        first = _spread(_tsne(components, "pca"))
        second = _spread(_tsne(features, first * 1e-4))
    turn, _ = orthogonal_procrustes(second, first)
    return first, _spread(second @ turn)


def _tsne(rows: np.ndarray, start: str | np.ndarray) -> np.ndarray:
    tsne = TSNE(perplexity=min(30, (len(rows) - 1) / 3), init=start, random_state=SEED)
    return np.asarray(tsne.fit_transform(rows))


def _spread(points: np.ndarray) -> np.ndarray:
    """Moves `points` `(n, 2)` to the middle and scales them until they just fit -1 to 1."""
    centred = points - (points.max(axis=0) + points.min(axis=0)) / 2
    return np.asarray(centred / np.abs(centred).max())
