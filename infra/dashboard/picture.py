"""Draws docs/dashboard.png: the dashboard as it is defined, with the values of a week that was made up.

python -m infra.dashboard.picture       after a change of the dashboard
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from handler.model import BUNDLED_ARTIFACT
from infra.dashboard.definition import class_metrics, make_dashboard
from infra.dashboard.graphs import DAY_S, Graph, Metric, Placed
from infra.dashboard.metric_math import Series, evaluate
from infra.dashboard.rendering import read_mix, read_stack
from infra.dashboard.week import DAYS, Week, make_week
from infra.paths import ROOT, TEMPLATE

PICTURE = ROOT / "docs" / "dashboard.png"

_INCHES_A_COLUMN, _INCHES_A_ROW = 0.68, 0.46
_DRAWN_S = 3600  # of a point: CloudWatch draws four times as many, which cannot be told apart here
_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_QUIET = "#5f6b7a"
_COLOURS = 256  # which make the file a third as large


def series_of(graph: Graph, week: Week, period_s: int) -> dict[str, Series]:
    """Returns the series of each metric and expression of a graph, by id, in periods of `period_s`."""
    series: dict[str, Series] = {}
    for row in graph.rows:
        series[row.id] = week.of(row, period_s) if isinstance(row, Metric) else evaluate(row.text, series, period_s)
    return series


def draw(path: Path = PICTURE) -> None:
    """Writes the picture."""
    import matplotlib as mpl  # late: it belongs to training's libraries, and takes a second

    mpl.use("Agg")
    mpl.rcParams |= {"savefig.dpi": 110, "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    from matplotlib import pyplot as plt

    mix = read_mix(BUNDLED_ARTIFACT)
    dashboard = make_dashboard(read_stack(TEMPLATE.read_text(encoding="utf-8")), mix)
    week = make_week([dict(metric.dimensions)["class_name"] for metric in class_metrics(mix)])
    graphs = [(each, each.widget) for each in (*dashboard.always, *dashboard.bundled) if isinstance(each.widget, Graph)]
    top, bottom = min(each.y for each, _ in graphs), max(each.y + each.height for each, _ in graphs)
    figure = plt.figure(figsize=(24 * _INCHES_A_COLUMN, (bottom - top) * _INCHES_A_ROW))
    for each, graph in graphs:
        _draw_graph(figure.add_axes(_box(each, top, bottom)), graph, week)
    drawn = io.BytesIO()
    figure.savefig(drawn)
    plt.close("all")
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(_COLOURS, Image.Quantize.FASTOCTREE).save(path, optimize=True)


def _box(placed: Placed, top: int, bottom: int) -> tuple[float, float, float, float]:
    """Returns left, bottom, width and height of a graph's axes, as fractions of the picture; around them is room for words."""
    rows = bottom - top
    low = placed.y - top + placed.height - 1.4
    return (placed.x + 1.2) / 24, 1 - low / rows, (placed.width - 1.5) / 24, (placed.height - 2.0) / rows


def _draw_graph(axes: Any, graph: Graph, week: Week) -> None:
    period_s = max(graph.period_s, _DRAWN_S)
    series = series_of(graph, week, period_s)
    shown = [row for row in graph.rows if not row.hidden]
    days = (np.arange(DAYS * DAY_S // period_s) + 0.5) * period_s / DAY_S
    if graph.is_stacked:
        values = [np.nan_to_num(series[row.id]) for row in shown]
        axes.stackplot(days, values, colors=[row.colour for row in shown], labels=[row.label for row in shown], linewidth=0)
    else:
        marker = "o" if period_s == DAY_S else ""
        for row in shown:
            axes.plot(days, series[row.id], color=row.colour, label=row.label, linewidth=1.3, marker=marker, markersize=4)
    for level in graph.levels:
        axes.axhline(level.value, color=level.colour, linewidth=1, linestyle="--")
        place = {"xytext": (-2, 3), "textcoords": "offset points", "ha": "right", "fontsize": 8, "color": level.colour}
        axes.annotate(level.label, (DAYS, level.value), **place)
    axes.set_title(graph.title, loc="left", fontsize=11, fontweight="bold")
    axes.set_ylabel(graph.unit, fontsize=8, color=_QUIET)
    axes.set(xlim=(0, DAYS))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
    axes.set_xticks(np.arange(DAYS) + 0.5, _NAMES)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.tick_params(length=0, labelsize=8, colors=_QUIET)
    axes.grid(axis="y", alpha=0.25)
    columns = 5 if len(shown) > 7 else 4
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.1),
        ncols=columns,
        frameon=False,
        fontsize=7.5,
        handlelength=0.9,
        columnspacing=0.9,
        handletextpad=0.4,
        labelspacing=0.25,
    )


if __name__ == "__main__":
    draw()
