"""Processes that score the same objects of one store at the same time; see `tests.infra.stores.test_scorers`.

    python -m tests.infra.stores.scorers FOLDER SEED     objects in files, FOLDER/in and FOLDER/out
    python -m tests.infra.stores.scorers - SEED          objects in S3, to which the environment leads

A process says "ready", waits for the keys of its objects, which are a line of JSON, scores them in an order of its own, a few
at a time as invocations do, and writes their outcomes as JSON.
"""

import json
import os
import random
import sys
from pathlib import Path

import msgspec

from handler.app import _build_parts
from handler.deadline import TimeBudget
from handler.jobs import Asked
from handler.objects import ObjectRef
from handler.settings import load_settings
from infra.stores.files import FileStore

INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"
AT_ONCE = 5


def scorer_in(folder):
    """The function's own scorer, on files if there is a folder."""
    scorer = _build_parts(load_settings(os.environ)).scorer
    if folder == "-":
        return scorer
    store = FileStore({INPUT: Path(folder) / "in", OUTPUT: Path(folder) / "out"})
    documents = msgspec.structs.replace(scorer.documents, store=store, marks=None)
    inputs = msgspec.structs.replace(scorer.inputs, store=store, documents=documents)
    return msgspec.structs.replace(scorer, documents=documents, inputs=inputs)


def score(scorer, keys):
    """Scores objects as an invocation would; returns their outcomes."""
    asked = [Asked(ObjectRef(INPUT, key)) for key in keys]
    reports = scorer.score(asked, TimeBudget.of(120, 10, 1), lambda _named, _report: None)
    return {ref.key: report.outcome.value for ref, report in reports.items()}


def main(folder, seed):
    scorer = scorer_in(folder)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    keys, outcomes = json.loads(sys.stdin.readline()), {}
    random.Random(seed).shuffle(keys)
    for start in range(0, len(keys), AT_ONCE):
        outcomes |= score(scorer, keys[start : start + AT_ONCE])
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
