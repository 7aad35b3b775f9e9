"""Shows what the model gets to see of pictures, and what it says: for users who ask why a photo is misclassified.

A picture is converted and classified by the lines that do so in Lambda.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import PIL.ImageOps

from handler.contract import Conversion
from handler.conversion import convert
from handler.model import Model
from training.errors import TrainingError

SHEET_FILE = "pictures.png"
MOST_PIXELS = 2**24  # width times height, as the handler's default limit

_TILE = 224  # the side of a picture on the sheet, in pixels
_CAPTION = 48  # two lines of the letters and characters below, which can be read where the sheet is scaled to half
_LETTER, _LINE = 18, 22
_PAPER, _INK = (255, 255, 255), (0, 0, 0)


class PictureError(TrainingError):
    """A picture cannot be shown; the message names it."""


@dataclass(frozen=True, slots=True)
class View:
    """One picture upright, RGB and at the sheet's size; as the model sees it, in pixels; and what the model says of it."""

    name: str
    picture: PIL.Image.Image
    seen: PIL.Image.Image
    class_name: str
    confidence: float
    unsure: bool

    @property
    def verdict(self) -> str:
        """In words: class, confidence, whether it is unsure."""
        return f"{self.class_name} {self.confidence:.3f}{' (unsure)' * self.unsure}"


def read_pictures(paths: Iterable[Path]) -> list[tuple[str, PIL.Image.Image]]:
    """Opens each file, as `read_picture` does, under its name."""
    return [(path.name, read_picture(path)) for path in paths]


def read_picture(path: Path) -> PIL.Image.Image:
    """Opens a PNG, JPEG or WebP file.

    Raises:
        PictureError: it is none, broken, or larger than `MOST_PIXELS`.
    """
    try:
        with PIL.Image.open(path, formats=("PNG", "JPEG", "WEBP")) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise PictureError(
                    f"Expected a picture of at most {MOST_PIXELS} pixels. "
                    f"Received: {path} of {picture.width}x{picture.height}; scale it down."
                )
            picture.load()
            return picture
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise PictureError(f"Expected a whole PNG, JPEG or WebP file. Received: {path} ({error}).") from error


def view(name: str, picture: PIL.Image.Image, model: Model, conversion: Conversion) -> View:
    """Converts and classifies one picture, by `conversion` instead of the manifest's."""
    manifest = model.manifest
    pixels = convert(picture, manifest.input, conversion)
    probabilities = model.classify(pixels[None])[0]
    index, confidence = int(probabilities.argmax()), float(probabilities.max())
    seen = PIL.Image.fromarray(pixels[:, :, 0] if manifest.input.channels == 1 else pixels)
    unsure = manifest.unsure_below is not None and confidence < manifest.unsure_below
    return View(name, _tile(picture), seen, manifest.classes[index], confidence, unsure)


def render_sheet(rows: Iterable[Sequence[View]]) -> PIL.Image.Image:
    """Draws each picture: as it is, and as the model sees it in each of its views, with what the model says.

    Many stand side by side, so that the sheet is about as wide as it is high.
    """
    strips = [_strip(views) for views in rows]
    width, height = max(strip.width for strip in strips), _TILE + _CAPTION
    columns = max(1, round(math.sqrt(len(strips) * height / width)))
    sheet = PIL.Image.new("RGB", (columns * width, math.ceil(len(strips) / columns) * height), _PAPER)
    for number, strip in enumerate(strips):
        row, column = divmod(number, columns)
        sheet.paste(strip, (column * width, row * height))
    return sheet


def _strip(views: Sequence[View]) -> PIL.Image.Image:
    tiles = [(views[0].name, views[0].picture, PIL.Image.Resampling.LANCZOS)]
    tiles += [(it.verdict, it.seen.convert("RGB"), PIL.Image.Resampling.NEAREST) for it in views]
    strip = PIL.Image.new("RGB", (len(tiles) * _TILE, _TILE + _CAPTION), _PAPER)
    draw = PIL.ImageDraw.Draw(strip)
    for number, (caption, picture, resampling) in enumerate(tiles):
        strip.paste(
            PIL.ImageOps.pad(picture, (_TILE - 4, _TILE - 4), resampling, color=(128, 128, 128)), (number * _TILE + 2, 2)
        )
        lines = textwrap.fill(caption, _LINE, max_lines=2, placeholder="…", break_on_hyphens=False)
        draw.text((number * _TILE + 4, _TILE), lines, fill=_INK, font_size=_LETTER)
    return strip


def _tile(picture: PIL.Image.Image) -> PIL.Image.Image:
    upright = PIL.ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I;16"):  # Pillow knows no way from there to colour
        upright = upright.convert("L")
    small = PIL.ImageOps.contain(upright.convert("RGBA"), (_TILE, _TILE))
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", small.size, (*_PAPER, 255)), small).convert("RGB")
