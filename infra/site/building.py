"""Has Zensical build and serve the site."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from infra.errors import InfraError
from infra.paths import ROOT
from infra.site.links import find_dead_links
from infra.site.navigation import check_navigation
from infra.site.staging import list_pages, stage

ZENSICAL = ROOT / ".venv-docs" / "bin" / "zensical"

_ADDRESS = "127.0.0.1:8000"
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


def check(root: Path) -> list[str]:
    """Builds the site of the repository in `root`, and returns a line for each thing that is wrong with it.

    Raises:
        InfraError: Zensical is not installed.
    """
    project = _prepare(root)
    missing = check_navigation(project["nav"], list_pages(root))
    if missing:  # each name that is no page would be a dead link of every page
        return missing
    command = [str(ZENSICAL), "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=root, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        return _COLOUR.sub("", done.stdout).splitlines()
    return find_dead_links(root / project["site_dir"])


def serve(root: Path) -> None:
    """Serves the site of the repository in `root` until it is interrupted.

    Raises:
        InfraError: Zensical is not installed.
    """
    _prepare(root)
    subprocess.run([ZENSICAL, "serve", "--dev-addr", _ADDRESS], cwd=root, check=False)


def _prepare(root: Path) -> dict[str, Any]:
    """Gathers the pages, and returns the table `project` of zensical.toml."""
    if not ZENSICAL.exists():
        raise InfraError("Expected Zensical in .venv-docs. `make docs-check` installs it.")
    project: dict[str, Any] = tomllib.loads((root / "zensical.toml").read_text(encoding="utf-8"))["project"]
    stage(root, root / project["docs_dir"], project["extra_css"])
    return project
