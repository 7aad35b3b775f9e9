"""Describes images by numbers, so that images that look alike get numbers that are near each other. Pure, and knows no label.

An image is described by its edges and, with less weight, by its colours. Edges: Dalal and Triggs, "Histograms of Oriented
Gradients for Human Detection", CVPR 2005, with 7 by 7 cells, blocks of 2 by 2 cells and 9 directions. Edges matter most where
the things in the images lie before different grounds: of photos in which labels were changed on purpose, pixels alone put 28%
at the top of the list of doubtful labels, edges and colours 52%.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

COMPONENTS = 64  # more find no more labels that were changed on purpose
CELLS = 7  # about, along each side
DIRECTIONS = 9
COLOUR_CELLS = 14  # about, along each side
COLOUR_WEIGHT = 0.5  # of the spread of the colours, where that of the edges is 1

_SAMPLE = 5_000  # images that the components are found on
_CHUNK = 1_000  # images that are described at once, which bounds the memory
_MIN_SIDE = 4  # pixels; a smaller image is enlarged by its own edge, since a block of cells needs four
_CLIP = 0.3  # the largest value in a block, so that one strong edge does not hide the others
_SEED = 0


def describe(images: np.ndarray) -> np.ndarray:
    """Describes images by at most `COMPONENTS` numbers each; Euclidean distances between them tell how unlike the images are.

    Args:
        images: `(n, height, width, channels)` uint8, 0..255, n >= 2.

    Returns:
        The numbers, `(n, d)` float32, whose variances over the sample add up to 1 unless all images are equal.
    """
    rng = np.random.default_rng(_SEED)
    sample = images[np.sort(rng.permutation(len(images))[:_SAMPLE])]
    edges, colours = edges_of(sample), colours_of(sample)
    edge_scale, colour_scale = 1 / _spread(edges), COLOUR_WEIGHT / _spread(colours)
    rows = np.hstack([edges * edge_scale, colours * colour_scale])
    components = PCA(min(COMPONENTS, *rows.shape), svd_solver="randomized", random_state=_SEED)
    # Of equal images, no component has a share of the variance. More threads are slower as soon as anything else runs.
    with np.errstate(invalid="ignore"), threadpool_limits(1, "blas"):
        components.fit(rows)
    scale = 1 / (math.sqrt(float(components.explained_variance_.sum())) or 1.0)

    def transformed() -> Iterator[np.ndarray]:
        for start in range(0, len(images), _CHUNK):
            chunk = images[start : start + _CHUNK]
            rows = np.hstack([edges_of(chunk) * edge_scale, colours_of(chunk) * colour_scale])
            yield (components.transform(rows) * scale).astype(np.float32)

    with threadpool_limits(1, "blas"):
        return np.concatenate(list(transformed()))


def edges_of(images: np.ndarray) -> np.ndarray:
    """Returns the strength of the edges of each direction in each block of cells, `(n, d)` float32, 0.._CLIP."""
    short = [(0, max(_MIN_SIDE - side, 0)) for side in images.shape[1:3]]
    grey = np.pad(images.mean(axis=3, dtype=np.float32) / 255, [(0, 0), *short], "edge")
    down, right = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, right)
    direction = (np.arctan2(down, right) % np.pi) / np.pi * DIRECTIONS
    cells = []
    for index in range(DIRECTIONS):
        apart = np.abs(direction - index)
        share = np.maximum(1 - np.minimum(apart, DIRECTIONS - apart), 0)  # an edge counts for the two nearest directions
        cells.append(_by_cell((strength * share)[..., None], CELLS, at_least=2)[..., 0])
    histogram = np.stack(cells, axis=3)  # (n, rows, columns, directions)
    rows, columns = histogram.shape[1] - 1, histogram.shape[2] - 1
    blocks = np.concatenate([histogram[:, y : y + rows, x : x + columns] for y in (0, 1) for x in (0, 1)], axis=3)
    length = np.sqrt((blocks**2).sum(axis=3, keepdims=True) + 1e-4)
    return np.asarray(np.minimum(blocks / length, _CLIP).reshape(len(images), -1))


def colours_of(images: np.ndarray) -> np.ndarray:
    """Returns the mean of each channel in each cell of a grid, `(n, d)` float32, 0..1."""
    return np.asarray(_by_cell(images, COLOUR_CELLS, at_least=1).reshape(len(images), -1) / 255)


def _by_cell(values: np.ndarray, cells: int, *, at_least: int) -> np.ndarray:
    """Averages `(n, height, width, channels)` over about `cells` by `cells` cells of `at_least` pixels; leaves out the rest."""
    n, height, width, channels = values.shape
    high, wide = (max(side // cells, at_least) for side in (height, width))
    rows, columns = height // high, width // wide
    whole = values[:, : rows * high, : columns * wide].reshape(n, rows, high, columns, wide, channels)
    return np.asarray(whole.mean(axis=(2, 4), dtype=np.float32))


def _spread(rows: np.ndarray) -> float:
    """Returns the root of the sum of the columns' variances, or 1 if all rows are equal."""
    return math.sqrt(float(rows.var(axis=0).sum())) or 1.0
