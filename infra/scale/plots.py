"""Draws docs/scale.svg: what more workers bring, and how the runs go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.scale.results import Simulated
from infra.scale.scenarios import SWEPT, SWEPT_NAMES, deployed_scenarios, swept_scenarios

_COLOURS = {"uploads": "#c2410c", "backlog": "#0f766e"}
_HOUR_S = 3_600


def draw(simulated: Simulated, path: Path) -> None:
    """Writes the picture."""
    import matplotlib as mpl  # late: it belongs to training's libraries, and takes a second

    mpl.use("Agg")
    mpl.rcParams |= {"svg.hashsalt": "coatcheck", "font.size": 11, "axes.spines.top": False, "axes.spines.right": False}
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    _draw_workers(simulated, left)
    _draw_progress(simulated, right)
    figure.savefig(path, metadata={"Date": None})
    plt.close("all")


def _draw_workers(simulated: Simulated, axes: Any) -> None:
    """Draws the images a second of whole runs by the number of workers; a run that failed is a cross."""
    scenarios = swept_scenarios()
    for number, name in enumerate(SWEPT_NAMES):
        series = scenarios[number * len(SWEPT) : (number + 1) * len(SWEPT)]
        outcomes = [simulated.of(scenario) for scenario in series]
        rates = [
            outcome.done * scenario.load.images / outcome.seconds for scenario, outcome in zip(series, outcomes, strict=True)
        ]
        packing, way = name.split()
        style = {"color": _COLOURS[way], "linestyle": "-" if packing == "single" else "--"}
        axes.plot(SWEPT, rates, label=_label(packing, way), marker="o", markersize=4, linewidth=2, **style)
        failed = [(count, rate) for count, rate, outcome in zip(SWEPT, rates, outcomes, strict=True) if outcome.left]
        axes.plot(*zip(*failed, strict=True) if failed else ((), ()), "x", color="black", markersize=9, zorder=3)
    limits = simulated.stack.limits
    for rate, text in ((limits.puts_per_second, "S3's PUTs"), (limits.gets_per_second, "S3's GETs")):
        axes.axhline(rate, color="#64748b", linewidth=1, linestyle=":")
        place = {"xytext": (0, 3), "textcoords": "offset points", "ha": "right"}
        axes.annotate(f"{text}, one partition", (max(SWEPT), rate), fontsize=9, color="#64748b", **place)
    axes.set(xscale="log", yscale="log", xlabel="workers (MaximumConcurrency, BacklogConcurrency)", ylabel="images a second")
    axes.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    axes.set_title("1 million single images, 100 million packed ones", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)


def _draw_progress(simulated: Simulated, axes: Any) -> None:
    """Draws the share of a hundred million images that is done, by hours, as the template deploys the stack."""
    for scenario in deployed_scenarios()[4:]:
        outcome = simulated.of(scenario)
        _, packing, way = scenario.name.split(", ")
        hours = [sample.at_s / _HOUR_S for sample in outcome.samples]
        shares = [100 * sample.done / scenario.load.objects for sample in outcome.samples]
        style = {"color": _COLOURS[way], "linestyle": "-" if packing == "single" else "--"}
        axes.plot(hours, shares, label=_label(packing, way), linewidth=2, **style)
    axes.set(xlabel="hours", ylabel="% done", ylim=(0, 103), xlim=(0, None))
    axes.set_title("100 million images, as deployed", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)


def _label(packing: str, way: str) -> str:
    return f"{way}, {'single' if packing == 'single' else 'packed by 1,000'}"
