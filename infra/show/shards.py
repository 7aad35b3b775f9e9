"""Finds the shards of a backlog that are finished, whose rows are the answer for objects that have no document.

A shard is finished once its index is there. Whatever else lies among shards is told, and costs nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from handler.backlog.files import decode_index
from handler.backlog.runs import Digest, Places
from handler.errors import StorageUnavailable
from handler.marks import RESERVED
from handler.objects import Prefix
from infra.errors import WrongUse
from infra.show.files import Content, Files

_PLACES = Places(Prefix("", ""))  # relative to the output, as keys of `Files` are
_SHARDS, _COVERED, _MARKER = f"{RESERVED}shards/", f"{RESERVED}covered/", f"{RESERVED}maker"
_NAME = r"/(?P<run>[A-Za-z0-9][A-Za-z0-9._:-]*)/\d+\.jsonl"
_ROWS, _INDEX = re.compile(_NAME), re.compile(_NAME + r"\.gz")
_OWN = re.compile(rf"(?P<output>(?:.*/)?){_SHARDS}(?:(?P<maker>[0-9a-f]{{16}})/(?:(?P<run>[^/]+)/)?)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RowsPlace:
    """Rows that a user named: those of one maker under `output`, of one of its runs or of all."""

    output: Path | Prefix
    maker: str
    run: str | None


@dataclass(frozen=True, slots=True)
class Shard:
    """A finished shard: the key of its file, a `place` that none of its rows precedes, and their number if it is known.

    `rank` puts runs into order: of two rows of one object, that of the greater rank counts.
    """

    key: str
    place: str
    rank: tuple[str, str]
    rows: int | None


@dataclass(frozen=True, slots=True)
class Foreign:
    """What is there but cannot be used, and the reason."""

    found: Content
    reason: str


class _Marker(msgspec.Struct):
    results: Digest


class _Plan(msgspec.Struct):
    planned_at: str


_marker, _plan = msgspec.json.Decoder(_Marker), msgspec.json.Decoder(_Plan)


def parse_rows_place(place: Path | Prefix) -> RowsPlace | None:
    """Returns the rows that a place is, `…/_coatcheck/shards/<maker>/` or one run of it; None for a place of another name.

    Raises:
        WrongUse: the place is that of the rows of all models.
    """
    found = _OWN.fullmatch(place.prefix if isinstance(place, Prefix) else f"{place.as_posix()}/")
    if found is None:
        return None
    if found["maker"] is None:
        raise WrongUse(
            f"Expected the rows of one model, which has a folder of its own in that of all rows. Received: {place}; name "
            "one of these."
        )
    output = Prefix(place.bucket, found["output"]) if isinstance(place, Prefix) else Path(found["output"])
    return RowsPlace(output, found["maker"], found["run"])


def find_present_shards(files: Files) -> Iterator[Shard | Foreign]:
    """Yields the same as `find_shards` for the maker that the marker of an output names; nothing if there is no shard at all.

    Raises:
        OSError: the folder cannot be read.
        StorageUnavailable: S3 failed.
    """
    marker = files.read(_MARKER)
    try:
        rows = _PLACES.rows_of(_marker.decode(marker.content if marker else b"").results, "").prefix
    except msgspec.MsgspecError as error:
        if any(files.list(_COVERED)):
            yield _foreign(
                files, _MARKER, f"which does not name the model whose rows count, so that none of them does: {error}"
            )
    else:
        yield from find_shards(files, rows.removeprefix(_SHARDS).rstrip("/"), None)


def find_shards(files: Files, maker: str, run: str | None) -> Iterator[Shard | Foreign]:
    """Yields the finished shards of a maker, of one run or of all, and what else lies among them.

    Raises:
        OSError: the folder cannot be read.
        StorageUnavailable: S3 failed.
    """
    folder = f"{maker}/{run}/" if run else f"{maker}/"
    for key in files.list(_SHARDS + folder):
        if not _ROWS.fullmatch(key.removeprefix(_SHARDS + maker)):
            yield _foreign(files, key, "which is no file of a shard's rows, such as RUN/0000001.jsonl; move it away")
    runs: dict[str, str] = {}
    for key in files.list(_COVERED + folder):
        found = _INDEX.fullmatch(key.removeprefix(_COVERED + maker))
        if found:
            runs[key] = found["run"]
        else:
            yield _foreign(files, key, "which is no index of a shard, such as RUN/0000001.jsonl.gz; move it away")
    ranks: dict[str, tuple[str, str]] = {}
    for name in dict.fromkeys(runs.values()):
        planned_at = _planned_at(files, name)
        if isinstance(planned_at, Foreign):
            yield planned_at
        ranks[name] = ("" if isinstance(planned_at, Foreign) else planned_at), name
    for key, index in files.read_all(runs):
        yield from _read_shard(files, key, index, ranks[runs[key]])


def _foreign(files: Files, key: str, reason: str) -> Foreign:
    return Foreign(Content(files.address(key), b""), reason)


def _planned_at(files: Files, run: str) -> str | Foreign:
    key = _PLACES.plan(run).key
    found = files.read(key)
    try:
        return _plan.decode(found.content if found else b"").planned_at
    except msgspec.MsgspecError as error:
        reason = f"which does not tell when the run was planned, so that every other run's rows count first: {error}"
        return _foreign(files, key, reason)


def _read_shard(files: Files, key: str, index: Content | None, rank: tuple[str, str]) -> Iterator[Shard | Foreign]:
    """Yields the shard that has an index, unless it has no row, and what is wrong with the index."""
    rows = _SHARDS + key.removeprefix(_COVERED).removesuffix(".gz")
    try:
        entries = decode_index(index.content if index else b"", files.address(key)).entries
    except StorageUnavailable as error:
        yield _foreign(files, key, f"which is no index of a shard, so that nobody can tell if its rows are whole: {error}")
        yield Shard(rows, "", rank, None)
    else:
        if entries:
            yield Shard(rows, f"{entries[0].key}.json", rank, len(entries))
