"""Changes labelled images in the ways by which a trial measures a model.

None of this is training's own code for changed images, so that a model is tried by other hands than it was taught by. Distances
are stated at a side of 28 pixels, and grow with the images. The kinds whose name begins with "c-" are those of Fashion-MNIST-C
(Weiss and Tonella, "Simple Techniques Work Surprisingly Well for Neural Network Test Prioritization and Active Learning", ISSTA
2022, arXiv:2205.00664), at the severities of MNIST-C (Mu and Gilmer, arXiv:1906.02337); the sixteenth of them changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import ndimage, signal

WHITE = 255.0
BLOCK = 500  # images that are changed at once, which bounds the memory

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # (n, height, width, channels) float32, 0..255 -> the same


def change_images(images: np.ndarray, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each kind of change by its name, with all images changed so: `(n, height, width, channels)` uint8, 0..255.

    Images that are no squares are not turned by a quarter.
    """
    for name, change in CHANGES.items():
        rng = np.random.default_rng(seed)
        blocks = [_change(images[start : start + BLOCK], change, rng) for start in range(0, len(images), BLOCK)]
        if blocks[0].shape[1:] == images.shape[1:]:
            yield name, np.concatenate(blocks)


def _change(images: np.ndarray, change: Change, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.rint(change(images.astype(np.float32), rng)), 0, WHITE).astype(np.uint8)


def _scale_of(pixels: np.ndarray) -> float:
    return float(max(pixels.shape[1:3])) / 28


