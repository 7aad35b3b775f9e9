"""Draws many images side by side, each under a few lines of text. Pure: arrays in, figures out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from training.report.figures import DPI, new_figure, show_image

COLUMNS = 5

_WIDTH, _LINE_HEIGHT, _TITLE_HEIGHT = 11, 0.15, 0.45  # inches
_IMAGE_WIDTH, _MAX_IMAGE_HEIGHT = 2.0, 1.8  # inches
_GAP = 0.06  # between rows, in rows: an image belongs to the text above it, which must be the nearer one
_FONT_SIZE = 8
_TEXT_WIDTH = 0.97 * _WIDTH / COLUMNS * DPI  # pixels


def draw_tiles(title: str, images: np.ndarray, captions: Sequence[str]) -> Figure:
    """Draws images, each under its caption; a caption that is too wide is written smaller.

    Args:
        title: the title of all.
        images: `(m, height, width, channels)` uint8, 0..255.
        captions: the text of each image, of one line or more.
    """
    rows = -(-len(images) // COLUMNS)
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    high = min(_MAX_IMAGE_HEIGHT, _IMAGE_WIDTH * images.shape[1] / images.shape[2])
    figure = new_figure(_WIDTH, _TITLE_HEIGHT + rows * (1 + _GAP) * (high + lines * _LINE_HEIGHT))
    figure.set_layout_engine("constrained", hspace=_GAP)
    figure.suptitle(title, x=0.01, ha="left")
    if not rows:
        return figure
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in panels[len(images) :]:
        axes.set_axis_off()
    for axes, image, caption in zip(panels, images, captions, strict=False):
        show_image(axes, image)
        text = axes.set_title(caption, fontsize=_FONT_SIZE)
        text.set_fontsize(_FONT_SIZE * min(_TEXT_WIDTH / text.get_window_extent().width, 1))
    return figure
