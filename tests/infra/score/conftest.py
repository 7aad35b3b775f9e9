"""Folders of sample images, and the command as a user calls it, in a process of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "events" / "images"
COMMAND = [sys.executable, "-m", "infra", "score"]


class Command:
    """`coatcheck score` with the documents in `out`, unless another `--out` is among the arguments."""

    def __init__(self, out, environment):
        self.out = out
        self.environment = environment

    def arguments(self, *arguments):
        return [*COMMAND, *map(str, arguments), *(() if "--out" in arguments else ("--out", str(self.out)))]

    def __call__(self, *arguments, stdin="", cwd=ROOT):
        return subprocess.run(
            self.arguments(*arguments), input=stdin, capture_output=True, text=True, check=False, cwd=cwd, env=self.environment
        )

    def summary(self, *arguments, **options):
        done = self(*arguments, "--json", **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def documents(self, out=None):
        """The documents by their keys, as bytes."""
        folder = out or self.out
        found = folder.rglob("*.json")
        hidden = {".coatcheck", "_coatcheck"}
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in found
            if hidden.isdisjoint(path.relative_to(folder).parts)
        }


def score_into(folder):
    """The command, which writes documents into `out` in a folder."""
    return Command(folder / "out", {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"})


@pytest.fixture
def score(tmp_path):
    return score_into(tmp_path)


@pytest.fixture
def photos(tmp_path):
    """Ten sample images in two folders."""
    for number, name in enumerate(sorted(IMAGES.glob("*-0.png"))):
        folder = tmp_path / "photos" / ("rack" if number % 2 else "shelf")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, folder / name.name)
    return tmp_path / "photos"
