"""Compares the navigation of the site with its pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any


def check_navigation(nav: Any, pages: Sequence[str]) -> list[str]:
    """Returns a line for each page that `nav` of zensical.toml does not hold once, and for each name in it that is no page."""
    named = Counter(_names(nav))
    wrong = [page for page in pages if named[page] != 1]
    strange = [name for name in named if name not in pages]
    return [
        *(f"zensical.toml: expected {page} in `nav` once. Received: {named[page]} times" for page in wrong),
        *(f"zensical.toml: expected names of pages in `nav`. Received: {name}, which is not there" for name in strange),
    ]


def _names(nav: Any) -> Iterator[str]:
    """Yields the path of each page in a part of the navigation: a path, a list of parts, or parts by their titles."""
    match nav:
        case str():
            yield nav
        case dict():
            yield from _names(list(nav.values()))
        case _:
            for part in nav:
                yield from _names(part)
