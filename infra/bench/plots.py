"""Draws the results of the benchmark: throughput by delay, start-up and memory, as SVG."""

from __future__ import annotations

from pathlib import Path

from infra.bench.results import Results, Series

FUNCTION, OTHER = "#c2410c", "#64748b"


def draw(results: Results, folder: Path) -> list[Path]:
    """Writes the pictures for which there are series into `folder`, and returns their paths."""
    import matplotlib as mpl  # late: it belongs to training's libraries, and takes a second

    mpl.use("Agg")
    mpl.rcParams |= {"svg.hashsalt": "coatcheck", "font.size": 11, "axes.spines.top": False, "axes.spines.right": False}
    drawn = [_throughput(results, folder / "throughput.svg")]
    for ending, label, name in (
        (", start to first document", "ms from the start of the process to the first document", "start.svg"),
        (", peak memory of a cold invocation", "MiB, peak memory of one cold invocation", "memory.svg"),
    ):
        drawn.append(_bars(_ending_in(results, ending), ending, label, folder / name))
    return [path for path in drawn if path]


def _ending_in(results: Results, ending: str) -> list[Series]:
    return sorted((each for each in results.series if each.name.endswith(ending)), key=lambda each: each.median)


def _throughput(results: Results, path: Path) -> Path | None:
    from matplotlib import pyplot as plt

    lines: dict[str, list[tuple[int, Series]]] = {}
    for series in _ending_in(results, " ms, rate"):
        contender, delay, _ = series.name.rsplit(", ", 2)
        lines.setdefault(contender, []).append((int(delay.removesuffix(" ms")), series))
    if not lines:
        return None
    figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
    for contender, points in lines.items():
        points.sort(key=lambda point: point[0])
        medians = [series.median for _, series in points]
        spread = [
            [series.median - series.quartiles[0] for _, series in points],
            [series.quartiles[1] - series.median for _, series in points],
        ]
        is_ours = contender.startswith("function")
        axes.errorbar(
            [delay for delay, _ in points],
            medians,
            spread,
            label=contender,
            marker="o" if "boto3" in contender else "s",
            linewidth=2.5 if is_ours else 1.5,
            linestyle="-" if is_ours else "--",
            capsize=3,
        )
    axes.set(xlabel="delay of each answer of S3, ms", ylabel="small objects per second", ylim=(0, None))
    axes.set_xticks(sorted({delay for points in lines.values() for delay, _ in points}))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return _save(figure, path)


def _bars(series: list[Series], ending: str, label: str, path: Path) -> Path | None:
    from matplotlib import pyplot as plt

    if not series:
        return None
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.45 * len(series)), layout="constrained")
    names = [each.name.removesuffix(ending) for each in series]
    spread = [
        [each.median - each.quartiles[0] for each in series],
        [each.quartiles[1] - each.median for each in series],
    ]
    colours = [FUNCTION if name.startswith("function") else OTHER for name in names]
    bars = axes.barh(names, [each.median for each in series], xerr=spread, color=colours, capsize=3)
    axes.bar_label(bars, [f"{each.median:,.0f}" for each in series], padding=8)
    axes.set(xlabel=label, xlim=(0, 1.12 * max(each.quartiles[1] for each in series)))
    axes.invert_yaxis()
    return _save(figure, path)


def _save(figure: object, path: Path) -> Path:
    from matplotlib import pyplot as plt

    figure.savefig(path, metadata={"Date": None})  # type: ignore[attr-defined]  # matplotlib's figure
    plt.close("all")
    return path
