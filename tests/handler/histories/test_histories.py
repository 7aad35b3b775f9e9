"""Random histories keep every promise, on every storage; they are repeatable, and find each guard that is taken away."""

import contextlib
import hashlib
import itertools
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import boto3
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

import handler.marks
from handler.deadline import Deadline
from handler.documents import Documents
from handler.maker import Maker
from handler.outcomes import Outcome
from handler.storage import S3Storage, make_client
from handler.store import WriteResult
from infra.stores.files import FileStore
from infra.stores.memory import MemoryStore
from tests.handler.histories.machine import Histories
from tests.handler.histories.world import World

HISTORIES, STEPS = 150, 40  # in memory, of each kind of input bucket; a history of these takes about 50 ms
SOAK_S = 900
BUCKETS = "inbox", "outbox"


class Versioned(Histories):
    is_versioned = True


def run(machine, histories, number, *, shrinks=True, steps=STEPS):
    """Runs as many histories of a machine, which the seed `number` makes; the error of one that fails has its script as notes."""
    phases = [Phase.generate, Phase.shrink] if shrinks else [Phase.generate]
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=phases,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def counted(machine, counts):
    """The same machine, which counts the histories and the calls in them."""

    class Counted(machine):
        def teardown(self):
            super().teardown()
            counts["histories"] = counts.get("histories", 0) + 1
            counts["calls"] = counts.get("calls", 0) + len(self.world.log)

    Counted.__name__ = machine.__name__  # as scripts write it
    return Counted


@pytest.mark.parametrize("machine", [Histories, Versioned])
def test_histories_in_memory_keep_every_promise(machine, capsys):
    counts = {}

    run(counted(machine, counts), HISTORIES, 27)

    with capsys.disabled():
        print(f"\n{counts['histories']} histories of {STEPS} steps, {counts['calls']} lines of calls")


# --- other storages ----------------------------------------------------------------------------------------------------------


def on(store, remove, empty, *, is_versioned=False):
    """The histories over another store, which is made `empty` at the beginning of each."""

    class Elsewhere(Histories):
        def make_world(self):
            empty()
            return World(store, remove, self.wrote)

    Elsewhere.is_versioned = is_versioned
    return Elsewhere


@pytest.fixture
def files(tmp_path):
    numbers = itertools.count()
    folders = {}

    def empty():
        here = tmp_path / str(next(numbers))
        for bucket in BUCKETS:
            folders[bucket] = here / bucket
            folders[bucket].mkdir(parents=True)

    return on(FileStore(folders), lambda ref: (folders[ref.bucket] / ref.key).unlink(), empty)


def on_s3(client):
    for bucket in BUCKETS:
        client.create_bucket(Bucket=bucket)

    def empty():
        for bucket in BUCKETS:
            for listed in client.list_objects_v2(Bucket=bucket).get("Contents", []):
                client.delete_object(Bucket=bucket, Key=listed["Key"])

    store = S3Storage(client)
    return on(store, lambda ref: client.delete_object(Bucket=ref.bucket, Key=ref.key), empty)


@pytest.fixture
def moto(s3):
    return on_s3(make_client(2))


@pytest.mark.parametrize("storage", ["files", "moto"])
def test_a_few_histories_keep_every_promise_on_each_storage(storage, request, capsys):
    counts = {}

    run(counted(request.getfixturevalue(storage), counts), 3, 27, steps=25)

    with capsys.disabled():
        print(f"\n{storage}: {counts['histories']} histories of 25 steps, {counts['calls']} lines of calls")


# --- the same seed, the same history -----------------------------------------------------------------------------------------


def log_of(number):
    """Everything that was called in a few histories, in its order, and what became of it."""
    lines = []

    class Logged(Histories):
        def teardown(self):
            super().teardown()
            lines.extend(self.world.log)

    run(Logged, 10, number, shrinks=False)
    return "\n".join(lines)


def test_the_same_seed_gives_the_same_history_here_and_in_another_process():
    here = log_of(5)

    again = log_of(5)
    script = f"from {__name__} import log_of; import sys; sys.stdout.write(log_of(5))"
    environ = os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": str(Path(__file__).parents[3])}
    there = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True).stdout

    assert len(here) > 100_000
    assert here == again == there
    assert log_of(6) != here


# --- teeth -------------------------------------------------------------------------------------------------------------------


class NoLastLook(Documents, frozen=True):
    def _require_unchanged(self, source, deadline):
        pass


class NoLookAtTheInput(Documents, frozen=True):
    def _replace(self, document, existing, deadline):
        if existing.metadata == document.metadata:
            return Outcome.DUPLICATE
        return document.outcome if self._put(document, existing.etag, deadline) is WriteResult.WRITTEN else None


class NoComparison(Documents, frozen=True):
    def _replace(self, document, existing, deadline):
        return Outcome.DUPLICATE


class AlwaysReplaced(Documents, frozen=True):
    def _replace(self, document, existing, deadline):
        bare = msgspec.structs.replace(existing, metadata={**existing.metadata, "maker": ""})
        return super()._replace(document, bare, deadline)


class AnyMaker(Maker, frozen=True):
    def has_made(self, name):
        return True


class OneRevision(Maker, frozen=True):
    @classmethod
    def of(cls, model, limits, inputs, **options):
        made = Maker.of(model, limits, inputs, **options)
        return cls(made.results, made.results)


class Unconditional(MemoryStore):
    """A store that replaces whatever stands there."""

    def put(self, ref, content, *, replacing, deadline, **options):
        there = self.head(ref, deadline=deadline) if replacing else None
        return super().put(ref, content, replacing=there.etag if there else replacing, deadline=deadline, **options)


def without(**parts):
    """The histories of a world with other parts."""

    class Without(Histories):
        def make_world(self):
            store = parts.get("store", MemoryStore)()
            world = type("Broken", (World,), {name: it for name, it in parts.items() if name != "store"})
            return world(store, store.remove, self.wrote)

    Without.__name__ = "Histories"
    return Without


GUARDS = {
    "the last look": without(documents_of=NoLastLook),
    "the look at the input": without(documents_of=NoLookAtTheInput),
    "the comparison of what stands there": without(documents_of=NoComparison),
    "the kept document": without(documents_of=AlwaysReplaced),
    "If-Match": without(store=Unconditional),
    "the comparison of makers": without(maker_of=staticmethod(AnyMaker.of)),
    "the revision of rejections": without(maker_of=staticmethod(OneRevision.of)),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_histories_find_each_guard_that_is_taken_away(guard):
    with pytest.raises(AssertionError, match=r"I\d|another model|says"):
        run(GUARDS[guard], HISTORIES, 27, shrinks=False)
