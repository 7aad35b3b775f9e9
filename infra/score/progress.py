"""Shows on a terminal how far a run is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from handler.errors import ScoringError
from infra.errors import InfraError
from infra.score.expanding import count
from infra.score.folders import Folders
from infra.score.run import Order


@contextmanager
def shown_progress(order: Order, *, is_shown: bool) -> Iterator[Callable[[int], None]]:
    """Shows how much is done, at which rate, and how long the rest takes, once all objects are counted."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not is_shown, transient=True) as progress:
        task = progress.add_task("scoring", total=None, rate="")
        began = time.monotonic()

        def advance(objects: int) -> None:
            progress.advance(task, objects)
            done = progress.tasks[task].completed
            progress.update(task, rate=f"{done / max(time.monotonic() - began, 1e-9):,.0f}/s")

        def count_all() -> None:
            with suppress(InfraError, ScoringError, OSError):  # whoever scores reports it
                progress.update(task, total=count(order.sources, Folders(order.job), order.shard))

        if is_shown and order.lines is None:
            threading.Thread(target=count_all, daemon=True).start()
        yield advance
