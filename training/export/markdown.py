"""Writes values and tables as Markdown, in which they are text and never Markdown or HTML of their own. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

_MAX_LIST_VALUES = 10  # of a longer list, the length is stated instead


def table(head: Sequence[str], rows: Iterable[tuple[str, ...]], otherwise: str = "") -> str:
    """Writes a table of texts that are Markdown already, or `otherwise` if there are no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines]) if lines else otherwise


def as_text(value: object) -> str:
    """Writes `value` on one line, escaping everything that has a meaning in Markdown or HTML."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = ", ".join(map(str, value)) if len(value) <= _MAX_LIST_VALUES else f"{len(value)} values"
    text = "none" if value is None else " ".join(str(value).split())
    return re.sub(r"([\\`*_{}\[\]|~$#@:!])", r"\\\1", html.escape(text, quote=False))
