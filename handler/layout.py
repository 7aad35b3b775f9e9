"""How documents are laid out. A pure value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LayoutName(StrEnum):
    """The three layouts, as RESULT_FORMAT names them."""

    JSON = "json"  # one JSON value
    LINES = "jsonl"  # JSON Lines: a head, a line for each row, and the summary
    AUTO = "auto"  # one JSON value, which is a line too, up to a number of rows, and lines above it


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of every document; `max_json_rows` is the most rows that AUTO writes as one JSON value."""

    name: LayoutName
    max_json_rows: int

    @property
    def suffix(self) -> str:
        """The end of a document's key, the same for all documents of a layout."""
        return ".json" if self.name is LayoutName.JSON else ".jsonl"

    @property
    def content_type(self) -> str:
        """The media type that documents are stored with."""
        return "application/json" if self.name is LayoutName.JSON else "application/jsonl"
