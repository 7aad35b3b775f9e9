"""Makes images that show none of the classes, for a network to learn what it does not know.

They are made, not collected: straight strokes, scenes of polygons with textures, textures of 1/f noise, patterns of repeated
tiles, inkblots, and mosaics of training images cut straight, a few of which leave most of an image whole. Where the classes are
textures themselves, such as fabrics, some of them do show a class, and familiarity means less.

A network that tells them from its classes also tells other images from these: Hendrycks, Mazeika and Dietterich, "Deep Anomaly
Detection with Outlier Exposure", ICLR 2019, arXiv:1812.04606. Scenes of overlapping shapes whose sizes follow a power law have
the statistics of photos: Lee, Mumford and Huang, "Occlusion Models for Natural Images", IJCV 41, 2001.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import PIL.Image
import PIL.ImageDraw

from handler.contract import Conversion, PixelShape
from handler.conversion import convert

CANVAS = 64  # least side in pixels of the pictures that are drawn, before they are brought to the images' size

Draw = Callable[[np.random.Generator, int, int], PIL.Image.Image]  # from the number of channels, and the side in pixels


def make_foreign(images: np.ndarray, count: int, conversion: Conversion, rng: np.random.Generator) -> np.ndarray:
    """Makes `count` images that show none of the classes of `images`.

    A sixth are mosaics of these; the others are drawn, and half of them are brought to the images' size as the function brings
    a picture to it, the others plainly. Where the images are larger than `CANVAS`, pictures are drawn in all sizes between, so
    that neither sharp nor blurred images are foreign for that alone.

    Args:
        images: training images, `(n, height, width, channels)` uint8, 0..255.
        count: the number of images to make.
        conversion: the way in which the function brings a picture to this size.
        rng: the source of all randomness; it is advanced.

    Returns:
        The images, `(count, height, width, channels)` uint8, 0..255.
    """
    height, width, channels = images.shape[1:]
    shape = PixelShape(height=height, width=width, channels=channels)
    draws: tuple[Draw, ...] = (_strokes, _scene, _texture, _pattern, _blobs)
    made = np.empty((count, *images.shape[1:]), np.uint8)
    for position, kind in enumerate(rng.integers(0, len(draws) + 1, count).tolist()):
        if kind == len(draws):
            image = _mosaic(images, rng)
        else:
            picture = draws[kind](rng, channels, _side(max(height, width), rng))
            image = convert(picture, shape, conversion) if rng.random() < 0.5 else _resize(picture, shape)
        made[position] = _dim(image, rng)
    return made


def _side(largest: int, rng: np.random.Generator) -> int:
    return int(rng.integers(CANVAS, largest + 1)) if largest > CANVAS else CANVAS


def _resize(picture: PIL.Image.Image, shape: PixelShape) -> np.ndarray:
    resized = picture.resize((shape.width, shape.height), PIL.Image.Resampling.BOX)
    return np.asarray(resized, np.uint8).reshape(shape.as_tuple)


def _dim(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lowers the contrast of every fourth image, in some nearly to nothing, and negates every eighth."""
    pixels = image.astype(np.float32)
    if rng.random() < 0.25:
        pixels = pixels * rng.uniform(0.08, 1)
    if rng.random() < 0.125:
        pixels = 255 - pixels
    return pixels.astype(np.uint8)


def _strokes(rng: np.random.Generator, channels: int, side: int) -> PIL.Image.Image:
    """Draws one to three chains of straight strokes on an even ground, light on dark or dark on light."""
    canvas = _ground(rng, channels, side)
    draw = PIL.ImageDraw.Draw(canvas)
    for _ in range(rng.integers(1, 4)):
        places = (rng.random((rng.integers(2, 7), 2)) * side).round().tolist()
        if rng.random() < 0.5:  # upright and level strokes, as signs have them
            for before, after in pairwise(places):
                after[rng.integers(0, 2)] = before[rng.integers(0, 2)]
        draw.line([tuple(place) for place in places], _colour(rng, channels), int(rng.integers(1, 13)), joint="curve")
    return canvas


def _scene(rng: np.random.Generator, channels: int, side: int) -> PIL.Image.Image:
    """Draws up to eighty overlapping polygons with textures, whose sizes follow a power law; few of them leave a ground."""
    canvas = _ground(rng, channels, side)
    draw = PIL.ImageDraw.Draw(canvas)
    for _ in range(int(np.exp(rng.uniform(0, np.log(80))))):
        radius = min(0.5 * side, 2.5 / (rng.random() + 0.04)) * rng.uniform(0.6, 1.4)
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        centre = rng.uniform(-0.1, 1.1, 2) * side
        reach = radius * rng.uniform(0.4, 1, (len(angles), 1))
        corners = centre + reach * np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.4, 1, 2)
        draw.polygon([tuple(corner) for corner in corners.tolist()], _colour(rng, channels))
    if rng.random() < 0.3:
        return canvas
    pixels = np.asarray(canvas, np.float32).reshape(side, side, channels)
    textured = pixels * (1 + rng.uniform(0.1, 0.8) * _noise(rng, side)[..., None])
    return _picture(textured if rng.random() < 0.5 else np.where(pixels > 0, textured, 0))


