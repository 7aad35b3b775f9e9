"""Random histories keep every promise, on every storage; they are repeatable, and find each guard that is taken away."""

import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from handler.documents import Documents
from handler.maker import Maker
from handler.outcomes import Outcome
from handler.storage import S3Storage, make_client
from handler.store import WriteResult
from infra.stores.files import FileStore
from infra.stores.memory import MemoryStore
from tests.handler.histories.machine import Histories, Versioned, run, script_of
from tests.handler.histories.world import World
from tests.ministack import reset

HISTORIES, STEPS = 80, 40  # in memory, of inputs with and without versions; one takes about 70 ms
SEED = 27
SOAK_S = 60  # for each storage
BUCKETS = "inbox", "outbox"
MEMORY, STORAGES = ["memory", "versioned_memory"], ["files", "moto", "versioned_moto", "ministack", "versioned_ministack"]


@pytest.fixture
def memory():
    return Histories


@pytest.fixture
def versioned_memory():
    return Versioned


def on(store, remove, empty, base=Histories):
    """The histories over another store, which `empty` makes empty at the beginning of each."""

    class Elsewhere(base):
        def make_world(self):
            empty()
            return World(store, remove, self.wrote, self.broken)

    return Elsewhere


@pytest.fixture
def files(tmp_path):
    numbers, folders = itertools.count(), {}

    def empty():
        here = tmp_path / str(next(numbers))
        for bucket in BUCKETS:
            folders[bucket] = here / bucket
            folders[bucket].mkdir(parents=True)

    return on(FileStore(folders), lambda ref: (folders[ref.bucket] / ref.key).unlink(), empty)


def on_s3(base=Histories):
    client = make_client(2)
    for bucket in BUCKETS:
        client.create_bucket(Bucket=bucket)
    if base.is_versioned:
        client.put_bucket_versioning(Bucket="inbox", VersioningConfiguration={"Status": "Enabled"})

    def empty():
        for bucket in BUCKETS:
            for listed in client.list_objects_v2(Bucket=bucket).get("Contents", []):
                client.delete_object(Bucket=bucket, Key=listed["Key"])

    return on(S3Storage(client), lambda ref: client.delete_object(Bucket=ref.bucket, Key=ref.key), empty, base)


@pytest.fixture
def moto(aws):
    return on_s3()


@pytest.fixture
def versioned_moto(aws):
    return on_s3(Versioned)


@pytest.fixture
def ministack_s3(ministack, environment, botocore_data, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack)
    reset(ministack)


@pytest.fixture
def ministack_histories(ministack_s3):
    return on_s3()


@pytest.fixture
def versioned_ministack_histories(ministack_s3):
    return on_s3(Versioned)


def histories_on(storage, request):
    return request.getfixturevalue(f"{storage}_histories" if storage.endswith("ministack") else storage)


def counted(machine, counts):
    """The same machine, which counts its histories, their steps and the calls in them."""

    class Counted(machine):
        def unfinished(self):
            counts["steps"] += 1
            return super().unfinished()

        def teardown(self):
            super().teardown()
            counts["histories"] += 1
            counts["lines of calls"] += len(self.world.log)

    Counted.__name__, Counted.__module__ = machine.__name__, machine.__module__  # as scripts name it
    return Counted


def tell(capsys, storage, counts):
    with capsys.disabled():
        sys.stdout.write(f"\n{storage}: {', '.join(f'{count:,} {name}' for name, count in counts.items())}\n")


@pytest.mark.parametrize("storage", MEMORY)
def test_histories_in_memory_keep_every_promise(storage, request, capsys):
    counts = Counter()

    run(counted(histories_on(storage, request), counts), HISTORIES, SEED, steps=STEPS)

    tell(capsys, storage, counts)
    assert counts["histories"] >= HISTORIES


@pytest.mark.parametrize("storage", STORAGES)
def test_a_few_histories_keep_every_promise_on_each_storage_as_in_memory(storage, request, capsys):
    counts = Counter()
    machine = counted(histories_on(storage, request), counts)

    there = log_of(SEED, machine, 3, 20)

    tell(capsys, storage, counts)
    # The names of versions, and so the documents, are each storage's own. A busy emulator may answer so late that a call is
    # made again.
    if storage in {"files", "moto"}:
        pairs = itertools.zip_longest(there.splitlines(), log_of(SEED, Histories, 3, 20).splitlines())
        assert [pair for pair in pairs if pair[0] != pair[1]][:1] == []


@pytest.mark.soak
@pytest.mark.parametrize("storage", MEMORY + STORAGES)
def test_long_histories_keep_every_promise(storage, request, capsys):
    counts, until_s = Counter(), time.monotonic() + SOAK_S
    machine = counted(histories_on(storage, request), counts)

    for number in itertools.count(1000):
        run(machine, 50 if storage in MEMORY else 5, number, steps=60)
        if time.monotonic() > until_s:
            break

    tell(capsys, storage, counts | Counter(seeds=number - 999))
    assert counts["histories"] > 0


# --- histories that failed once -----------------------------------------------------------------------------------------------


