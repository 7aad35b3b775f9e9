"""Draws labelled images: examples of each class, the balance of classes, an animated embedding. Pure: arrays in, figures out.

In every function, `names` are the class names, and `labels` is `(n,)` int, indices into `names`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from training.report.figures import BLUE, DPI, ORANGE, name_size, new_figure, plain, row_inches, show_image, shown, style_of

SPRITE_ROWS = 3  # of each class, as in the sprite of Fashion-MNIST itself
_SPRITE_COLUMNS = 30
_CELL_PIXELS = 28  # height of an image in the sprite; a smaller one is enlarged by a whole factor
_MAX_CLASSES_PER_COLUMN = 20  # more classes are drawn in further columns, each with fewer images
_GAP_PIXELS = 6
_MAX_LEGEND_ROWS = 25


def draw_sprite(images: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> Figure:
    """Draws the first `images`, `(n, height, width, channels)` uint8, of each class in three rows, after the class's name."""
    columns = -(-len(names) // _MAX_CLASSES_PER_COLUMN)
    deep, across = -(-len(names) // columns), max(_SPRITE_COLUMNS // columns, 6)
    _, height, width, _ = images.shape
    cell = max(_CELL_PIXELS // height, 1) * height if height < 2 * _CELL_PIXELS else _CELL_PIXELS
    high, wide = SPRITE_ROWS * cell, across * round(cell * width / height)
    margin = 20 + 8 * max(len(shown(name)) for name in names)
    whole_wide, whole_high = columns * (margin + wide) + _GAP_PIXELS, deep * (high + _GAP_PIXELS) + _GAP_PIXELS
    # Each class gets whole pixels, so that no row of an image is drawn thicker than another.
    figure = Figure(figsize=(whole_wide / DPI, whole_high / DPI), dpi=DPI)
    for index, name in enumerate(names):
        left, top = (index // deep) * (margin + wide) + margin, (index % deep) * (high + _GAP_PIXELS) + _GAP_PIXELS
        bottom = whole_high - top - high
        axes = figure.add_axes((left / whole_wide, bottom / whole_high, wide / whole_wide, high / whole_high))
        axes.set_axis_off()
        of_class = images[labels == index][: SPRITE_ROWS * across]
        show_image(axes, _sheet(of_class, SPRITE_ROWS, across), "nearest" if cell % height == 0 else "auto")
        axes.set_aspect("auto")
        axes.text(-10 / wide, 0.5, shown(name), transform=axes.transAxes, ha="right", va="center")
    return figure


def draw_class_balance(parts: dict[str, np.ndarray], names: Sequence[str]) -> Figure:
    """Draws the number of images of each class in two parts of a data set; `parts` maps their names to their labels."""
    figure = new_figure(9, 1.4 + 1.5 * row_inches(len(names)) * len(names))
    axes = plain(figure.subplots(), grid="x")
    places = np.arange(len(names))
    for offset, colour, (part, labels) in zip((-0.2, 0.2), (BLUE, ORANGE), parts.items(), strict=True):
        counts = np.bincount(labels, minlength=len(names))
        bars = axes.barh(places + offset, counts, height=0.38, color=colour, label=f"{part}: {len(labels):,} images")
        axes.bar_label(bars, [f"{count:,}" for count in counts], padding=3, fontsize=name_size(len(names)) - 1)
    name_rows(axes, names)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("images")
    axes.margins(x=0.08)
    axes.set_title("Images of each class", loc="left")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return figure


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Writes the class names at the rows of a drawing, the first one at the top."""
    axes.set_yticks(range(len(names)), [shown(name) for name in names], fontsize=name_size(len(names)))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)


def draw_embedding(
    title: str,
    ends: tuple[np.ndarray, np.ndarray],
    captions: tuple[str, str],
    labels: np.ndarray,
    names: Sequence[str],
    frames: int,
) -> Iterator[PIL.Image.Image]:
    """Draws the points of images as they move from one embedding to another, and yields the frames.

    Args:
        title: the title of every frame.
        ends: the two embeddings, `(n, 2)` float from -1 to 1.
        captions: the names of the two embeddings.
        labels: the labels of the points, shown by colour and marker.
        names: the class names.
        frames: the number of frames, at least 2; the first and the last one show the embeddings themselves.
    """
    columns, longest = -(-len(names) // _MAX_LEGEND_ROWS), max(len(shown(name)) for name in names)
    figure = new_figure(5.4 + columns * (0.4 + longest * (0.09 if columns == 1 else 0.07)), 6.2)
    canvas = FigureCanvasAgg(figure)
    axes, slider = figure.subplots(2, height_ratios=(14, 1))
    axes.set_title(title, loc="left")
    _legend(figure, names, columns)
    clouds = _scatter(axes, ends[0], labels, len(names))
    (knob,) = _slide(slider, captions).plot([0], [0], "o", color="0.2", markersize=9)
    written = _write_names(axes, ends[1], labels, names)
    canvas.draw()  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")  # arranged once, so that nothing but the points moves
    for done in np.linspace(0, 1, frames):
        eased = done * done * (3 - 2 * done)
        for index, cloud in enumerate(clouds):
            cloud.set_data(*((1 - eased) * ends[0] + eased * ends[1])[labels == index].T)
        for text in written:
            text.set_alpha(done**20)  # names appear when the points have nearly arrived
        knob.set_xdata([eased])
        canvas.draw()  # type: ignore[no-untyped-call]
        yield PIL.Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]


def _scatter(axes: Axes, points: np.ndarray, labels: np.ndarray, classes: int) -> list[Line2D]:
    """Draws the points of each class, and returns the lines that hold them, one for each class."""
    axes.set(xlim=(-1.04, 1.04), ylim=(-1.04, 1.04), xticks=[], yticks=[], aspect="equal")
    axes.set_xlabel("t-SNE, without a unit: near is alike, the axes mean nothing", fontsize=9)
    clouds = []
    for index in range(classes):
        colour, marker = style_of(index)
        clouds += axes.plot(*points[labels == index].T, marker, color=colour, markersize=4.2, markeredgewidth=0, alpha=0.85)
    return clouds


def _write_names(axes: Axes, points: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> list[Text]:
    """Writes the name of each class at the median of its points, unless so many names would hide the points."""
    if len(names) > _MAX_CLASSES_PER_COLUMN:
        return []
    middles = {index: np.median(points[labels == index], axis=0) for index in np.unique(labels).tolist()}
    halo = [withStroke(linewidth=3, foreground="white")]
    return [
        axes.text(middle[0], middle[1], shown(names[index]), ha="center", va="center", weight="bold", path_effects=halo)
        for index, middle in middles.items()
    ]


def _slide(axes: Axes, captions: tuple[str, str]) -> Axes:
    """Draws the line from one caption to the other along which a knob shows the progress."""
    axes.set_axis_off()
    axes.set(xlim=(-0.6, 1.6), ylim=(-1, 1))
    axes.plot([0, 1], [0, 0], color="0.7", linewidth=2)
    for place, caption, side in zip((-0.05, 1.05), captions, ("right", "left"), strict=True):
        axes.text(place, 0, caption, ha=side, va="center")
    return axes


def _legend(figure: Figure, names: Sequence[str], columns: int) -> None:
    styles = [style_of(index) for index in range(len(names))]
    handles = [Line2D([], [], linestyle="", marker=marker, color=colour, markersize=7) for colour, marker in styles]
    figure.legend(
        handles, [shown(name) for name in names], loc="outside right upper", ncols=columns, frameon=False,
        fontsize=10 if columns == 1 else 7.5, handletextpad=0.2, columnspacing=0.8,
    )  # fmt: skip


def _sheet(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Lays up to `rows * columns` images side by side: `(rows * height, columns * width)` uint8, for RGB with a third axis."""
    n, height, width, channels = images.shape
    laid = np.full((rows * columns, height, width, channels), 255, np.uint8)
    laid[:n] = images
    whole = laid.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    whole = whole.reshape(rows * height, columns * width, channels)
    return whole[:, :, 0] if channels == 1 else whole
