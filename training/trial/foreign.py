"""Draws and cuts pictures that show none of a model's classes, by which a trial measures whether the model says so.

None of this is the code of the pictures that networks learn from (`training.data.foreign`). Digits, letters, drawn shapes,
scenery and faces are other kinds than theirs; textures, noise, collages and empty images have relatives among theirs. Written
digits and the two photos (Temple of China's Summer Palace, and a flower; CC BY) are those that scikit-learn holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from scipy import ndimage
from sklearn.datasets import load_digits, load_sample_images

from training.data.pictures import as_picture

CANVAS = 112  # side in pixels of what is drawn

_FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono-Oblique", "STIXGeneral", "cmr10")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_GROUNDS = ((0, 255), (255, 0), (0, 200), (230, 30))  # and what is drawn on them

Draw = Callable[[np.random.Generator], PIL.Image.Image]


def draw_foreign(images: np.ndarray, count: int, seed: int = 0) -> Iterator[tuple[str, list[PIL.Image.Image]]]:
    """Yields each far kind by its name, with `count` pictures; every other one has the size of `images` already.

    Args:
        images: images of the model's classes, `(n, height, width, channels)` uint8, 0..255, of which collages are made.
        count: the number of pictures of each kind.
        seed: of the source of all randomness.
    """
    height, width = images.shape[1:3]
    for name, draw in _kinds(images).items():
        rng = np.random.default_rng(seed)
        pictures = [draw(rng) for _ in range(count)]
        small = [picture.resize((width, height), PIL.Image.Resampling.LANCZOS) for picture in pictures[::2]]
        yield name, [small[index // 2] if index % 2 == 0 else picture for index, picture in enumerate(pictures)]


def _kinds(images: np.ndarray) -> dict[str, Draw]:
    digits, photos = load_digits().images, [PIL.Image.fromarray(photo) for photo in load_sample_images().images]
    return {
        "written digits": lambda rng: _grey(digits[rng.integers(len(digits))] * 255 / 16),
        "printed digits": lambda rng: _glyph(str(rng.integers(10)), rng),
        "letters": lambda rng: _glyph(_LETTERS[rng.integers(len(_LETTERS))], rng),
        "drawn shapes": _shape,
        "textures": _texture,
        "scenery": lambda rng: _crop(photos[rng.integers(len(photos))], rng),
        "drawn faces": _face,
        "noise": _noise,
        "collages": lambda rng: _collage(images, rng),
        "empty images": _empty,
    }


def _grey(pixels: np.ndarray) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _glyph(character: str, rng: np.random.Generator) -> PIL.Image.Image:
    ground, ink = _GROUNDS[rng.integers(len(_GROUNDS))]
    picture = PIL.Image.new("L", (CANVAS, CANVAS), ground)
    font = Path(mpl.get_data_path(), "fonts/ttf", f"{_FONTS[rng.integers(len(_FONTS))]}.ttf")
    place = (CANVAS / 2 + rng.uniform(-0.06, 0.06, 2) * CANVAS).tolist()
    size = int(rng.uniform(0.55, 0.95) * CANVAS)
    PIL.ImageDraw.Draw(picture).text(place, character, fill=ink, font=PIL.ImageFont.truetype(font, size), anchor="mm")
    return picture


def _shape(rng: np.random.Generator) -> PIL.Image.Image:
    """Draws an ellipse, filled or not, a part of a ring, a heart, or a spiral."""
    ground, ink = ((0, 255), (255, 0), (0, 150), (128, 20))[rng.integers(4)]
    picture = PIL.Image.new("L", (CANVAS, CANVAS), ground)
    draw = PIL.ImageDraw.Draw(picture)
    across, down = rng.uniform(0.15, 0.47, 2) * CANVAS
    middle, pen = CANVAS / 2, int(rng.integers(3, 14))
    box = (middle - across, middle - down, middle + across, middle + down)
    match rng.integers(5):
        case 0:
            draw.ellipse(box, fill=ink)
        case 1:
            draw.ellipse(box, outline=ink, width=pen)
        case 2:
            draw.arc(box, int(rng.integers(360)), int(rng.integers(360)), fill=ink, width=pen)
        case 3:
            angle = np.linspace(0, 2 * np.pi, 80)
            heart = np.stack([16 * np.sin(angle) ** 3, -13 * np.cos(angle) + 5 * np.cos(2 * angle) + 2 * np.cos(3 * angle)], 1)
            draw.polygon([tuple(corner) for corner in (middle + heart * 2.6).tolist()], fill=ink)
        case _:
            angle = np.linspace(0, 6 * np.pi, 200)
            spiral = np.stack([angle * np.cos(angle), angle * np.sin(angle)], 1)
            draw.line([tuple(corner) for corner in (middle + spiral * 2.6).tolist()], fill=ink, width=pen // 2 + 1)
    return picture


def _texture(rng: np.random.Generator) -> PIL.Image.Image:
    """Draws stripes, a chessboard, bricks, wood, or cloth, at any angle."""
    rows, columns = np.mgrid[:CANVAS, :CANVAS]
    angle, width = rng.uniform(0, np.pi), rng.uniform(7, 40)
    along, across = columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)
    grain = rng.normal(size=(CANVAS, CANVAS))
    match rng.integers(5):
        case 0:
            light = np.sin(2 * np.pi * along / width)
        case 1:
            light = np.sign(np.sin(2 * np.pi * along / width) * np.sin(2 * np.pi * across / width))
        case 2:
            joint = (across % width < width * 0.12) | ((along + across // width % 2 * width) % (2 * width) < width * 0.12)
            light = np.where(joint, 1, -0.3 + 0.2 * grain)
        case 3:
            rings = np.hypot(columns - 25, rows - 1.3 * CANVAS) + 50 * ndimage.gaussian_filter(grain, 8)
            light = np.sin(2 * np.pi * rings / width)
        case _:
            light = ndimage.gaussian_filter(grain, rng.uniform((0.5, 4), (2, 12)))
            light = light / abs(light).max()
    return _grey(128 + rng.uniform(40, 127) * light)


def _crop(photo: PIL.Image.Image, rng: np.random.Generator) -> PIL.Image.Image:
    width = int(rng.integers(40, 400))
    height = min(int(width * rng.uniform(0.7, 1.4)), photo.height - 1)
    left, top = int(rng.integers(photo.width - width)), int(rng.integers(photo.height - height))
    return photo.crop((left, top, left + width, top + height))


def _face(rng: np.random.Generator) -> PIL.Image.Image:
    """Draws hair, a face, two eyes, a nose and a mouth."""
    ground = [(255,) * 3, (0,) * 3, tuple(rng.integers(0, 255, 3).tolist())][rng.integers(3)]
    picture = PIL.Image.new("RGB", (CANVAS, CANVAS), ground)
    draw = PIL.ImageDraw.Draw(picture)
    middle, wide, high = CANVAS / 2, *rng.uniform((26, 36), (39, 50))
    hair, skin = tuple(rng.integers(0, 120, 3).tolist()), tuple(rng.integers(90, 240, 3).tolist())
    draw.ellipse((middle - wide - 5, middle - high - 7, middle + wide + 5, middle + high * 0.6), fill=hair)
    draw.ellipse((middle - wide, middle - high, middle + wide, middle + high), fill=skin)
    apart, eye = rng.uniform((11, 3), (17, 6))
    for x in (middle - apart, middle + apart):
        draw.ellipse((x - eye * 1.5, 45 - eye, x + eye * 1.5, 45 + eye), fill=(255,) * 3)
        draw.ellipse((x - eye / 2, 45 - eye / 2, x + eye / 2, 45 + eye / 2), fill=(20,) * 3)
        draw.line((x - eye * 2, 37, x + eye * 2, 35), fill=(30,) * 3, width=3)
    draw.line((middle, 49, middle - 4, 64, middle + 2, 64), fill=(90, 50, 50), width=3)
    draw.arc((middle - apart, 60, middle + apart, 82), 20, 160, fill=(150, 30, 30), width=int(rng.integers(2, 7)))
    return picture


def _noise(rng: np.random.Generator) -> PIL.Image.Image:
    shape = (CANVAS, CANVAS)
    match rng.integers(4):
        case 0:
            return _grey(rng.integers(0, 256, shape))
        case 1:
            return _grey(rng.normal(128, rng.uniform(10, 60), shape))
        case 2:
            return _grey((rng.random(shape) < rng.uniform(0.05, 0.95)) * 255)
        case _:
            return _grey(rng.exponential(40, shape))


def _collage(images: np.ndarray, rng: np.random.Generator) -> PIL.Image.Image:
    """Puts four or nine images of the model's classes side by side."""
    side = int(rng.integers(2, 4))
    chosen = images[rng.integers(len(images), size=(side, side))]
    return as_picture(np.concatenate([np.concatenate(list(row), axis=1) for row in chosen]))


def _empty(rng: np.random.Generator) -> PIL.Image.Image:
    """Fills a picture with one colour, or with almost one, or with a slope from one grey to another."""
    shape = (CANVAS, CANVAS)
    match rng.integers(4):
        case 0:
            return PIL.Image.new("L", shape, (0, 255)[rng.integers(2)])
        case 1:
            return PIL.Image.new("RGB", shape, tuple(rng.integers(0, 256, 3).tolist()))
        case 2:
            return _grey(rng.integers(0, 256) + rng.normal(0, 2, shape))
        case _:
            first, last = rng.integers(0, 256, 2).tolist()
            return _grey(np.linspace(first, last, CANVAS)[:, None] * np.ones(CANVAS))
