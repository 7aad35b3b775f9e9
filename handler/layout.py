"""Defines the layout of documents, JSON or JSON Lines. A pure value."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class LayoutName(StrEnum):
    """The three layouts, as RESULT_FORMAT names them."""

    JSON = "json"  # one JSON value
    LINES = "jsonl"  # JSON Lines: a head, a line for each row, and the summary
    AUTO = "auto"  # one JSON value, which is one line, up to a number of rows, and JSON Lines above it


class Layout(msgspec.Struct, frozen=True):
    """The layout of every document; `max_json_rows` is the largest number of rows that AUTO writes as one JSON value."""

    name: LayoutName
    max_json_rows: int

    @property
    def suffix(self) -> str:
        """The end of a document's key, `.json` or `.jsonl`, which is the same for all documents of a layout."""
        return ".json" if self.name is LayoutName.JSON else ".jsonl"

    @property
    def content_type(self) -> str:
        """The media type with which documents are stored."""
        return "application/json" if self.name is LayoutName.JSON else "application/jsonl"