def _texture(rng: np.random.Generator, channels: int, side: int) -> PIL.Image.Image:
    """Makes a texture of 1/f noise of any exponent, often with a gradient of light, or as islands of it on black."""
    layers = [_noise(rng, side) for _ in range(channels)]
    pixels = np.stack(layers, -1) if rng.random() < 0.5 else np.repeat(layers[0][..., None], channels, -1)
    if rng.random() < 0.3:
        return _picture(np.where(pixels > rng.uniform(-1, 2), 128 + rng.uniform(30, 90) * pixels, 0))
    slope = rng.normal(0, 1, 2) * (rng.random() < 0.5)
    across = np.linspace(-1, 1, side)
    light = slope[0] * across[:, None] + slope[1] * across
    return _picture(128 + rng.uniform(10, 90) * (pixels + light[..., None]))


def _pattern(rng: np.random.Generator, channels: int, side: int) -> PIL.Image.Image:
    """Repeats a small tile of any content, and turns the whole."""
    source = np.asarray((_strokes, _scene, _texture)[rng.integers(3)](rng, channels, side)).reshape(side, side, channels)
    height, width = rng.integers(4, 33, 2)
    top, left = rng.integers(0, side - 32, 2)
    tile = source[top : top + height, left : left + width]
    repeats = (-(-2 * side // height), -(-2 * side // width), 1)
    canvas = _picture(np.tile(tile, repeats)[: 2 * side, : 2 * side].astype(np.float32))
    turned = canvas.rotate(rng.uniform(0, 360) if rng.random() < 0.7 else 0, PIL.Image.Resampling.BILINEAR)
    zoom = rng.uniform(0.35, 1.3) * side / 2
    middle = canvas.width / 2
    return turned.crop((round(middle - zoom), round(middle - zoom), round(middle + zoom), round(middle + zoom)))


def _blobs(rng: np.random.Generator, channels: int, side: int) -> PIL.Image.Image:
    """Makes up to four inkblots on top of each other, filled or as outlines, half of them symmetric as many things are."""
    pixels = np.asarray(_ground(rng, channels, side), np.float32).reshape(side, side, channels)
    across = np.linspace(-1, 1, side)
    for layer in range(rng.integers(1, 5)):
        height = _noise(rng, side, rng.uniform(1.8, 4))
        if rng.random() < 0.5:
            height = height + height[:, ::-1]
        reach = rng.uniform(0.5, 1.2, 2) / (1 + 0.5 * layer)
        height = height / height.std() - rng.uniform(2, 6) * (np.hypot(across[:, None] / reach[0], across / reach[1]) - 0.7)
        inside = height > 0
        if rng.random() < 0.35:
            inside &= height < rng.uniform(0.3, 1.5)  # an outline
        fill: np.ndarray = np.array(_colour(rng, channels), np.float32)
        if rng.random() < 0.4:
            fill = fill * (1 + rng.uniform(0.1, 0.6) * _noise(rng, side)[..., None])
        pixels = np.where(inside[..., None], fill, pixels)
    return _picture(pixels)


def _noise(rng: np.random.Generator, side: int, exponent: float | None = None) -> np.ndarray:
    """Makes 1/f noise, `(side, side)` float, with mean 0 and standard deviation 1; without an exponent, of a random one."""
    across = np.fft.fftfreq(side)
    frequency = np.hypot(across[:, None] * np.exp(rng.normal(0, 0.6)), across)
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.standard_normal((side, side))) / frequency ** (exponent or rng.uniform(0.2, 3.5))
    noise = np.fft.ifft2(spectrum).real
    return np.asarray(noise / noise.std())


def _mosaic(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Puts parts of two images, or shuffled tiles of one or two, side by side."""
    height, width, _ = images.shape[1:]
    first, second = (_turned(images[rng.integers(len(images))], rng) for _ in range(2))
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
        side = rows * np.sin(angle) + columns * np.cos(angle) > rng.uniform(-0.3, 0.3)
        return np.where(side[..., None], first, second)
    tiles = int(rng.integers(2, 5))
    mosaic = first.copy()
    high, wide = height // tiles, width // tiles
    order = rng.permutation(tiles * tiles)
    for place, origin in enumerate(order.tolist()):
        to_row, to_column = (place // tiles) * high, (place % tiles) * wide
        row, column = (origin // tiles) * high, (origin % tiles) * wide
        source = first if rng.random() < 0.5 else second
        mosaic[to_row : to_row + high, to_column : to_column + wide] = source[row : row + high, column : column + wide]
    return mosaic


def _turned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    square = image.shape[0] == image.shape[1]
    return np.rot90(image, int(rng.integers(0, 4)) if square else 2 * int(rng.integers(0, 2)))


def _ground(rng: np.random.Generator, channels: int, side: int) -> PIL.Image.Image:
    colour = _colour(rng, channels) if rng.random() < 0.5 else (0,) * channels
    return PIL.Image.new("L" if channels == 1 else "RGB", (side, side), colour if channels == 3 else colour[0])


def _colour(rng: np.random.Generator, channels: int) -> tuple[int, ...]:
    return tuple(rng.integers(0, 256, channels).tolist())


def _picture(pixels: np.ndarray) -> PIL.Image.Image:
    values = np.clip(pixels, 0, 255).astype(np.uint8)
    return PIL.Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
