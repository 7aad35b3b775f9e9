"""Shows pictures as the model sees them, with its predictions, for users who ask why a photo is misclassified.

Pictures are converted and classified by the same code as in Lambda. One picture is in memory at a time, and a sheet holds a
bounded number of them, however many there are.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import PIL.ImageOps
from rich.console import Console
from rich.table import Table
from rich.text import Text

from handler.contract import Conversion
from handler.conversion import convert
from handler.model import Model
from training.errors import PictureError

SHEET_FILE = "pictures.png"  # the first sheet; the others are pictures-2.png, pictures-3.png, …
SHEET_PICTURES = 100

_TILE = 224  # pixels; the side of a picture on the sheet
_CAPTION = 48  # pixels; the height of two lines of text, which is readable if the sheet is scaled to half its size
_FONT_SIZE, _LINE_CHARACTERS = 18, 22
_PAPER, _INK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, slots=True)
class View:
    """Holds one picture as one conversion makes it, with the model's prediction.

    `picture` is the original, upright, RGB and at the sheet's size; `seen` has the pixels that the model is given.
    """

    name: str
    picture: PIL.Image.Image
    seen: PIL.Image.Image
    class_name: str
    confidence: float
    unsure: bool

    @property
    def verdict(self) -> str:
        """Returns the prediction in words: the class, the confidence, and "(unsure)" if it is."""
        return f"{self.class_name} {self.confidence:.3f}{' (unsure)' * self.unsure}"


def view(name: str, picture: PIL.Image.Image, model: Model, conversion: Conversion) -> View:
    """Converts one picture by `conversion`, whatever the manifest says, and classifies it."""
    manifest = model.manifest
    pixels = convert(picture, manifest.input, conversion)
    probabilities = model.classify(pixels[None]).probabilities[0]
    index, confidence = int(probabilities.argmax()), float(probabilities.max())
    seen = PIL.Image.fromarray(pixels[:, :, 0] if manifest.input.channels == 1 else pixels)
    unsure = manifest.unsure_thresholds is not None and confidence < manifest.unsure_thresholds[index]
    return View(name, _tile(picture), seen, manifest.classes[index], confidence, unsure)


Picture = tuple[str, Callable[[], PIL.Image.Image]]  # its name, and the function that reads it


def preview(model: Model, pictures: Iterable[Picture], conversions: Sequence[Conversion], out: Path) -> list[str]:
    """Writes sheets of pictures, each by every conversion, into `out`, and prints the predictions as a table.

    Args:
        model: the model that classifies.
        pictures: the pictures, each read when it is its turn.
        conversions: the conversions, a column of the table for each.
        out: the folder of the sheets, which is created if it is missing.

    Returns:
        One line for each picture that cannot be shown, which tells why.
    """
    out.mkdir(parents=True, exist_ok=True)
    console, failed, number = Console(), list[str](), 0
    table = Table("picture", *(f"by {conversion.fit}" for conversion in conversions))
    rows = _views(model, pictures, conversions, failed)
    while sheet := list(islice(rows, SHEET_PICTURES)):
        number += 1
        path = out / (SHEET_FILE if number == 1 else SHEET_FILE.replace(".", f"-{number}."))
        render_sheet(sheet).save(path)
        for views in sheet:
            table.add_row(*(Text(cell) for cell in (views[0].name, *(each.verdict for each in views))))
        console.print(f"wrote {path}", soft_wrap=True, markup=False, highlight=False)
    if number:
        console.print(table)
    return failed


def _views(
    model: Model, pictures: Iterable[Picture], conversions: Sequence[Conversion], failed: list[str]
) -> Iterator[list[View]]:
    for name, read in pictures:
        shown = _printable(name)
        try:
            picture = read()
            views = [view(shown, picture, model, conversion) for conversion in conversions]
        except PictureError as error:
            failed.append(_printable(str(error)))
        except Exception as error:  # decoders raise errors of many kinds on broken files; the others are still shown
            failed.append(
                _printable(f"Expected a picture that can be shown. Received: {name} ({str(error) or type(error).__name__})")
            )
        else:
            yield views


def _printable(text: str) -> str:
    """Returns `text` in one line, with an escape in place of each character that a terminal cannot show."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def render_sheet(rows: Iterable[Sequence[View]]) -> PIL.Image.Image:
    """Draws each picture as it is, and as the model sees it in each of its views, with the predictions.

    The pictures are laid out in as many columns as make the sheet about as wide as it is high.

    Args:
        rows: the views of each picture, one for each conversion; every picture has the same number.
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
    tiles += [(shown.verdict, shown.seen.convert("RGB"), PIL.Image.Resampling.NEAREST) for shown in views]
    strip = PIL.Image.new("RGB", (len(tiles) * _TILE, _TILE + _CAPTION), _PAPER)
    draw = PIL.ImageDraw.Draw(strip)
    for number, (caption, picture, resampling) in enumerate(tiles):
        strip.paste(
            PIL.ImageOps.pad(picture, (_TILE - 4, _TILE - 4), resampling, color=(128, 128, 128)), (number * _TILE + 2, 2)
        )
        lines = textwrap.fill(caption, _LINE_CHARACTERS, max_lines=2, placeholder="…", break_on_hyphens=False)
        draw.text((number * _TILE + 4, _TILE), lines, fill=_INK, font_size=_FONT_SIZE)
    return strip


def _tile(picture: PIL.Image.Image) -> PIL.Image.Image:
    small = PIL.ImageOps.contain(picture.convert("RGBA"), (_TILE, _TILE))
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", small.size, (*_PAPER, 255)), small).convert("RGB")
