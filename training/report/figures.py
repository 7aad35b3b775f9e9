"""Provides colours, text, images and files to all figures, by Matplotlib's objects instead of pyplot.

Colours: Petroff, "Accessible Color Sequences for Data Visualization", 2021, arXiv:2107.02270: ten colours that people with any
of the usual colour vision deficiencies can tell apart. Each has a marker too, so that colour alone never carries meaning.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

COLOURS = [to_hex(colour) for colour in mpl.color_sequences["petroff10"]]
MARKERS = "osD^vPX<>*"
BLUE, ORANGE, RED, GREY = COLOURS[0], COLOURS[6], COLOURS[2], COLOURS[8]
DPI = 110

_MAX_NAME_CHARACTERS = 24


def new_figure(width: float, height: float) -> Figure:
    """Creates an empty figure of `width` by `height` inches, which arranges its parts itself."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(axes: Axes, *, grid: str | None = None) -> Axes:
    """Removes the upper and the right side of the frame, and adds a faint grid along "x", "y" or "both"."""
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(axis=grid, color="0.9")  # type: ignore[arg-type]
        axes.set_axisbelow(True)
    return axes


def render_png(figure: Figure) -> bytes:
    """Renders the figure as a PNG file; equal figures give equal bytes."""
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def render_gif(frames: Sequence[PIL.Image.Image], durations_ms: Sequence[int]) -> bytes:
    """Renders RGB frames as a GIF file that repeats for ever; all frames use the colours of the last one."""
    palette = frames[-1].quantize(128, PIL.Image.Quantize.MAXCOVERAGE, dither=PIL.Image.Dither.NONE)
    first, *others = (frame.quantize(palette=palette, dither=PIL.Image.Dither.NONE) for frame in frames)
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=list(durations_ms), loop=0, optimize=False)
    return file.getvalue()


def shown(name: str) -> str:
    """Prepares a name for Matplotlib: on one line, shortened if it is long, and with dollar signs that start no formula."""
    line = " ".join(name.split())
    return (line if len(line) <= _MAX_NAME_CHARACTERS else line[: _MAX_NAME_CHARACTERS - 1] + "…").replace("$", r"\$")


def style_of(index: int) -> tuple[str, str]:
    """Returns the colour and the marker of a class; the pairs of a hundred classes differ."""
    return COLOURS[index % 10], MARKERS[(index + index // 10) % 10]


def row_inches(classes: int) -> float:
    """Returns the height of a class's row in inches, which is less if there are many classes."""
    return 0.34 if classes <= 20 else 0.18


def name_size(classes: int) -> float:
    """Returns the font size in points of class names in rows, which is less if there are many classes."""
    return 10 if classes <= 20 else 7.5


def show_image(axes: Axes, pixels: np.ndarray, interpolation: str = "auto") -> None:
    """Draws uint8 pixels without ticks, grey from 0 = black to 255 = white."""
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation=interpolation)
    axes.set_xticks([])
    axes.set_yticks([])
