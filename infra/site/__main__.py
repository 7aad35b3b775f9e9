"""Serves the documentation site on this machine, or builds it and tells what is wrong with it.

    python -m infra.site serve      `make docs`: http://127.0.0.1:8000, built again when a page changes
    python -m infra.site check      `make docs-check`: into .site/built; status 1 if anything is wrong

Zensical, in .venv-docs, builds it. Nothing else is needed but Python's own library.
"""

from __future__ import annotations

import sys

from infra.errors import InfraError
from infra.paths import ROOT
from infra.site.building import check, serve

if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case ["serve"]:
                serve(ROOT)
            case ["check"]:
                problems = check(ROOT)
                sys.stdout.write("".join(f"{line}\n" for line in problems) or "each link of the site leads somewhere\n")
                sys.exit(1 if problems else 0)
            case other:
                sys.exit(f"error: Expected serve or check. Received: {' '.join(other) or 'nothing'}.")
    except InfraError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
