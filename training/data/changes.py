"""Changes training images as users' pictures differ from them: turned, scaled, sheared, lit otherwise, blurred, noisy, covered.

It needs NumPy only, so that training on any backend of Keras can use it. Every change is drawn for each image on its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WHITE = 255.0


@dataclass(frozen=True, slots=True)
class Changed:
    """Holds changed images, `(n, height, width, channels)` uint8, 0..255.

    `turned` is `(n,)` bool, whether an image was turned by a quarter, by a half, or mirrored upside down: its class is the
    same, but no training image looks like it.
    """

    images: np.ndarray
    turned: np.ndarray


def change(images: np.ndarray, rng: np.random.Generator) -> Changed:
    """Returns a new changed variant of each image, and leaves `images` as they are.

    Args:
        images: `(n, height, width, channels)` uint8, 0..255, on a ground of 0.
        rng: the source of all randomness; it is advanced.
    """
    pixels, turned = _turn(images, rng, 0.15)
    n = len(pixels)
    look = rng.choice(len(_LOOKS), n, p=_SHARES)
    warped = (rng.random(n) < 0.5) | (look == len(_LOOKS) - 1)  # so that something is changed
    pixels[warped] = _warp(pixels[warped], rng)
    for index, step in enumerate(_LOOKS):
        pixels[look == index] = step(pixels[look == index], rng)
    return Changed(np.clip(np.rint(pixels), 0, WHITE).astype(np.uint8), turned)


def _turn(images: np.ndarray, rng: np.random.Generator, probability: float) -> tuple[np.ndarray, np.ndarray]:
    """Turns some images by a quarter to either side or by a half, or mirrors them upside down; only squares by a quarter."""
    pixels = images.astype(np.float32)
    turned = rng.random(len(pixels)) < probability
    is_square = pixels.shape[1] == pixels.shape[2]
    ways = rng.integers(0 if is_square else 2, 4, len(pixels))
    for way in range(0 if is_square else 2, 4):
        chosen = turned & (ways == way)
        some = pixels[chosen]
        pixels[chosen] = some[:, ::-1] if way == 3 else np.rot90(some, (1, 3, 2)[way], axes=(1, 2))
    return pixels, turned


def _warp(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turns by up to 55 degrees, scales by 0.5 to 1.25, shears by up to 0.9 and shifts by up to a sixth, about the centre."""
    n, height, width, _ = pixels.shape
    angle = np.where(rng.random(n) < 0.6, rng.triangular(-0.95, 0, 0.95, n), 0)
    scale = np.where(rng.random(n) < 0.6, rng.uniform(0.5, 1.25, n), 1)
    shear = np.where(rng.random(n) < 0.3, rng.triangular(-0.9, 0, 0.9, n), 0)
    shift = rng.uniform(-1 / 6, 1 / 6, (n, 2)) * (height, width) * (rng.random((n, 1)) < 0.5)
    cos, sin = np.cos(angle), np.sin(angle)
    # The matrix from a place in the result to its place in the image, both from the centre: (y, x).
    matrix = np.array([[cos, -sin], [sin + shear * cos, cos - shear * sin]]).transpose(2, 0, 1) / scale[:, None, None]
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1) - centre
    places = np.einsum("nij,hwj->nhwi", matrix, grid) + centre - shift[:, None, None]
    return sample(pixels, places.astype(np.float32))


