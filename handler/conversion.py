"""Converts foreign pictures to the model's size, as the manifest says, in training on folders too. Pure."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageChops
import PIL.ImageFilter
import PIL.ImageOps

from handler.contract import Conversion, PixelShape

_WHITE = 255  # the page on which a shop shows its cut-outs
_LIGHT = 128  # luma at and above which a ground is light
_CLOSE = 12  # the largest difference that counts as ground: 5% of 255; values from 8 to 20 measured the same
_CORNER_PARTS = 32  # a corner is a square of 1/32 of the shorter side, so that a speck is not taken for the ground
_UNEVEN = 40  # the largest difference that light makes between corners; a larger one is an article in the corner
_GRAINY = 112  # pixels a side, from which on each is averaged with its neighbours, so that no noise stops trimming
_OVERSAMPLING = 16  # working pixels for each model pixel along the longest edge, which bounds the work after reading

# The data set's pixels were picked by skipping rows and columns, which aliases, and sharpened near outlines alone. Measured on
# 600 held-out training images, enlarged to photos as they were before that sharpening, 91.3% were right with the paper's way,
# 89.0% with averaged pixels (Lanczos) and no sharpening, and 92.8% with averaged pixels, all of them sharpened. 83% at a radius
# of 1 is nearly ImageMagick's `-sharpen 1x1`: a negative 3x3 Gaussian, its middle twice its sum, scaled to sum to 1.
_RESAMPLING = PIL.Image.Resampling.LANCZOS
_SHARPEN = PIL.ImageFilter.UnsharpMask(radius=1, percent=83, threshold=0)


def convert(picture: PIL.Image.Image, shape: PixelShape, conversion: Conversion) -> np.ndarray:
    """Converts a picture to the model's size, as `Conversion` describes, and returns `(height, width, channels)` uint8, 0..255.

    The picture is first turned upright by its EXIF orientation. A picture that has the model's size and colours keeps every
    pixel.
    """
    upright = _in_eight_bits(PIL.ImageOps.exif_transpose(picture))
    if conversion.fit == "contain" or (upright.size == (shape.width, shape.height) and is_grey(upright)):
        fitted = _contained(_laid_on(conversion.background, upright), shape, conversion.background)
    else:
        fitted = _as_fashion_mnist(_laid_on(_WHITE, upright).convert("RGB"), shape)
    return np.asarray(fitted, np.uint8).reshape(shape.as_tuple)


def is_grey(picture: PIL.Image.Image) -> bool:
    """Returns whether no pixel has a colour, in whichever mode the picture is stored: WebP has no grey mode, for example."""
    if PIL.Image.getmodebase(picture.mode) == "L":
        return True
    red, *others = picture.convert("RGB").split()
    return all(PIL.ImageChops.difference(red, other).getbbox() is None for other in others)


def _in_eight_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    if not picture.mode.startswith("I;16"):
        return picture
    values = np.asarray(picture)
    alpha = np.where(values == picture.info.get("transparency", -1), 0, 255)
    return PIL.Image.fromarray(np.stack([values >> 8, alpha], axis=-1).astype(np.uint8), "LA")


def _laid_on(background: int, picture: PIL.Image.Image) -> PIL.Image.Image:
    if not picture.has_transparency_data:
        return picture
    layer = picture.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, (background,) * 3 + (255,)), layer)


def _contained(picture: PIL.Image.Image, shape: PixelShape, background: int) -> PIL.Image.Image:
    coloured, size = picture.convert(_mode(shape)), (shape.width, shape.height)
    if coloured.size == size:
        return coloured
    return PIL.ImageOps.pad(_thickened(coloured, shape), size, _RESAMPLING, color=(background,) * shape.channels)


def _thickened(picture: PIL.Image.Image, shape: PixelShape) -> PIL.Image.Image:
    """Returns a picture whose shorter side is scaled to one pixel at least.

    The shorter side of a very long picture is enlarged for this.
    """
    size = (
        max(picture.width, -(-picture.height // shape.height)),
        max(picture.height, -(-picture.width // shape.width)),
    )
    return picture if picture.size == size else picture.resize(size)


def _as_fashion_mnist(picture: PIL.Image.Image, shape: PixelShape) -> PIL.Image.Image:
    """Trims, negates, scales, sharpens and centres `picture`, which is RGB.

    Negating before scaling gives the same as negating last, up to rounding and clipping, since scaling and sharpening are
    linear.
    """
    small = picture.reduce(-(-max(picture.size) // (_OVERSAMPLING * max(shape.height, shape.width))))
    corners = _ground_in_corners(small)
    # The ground is interpolated between the middles of the corners, since light may fall off evenly across the picture.
    ground = corners.resize(small.size, PIL.Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))
    luma = float(np.asarray(corners.convert("L")).mean())
    pair, span = ((ground, small), luma) if luma >= _LIGHT else ((small, ground), 255 - luma)
    article = PIL.ImageChops.subtract(*pair).crop(_bounds(small, ground))
    scale = min(shape.width / article.width, shape.height / article.height)
    size = max(1, round(article.width * scale)), max(1, round(article.height * scale))
    stretched = [min(255, round(value * 255 / span)) for value in range(256)] * shape.channels
    scaled = article.resize(size, _RESAMPLING).convert(_mode(shape)).point(stretched).filter(_SHARPEN)
    canvas = PIL.Image.new(_mode(shape), (shape.width, shape.height))
    canvas.paste(scaled, ((shape.width - size[0]) // 2, (shape.height - size[1]) // 2))
    return canvas


def _ground_in_corners(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Returns the ground's colour in the four corners, 2x2 RGB.

    A corner that an article covers gets the colour of the other three corners, or of the border.
    """
    pixels = np.asarray(picture)
    side = max(1, min(picture.size) // _CORNER_PARTS)
    ends = slice(None, side), slice(-side, None)
    corners = np.array([[pixels[rows, columns].mean(axis=(0, 1)) for columns in ends] for rows in ends])
    ground = np.median(corners, axis=(0, 1))
    if _is_near(corners, ground).sum() < 3:
        ground = np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]), axis=0)
    return PIL.Image.fromarray(np.where(_is_near(corners, ground), corners, ground).round().astype(np.uint8))


def _is_near(corners: np.ndarray, ground: np.ndarray) -> np.ndarray:
    near: np.ndarray = np.abs(corners - ground).max(axis=2, keepdims=True) <= _UNEVEN
    return near


def _bounds(picture: PIL.Image.Image, ground: PIL.Image.Image) -> tuple[int, int, int, int]:
    """Returns the box of everything that differs from the ground in any channel; the whole picture if nothing does."""
    if min(picture.size) >= _GRAINY:
        picture = picture.filter(PIL.ImageFilter.BoxBlur(1))
    red, green, blue = PIL.ImageChops.difference(picture, ground).split()
    largest = PIL.ImageChops.lighter(PIL.ImageChops.lighter(red, green), blue)
    return largest.point([0] * (_CLOSE + 1) + [255] * (255 - _CLOSE)).getbbox() or (0, 0, *picture.size)


def _mode(shape: PixelShape) -> str:
    return "L" if shape.channels == 1 else "RGB"
