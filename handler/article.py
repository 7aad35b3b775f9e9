"""Finds the article in a photo or a cut-out, and shows it light on black, as Fashion-MNIST does. Pure.

The figures of this module were chosen on training images of Fashion-MNIST, and on the training part of a set of photos of
clothes (docs/fashion-mnist.md).
"""

from __future__ import annotations

from typing import cast

import numpy as np
import PIL.Image
import PIL.ImageChops
import PIL.ImageFilter
import PIL.ImageOps
import PIL.ImageStat

from handler.article_parts import large_parts

_WHITE = 255  # the page on which a shop shows its cut-outs
_LIGHT = (
    128  # luma at and above which a ground is light: corners of the training images are below 36, of their negatives above 219
)
_CLOSE = 12  # the largest difference that counts as ground: 5% of 255; values from 8 to 20 measured the same
SOLID = 128  # the alpha from which on a pixel belongs to a picture rather than to what shows through
_CORNER_PARTS = 32  # a corner is a square of 1/32 of the shorter side, so that a speck is not taken for the ground
_UNEVEN = 40  # the largest difference that light makes between corners; a larger one is an article in the corner
_GRAINY = 112  # pixels a side, from which on each is averaged with its neighbours, so that no noise stops trimming
# The largest share of the border that an article on an even ground covers. 0.3 loses nothing on enlarged held-out images, of
# which 0.15 loses 1% and Otsu's threshold for every picture 6 to 9%; on photos, all three measure the same, up to 1%.
_COVERED = 0.3
_COARSE = 32  # pixels a side, in which the rim of a cut-out is one pixel wide
_RIM = 8  # the difference of luma from which on a cut-out is lighter inside than at its rim
_DARK = 64  # mean luma under which a cut-out is dark, whatever its rim
_FAINT = 200  # the strength to which the darkest parts of a cut-out are raised, if it is so light that white hides it


def show_article(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Returns the article of an RGB or RGBA picture, trimmed, light on black in RGB; black if there is none.

    A cut-out is what its alpha covers. If this is a whole rectangle that shows something on a ground of its own, it is a photo
    with transparent margins.
    """
    nothing = PIL.Image.new("RGB", picture.size)
    if picture.mode != "RGBA":
        return _in_photo(picture) or nothing
    bounds = _above(picture.getchannel("A"), _CLOSE).getbbox()
    if bounds is None:
        return nothing
    inside = picture.crop(bounds)
    if least(inside.getchannel("A")) < SOLID:
        return show_cut_out(inside)
    in_margins = inside.size != picture.size
    return _in_photo(inside.convert("RGB")) or (show_cut_out(inside) if in_margins else nothing)


def show_cut_out(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Returns an RGBA picture as RGB, light on black, every pixel in its place; transparent pixels are black.

    A cut-out is negated, as if it lay on white, unless it is lighter inside than at its rim, where it still shows the ground it
    was cut out of, or so white that nothing of it would be left.
    """
    luma, covered = _coarse(picture)
    if not covered.any() or _is_light_on_dark(luma, covered):
        return _laid_on(0, picture)
    negated = PIL.ImageOps.invert(_laid_on(_WHITE, picture))
    strongest = _WHITE - float(np.percentile(luma[covered], 5))
    return _stretched(negated, max(1.0, _FAINT / strongest))


def light_ground(picture: PIL.Image.Image) -> int | None:
    """Returns the luma of the ground in the corners of a grey picture; None if it is dark, or if no three corners agree."""
    corners = sorted(_grey_corners(picture))
    luma = (corners[1] + corners[2]) / 2
    agreeing = sum(abs(corner - luma) <= _UNEVEN for corner in corners)
    return round(luma) if luma >= _LIGHT and agreeing >= 3 else None


def is_white(luma: int) -> bool:
    """Returns whether a ground of this luma is as good as white."""
    return luma >= _WHITE - _CLOSE


def least(picture: PIL.Image.Image) -> int:
    """Returns the least value in a picture of one channel."""
    return next(value for value, count in enumerate(picture.histogram()) if count)


def _in_photo(picture: PIL.Image.Image) -> PIL.Image.Image | None:
    """Returns the article of an RGB picture, trimmed, light on black; None if nothing differs from the ground.

    It is negated if it is darker than its ground on the whole.
    """
    corners = PIL.Image.fromarray(_ground_in_corners(picture))
    # The ground is interpolated between the middles of the corners, since light may fall off evenly across the picture.
    ground = corners.resize(picture.size, PIL.Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))
    mask = _article_mask(picture, ground)
    bounds = mask.getbbox()
    if bounds is None:
        return None
    darker, lighter = PIL.ImageChops.subtract(ground, picture), PIL.ImageChops.subtract(picture, ground)
    negated = sum(PIL.ImageStat.Stat(darker, mask).sum) >= sum(PIL.ImageStat.Stat(lighter, mask).sum)
    luma = float(np.asarray(corners.convert("L")).mean())
    shown = _stretched(darker if negated else lighter, _WHITE / max(1.0, luma if negated else _WHITE - luma))
    outline = mask.filter(PIL.ImageFilter.MaxFilter(3))
    return PIL.Image.composite(shown, PIL.Image.new("RGB", picture.size), outline).crop(bounds)


