"""Foreign pictures to the model's size, as the manifest says. Training on folders of pictures uses the same lines. Pure."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageOps

from handler.contract import Conversion, PixelShape


def convert(picture: PIL.Image.Image, shape: PixelShape, conversion: Conversion) -> np.ndarray:
    """Brings a picture to the model's size: `(height, width, channels)` uint8.

    Turned upright by its EXIF tag, laid on the background, made grey or RGB, scaled until it just fits, centred. A picture
    that has the size and the channels already keeps every pixel as it is.
    """
    upright = PIL.ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I;16"):
        values = np.asarray(upright)
        alpha = np.where(values == upright.info.get("transparency", -1), 0, 255)
        upright = PIL.Image.fromarray(np.stack([values >> 8, alpha], axis=-1).astype(np.uint8), "LA")
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        upright = PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, (conversion.background,) * 3 + (255,)), layer)
    coloured = upright.convert("L" if shape.channels == 1 else "RGB")
    if coloured.size != (shape.width, shape.height):
        background = (conversion.background,) * shape.channels
        size = (shape.width, shape.height)
        coloured = _thickened(coloured, shape)
        coloured = PIL.ImageOps.pad(coloured, size, PIL.Image.Resampling.LANCZOS, color=background)
    return np.asarray(coloured, np.uint8).reshape(shape.as_tuple)


def _thickened(picture: PIL.Image.Image, shape: PixelShape) -> PIL.Image.Image:
    """A picture so long that its other side would be scaled to no pixel at all gets as much of it as makes one."""
    size = (
        max(picture.width, -(-picture.height // shape.height)),
        max(picture.height, -(-picture.width // shape.width)),
    )
    return picture if picture.size == size else picture.resize(size)
