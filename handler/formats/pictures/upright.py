"""Brings decoded pictures into the form that conversions take: upright, eight bits a sample, not too large. Pure."""

from __future__ import annotations

import itertools

import numpy as np
import PIL.Image

from handler.formats.pictures.judged import Judged

# A picture of more pixels is read at a half, a quarter or an eighth of its width and height, so that the memory and time of all
# later steps are bounded, and a JPEG is decoded at that size. 4 megapixels at least are left: 2,000 pixels a side, of which
# conversions use 16 for each of the model's. Smaller pictures keep every pixel.
_FULL_PIXELS = 2**24
_BLOCK_ROWS, _BLOCK_COLUMNS = 2**9, 2**16  # of a large picture are converted at a time: whole rows, unless they are very long
_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}


def reduction(width: int, height: int) -> int:
    """Returns the factor, a power of two, by which the sides of a picture are divided."""
    factor = 1
    while width * height > _FULL_PIXELS * factor**2:
        factor *= 2
    return factor


def upright(picture: PIL.Image.Image, judged: Judged, factor: int) -> PIL.Image.Image:
    """Returns a picture in eight bits a sample, turned upright, and reduced by `factor` unless its decoder did so."""
    is_whole = picture.size == (judged.width, judged.height)
    plain = _reduced(picture, factor) if factor > 1 and is_whole else _in_eight_bits(picture)
    turn = _TURNS.get(judged.orientation)
    return plain if turn is None else plain.transpose(turn)


def _in_eight_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    if not picture.mode.startswith("I;16"):
        return picture
    values = np.asarray(picture)
    alpha = np.where(values == picture.info.get("transparency", -1), 0, 255)
    return PIL.Image.fromarray(np.stack([values >> 8, alpha], axis=-1).astype(np.uint8), "LA")


def _reduced(picture: PIL.Image.Image, factor: int) -> PIL.Image.Image:
    """Averages squares of `factor` pixels a side, block after block, so that no copy of the picture is made."""
    mode = "RGBA" if picture.has_transparency_data else "L" if PIL.Image.getmodebase(picture.mode) == "L" else "RGB"
    small = PIL.Image.new(mode, (-(-picture.width // factor), -(-picture.height // factor)))
    for top, left in itertools.product(range(0, picture.height, _BLOCK_ROWS), range(0, picture.width, _BLOCK_COLUMNS)):
        right, bottom = min(left + _BLOCK_COLUMNS, picture.width), min(top + _BLOCK_ROWS, picture.height)
        block = picture.crop((left, top, right, bottom))
        small.paste(_in_eight_bits(block).convert(mode).reduce(factor), (left // factor, top // factor))
    return small
