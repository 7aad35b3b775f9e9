"""Compares a page with what a command printed: whatever the page quotes was printed, in this order. Pure.

A page shows commands as lines that are indented by four spaces, and quotes what came back in blocks of `text`, in which …
stands for any text. Numbers that differ from run to run, with decimals or of time, are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from infra.errors import InfraError

_LINES = re.compile(r"^ {4}(?P<command>\S[^\n]*)$|^```text\n(?P<quoted>.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING = re.compile(r"\b\d[\d,]*\.\d+|\b\d+ (s|min)\b")


def quoted_lines(page: str) -> Iterator[str]:
    """Yields the commands and the quoted lines of a page, as they were printed."""
    for match in _LINES.finditer(page):
        yield from [f"$ {match['command']}"] if match["command"] else match["quoted"].splitlines()


def require_quoted(page: str, printed: Sequence[str]) -> None:
    """Requires that each line that a page quotes was printed, after those that it quotes before.

    Raises:
        InfraError: a line was not printed there; the message names it.
    """
    left = iter(printed)
    for line in quoted_lines(page):
        if not any(_quotes(line, one) for one in left):
            raise InfraError(f"Expected a page that quotes what was printed, in its order. Received: {line!r}; mend the page.")


def _quotes(line: str, printed: str) -> bool:
    """Returns whether a line of a page is a line that was printed; the first … in it stands for any text."""
    start, dots, end = (_steady(part) for part in line.partition("…"))
    shown = _steady(printed)
    return shown.startswith(start) and shown.endswith(end) if dots else shown == start


def _steady(line: str) -> str:
    """Returns a line without what differs from run to run, and without the spaces before it and of its columns."""
    return " ".join(_VARYING.sub("#", line).split())
