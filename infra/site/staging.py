"""Gathers what the site is built from: the pages, and each file of the repository that a page leads to.

Each has the path that it has in the repository, so that a relative link of a page leads to the same thing in both.
"""

from __future__ import annotations

import os.path
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

_ROOT_PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")

# A link or a picture of Markdown, the target of a reference, an attribute of HTML.
_TARGET = re.compile(r"""\]\(<?([^)\s>]+)|^\[[^\]]+\]: +(\S+)|\b(?:href|src)="([^"]+)\"""", re.MULTILINE)


def list_pages(root: Path) -> list[str]:
    """Returns the paths of the pages that the navigation holds: four of the root, and all under docs/."""
    return [*_ROOT_PAGES, *sorted(path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md"))]


def stage(root: Path, folder: Path, styles: Sequence[str]) -> None:
    """Empties `folder` and fills it with symbolic links to the pages of `root`, to what they lead to, and to style sheets.

    Markdown that a page leads to, such as a model card, becomes a page too, and a folder without a README.md a list of its
    files. What is not there, or not under `root`, is left out, and `find_dead_links` tells of it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    staged: set[Path] = set()
    waiting = [root / name for name in (*list_pages(root), *styles)]
    while waiting:
        path = waiting.pop()
        if path in staged or not path.is_relative_to(root) or not path.exists():
            continue
        staged.add(path)
        place = folder / path.relative_to(root)
        if path.is_dir():
            files = sorted(child for child in path.iterdir() if child.is_file())
            waiting += files
            if path / "README.md" not in files:
                _write_list(place / "index.md", path.relative_to(root), files)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)
            waiting += _targets(path) if path.suffix == ".md" else []


def _targets(page: Path) -> Iterator[Path]:
    """Yields what each relative link of a page leads to."""
    for found in _TARGET.finditer(page.read_text(encoding="utf-8")):
        target = urlsplit(next(filter(None, found.groups())))
        if target.path and not target.scheme and not target.netloc:
            yield Path(os.path.normpath(page.parent / unquote(target.path)))


def _write_list(page: Path, name: Path, files: list[Path]) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"- [{file.name}]({file.name})\n" for file in files)
    page.write_text(f"# {name.as_posix()}\n\n{rows}", encoding="utf-8")
