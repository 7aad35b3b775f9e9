"""Reads the numbers off a deployed dashboard: the newest point of each line of each graph. Pure; `ask` knows the metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from infra.dashboard.metric_math import Series, evaluate


@dataclass(frozen=True)
class Asked:
    """A metric as a graph asks for it: the statistic of one period."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    stat: str
    period_s: int


@dataclass(frozen=True)
class Reading:
    """The numbers of one graph by the labels of its lines, None for a line without a point; `known` metrics have a figure."""

    title: str
    unit: str
    values: Mapping[str, float | None]
    known: tuple[Asked, ...]


def read_dashboard(body: str, ask: Callable[[Asked], float | None]) -> Iterator[Reading]:
    """Yields the reading of each graph of a dashboard's body, whose metrics `ask` returns, or None if there is no figure."""
    for widget in json.loads(body)["widgets"]:
        if widget["type"] == "metric":
            yield _read_graph(widget["properties"], ask)


def _read_graph(graph: Mapping[str, Any], ask: Callable[[Asked], float | None]) -> Reading:
    series: dict[str, Series] = {}
    values: dict[str, float | None] = {}
    known: list[Asked] = []
    for *metric, shown in graph["metrics"]:
        if metric:
            asked = _asked(metric, shown["stat"], graph["period"])
            figure = ask(asked)
            known += [] if figure is None else [asked]
            series[shown["id"]] = np.array([np.nan if figure is None else figure])
        else:
            series[shown["id"]] = evaluate(shown["expression"], series, graph["period"])
        if shown.get("visible", True):
            (value,) = series[shown["id"]]
            values[shown["label"]] = None if np.isnan(value) else float(value)
    return Reading(graph["title"], graph["yAxis"]["left"]["label"], values, tuple(known))


def _asked(metric: Sequence[str], stat: str, period_s: int) -> Asked:
    namespace, name, *dimensions = metric
    return Asked(namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True)), stat, period_s)