def _article_mask(picture: PIL.Image.Image, ground: PIL.Image.Image) -> PIL.Image.Image:
    """Returns the large parts that differ from the ground in any channel, 255, among 0.

    Where the ground is not even, as its border shows, Otsu's threshold tells what differs.
    """
    if min(picture.size) >= _GRAINY:
        picture = picture.filter(PIL.ImageFilter.BoxBlur(1))
    red, green, blue = PIL.ImageChops.difference(picture, ground).split()
    largest = PIL.ImageChops.lighter(PIL.ImageChops.lighter(red, green), blue)
    even = (_border(np.asarray(largest)) > _CLOSE).mean() <= _COVERED
    return large_parts(_above(largest, _CLOSE if even else max(_CLOSE, _otsu(largest.histogram()))))


def _otsu(histogram: list[int]) -> int:
    """Returns the value that divides a histogram into the two classes that differ most."""
    counts = np.array(histogram, np.float64)
    below, sums = counts.cumsum(), (counts * np.arange(len(counts))).cumsum()
    between = (sums[-1] * below / below[-1] - sums) ** 2 / np.maximum(below * (below[-1] - below), 1)
    return int(between.argmax())


def _ground_in_corners(picture: PIL.Image.Image) -> np.ndarray:
    """Returns the ground's colour in the four corners, 2x2 RGB.

    A corner that an article covers gets the colour of the other three corners, or of the border.
    """
    corners = _corners(picture)
    ground = np.median(corners, axis=(0, 1))
    if _is_near(corners, ground).sum() < 3:
        ground = np.median(_border(np.asarray(picture)), axis=0)
    return np.where(_is_near(corners, ground), corners, ground).round().astype(np.uint8)


def _corner_side(picture: PIL.Image.Image) -> int:
    return max(1, min(picture.size) // _CORNER_PARTS)


def _grey_corners(picture: PIL.Image.Image) -> list[float]:
    if _corner_side(picture) > 1:
        averaged: list[float] = _corners(picture).ravel().tolist()
        return averaged
    # As in every image of the model's size, whose pixels are looked up ten times as fast as they are averaged.
    return [cast("float", picture.getpixel((x, y))) for y in (0, picture.height - 1) for x in (0, picture.width - 1)]


def _corners(picture: PIL.Image.Image) -> np.ndarray:
    pixels = np.asarray(picture)
    side = _corner_side(picture)
    ends = slice(None, side), slice(-side, None)
    return np.array([[pixels[rows, columns].mean(axis=(0, 1)) for columns in ends] for rows in ends])


def _is_near(corners: np.ndarray, ground: np.ndarray) -> np.ndarray:
    near: np.ndarray = np.abs(corners - ground).max(axis=2, keepdims=True) <= _UNEVEN
    return near


def _border(pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _coarse(picture: PIL.Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Returns the luma of a few averaged pixels of an RGBA picture, and which of them it covers."""
    values = np.asarray(picture.reduce(-(-max(picture.size) // _COARSE)).convert("LA"))
    return values[:, :, 0].astype(np.float64), values[:, :, 1] > _CLOSE


def _is_light_on_dark(luma: np.ndarray, covered: np.ndarray) -> bool:
    if np.percentile(luma[covered], 5) >= _WHITE - 4:
        return True
    padded = np.pad(covered, 1)
    inner = covered & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    if not inner.any():
        return False
    return bool(luma[covered].mean() >= _DARK and luma[inner].mean() - luma[covered & ~inner].mean() > _RIM)


def _laid_on(page: int, picture: PIL.Image.Image) -> PIL.Image.Image:
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", picture.size, (page,) * 3 + (255,)), picture).convert("RGB")


def _stretched(picture: PIL.Image.Image, factor: float) -> PIL.Image.Image:
    return picture.point([min(255, round(value * factor)) for value in range(256)] * 3)


def _above(picture: PIL.Image.Image, threshold: int) -> PIL.Image.Image:
    return picture.point([0] * (threshold + 1) + [255] * (255 - threshold))
