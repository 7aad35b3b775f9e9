"""Renders the results of the benchmark as Markdown: the page of results, lines for the terminal, cells of the page of speed."""

from __future__ import annotations

from infra.bench.results import Figure, Results, Series


def render_page(results: Results) -> str:
    """Returns the whole page."""
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    settings = ", ".join(f"{name}={value}" for name, value in results.settings.items())
    load = f"{machine.load_before:.2f}"
    measured = (
        f"`make bench` wrote this page on {machine.measured}, on {machine.cores} cores of {machine.processor}, whose load was "
        f"{load} before. Python {machine.python}, {versions}. {settings}.\n"
    )
    parts = [
        "# What the benchmark found\n",
        measured,
        "A figure is made of medians of one run, in which the contenders took turns. Compare no two runs.\n",
        *([] if not results.quick else ["This was a quick run, which shows that the benchmark works, and no more.\n"]),
        "\n".join(["| figure | value | target | reached |", "|---|---|---|---|", *map(figure_row, results.figures)]) + "\n",
        "\n".join(["| series | median | quartiles | runs |", "|---|---|---|---|", *map(series_row, results.series)]) + "\n",
    ]
    if results.skipped:
        reasons = [f"- {name}: {reason}" for name, reason in results.skipped.items()]
        parts.append("\n".join(["These contenders did not take part:\n", *reasons]) + "\n")
    return "\n".join(parts)


def figure_row(figure: Figure) -> str:
    """Returns the row of a figure."""
    value = figure_cell(figure)
    limits = [("at most", figure.at_most), ("at least", figure.at_least)]
    target = " ".join(f"{words} {number:g}" for words, number in limits if number is not None)
    reached = {None: "", True: "yes", False: "**no**"}[figure.holds]
    return f"| {figure.name} | {value} | {target} | {reached} |"


def figure_cell(figure: Figure) -> str:
    """Returns the value of a figure with its unit, or the reason why it has none."""
    return figure.missing or _amount(figure.value or 0.0, figure.unit)


def series_row(series: Series) -> str:
    """Returns the row of a series: its median, its quartiles and the number of its values."""
    low, high = series.quartiles
    spread = f"{_number(low)} to {_number(high)}" if len(series.values) > 1 else ""
    return f"| {series.name} | {_amount(series.median, series.unit)} | {spread} | {len(series.values)} |"


def _amount(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".strip()


def _number(value: float) -> str:
    """Returns a number with three digits or more, without a fraction from 100 on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
