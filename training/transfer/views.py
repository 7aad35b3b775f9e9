"""Makes views of photos for a head to learn from: mirrored, and cropped at random. Pure, but for the source of randomness."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import PIL.Image

MIN_AREA = 0.5  # of a crop, as a fraction of the photo


def make_views(images: np.ndarray, count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yields `count` views of all images: the images themselves, then mirrored, then crops of at least half of their area.

    Args:
        images: `(n, height, width, channels)` uint8, 0..255.
        count: the number of views.
        rng: the source of all randomness; it is advanced.
    """
    for number in range(count):
        if number == 0:
            yield images
        elif number == 1:
            yield images[:, :, ::-1]
        else:
            yield np.stack([_crop(image, rng) for image in images])


def _crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cuts a part of the same proportions out, enlarges it to the image's size, and mirrors every other one."""
    height, width, channels = image.shape
    scale = np.sqrt(rng.uniform(MIN_AREA, 1))
    high, wide = max(1, round(scale * height)), max(1, round(scale * width))
    top, left = rng.integers(0, height - high + 1), rng.integers(0, width - wide + 1)
    part = np.ascontiguousarray(image[top : top + high, left : left + wide])
    picture = PIL.Image.fromarray(part if channels == 3 else part[..., 0])
    enlarged = np.asarray(picture.resize((width, height), PIL.Image.Resampling.BILINEAR)).reshape(image.shape)
    return enlarged[:, ::-1] if rng.random() < 0.5 else enlarged
