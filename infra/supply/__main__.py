"""Prints what is known of each lock, and ends with status 1 if there is a vulnerability, or if nothing could be learnt.

pip-audit asks the Python Packaging Advisory Database.
"""

from __future__ import annotations

import sys

from infra.lock import LOCKS, ROOT
from infra.supply.audit import audit

if __name__ == "__main__":
    told = {name: audit(ROOT / ".venv-audit" / "bin" / "pip-audit", lock) for name, lock in LOCKS.items()}
    for name, lines in told.items():
        sys.stdout.write("".join(f"{name}: {line}\n" for line in lines) or f"{name}: no known vulnerability\n")
    sys.exit(1 if any(told.values()) else 0)
