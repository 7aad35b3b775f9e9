"""Locks the dependency groups of pyproject.toml, with hashes, into requirements files that pip and uv install: `make lock`.

Groups that share an environment are resolved together first, and each is then locked to the versions found, so that they agree
on every version. Versions that were locked before stay, unless `--upgrade` is given. A lock states the digest of the lines that
it was made of; `tests/test_requirements.py` compares it with those of pyproject.toml. Needs uv on the PATH, and nothing besides
Python's own library, so that it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = {
    "function": ROOT / "handler" / "requirements.txt",
    "heic": ROOT / "requirements" / "heic.txt",
    "score": ROOT / "requirements" / "score.txt",
    "cloud": ROOT / "requirements" / "cloud.txt",
    "test": ROOT / "requirements" / "test.txt",
    "train": ROOT / "requirements" / "train.txt",
    "emulator": ROOT / "requirements" / "emulator.txt",
    "peers": ROOT / "requirements" / "peers.txt",
    "ray": ROOT / "requirements" / "ray.txt",
    "ministack": ROOT / "requirements" / "ministack.txt",
    "mutants": ROOT / "requirements" / "mutants.txt",
    "fuzz": ROOT / "requirements" / "fuzz.txt",
    "audit": ROOT / "requirements" / "audit.txt",
    "docs": ROOT / "requirements" / "docs.txt",
}
ENVIRONMENTS = (
    ("function", "heic", "score", "cloud", "test", "train", "mutants"),
    ("emulator",),
    ("peers",),
    ("ray",),
    ("ministack",),
    ("fuzz",),
    ("audit",),
    ("docs",),
)  # groups that are installed into one environment
WITHOUT_DEPENDENCIES = {"function", "heic"}  # their lines are all that is packaged

_PIN = re.compile(r"^[\w.-]+(?:\[[\w, -]+\])?==[^\\\n]+", re.MULTILINE)


def read_groups() -> dict[str, list[str]]:
    """Returns the lines of each group, those of the groups that it includes in their place."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]

    def expand(name: str) -> list[str]:
        return [
            line for entry in groups[name] for line in (expand(entry["include-group"]) if isinstance(entry, dict) else [entry])
        ]

    return {name: expand(name) for name in groups}


def digest(lines: list[str]) -> str:
    """Returns the digest of a group's lines, which its lock states."""
    return f"sha256:{hashlib.sha256(repr(lines).encode()).hexdigest()}"


def main(options: list[str]) -> None:
    """Locks every group; `options` are handed to uv when it resolves.

    Raises:
        subprocess.CalledProcessError: uv found no solution.
    """
    groups = read_groups()
    for names in ENVIRONMENTS:
        with tempfile.TemporaryDirectory() as folder:
            versions = _resolve(names, Path(folder) / "versions.txt", options)
            for name in names:
                lock = Path(folder) / name
                no_deps = ["--no-deps"] if name in WITHOUT_DEPENDENCIES else []
                _compile([name], lock, ["--generate-hashes", f"--constraints={versions}", *no_deps])
                LOCKS[name].write_text(_header(name, groups[name]) + lock.read_text())


def _resolve(names: Sequence[str], versions: Path, options: list[str]) -> Path:
    """Writes one version of everything that these groups need to `versions`, which uv reads first and keeps where it can."""
    locked = [_PIN.findall(LOCKS[name].read_text()) for name in names if LOCKS[name].exists()]
    versions.write_text("\n".join({pin.strip() for pins in locked for pin in pins}))
    _compile(names, versions, options)
    return versions


def _compile(names: Sequence[str], output: Path, options: list[str]) -> None:
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python", sys.executable]
    quiet = ["--no-header", "--no-annotate", "--no-strip-extras", f"--output-file={output}"]
    subprocess.run([*command, *quiet, *options, *(f"--group={name}" for name in names)], cwd=ROOT, check=True)


def _header(name: str, lines: list[str]) -> str:
    extent = "without what they depend on" if name in WITHOUT_DEPENDENCIES else "and what they depend on"
    return (
        f'# Locked by `make lock`: the lines of the group "{name}" of pyproject.toml, {extent}. The digest of these lines:\n'
        f"# {digest(lines)}\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
