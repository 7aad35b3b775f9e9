"""Defines what a dashboard of CloudWatch is made of: metrics, expressions over them, and graphs of both. Pure values.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PERIOD_S = 900  # of a point of most graphs, so that a week has 672 points
DAY_S = 86_400


@dataclass(frozen=True)
class Metric:
    """One metric as a graph uses it; expressions know it by its `id`, and a graph shows it unless it is `hidden`."""

    id: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str
    label: str = ""
    colour: str = ""
    hidden: bool = False

    def as_row(self) -> list[Any]:
        """Returns the metric as an entry of a widget's `metrics`."""
        names = [part for dimension in self.dimensions for part in dimension]
        return [self.namespace, self.name, *names, {"stat": self.stat, **_shown(self)}]


@dataclass(frozen=True)
class Expression:
    """A text of metric math; other expressions know its result by its `id`, and a graph shows it unless it is `hidden`.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    """

    id: str
    text: str
    label: str = ""
    colour: str = ""
    hidden: bool = False

    def as_row(self) -> list[Any]:
        """Returns the expression as an entry of a widget's `metrics`."""
        return [{"expression": self.text, **_shown(self)}]


@dataclass(frozen=True)
class Level:
    """A horizontal line across a graph, such as a threshold."""

    value: float
    label: str
    colour: str


@dataclass(frozen=True)
class Graph:
    """A widget that shows metrics and expressions over time; `unit` is written at its axis."""

    title: str
    unit: str
    rows: tuple[Metric | Expression, ...]
    levels: tuple[Level, ...] = ()
    is_stacked: bool = False
    period_s: int = PERIOD_S

    def as_properties(self) -> dict[str, Any]:
        """Returns the properties of the widget."""
        levels = [{"value": level.value, "label": level.label, "color": level.colour} for level in self.levels]
        return {
            "title": self.title,
            "region": "${AWS::Region}",
            "view": "timeSeries",
            "stacked": self.is_stacked,
            "period": self.period_s,
            "yAxis": {"left": {"label": self.unit, "showUnits": False, "min": 0}},
            **({"annotations": {"horizontal": levels}} if levels else {}),
            "metrics": [row.as_row() for row in self.rows],
        }


@dataclass(frozen=True)
class Text:
    """A widget that shows a text in Markdown."""

    markdown: str

    def as_properties(self) -> dict[str, Any]:
        """Returns the properties of the widget."""
        return {"markdown": self.markdown}


@dataclass(frozen=True)
class Placed:
    """A widget at its place on the dashboard, which is 24 columns wide."""

    widget: Graph | Text
    x: int
    y: int
    width: int
    height: int

    def as_widget(self) -> dict[str, Any]:
        """Returns the widget as the body of a dashboard has it."""
        return {
            "type": "text" if isinstance(self.widget, Text) else "metric",
            "x": self.x,
            "y": self.y,
            "width": self.width,
            "height": self.height,
            "properties": self.widget.as_properties(),
        }


def _shown(row: Metric | Expression) -> dict[str, Any]:
    return {
        "id": row.id,
        **({"label": row.label} if row.label else {}),
        **({"color": row.colour} if row.colour else {}),
        **({"visible": False} if row.hidden else {}),
    }
