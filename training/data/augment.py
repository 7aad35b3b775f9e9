"""Makes random variants of training images, a batch at a time, by shifting, mirroring and erasing (data augmentation).

It needs NumPy only, so that training on any backend of Keras can use it.

Random erasing: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, arXiv:1708.04896, with the paper's defaults
(area 2% to 40% of the image, aspect 0.3 to 1/0.3, filled with noise).
"""

from __future__ import annotations

import math

import numpy as np

ERASED_AREA = (0.02, 0.4)  # least and largest, as fractions of the image
ERASED_ASPECT = (0.3, 1 / 0.3)  # least and largest, height over width


def augment(
    images: np.ndarray, rng: np.random.Generator, *, shift_pixels: int, flip: bool, erase_probability: float
) -> np.ndarray:
    """Returns a new random variant of each image, and leaves `images` as they are.

    Args:
        images: `(n, height, width, channels)` uint8, 0..255.
        rng: the source of all randomness; it is advanced.
        shift_pixels: the largest shift along each axis, in pixels.
        flip: whether half of the images, chosen at random, are mirrored left to right.
        erase_probability: the probability, 0..1, that a rectangle of an image is erased.

    Returns:
        The variants, with the shape and dtype of `images`.
    """
    views = shift(images, rng, shift_pixels)
    if flip:
        mirrored = rng.random(len(views)) < 0.5
        views[mirrored] = views[mirrored, :, ::-1]
    return erase(views, rng, erase_probability)


def shift(images: np.ndarray, rng: np.random.Generator, pixels: int) -> np.ndarray:
    """Moves each image by up to `pixels` along both axes, and fills the edge with background (0)."""
    n, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    down, right = rng.integers(0, 2 * pixels + 1, (2, n))
    chosen: np.ndarray = windows[np.arange(n), down, right]  # windows: (n, y, x, channels, height, width)
    return np.moveaxis(chosen, 1, -1).copy()


def erase(images: np.ndarray, rng: np.random.Generator, probability: float) -> np.ndarray:
    """Fills one random rectangle of an image with noise, in a fraction `probability` of the images on average."""
    n, height, width, _ = images.shape
    area = rng.uniform(*ERASED_AREA, n) * height * width
    aspect = np.exp(rng.uniform(math.log(ERASED_ASPECT[0]), math.log(ERASED_ASPECT[1]), n))
    tall = np.minimum(np.sqrt(area * aspect), height - 1).astype(int)
    wide = np.minimum(np.sqrt(area / aspect), width - 1).astype(int)
    top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    rows, columns = np.arange(height), np.arange(width)
    in_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])  # (n, height)
    in_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])  # (n, width)
    hit = np.less(rng.random(n), probability)
    erased = in_rows[:, :, None] & in_columns[:, None, :] & hit[:, None, None]
    noise = rng.integers(0, 256, images.shape, np.uint8)
    return np.where(erased[..., None], noise, images)
