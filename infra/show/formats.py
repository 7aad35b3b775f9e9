"""Names the formats of tables, and what a table may be divided by. Pure, so that the command line loads nothing for it."""

from __future__ import annotations

from enum import StrEnum


class TableFormat(StrEnum):
    """The formats that a table can be written in."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON_LINES = "jsonl"
    LABEL_STUDIO = "label-studio"


class Partition(StrEnum):
    """What the files of a folder of Parquet are divided by; also the name of the column that the folders' names give."""

    CLASS = "class"
    DATE = "date"
