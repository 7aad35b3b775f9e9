"""Known vulnerabilities are told, and so is each distribution that could not be asked about."""

import json

import pytest

from infra.supply.audit import audit

SOUND = {"name": "rack", "version": "1.0", "vulns": []}
HURT = {"name": "shelf", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]}]}
HOPELESS = {"name": "shelf", "version": "2.0", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
SKIPPED = {"name": "hook", "skip_reason": "Dependency not found on PyPI and could not be audited: hook (1.0)"}


def answering(folder, stdout, stderr=""):
    """A program that stands for pip-audit, prints these texts, and has written its arguments to a file."""
    program = folder / "pip-audit"
    (folder / "stdout").write_text(stdout)
    (folder / "stderr").write_text(stderr)
    program.write_text('#!/bin/sh\ncd "${0%/*}"; echo "$@" >arguments; cat stdout; cat stderr >&2; exit 1\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ([SOUND], []),
        ([SOUND, HURT], ["shelf 2.0: PYSEC-1, mended in 2.1, 3.0"]),
        ([HOPELESS], ["shelf 2.0: PYSEC-2, mended in no version"]),
        ([SOUND, SKIPPED], ["not audited: Dependency not found on PyPI and could not be audited: hook (1.0)"]),
    ],
)
def test_each_vulnerability_is_a_line_and_so_is_what_could_not_be_asked_about(found, lines, tmp_path):
    program = answering(tmp_path, json.dumps({"dependencies": found, "fixes": []}))

    assert audit(program, tmp_path / "lock.txt") == lines
    assert (
        f"--require-hashes --progress-spinner=off --format=json --requirement={tmp_path}/lock.txt"
        in (tmp_path / "arguments").read_text()
    )


@pytest.mark.parametrize(
    ("stderr", "reason"), [("Traceback\nConnectionError: no route\n", "ConnectionError: no route"), ("", "no reason")]
)
def test_a_database_that_cannot_be_reached_is_told(stderr, reason, tmp_path):
    program = answering(tmp_path, "", stderr)

    assert audit(program, tmp_path / "lock.txt") == [
        f"not audited: the database of vulnerabilities could not be asked ({reason})"
    ]
