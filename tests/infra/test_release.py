"""The notes of a release are the section of its version, of all sections that a changelog may have around it."""

import subprocess
import sys

import pytest

from infra.errors import InfraError
from infra.paths import ROOT
from infra.release import notes

CHANGELOG = """# Changelog

## Unreleased

## 1.2.10 - 2026-12-24

### Added

- Ten.

## 1.2.1 - 2026-12-01

### Fixed

- One, of ## two hashes.

### Upgrade

    ## a comment in code

## [1.2.0]

First.

## 1.1.0

## 1.0.0
"""


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.2.10", "### Added\n\n- Ten.\n"),
        ("1.2.1", "### Fixed\n\n- One, of ## two hashes.\n\n### Upgrade\n\n    ## a comment in code\n"),
        ("1.2.0", "First.\n"),
    ],
)
def test_the_section_of_the_version_is_cut_out(version, expected):
    assert notes(f"v{version}", version, CHANGELOG) == expected


@pytest.mark.parametrize(("tag", "version"), [("v1.2.1", "1.2.10"), ("1.2.1", "1.2.1"), ("v1.2.1-rc1", "1.2.1")])
def test_a_tag_that_is_not_the_version_is_refused(tag, version):
    with pytest.raises(InfraError, match=r"Expected the tag of the version in pyproject.toml, v"):
        notes(tag, version, CHANGELOG)


@pytest.mark.parametrize("version", ["1.2.2", "1.2", "1.1.0", "1.0.0", "1x2.1"])
def test_a_version_without_a_word_is_refused(version):
    with pytest.raises(InfraError, match=r"Expected a section"):
        notes(f"v{version}", version, CHANGELOG)


def test_the_command_needs_nothing_that_would_have_to_be_installed():
    command = [sys.executable, "-S", "-m", "infra.release", "nonsense"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "Received: 'nonsense'." in done.stderr
