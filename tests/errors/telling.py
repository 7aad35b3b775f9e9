"""What is told when every error of an area is provoked: its messages, and the lines of code that ran."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import coverage

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "errors.md"
WATCHED = [str(ROOT / room) for room in ("handler", "infra", "training")]


def provoke_here(area):
    """Provokes every error of an area in this process; its code is imported after coverage has begun to watch."""
    watch = coverage.Coverage(data_file=None, config_file=False, source=WATCHED)
    watch.start()
    from tests.errors.page import rows_of
    from tests.errors.provoking import message

    messages = [message(row) for row in rows_of(area)]
    watch.stop()
    data = watch.get_data()
    lines = {str(Path(file).relative_to(ROOT)): sorted(data.lines(file) or ()) for file in data.measured_files()}
    return {"messages": messages, "lines": lines}


@functools.cache
def told(area):
    """Returns what `provoke_here` does in a fresh process, in which nothing else watches the code or has changed it."""
    command = [sys.executable, "-m", "tests.errors", area]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"expected the errors of {area} to be provoked; received:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
