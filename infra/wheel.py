"""Builds the packages of the wheel, with copies of the few files outside of them that its commands read.

`pyproject.toml` names the class to setuptools, which loads this file by its path before anything is installed. So it imports
nothing but setuptools and Python's own library.
"""

from __future__ import annotations

from pathlib import Path

from setuptools.command.build_py import build_py

FILES = ("template.yaml", "docs/bench/times.json", "events/images/**/*")  # what infra/paths.py calls shipped


class BuildPackages(build_py):  # type: ignore[misc]  # setuptools ships no types
    """Adds copies of `FILES` to the package infra, under `infra/shipped`, where `infra.paths.SHIPPED` looks for them first."""

    def run(self) -> None:
        """Copies the packages and the files; an editable installation reads the checkout, and needs no copy."""
        super().run()
        if self.editable_mode:
            return
        for pattern in FILES:
            for source in sorted(path for path in Path().glob(pattern) if path.is_file()):
                target = Path(self.build_lib, "infra", "shipped", source)
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))