def sample(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Reads each image between its pixels (bilinear interpolation); the ground around an image is 0.

    Args:
        pixels: `(n, height, width, channels)` float32.
        places: `(n, height, width, 2)` float32, for each pixel of the result its row and its column in the image.
    """
    n, height, width, _ = pixels.shape
    padded = np.pad(pixels, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows = np.clip(places[..., 0] + 1, 0, height + 0.999)
    columns = np.clip(places[..., 1] + 1, 0, width + 0.999)
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    index = np.arange(n)[:, None, None]
    upper = padded[index, top, left] * (1 - right) + padded[index, top, left + 1] * right
    lower = padded[index, top + 1, left] * (1 - right) + padded[index, top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def _cover(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Covers a rectangle, of up to 0.6 of each side, with one value, or negates what is in it."""
    n, height, width, _ = pixels.shape
    size = rng.uniform(0.05, 0.6, (n, 2)) * (height, width)
    size = np.where(rng.random((n, 2)) < 0.15, (height, width), size)  # bars from edge to edge
    first = rng.random((n, 2)) * ((height, width) - size)
    rows, columns = np.arange(height), np.arange(width)
    inside = ((rows >= first[:, :1]) & (rows < first[:, :1] + size[:, :1]))[:, :, None] & (
        (columns >= first[:, 1:]) & (columns < first[:, 1:] + size[:, 1:])
    )[:, None, :]
    one = (n, 1, 1, 1)
    value = np.where(rng.random(one) < 0.5, 0, rng.uniform(0, WHITE, one)).astype(np.float32)
    return np.where(inside[..., None], np.where(rng.random(one) < 0.25, WHITE - pixels, value), pixels)


def _blur(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurs by a Gaussian of 0.4 to 2 pixels at a side of 28, along each axis on its own."""
    n, height, width, _ = pixels.shape
    largest = 2.0 * max(height, width) / 28
    down, across = rng.uniform(0.2 * largest, largest, (2, n))
    across = np.where(rng.random(n) < 0.5, down, across)
    blurred = np.einsum("nij,njkc,nlk->nilc", _gaussian(height, down), pixels, _gaussian(width, across), optimize=True)
    return np.asarray(blurred)


def _gaussian(side: int, deviation: np.ndarray) -> np.ndarray:
    """Returns the matrices `(n, side, side)` that blur one axis by each of `deviation`, `(n,)` in pixels."""
    distance = np.arange(side)[:, None] - np.arange(side)
    weights = np.exp(-0.5 * (distance / deviation[:, None, None]) ** 2).astype(np.float32)
    return np.asarray(weights / weights.sum(axis=2, keepdims=True).max(axis=1, keepdims=True))


def _light(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Changes gamma, contrast (down to a twentieth, about black or the mean) and brightness (by up to a half)."""
    n = len(pixels)
    one = (n, 1, 1, 1)
    gamma = np.where(rng.random(one) < 0.4, np.exp(rng.uniform(-0.9, 0.9, one)), 1).astype(np.float32)
    contrast = np.where(rng.random(one) < 0.6, np.exp(rng.uniform(np.log(0.05), np.log(1.6), one)), 1).astype(np.float32)
    middle = pixels.mean(axis=(1, 2, 3), keepdims=True) * (rng.random(one) < 0.5)
    offset = (np.where(rng.random(one) < 0.4, rng.uniform(-0.25, 0.5, one), 0) * WHITE).astype(np.float32)
    return np.asarray(((pixels / WHITE) ** gamma * WHITE - middle) * contrast + middle + offset)


def _negate(pixels: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return WHITE - pixels


def _add_noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds Gaussian noise, shot noise, or single pixels of black and white."""
    n = len(pixels)
    one = (n, 1, 1, 1)
    kind = rng.integers(0, 3, one)
    strength = rng.random(one).astype(np.float32)
    gaussian = pixels + rng.standard_normal(pixels.shape, np.float32) * strength * 100
    photons = 60 / (1 + 19 * strength)  # the photons of a white pixel, 60 to 3
    shot = np.maximum(pixels, 0) / WHITE * photons
    shot = (shot + np.sqrt(shot) * rng.standard_normal(pixels.shape, np.float32)) / photons * WHITE
    single = rng.random(pixels.shape, np.float32)
    amount = 0.3 * strength
    pepper = np.where(single < amount, np.where(single < amount / 2, 0, WHITE), pixels)
    return np.where(kind == 0, gaussian, np.where(kind == 1, np.clip(shot, 0, WHITE), pepper))


def _leave(pixels: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return pixels


# The changes of looks, of which each image gets one, so that no image is changed beyond recognition, and their shares.
_LOOKS = (_cover, _blur, _light, _negate, _add_noise, _leave)
_SHARES = (0.12, 0.14, 0.26, 0.04, 0.26, 0.18)
