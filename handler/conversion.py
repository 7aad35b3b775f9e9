"""Converts foreign pictures to the model's size, as the manifest says, in training on folders too. Pure."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageChops
import PIL.ImageFilter
import PIL.ImageOps

from handler.article import SOLID, is_white, least, light_ground, show_article, show_cut_out
from handler.contract import Conversion, PixelShape

# The revision of each conversion's rules. A change that gives other pixels for the same picture raises it, and the one in the
# bundled manifest, so that documents of the old rules are replaced.
REVISIONS = {"contain": 1, "fashion-mnist": 2}

_OVERSAMPLING = 16  # working pixels for each model pixel along the longest edge, which bounds the work after reading

# The data set's pixels were picked by skipping rows and columns, which aliases, and sharpened near outlines alone. Measured on
# 600 held-out training images, enlarged to photos as they were before that sharpening, 91.3% were right with the paper's way,
# 89.0% with averaged pixels (Lanczos) and no sharpening, and 92.8% with averaged pixels, all of them sharpened. 83% at a radius
# of 1 is nearly ImageMagick's `-sharpen 1x1`: a negative 3x3 Gaussian, its middle twice its sum, scaled to sum to 1.
_RESAMPLING = PIL.Image.Resampling.LANCZOS
_SHARPEN = PIL.ImageFilter.UnsharpMask(radius=1, percent=83, threshold=0)

_MAX_THICKENED_PIXELS = 2**26  # of a very long picture whose shorter side is enlarged: 268 MB, below the peaks of decoders
_LINE_GAP = 2**12  # pixels of a line for each of the model's, above which neighbours are averaged first: each takes 48 bytes
_BAND_ROWS = 2**12  # of a picture with transparency are laid on the background at a time


def convert(picture: PIL.Image.Image, shape: PixelShape, conversion: Conversion) -> np.ndarray:
    """Converts a picture to the model's size, as `Conversion` describes, and returns `(height, width, channels)` uint8, 0..255.

    The picture is upright, with eight bits a sample, as `handler.formats.picture.read_picture` returns it.
    """
    if conversion.fit == "contain":
        fitted = _contained(_laid_on(conversion.background, picture), shape, conversion.background)
    else:
        fitted = _in_place(picture, shape) or _as_fashion_mnist(picture, shape)
    return np.asarray(fitted, np.uint8).reshape(shape.as_tuple)


def is_grey(picture: PIL.Image.Image) -> bool:
    """Returns whether no pixel has a colour, in whichever mode the picture is stored: WebP has no grey mode, for example."""
    if PIL.Image.getmodebase(picture.mode) == "L":
        return True
    red, *others = picture.convert("RGB").split()
    return all(PIL.ImageChops.difference(red, other).getbbox() is None for other in others)


def _laid_on(background: int, picture: PIL.Image.Image) -> PIL.Image.Image:
    """Returns a picture without transparency: a band of rows after the other, since Pillow keeps 12 bytes for every row."""
    if not picture.has_transparency_data:
        return picture
    laid = PIL.Image.new("RGBA", picture.size, (background,) * 3 + (255,))
    for top in range(0, picture.height, _BAND_ROWS):
        band = picture.crop((0, top, picture.width, min(top + _BAND_ROWS, picture.height)))
        laid.alpha_composite(band.convert("RGBA"), (0, top))
    return laid


def _contained(picture: PIL.Image.Image, shape: PixelShape, background: int) -> PIL.Image.Image:
    coloured, size = picture.convert(_mode(shape)), (shape.width, shape.height)
    if coloured.size == size:
        return coloured
    return PIL.ImageOps.pad(_thickened(coloured, shape), size, _RESAMPLING, color=(background,) * shape.channels)


def _thickened(picture: PIL.Image.Image, shape: PixelShape) -> PIL.Image.Image:
    """Returns a picture whose shorter side is scaled to one pixel at least.

    The shorter side of a very long picture is enlarged for this, unless that would take too much memory: its pixels grow with
    the square of its length.
    """
    size = (
        max(picture.width, -(-picture.height // shape.height)),
        max(picture.height, -(-picture.width // shape.width)),
    )
    if picture.size == size:
        return picture
    return picture.resize(size) if size[0] * size[1] <= _MAX_THICKENED_PIXELS else _line(picture, shape)


def _line(picture: PIL.Image.Image, shape: PixelShape) -> PIL.Image.Image:
    """Returns a picture that is longer than the model's by far as a line, one pixel thick and as long as the model's.

    One that is a single pixel thick gets the pixels that enlarging it first would give, and any other nearly the same.
    """
    size = (shape.width, 1) if picture.width > picture.height else (1, shape.height)
    return picture.resize(size, _RESAMPLING, reducing_gap=_LINE_GAP)


def _in_place(picture: PIL.Image.Image, shape: PixelShape) -> PIL.Image.Image | None:
    """Returns a grey picture of the model's size light on black, with every pixel in its place; None for any other picture.

    It is negated if its ground is white. One on a ground of light grey is converted as other pictures are.
    """
    if picture.size != (shape.width, shape.height) or not is_grey(picture):
        return None
    layer = _layer(picture)
    if layer.mode == "RGBA" and least(layer.getchannel("A")) < SOLID:
        return show_cut_out(layer).convert(_mode(shape))
    grey = _in_mode("L", layer)
    ground = light_ground(grey)
    if ground is None:
        return _in_mode(_mode(shape), grey)
    return PIL.ImageOps.invert(grey).convert(_mode(shape)) if is_white(ground) else None


def _as_fashion_mnist(picture: PIL.Image.Image, shape: PixelShape) -> PIL.Image.Image:
    """Trims, negates, scales, sharpens and centres a picture.

    Negating before scaling gives the same as negating last, up to rounding and clipping, since scaling and sharpening are
    linear.
    """
    layer = _layer(picture)
    small = layer.reduce(-(-max(layer.size) // (_OVERSAMPLING * max(shape.height, shape.width))))
    article = show_article(small.convert("RGB") if small.mode == "L" else small)
    scale = min(shape.width / article.width, shape.height / article.height)
    size = max(1, round(article.width * scale)), max(1, round(article.height * scale))
    scaled = article.resize(size, _RESAMPLING).convert(_mode(shape)).filter(_SHARPEN)
    canvas = PIL.Image.new(_mode(shape), (shape.width, shape.height))
    canvas.paste(scaled, ((shape.width - size[0]) // 2, (shape.height - size[1]) // 2))
    return canvas


def _layer(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Returns a picture as RGBA if anything shows through it, otherwise as L or RGB."""
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return layer if least(layer.getchannel("A")) < 255 else layer.convert("RGB")
    return picture if picture.mode == "L" else picture.convert("RGB")


def _in_mode(mode: str, picture: PIL.Image.Image) -> PIL.Image.Image:
    return picture if picture.mode == mode else picture.convert(mode)  # convert() copies even then


def _mode(shape: PixelShape) -> str:
    return "L" if shape.channels == 1 else "RGB"
