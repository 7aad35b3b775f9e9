"""Shows labelled images: examples of each class, the number of images, doubtful labels, and how a model separates the classes.

The embeddings are made by t-SNE: van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008. The second embedding
starts from the first one and is rotated to match it as closely as possible, so that the movement shows the effect of the model.
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
from training.data.dataset import Dataset, Split
from training.data.held_out import hold_out, split_training_images
from training.report.data_figures import draw_class_balance, draw_embedding, draw_sprite
from training.report.doubt_list import DRAWN, describe_doubts, doubt_dataset, draw_doubts, render_csv
from training.report.figures import render_gif, render_png, shown
from training.report.page import Picture, write_page

POINTS = 1_500  # of an embedding; t-SNE takes seconds for this number
FRAMES = 40
DOUBTS_FILE = "doubtful-labels.csv"
HOLD_MS, FRAME_MS = 2_000, 60
SEED = 0

_TEXTS = {
    "sprite.png": (
        "Images of each class",
        "The first training images of each class, in three rows: they show how much the images of a class vary.",
    ),
    "class-balance.png": (
        "The number of images of each class",
        "A class with a shorter bar is seen less often in training, and its figures rest on fewer images.",
    ),
    "doubtful-labels.png": (
        "The most doubtful labels",
        (
            f"The first {DRAWN} labels that are contradicted by the images that look most alike, or by the probabilities of a "
            "simple classifier that has not seen the label; neither knows the model. Look at each before you correct it: it "
            f"may be right, and the image unusual. {DOUBTS_FILE} lists them all."
        ),
    ),
    "embedding.gif": (
        "From pixels to classes",
        (
            "At the start, points are near each other if their images have similar pixels; at the end, if the model gives them "
            "similar probabilities. A point that ends among points of another colour is an image that the model takes for that "
            "class, or is unsure about."
        ),
    ),
}


def explore(model: Model, dataset: Dataset, out: Path, points: int = POINTS) -> list[Path]:
    """Writes the pictures of a data set, their page, and the list of doubtful labels into `out`.

    Args:
        model: the model whose output the embedding ends with.
        dataset: the images.
        out: the folder, which is created if it is missing.
        points: the number of images in the embedding.

    Returns:
        The paths of the files.
    """
    train, test, names = dataset.train, dataset.test, dataset.classes
    chosen, described = sample(model.manifest, dataset, points)
    with Console(stderr=True).status("judging the labels"):
        doubts = doubt_dataset(dataset)
    contents = {
        "sprite.png": render_png(draw_sprite(train.images, train.labels, names)),
        "class-balance.png": render_png(draw_class_balance({"train": train.labels, "test": test.labels}, names)),
        **({"doubtful-labels.png": render_png(draw_doubts(doubts, dataset))} if doubts.found else {}),
        "embedding.gif": embed(model, chosen, described),
    }
    notes = [
        f"{len(train):,} training images, {len(test):,} test images, {len(names)} classes.",
        *describe_doubts(doubts, dataset, score(model, test.images).probabilities.argmax(axis=1)),
        f"The embedding is of {described}, and the model in it is {model.manifest.name} {model.manifest.version}.",
    ]
    pictures = [Picture(file, *_TEXTS[file], content) for file, content in contents.items()]
    paths = write_page(out, f"Images of {dataset.name}", notes, pictures)
    (out / DOUBTS_FILE).write_bytes(render_csv(doubts, dataset))
    return [*paths, out / DOUBTS_FILE]


def sample(manifest: Manifest, dataset: Dataset, points: int) -> tuple[Split, str]:
    """Draws at most `points` training images, with the same share of every class.

    They are drawn from the images that were held out of the model's training, if the manifest tells which these are, and from
    all training images otherwise.

    Returns:
        The images, and a description of them in words.
    """
    pool, kind = dataset.train, "training"
    if manifest.dataset.get("md5_of_content") == dataset.checksums:
        try:
            _, pool = split_training_images(msgspec.convert(manifest.training.get("config"), Config), dataset)
            kind = "held-out training"
        except msgspec.ValidationError:  # the model was trained elsewhere, or by another version of the code
            pass
    _, chosen = hold_out(pool, points, SEED)
    return chosen, f"{len(chosen):,} {kind} images"


def embed(model: Model, chosen: Split, described: str) -> bytes:
    """Renders the movement from an embedding of pixels to one of the model's log-probabilities as a GIF file."""
    console = Console(stderr=True)
    features = log_odds(score(model, chosen.images).probabilities)
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
    """Recovers logits, up to a constant, from probabilities `(n, classes)`: logarithms, each row shifted to a mean of 0."""
    logarithms = np.log(np.maximum(probabilities, 1e-9))
    return np.asarray(logarithms - logarithms.mean(axis=1, keepdims=True))


def embeddings(images: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embeds images by their pixels and by features, and aligns the second embedding with the first.

    Args:
        images: `(n, height, width, channels)` uint8, 0..255.
        features: `(n, d)` float.

    Returns:
        The two embeddings, each `(n, 2)` float from -1 to 1.
    """
    pixels = images.reshape(len(images), -1) / 255
    components = PCA(min(50, *pixels.shape), random_state=SEED).fit_transform(pixels)
    with threadpool_limits(1):  # several threads add up forces in a varying order, so each call would end elsewhere
        first = _spread(_tsne(components, "pca"))
        second = _spread(_tsne(features, first * 1e-4))
    turn, _ = orthogonal_procrustes(second, first)
    return first, _spread(second @ turn)


def _tsne(rows: np.ndarray, start: str | np.ndarray) -> np.ndarray:
    tsne = TSNE(perplexity=min(30, (len(rows) - 1) / 3), init=start, random_state=SEED)
    return np.asarray(tsne.fit_transform(rows))


def _spread(points: np.ndarray) -> np.ndarray:
    """Centres `points`, `(n, 2)`, and scales them to fill the range from -1 to 1."""
    centred = points - (points.max(axis=0) + points.min(axis=0)) / 2
    return np.asarray(centred / np.abs(centred).max())
