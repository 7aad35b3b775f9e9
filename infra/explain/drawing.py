"""Draws a picture of explanations: each image as it is, beside what the model sees of it, and the most probable classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import PIL.ImageOps

from infra.errors import InfraError
from infra.explain.explanation import Explanation, Seen, top
from infra.explain.telling import marks
from infra.printable import printable

MAX_ROWS = 100  # of the picture, which is in memory as a whole

_EDGE = 168  # pixels of each image
_GAP = 12
_TEXT = 340
_ROW = _EDGE + 2 * _GAP
_WIDTH = 2 * _EDGE + _TEXT + 4 * _GAP
_FONT_PX = 14
_LINE = 20
_BAR = 120
_MAX_CHARACTERS = 44
_INK, _FAINT, _PAPER, _GROUND, _MARK = (32, 32, 32), (110, 110, 110), (255, 255, 255), (238, 238, 238), (176, 96, 0)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture to which explanations are added, one row for each image, up to `MAX_ROWS`."""

    classes: tuple[str, ...]
    rows: list[PIL.Image.Image] = field(default_factory=list)

    def add(self, found: Explanation) -> None:
        """Adds a row for each image that is explained, or one that says why there is none."""
        texts = [(found.whole.name, type(found.whole.error).__name__)] if found.whole else []
        for seen in found.seen[: MAX_ROWS - len(self.rows)]:
            self.rows.append(self._row(found, seen))
        for name, error in texts[: MAX_ROWS - len(self.rows)]:
            row = _empty_row(found.original)
            _write(row, [(name, _INK), ("rejected", _MARK), (error, _INK)])
            self.rows.append(row)

    def save(self, path: Path) -> None:
        """Writes the picture as PNG, under whichever name.

        Raises:
            InfraError: there is no row.
            OSError: the file cannot be written.
        """
        if not self.rows:
            raise InfraError(
                "Expected an image to draw. Received: none that can be read; name others. Nothing was written to --out."
            )
        sheet = PIL.Image.new("RGB", (_WIDTH, _ROW * len(self.rows)), _PAPER)
        for index, row in enumerate(self.rows):
            sheet.paste(row, (0, index * _ROW))
        sheet.save(path, "PNG")

    def _row(self, found: Explanation, seen: Seen) -> PIL.Image.Image:
        row = _empty_row(found.original if found.images == 1 else None)
        row.paste(_crisp(seen.pixels), (2 * _GAP + _EDGE, _GAP))
        prediction = seen.prediction
        said = f"{prediction.class_name} {prediction.confidence:.3f}"
        _write(row, [(prediction.image, _FAINT), (said, _INK), (", ".join(marks(prediction)), _MARK)])
        draw, font = PIL.ImageDraw.Draw(row), _font()
        for index, (name, probability) in enumerate(top(prediction, self.classes)):
            y = _GAP + (4 + index) * _LINE
            x = 2 * _EDGE + 3 * _GAP
            draw.rectangle((x, y + 3, x + max(1, round(probability * _BAR)), y + _LINE - 5), fill=_INK)
            draw.text((x + _BAR + _GAP, y), _shortened(f"{probability:.3f}  {name}", 26), _INK, font)
        return row


def _empty_row(original: PIL.Image.Image | None) -> PIL.Image.Image:
    row = PIL.Image.new("RGB", (_WIDTH, _ROW), _PAPER)
    for place in range(2):
        x = _GAP + place * (_EDGE + _GAP)
        row.paste(_GROUND, (x, _GAP, x + _EDGE, _GAP + _EDGE))
    if original:
        shown = PIL.ImageOps.contain(original.convert("RGBA"), (_EDGE, _EDGE), _resampling(original))
        row.paste(shown, (_GAP + (_EDGE - shown.width) // 2, _GAP + (_EDGE - shown.height) // 2), shown)
    return row


def _crisp(pixels: np.ndarray) -> PIL.Image.Image:
    """Returns an image of the model, `(height, width, channels)` uint8, 0..255, in which each pixel is a sharp square."""
    shown = PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    return PIL.ImageOps.contain(shown, (_EDGE, _EDGE), _resampling(shown))


def _resampling(shown: PIL.Image.Image) -> PIL.Image.Resampling:
    return PIL.Image.Resampling.NEAREST if max(shown.size) <= _EDGE // 2 else PIL.Image.Resampling.LANCZOS


def _write(row: PIL.Image.Image, texts: list[tuple[str, tuple[int, int, int]]]) -> None:
    draw, font = PIL.ImageDraw.Draw(row), _font()
    for index, (text, colour) in enumerate(texts):
        draw.text((2 * _EDGE + 3 * _GAP, _GAP + index * _LINE), _shortened(text, _MAX_CHARACTERS), colour, font)


def _shortened(text: str, characters: int) -> str:
    shown = printable(text)
    return shown if len(shown) <= characters else f"{shown[: characters - 1]}…"


def _font() -> PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont:
    return PIL.ImageFont.load_default(_FONT_PX)
