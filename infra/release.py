"""Prints the notes of a release, which are the section of its version in CHANGELOG.md: `python -m infra.release v1.2.3`.

It fails if the tag is not that of the version in pyproject.toml, or if CHANGELOG.md tells nothing of the version, so that
nothing is released under a wrong name or without a word. It needs Python's own library alone.
"""

from __future__ import annotations

import re
import sys
import tomllib

from infra.errors import InfraError
from infra.paths import ROOT


def notes(tag: str, version: str, changelog: str) -> str:
    """Returns what `changelog` tells of the `version` that `tag` names, without the heading.

    Raises:
        InfraError: the tag is not that of the version, or there is no such section, or nothing in it.
    """
    if tag != f"v{version}":
        raise InfraError(f"Expected the tag of the version in pyproject.toml, v{version}. Received: {tag!r}.")
    heading = rf"^## \[?{re.escape(version)}\]?(?: [^\n]*)?\n"
    section = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE)
    if section is None or not section[1].strip():
        raise InfraError(f"Expected a section `## {version}` with a text in CHANGELOG.md.")
    return f"{section[1].strip()}\n"


def main(tag: str) -> None:
    """Prints the notes of the release that `tag` names.

    Raises:
        InfraError: the tag, the version and CHANGELOG.md do not agree.
    """
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    sys.stdout.write(notes(tag, version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(*sys.argv[1:])
