"""Makes the figures that have a target out of the series of one run. The targets are those that the project has set itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from infra.bench.results import Figure, Series

LOGGED = 25  # objects in the event whose log is measured

_CPU = "alone, processor time of an object"
_START = "start to first document"
_COLD = "peak memory of a cold invocation"


def make_figures(series: Sequence[Series], package_bytes: int | None) -> tuple[Figure, ...]:
    """Returns all figures; one that could not be made says which series it lacks.

    Args:
        series: every series of the run.
        package_bytes: the unzipped size of the package, or None if it has not been built.
    """
    medians = {each.name: each.median for each in series}
    return (*_of_objects(medians), *_of_starts(medians), *_of_sizes(medians, package_bytes))


def _of_objects(medians: Mapping[str, float]) -> Iterator[Figure]:
    for client, at_most in (("boto3", 0.4), ("obstore", 0.4)):
        names: tuple[str, ...] = (f"function, {client}, {_CPU}", f"bare {client}, {_CPU}", f"bare model, {_CPU}")
        title = f"{client}: processor time of a small object, client and model taken off"
        yield _figure(medians, title, "ms", names, lambda whole, bare, model: whole - bare - model, at_most=at_most)
    targets = {("boto3", 30): 240.0, ("boto3", 100): 95.0, ("obstore", 30): 450.0}
    for client in ("boto3", "obstore"):
        for delay_ms in _delays(medians):
            mine = f"function, {client}, {delay_ms} ms, rate"
            title = f"{client}: small objects a second at {delay_ms} ms"
            yield _figure(medians, title, "objects/s", (mine,), _same, at_least=targets.get((client, delay_ms)))
            peers = tuple(
                name for name in medians if name.startswith(f"{client} and ") and name.endswith(f", {delay_ms} ms, rate")
            )
            title = f"{client}: share of the best peer's rate at {delay_ms} ms"
            names = (mine, *(peers or (f"{client} and LiteRT, {delay_ms} ms, rate",)))
            yield _figure(medians, title, "", names, lambda mine, *others: mine / max(others), at_least=0.9)
    for client, at_most in (("boto3", 4.2), ("obstore", 2.2)):
        names = (f"function, {client}, 30 ms, time of an object",)
        yield _figure(medians, f"{client}: billed time of an object at 30 ms", "ms", names, _same, at_most=at_most)
    names = ("function, boto3, packed images", "bare model, packed images")
    yield _figure(medians, "one IDX object: share of the bare model's rate", "", names, _ratio, at_least=0.93)


def _of_starts(medians: Mapping[str, float]) -> Iterator[Figure]:
    for client, at_most in (("boto3", 1.02), ("obstore", 0.55)):
        names = (f"function, {client}, {_START}", f"boto3 and LiteRT, {_START}")
        yield _figure(
            medians, f"{client}: start to first document, by that of boto3 and LiteRT", "", names, _ratio, at_most=at_most
        )


def _of_sizes(medians: Mapping[str, float], package_bytes: int | None) -> Iterator[Figure]:
    for client in ("boto3", "obstore"):
        names = (f"function, {client}, packaged, {_COLD}",)
        yield _figure(medians, f"{client}: peak memory of a cold invocation, as packaged", "MiB", names, _same, at_most=80)
    yield _figure(medians, "peak memory of a 1 GB object", "MiB", ("1 GB object, peak memory",), _same, at_most=82)
    size, missing = (None, "not built: run `make build`") if package_bytes is None else (package_bytes / 10**6, "")
    yield Figure("package, unzipped", "MB", size, at_most=130, missing=missing)
    names = (f"function, boto3, log of {LOGGED} objects",)
    yield _figure(medians, f"log of {LOGGED} objects", "bytes", names, _same, at_most=6000)


def _figure(
    medians: Mapping[str, float],
    title: str,
    unit: str,
    names: tuple[str, ...],
    combine: Callable[..., float],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    lacking = [name for name in names if name not in medians]
    value = None if lacking else combine(*(medians[name] for name in names))
    missing = f"not measured: {', '.join(lacking)}" if lacking else ""
    return Figure(title, unit, value, at_most=at_most, at_least=at_least, missing=missing)


def _delays(medians: Mapping[str, float]) -> list[int]:
    """Returns the delays at which the function's rate was measured, in ascending order."""
    words = [name.split(", ") for name in medians if name.startswith("function, ") and name.endswith(" ms, rate")]
    return sorted({int(parts[2].removesuffix(" ms")) for parts in words})


def _same(value: float) -> float:
    return value


def _ratio(value: float, other: float) -> float:
    return value / other