def _warp(pixels: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Reads each image through a matrix from the result to the image, (row, column) from the centre; around it is black."""
    height, width = pixels.shape[1:3]
    centre = np.array([(height - 1) / 2, (width - 1) / 2, 0.0])
    warped = np.empty_like(pixels)
    for position, two in enumerate(matrices):
        matrix = np.eye(3)
        matrix[:2, :2] = two
        warped[position] = ndimage.affine_transform(pixels[position], matrix, centre - matrix @ centre, order=1)
    return warped


def _scaled(factor: float) -> Change:
    return lambda pixels, _: _warp(pixels, np.repeat(np.eye(2)[None] / factor, len(pixels), 0))


def _turned(radians: float) -> Change:
    """Turns to either side."""

    def turn(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        angles = rng.choice([-radians, radians], len(pixels))
        cos, sin = np.cos(angles), np.sin(angles)
        return _warp(pixels, np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1))

    return turn


def _sheared(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angles = rng.choice([-0.4, 0.4], len(pixels))
    return _warp(pixels, np.array([[np.cos(angles), 0 * angles], [-np.sin(angles), 1 + 0 * angles]]).transpose(2, 0, 1))


def _shifted(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shifts along both axes, by three pixels at a side of 28."""
    ways = rng.choice([-1, 1], (len(pixels), 2)) * round(3 * _scale_of(pixels))
    return np.stack([ndimage.shift(image, (*way, 0), order=0) for image, way in zip(pixels, ways, strict=True)])


def _blurred(deviation: float) -> Change:
    def blur(pixels: np.ndarray, _: np.random.Generator) -> np.ndarray:
        sigma = deviation * _scale_of(pixels)
        return np.asarray(ndimage.gaussian_filter(pixels, (0, sigma, sigma, 0)))

    return blur


def _noisy(deviation: float) -> Change:
    return lambda pixels, rng: pixels + rng.normal(0, deviation, pixels.shape)


def _contrast(share: float) -> Change:
    def lower(pixels: np.ndarray, _: np.random.Generator) -> np.ndarray:
        middle = pixels.mean(axis=(1, 2), keepdims=True)
        return np.asarray((pixels - middle) * share + middle)

    return lower


def _times(factor: float, offset: float = 0.0) -> Change:
    return lambda pixels, _: np.asarray(pixels * factor + offset)


def _erased(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blackens a square of 11 pixels at a side of 28."""
    n, height, width, _ = pixels.shape
    reach = 5.5 * _scale_of(pixels)
    rows, columns = (rng.uniform(0.2, 0.8, (n, 1)) * side for side in (height, width))
    inside = (abs(np.arange(height) - rows) < reach)[:, :, None] & (abs(np.arange(width) - columns) < reach)[:, None, :]
    return np.where(inside[..., None], 0, pixels)


def _shot_noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(pixels / WHITE * 3) / 3 * WHITE


def _impulse_noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    drawn = rng.random((*pixels.shape[:3], 1))
    return np.where(drawn < 0.17, np.where(drawn < 0.085, 0, WHITE), pixels)


def _glass(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurs, exchanges each pixel (of a large image, block of pixels) with one beside it at random, twice, and blurs again."""
    step = max(1, round(_scale_of(pixels)))
    mixed = _blurred(0.7)(pixels, rng)
    height, width = mixed.shape[1:3]
    for _ in range(2):
        for row in range(height // step - 1, 0, -1):
            for column in range(width // step - 1, 0, -1):
                chosen = np.flatnonzero(rng.random(len(mixed)) < 0.5)
                offsets = rng.integers(-1, 1, (2, len(chosen)))
                for place in range(step * step):
                    y, x = row * step + place // step, column * step + place % step
                    others = (chosen, y + offsets[0] * step, x + offsets[1] * step)
                    mixed[chosen, y, x], mixed[others] = mixed[others], mixed[chosen, y, x].copy()
    return _blurred(0.7)(mixed, rng)


def _motion(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smears along a line at any angle up to 45 degrees, by half of a Gaussian of 3 pixels at a side of 28."""
    scale = _scale_of(pixels)
    steps = np.arange(round(10 * scale) + 1)
    weights = np.exp(-0.5 * (steps / (3 * scale)) ** 2)
    reach = len(steps) - 1
    smeared = np.empty_like(pixels)
    for position, angle in enumerate(np.radians(rng.uniform(-45, 45, len(pixels)))):
        kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
        rows, columns = (np.rint(steps * part).astype(int) + reach for part in (np.sin(angle), np.cos(angle)))
        np.add.at(kernel, (rows, columns), weights)
        padded = np.pad(pixels[position], ((reach, reach), (reach, reach), (0, 0)), mode="edge")
        smeared[position] = signal.fftconvolve(padded, (kernel / kernel.sum())[..., None], mode="valid", axes=(0, 1))
    return smeared


def _saturated(pixels: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Strengthens colours twentyfold, of which a grey image keeps light and dark alone."""
    return np.clip(pixels / WHITE * 20 + 0.2, 0, 1) * WHITE


def _quarter(times: int) -> Change:
    return lambda pixels, _: np.rot90(pixels, times, axes=(1, 2))


def _mirrored(pixels: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return pixels[:, :, ::-1]


def _upside_down(pixels: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return pixels[:, ::-1]


def _negative(pixels: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return WHITE - pixels


CHANGES: dict[str, Change] = {
    "darker": _times(0.5),
    "much darker": _times(0.2),
    "brighter": _times(1.5),
    "washed out": _times(0.6, 90),
    "low contrast": _contrast(0.3),
    "blurred": _blurred(1),
    "much blurred": _blurred(2),
    "smaller": _scaled(0.75),
    "much smaller": _scaled(0.5),
    "larger": _scaled(1.25),
    "shifted": _shifted,
    "turned by 15 degrees": _turned(np.pi / 12),
    "turned by 30 degrees": _turned(np.pi / 6),
    "half turn": _quarter(2),
    "erased": _erased,
    "little noise": _noisy(25),
    "much noise": _noisy(70),
    "c-shot noise": _shot_noise,
    "c-impulse noise": _impulse_noise,
    "c-glass blur": _glass,
    "c-motion blur": _motion,
    "c-shear": _sheared,
    "c-scale": _scaled(0.7),
    "c-rotate": _turned(0.4),
    "c-brightness": _times(1, 0.5 * WHITE),
    "c-contrast": _contrast(0.1),
    "c-saturate": _saturated,
    "c-inverse": _negative,
    "c-flip sides": _mirrored,
    "c-flip up and down": _upside_down,
    "c-turn right": _quarter(3),
    "c-turn left": _quarter(1),
}