def test_a_late_write_finds_the_document_of_another_version_after_the_upload_was_delivered_again():
    state = Versioned()
    state.upload(key="a", content="dark", events=1)
    state.deliver(worker=0, count=1, newest_first=True, calls=100)
    state.upload(key="a", content="light", events=1)
    state.deliver(worker=0, count=1, newest_first=True, calls=4)  # up to the PUT that replaces the first document
    state.upload(key="a", content="dark", events=1)
    state.deliver(worker=1, count=1, newest_first=True, calls=0)
    state.fail(worker=1, fate="KILLED")
    state.hang(worker=0, fate="HUNG_LATE")
    state.go_on(worker=0, calls=100)
    for seconds in (61, 65):  # until the messages of both come again
        state.wait(seconds=seconds)
        state.deliver(worker=1, count=2, newest_first=True, calls=100)
    assert not state.world.queue.messages

    state.land()

    assert "STOPPED" in state.world.log[-1]
    state.check()
    state.teardown()


def test_a_sweep_is_not_taken_along_by_messages_that_kill_the_process():
    """Two of them were received as often as it, so that one of the two is begun at each delivery."""
    state = Histories()
    state.upload(key="c", content="dark", events=1)
    state.settle()
    state.deploy(model=2, max_images=16, is_mended=False)
    for key in ("a", "b"):
        state.upload(key=key, content="killer", events=1)
    state.sweep(verify=False)
    for sent in state.world.queue.messages.values():
        sent.receive_count = 2

    state.settle()

    state.teardown()


# --- the same seed, the same history -----------------------------------------------------------------------------------------


def log_of(number, machine=Histories, histories=5, steps=STEPS):
    """Everything that was called in a few histories, in its order, and what became of it."""
    lines = []

    class Logged(machine):
        def teardown(self):
            super().teardown()
            lines.extend(self.world.log)

    run(Logged, histories, number, steps=steps, shrinks=False)
    return "\n".join(lines)


def test_the_same_seed_gives_the_same_history_here_and_in_another_process():
    here = log_of(5)

    again = log_of(5)
    script = f"from {log_of.__module__} import log_of; import sys; sys.stdout.write(log_of(5))"
    environ = os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": str(Path(__file__).parents[3])}
    there = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True).stdout

    assert here.count("\n") > 500
    assert here == again == there
    assert log_of(6) != here


# --- a failing history is a script -------------------------------------------------------------------------------------------


class Forgetful(Histories):
    """Histories of a function that leaves whatever document stands there."""

    def make_world(self):
        return without(documents_of=NoComparison).make_world(self)


def test_a_failing_history_is_printed_as_a_script_that_fails_in_the_same_way():
    with pytest.raises(AssertionError) as failed:
        run(Forgetful, 20, SEED, steps=STEPS, shrinks=False)

    script = script_of(failed.value)

    assert script.startswith(f"from {__name__} import Forgetful\nstate = Forgetful()\nstate.")
    with pytest.raises(AssertionError) as again:
        exec(script, {})
    assert str(again.value) == str(failed.value)


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


def without(store=MemoryStore, base=Histories, **parts):
    """The histories of a world with another store, or with other parts."""

    class Without(base):
        def make_world(self):
            made = store(is_versioned=self.is_versioned)
            return type("Broken", (World,), parts)(made, made.remove, self.wrote, self.broken)

    return Without


GUARDS = {
    "the last look": without(documents_of=NoLastLook),
    "the look at the input": without(documents_of=NoLookAtTheInput),
    "the comparison of what stands there": without(documents_of=NoComparison),
    "the kept document": without(documents_of=AlwaysReplaced),
    "If-Match": without(store=Unconditional),
    "the comparison of makers": without(maker_of=staticmethod(AnyMaker.of)),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_histories_find_each_guard_that_is_taken_away(guard):
    with pytest.raises(AssertionError):
        run(GUARDS[guard], 3 * HISTORIES, SEED, steps=STEPS, shrinks=False)


def raise_the_limit(machine):
    """An object of too many images is rejected, and then the limit is raised."""
    state = machine()
    state.upload(key="a", content="many", events=1)
    state.settle()
    state.deploy(model=1, max_images=100, is_mended=False)
    state.settle()
    state.teardown()


def test_a_raised_limit_lifts_a_rejection_unless_rejections_have_no_revision_of_their_own():
    raise_the_limit(Histories)

    with pytest.raises(AssertionError, match="ObjectTooLarge"):
        raise_the_limit(without(maker_of=staticmethod(OneRevision.of)))


def replace_the_model_under_a_worker(machine):
    """A worker of the old model writes its document after a worker of the new one has set the marker."""
    state = machine()
    state.upload(key="a", content="dark", events=1)
    state.deliver(worker=0, count=1, newest_first=True, calls=3)  # up to the PUT of the document
    state.deploy(model=2, max_images=16, is_mended=False)
    state.upload(key="b", content="dark", events=1)
    state.deliver(worker=1, count=1, newest_first=True, calls=100)
    state.go_on(worker=0, calls=100)
    state.settle()
    state.teardown()


def test_a_sweep_finds_a_document_of_the_old_model_unless_it_trusts_the_times_at_once(monkeypatch):
    replace_the_model_under_a_worker(Histories)

    monkeypatch.setattr("handler.marks.SETTLED", timedelta())
    with pytest.raises(AssertionError, match="document of the model 1"):
        replace_the_model_under_a_worker(Histories)
