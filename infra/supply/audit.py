"""Asks pip-audit about each lock.

A distribution that pip-audit could not ask about counts as a finding, so that silence is never taken for safety.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


def audit(pip_audit: Path, lock: Path) -> list[str]:
    """Returns a line for each known vulnerability in a lock, and for each distribution of which nothing could be learnt."""
    options = ("--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json", f"--requirement={lock}")
    done = subprocess.run([str(pip_audit), *options], capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        return [f"not audited: the database of vulnerabilities could not be asked ({reason})"]
    return [line for one in found for line in _lines(one)]


def _lines(one: dict[str, Any]) -> list[str]:
    if "skip_reason" in one:
        return [f"not audited: {one['skip_reason']}"]
    return [
        f"{one['name']} {one['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'no version'}"
        for known in one["vulns"]
    ]
