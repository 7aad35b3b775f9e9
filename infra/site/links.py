"""Finds the links of a built site that lead nowhere, and what its pages would load from other hosts.

It reads what was built, since Zensical's own check knows the links between pages alone, and takes examples for links.
"""

from __future__ import annotations

import os.path
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_NOT_FOUND = "404.html"  # it answers at any address, so its links begin at the root of the host


class _Page(HTMLParser):
    """A page: the anchors that links may name, its own links, and the files that a browser loads with it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what an element names, leads to or loads."""
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        found = self.links if tag == "a" else self.loaded
        found |= {values[name] for name in ("href", "src") if name in values}


def find_dead_links(site: Path) -> list[str]:
    """Returns a line for each link of a built site that leads to nothing in it, and for each file loaded from another host."""
    pages = {path: _Page(path) for path in sorted(site.rglob("*.html")) if path.name != _NOT_FOUND}
    lines = []
    for path, page in pages.items():
        elsewhere = sorted(link for link in page.loaded if _is_elsewhere(link))
        lines += [
            f"{path.relative_to(site)}: expected a file of the repository. Received: {link}, which is loaded"
            for link in elsewhere
        ]
        for link in sorted(link for link in page.links | page.loaded if not _is_elsewhere(link)):
            expected = _judge(link, path, site, pages)
            if expected:
                lines.append(f"{path.relative_to(site)}: expected {expected}. Received: {link}")
    return lines


def _is_elsewhere(link: str) -> bool:
    """Returns True if a link leads to another host, or holds all that it stands for."""
    target = urlsplit(link)
    return bool(target.scheme or target.netloc)


def _judge(link: str, page: Path, site: Path, pages: dict[Path, _Page]) -> str:
    """Returns what should have stood in the place of a link that leads to nothing."""
    target = urlsplit(link)
    path = Path(os.path.normpath(page.parent / unquote(target.path))) if target.path else page
    if not path.is_relative_to(site):
        return "a path inside of the repository"
    if path.is_dir():
        path /= "index.html"
    if not path.exists():
        return "a page or a file of the repository"
    if target.fragment and path in pages and unquote(target.fragment) not in pages[path].anchors:
        return "a heading of that page"
    return ""
