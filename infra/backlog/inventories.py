"""Parses the manifest of an S3 Inventory report, which names the files of the report and their columns. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from infra.backlog.entries import BadEntry, Columns

MAX_MANIFEST_BYTES = 2**26  # of a report of a hundred thousand files


class ReportFile(msgspec.Struct, frozen=True):
    """One file of a report; its key is in the bucket that the report was written to."""

    key: Annotated[str, msgspec.Meta(min_length=1)]


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """What the manifest of a report tells: the format of the files, their columns, and their keys."""

    file_format: Literal["CSV", "Parquet", "ORC"]
    file_schema: str
    files: tuple[ReportFile, ...]

    @property
    def is_csv(self) -> bool:
        """True if the files are CSV, compressed with gzip; False if they are Parquet."""
        return self.file_format == "CSV"

    @property
    def columns(self) -> Columns:
        """The columns of a CSV, which has no line of names.

        Raises:
            BadEntry: bucket or key is not among them.
        """
        names = [name.strip() for name in self.file_schema.split(",")]
        return _columns(names, is_encoded=True)


def parse_report(text: bytes) -> Report:
    """Parses the content of a `manifest.json`.

    Raises:
        BadEntry: it is no manifest of an inventory report, or that of one in ORC.
    """
    try:
        report = msgspec.json.decode(text, type=Report)
    except msgspec.MsgspecError as error:
        raise BadEntry(f"JSON that is no manifest.json of an S3 Inventory: {error}") from error
    if report.file_format == "ORC":
        raise BadEntry("an S3 Inventory in ORC; have it written as Parquet or CSV")
    return report


def report_columns(names: list[str]) -> Columns:
    """Returns the columns of a report in Parquet, by the names in its file.

    Raises:
        BadEntry: bucket or key is not among them.
    """
    return _columns(names, is_encoded=False)


def _columns(names: list[str], *, is_encoded: bool) -> Columns:
    """Returns the columns of a report; those of CSV are named like IsLatest, those of Parquet like is_latest."""
    places = {name.replace("_", "").casefold(): place for place, name in enumerate(names)}
    if "bucket" not in places or "key" not in places:
        raise BadEntry(f"a report of the columns {', '.join(names)[:300]}, without Bucket or Key")
    return Columns(
        bucket=places["bucket"],
        key=places["key"],
        size=places.get("size"),
        latest=places.get("islatest"),
        deleted=places.get("isdeletemarker"),
        is_encoded=is_encoded,
    )
