"""Writes docs/errors.md, after it has provoked every error that stands there.

.venv/bin/python -m tests.errors             writes the page
.venv/bin/python -m tests.errors AREA        prints the messages of one area, and the lines of code that they ran, as JSON
"""

import argparse
import json
import sys

from tests.errors.page import AREAS, render
from tests.errors.telling import PAGE, provoke_here, told


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("area", nargs="?", choices=[*AREAS])
    area = parser.parse_args().area
    if area:
        sys.stdout.write(json.dumps(provoke_here(area)))
        return
    PAGE.write_text(render({area: told(area)["messages"] for area in AREAS}))


if __name__ == "__main__":
    main()
