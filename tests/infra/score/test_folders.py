"""Folders of one name, and the notes by which a run knows of those of another."""

from pathlib import Path

import pytest

from handler.errors import ConcurrentWrites
from handler.objects import Prefix
from infra.commands import scoring
from infra.locations import read_limits
from infra.score import worker
from infra.score.folders import Folders
from infra.score.sources import WrongSource
from infra.score.worker import Job
from infra.stores.memory import MemoryStore
from tests.handler.test_documents import Conflicting

FIRST, SECOND = Path("/a/photos"), Path("/b/photos")


@pytest.fixture
def run_over(monkeypatch):
    """Makes the folders of a run whose documents go to a store."""

    def run_over(store, pauses=None):
        monkeypatch.setattr(worker, "s3", lambda: store)
        job = Job(Prefix("results", "predictions/"), Path("artifact"), read_limits())
        return Folders(job, sleep=[].append if pauses is None else pauses.append)

    return run_over


@pytest.mark.parametrize("conflicts", [0, 1, 5])
def test_a_note_that_met_another_write_is_written_again(run_over, conflicts):
    store, pauses = Conflicting(conflicts), []

    run_over(store, pauses).require_alone(FIRST)

    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8][:conflicts]
    run_over(store).require_alone(FIRST)
    with pytest.raises(WrongSource, match="Expected one folder of the name 'photos'"):
        run_over(store).require_alone(SECOND)


def test_the_note_of_another_folder_that_came_first_counts(run_over):
    store = Conflicting(0)
    run_over(store).require_alone(FIRST)
    store.conflicts = 1  # while the answer to the other writer is under way

    with pytest.raises(WrongSource, match="but the documents of /a/photos are in the same --out"):
        run_over(store).require_alone(SECOND)


def test_a_folder_that_is_mounted_at_another_path_is_taken_for_another(run_over):
    """Nothing else tells them apart, so machines that share a run by parts need one path; the command's help says so."""
    store = MemoryStore()
    run_over(store).require_alone(Path("/mnt/one/photos"))

    with pytest.raises(WrongSource, match="the documents of /mnt/one/photos are in the same --out"):
        run_over(store).require_alone(Path("/mnt/two/photos"))
    assert "a folder must have the same path on all of them" in " ".join(scoring.score.__doc__.split())


def test_a_folder_whose_note_cannot_be_written_is_not_taken_for_alone(run_over):
    with pytest.raises(ConcurrentWrites, match=r"note in s3://results/predictions/_coatcheck/folders/photos/place .*again"):
        run_over(Conflicting(6)).require_alone(FIRST)
