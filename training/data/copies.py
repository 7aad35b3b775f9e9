"""Finds test images that are copies of training images, also if they were stored again, resized or mirrored. Pure."""

from __future__ import annotations

import numpy as np
import PIL.Image

from training.data.pictures import as_picture

SIDE = 16  # pixels that each image is reduced to
# The least correlation of two copies. Of 372 photos, each stored again as JPEG at half of its size, 95 in 100 reach it; no two
# of 3,440 different photos come near to it, and of Fashion-MNIST's test images 0.3% do, which are hardly different garments.
CORRELATION = 0.997
_BLOCK = 1_000  # images that are compared with all others at once


def find_copies(images: np.ndarray, others: np.ndarray) -> list[tuple[int, int]]:
    """Finds the images that look the same as one of the others, or as its mirror image.

    Two images look the same if their pixels correlate, once both are reduced to a few. So light and contrast do not count, nor
    does how an image was stored; a copy that was cut or turned is not found.

    Args:
        images: `(n, height, width, channels)` uint8.
        others: `(m, height, width, channels)` uint8.

    Returns:
        The position in `images`, in their order, of each that has a copy, and that of its best copy in `others`.
    """
    if not len(images) or not len(others):
        return []
    known = _describe(others)
    copies = []
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK]
        likeness = np.maximum(_describe(block) @ known.T, _describe(block[:, :, ::-1]) @ known.T)
        best = likeness.argmax(axis=1)
        found = np.flatnonzero(likeness.max(axis=1) >= CORRELATION)
        copies += [(start + int(position), int(best[position])) for position in found]
    return copies


def _describe(images: np.ndarray) -> np.ndarray:
    """Returns a row for each image, of length 1, whose product with another's is the correlation of both."""
    rows = np.stack([_reduce(image) for image in images])
    rows -= rows.mean(axis=1, keepdims=True)
    rows[~rows.any(axis=1)] = 1  # images without any contrast are like each other alone
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _reduce(image: np.ndarray) -> np.ndarray:
    return np.asarray(as_picture(image).resize((SIDE, SIDE), PIL.Image.Resampling.BOX), np.float32).ravel()
