"""Measures the plan of a backlog over a million generated objects: its calls, its time and its memory.

python -m infra.bench.plans       takes half a minute; `make bench` does without it

The time is the function's own, without that of S3: of the pages of a listing, `infra.bench.sweeps` measures it.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import msgspec

from handler.backlog.tasks import Backlog, parse_task
from handler.deadline import Deadline, TimeBudget
from handler.documents import Documents
from handler.errors import UnrecognisedEvent
from handler.inputs import Inputs
from handler.layout import Layout, LayoutName
from handler.marks import Marks
from handler.objects import Prefix
from infra.bench.function import make_scorer
from infra.bench.sweeps import MAKER, Generated

OBJECTS = 1_000_000
SHARES = (0.0, 0.5, 1.0)  # of the objects that have a document
CONCURRENCY = 64

_INPUTS, _OUTPUT = Prefix("in-bucket", "uploads/"), Prefix("out-bucket", "predictions/")


def plan(store: Generated) -> dict[str, Any]:
    """Plans a run over all objects of a store, by as many invocations as it takes, and returns the last answer.

    The maker began before the documents were written, so that the times of the listings tell that they are right.
    """
    marks = Marks(store, _OUTPUT, MAKER)
    marks.made_since(Deadline.after(60))
    documents = Documents(store, _OUTPUT, Layout(LayoutName.JSON, 1), MAKER, marks=marks)
    inputs = Inputs(store, (_INPUTS,), documents)
    scorer = msgspec.structs.replace(make_scorer(store), inputs=inputs, documents=documents)
    backlog = Backlog(scorer=scorer, scorer_of=lambda _digest: scorer, concurrency=CONCURRENCY)
    answer: dict[str, Any] = {"job": "plan", "run": "measured"}
    store.calls.clear()
    while not answer.get("is_planned"):
        task = parse_task(answer)
        if task is None:
            raise UnrecognisedEvent(f"Expected the event that goes on with a plan. Received: {answer}.")
        answer = backlog.do(task, TimeBudget.of(900, 10, 1), lambda _named, _report: None)
    return answer


def main() -> None:
    """Prints the figures for some shares of objects that have a document."""
    for share in SHARES:
        store = Generated(OBJECTS, share)
        began = time.perf_counter()
        made = plan(store)["plan"]
        seconds = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(
            f"{OBJECTS:,} objects, {share:.0%} of which have a document: {made['objects']:,} in {made['shards']} shards, "
            f"{store.calls.total():,} calls {dict(store.calls)}, {seconds:.1f} s, {memory:.0f} MiB of the process at most\n"
        )


if __name__ == "__main__":
    main()
