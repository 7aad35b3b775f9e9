"""Scores a list of files for another command, which reads their documents."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from infra.locations import parse_artifact, read_limits
from infra.score.progress import shown_progress
from infra.score.run import Order, Run
from infra.score.shards import WHOLE
from infra.show.documents import Document
from infra.show.faults import Faults


def score_list(lines: Iterable[str], out: Path, artifact: str | None, faults: Faults) -> Iterator[Document]:
    """Scores what the lines of a list name into the folder `out`, and yields the documents, in the order of the lines.

    The number of those that failed is added to `faults`, with an example.
    """
    order = Order(
        sources=(),
        lines=lines,
        out=out,
        artifact=parse_artifact(artifact),
        limits=read_limits(),
        failed=None,
        processes=count_cores(),
        shard=WHOLE,
    )
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape") as keys:
        run = Run(order, keys)
        with shown_progress(order, is_shown=sys.stderr.isatty()) as advance:
            run.score(advance)
        for error, count in run.tally.failed.items():
            faults.add(f"{count:,} of the files could not be scored, for example: {run.tally.examples[error]}")
        yield from run.documents()


def count_cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
