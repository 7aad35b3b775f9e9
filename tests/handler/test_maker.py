"""What a change of the model, its thresholds, the settings or the software replaces: what it makes wrong, once, and no more.

Each test scores objects of every kind, changes something, and lets a sweep and the messages that it sends do the rest.
"""

import hashlib
import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from handler.contract import Conversion, Model, ModelFile
from handler.conversion import REVISIONS
from handler.deadline import Deadline, TimeBudget
from handler.dispatch import Dispatcher
from handler.documents import Document, Documents
from handler.inputs import Inputs
from handler.jobs import Asked, Sweep
from handler.layout import Layout, LayoutName
from handler.maker import Maker
from handler.marks import SETTLED, Marks
from handler.objects import ObjectRef, Prefix, parse_ref
from handler.outcomes import Outcome
from handler.scoring import Scorer
from handler.store import WriteResult
from handler.sweeping import Sweeper
from infra.stores.memory import MemoryStore
from tests.handler.conftest import MemoryQueue, fake_classify
from tests.handler.formats.samples import npy, zipped

UPLOADS, MORE, OUTPUT = Prefix("photos", "uploads/"), Prefix("photos", "more/"), Prefix("results", "documents/")
IMAGES = npy(np.zeros((2, 2, 3), np.uint8))
OBJECTS = {
    "uploads/bad": b"no image",
    "uploads/good.npy": IMAGES,
    "uploads/list.csv": b"photos,uploads/good.npy",
    "uploads/many.npy": npy(np.zeros((101, 2, 3), np.uint8)),  # one more than the limit
    "uploads/mixed.zip": zipped({"good.npy": IMAGES, "bad.png": b"no image"}),
    "uploads/part.csv": b"photos,uploads/good.npy\nphotos,more/a.npy",  # the second of which may not be read
    "more/a.npy": IMAGES,
}
SCORED = ["uploads/good.npy", "uploads/list.csv"]
REJECTED = ["uploads/bad", "uploads/many.npy", "uploads/mixed.zip", "uploads/part.csv"]  # wholly, or in a part


class World(MemoryStore):
    """A store whose clock stands still between the steps of a test, and which counts what is written where documents are."""

    def __init__(self):
        super().__init__()
        self.time = datetime(2026, 11, 2, tzinfo=UTC)
        self.clock = lambda: self.time
        self.written = Counter()
        self.attempts = 0

    def put(self, ref, content, **options):
        result = super().put(ref, content, **options)
        if "_coatcheck/" not in ref.key:
            self.attempts += 1
            self.written[ref.key.removeprefix("documents/").removesuffix(".json")] += result is WriteResult.WRITTEN
        return result

    def take_written(self):
        """The number of documents written since the last call, by their inputs' keys."""
        written, self.written, self.attempts = +self.written, Counter(), 0
        return dict(written)

    def document(self, key):
        return msgspec.json.decode(self.content(ObjectRef("results", f"documents/{key}.json")))


class Function:
    """One deployment of the function: its model, its settings and its process."""

    def __init__(self, world, manifest, limits, *, inputs=(UPLOADS,), formats=("png",), has_queue=True):
        model = Model(manifest, fake_classify, hashlib.sha256(msgspec.json.encode(manifest)).hexdigest())
        self.world, self.queue = world, MemoryQueue()
        maker = Maker.of(model, limits, inputs, formats=formats, has_queue=has_queue)
        marks = Marks(world, OUTPUT, maker, clock=lambda: world.clock().timestamp())
        documents = Documents(world, OUTPUT, Layout(LayoutName.JSON, 1), maker, marks=marks)
        reading = Inputs(world, inputs, documents)
        queue = Dispatcher(documents=documents, queue=self.queue, pool=ThreadPoolExecutor(1)) if has_queue else None
        parts = {"inputs": reading, "documents": documents, "dispatcher": queue, "concurrency": 2}
        self.scorer = Scorer(model=model, limits=limits, batch_images=4, **parts)
        self.sweeper = Sweeper(scorer=self.scorer, max_objects=1000, max_queue_messages=1000, now=lambda: world.time, **parts)

    def score(self, *keys):
        asked = [Asked(ObjectRef("photos", key)) for key in keys]
        return self.scorer.score(asked, TimeBudget.of(3600, 10, 1), lambda *_: None)

    def sweep(self):
        """Sweeps everything, and scores what the messages name until none is left."""
        report = self.sweeper.sweep(Sweep(), TimeBudget.of(3600, 10, 1), lambda *_: None)
        assert report.error is None
        while self.queue.messages:
            (uri,) = self.queue.messages.pop(0)["objects"]
            ref = parse_ref(uri)
            self.scorer.score([Asked(ref, unless_done=True)], TimeBudget.of(3600, 10, 1), lambda *_: None)
        return report


@pytest.fixture(params=[timedelta(0), timedelta(minutes=5), 3 * SETTLED], ids=["at once", "soon", "late"])
def pass_time(request, world):
    """Whatever time passes between two steps, a sweep finds the same."""

    def pass_time():
        world.time += request.param

    return pass_time


@pytest.fixture
def world():
    world = World()
    for key, content in OBJECTS.items():
        world.place(ObjectRef("photos", key), content)
    return world


@pytest.fixture
def deploy(world, manifest, target):
    """Makes a deployment that differs from the first one in some respects."""

    def deploy(limits=None, inputs=(UPLOADS,), formats=("png",), has_queue=True, **changes):  # noqa: FBT002
        described = msgspec.structs.replace(manifest, **changes)
        limited = msgspec.structs.replace(target.limits, **(limits or {}))
        return Function(world, described, limited, inputs=inputs, formats=formats, has_queue=has_queue)

    return deploy


def check_that_nothing_is_written_again(function, pass_time):
    for _ in range(3):
        pass_time()
        function.sweep()
        assert function.world.attempts == 0


@pytest.mark.parametrize(
    ("changes", "replaced"),
    [
        ({}, []),
        ({"unsure_below": 0.5}, SCORED + REJECTED),
        ({"conversion": Conversion(background=255)}, SCORED + REJECTED),
        ({"model": ModelFile(sha256="e" * 64, size_bytes=9, quantisation="none")}, SCORED + REJECTED),
        ({"limits": {"images": 200}}, REJECTED),
        ({"limits": {"archive_members": 7}}, REJECTED),
        ({"formats": ("png", "heic")}, REJECTED),
        ({"inputs": (UPLOADS, MORE)}, [*REJECTED, "more/a.npy"]),
    ],
    ids=str,
)
def test_a_change_replaces_what_it_makes_wrong_once_and_nothing_else(world, deploy, pass_time, changes, replaced):
    first = deploy()
    first.sweep()
    assert world.take_written() == dict.fromkeys(SCORED + REJECTED, 1)
    check_that_nothing_is_written_again(first, pass_time)

    second = deploy(**changes)
    report = second.sweep()

    assert world.take_written() == dict.fromkeys(replaced, 1)
    assert report.outdated == len([key for key in replaced if key != "more/a.npy"])
    check_that_nothing_is_written_again(second, pass_time)


def test_software_that_reads_more_replaces_what_it_rejected(world, deploy, pass_time, monkeypatch):
    deploy().sweep()
    world.take_written()
    pass_time()
    monkeypatch.setattr("handler.maker.READING_REVISION", 10**6)
    function = deploy()
    function.sweep()

    assert world.take_written() == dict.fromkeys(REJECTED, 1)
    check_that_nothing_is_written_again(function, pass_time)


def test_software_that_converts_otherwise_replaces_everything(world, deploy, pass_time, monkeypatch):
    """Even if the artifact stays, and states an earlier revision of the conversion."""
    deploy().sweep()
    world.take_written()
    pass_time()
    monkeypatch.setitem(REVISIONS, "contain", 10**6)
    function = deploy()
    function.sweep()

    assert world.take_written() == dict.fromkeys(SCORED + REJECTED, 1)
    check_that_nothing_is_written_again(function, pass_time)


def test_a_new_threshold_and_a_raised_limit_show_in_the_documents(world, deploy, pass_time):
    deploy().sweep()
    pass_time()
    deploy(unsure_below=0.999999, limits={"images": 200}).sweep()

    assert "error" not in world.document("uploads/many.npy")
    assert world.document("uploads/many.npy")["summary"]["images"] == 101


def test_a_queue_has_lists_scored_that_were_rejected_without_one(world, deploy, pass_time):
    first = deploy(has_queue=False)
    first.sweep()
    assert world.take_written() == dict.fromkeys(SCORED + REJECTED, 1)
    assert world.document("uploads/list.csv")["error"]["name"] == "UnreadableList"
    check_that_nothing_is_written_again(first, pass_time)

    second = deploy()
    second.sweep()

    assert world.take_written() == dict.fromkeys(["uploads/list.csv", *REJECTED], 1)
    assert world.document("uploads/list.csv")["summary"] == {"objects": 1, "rejected": 0}
    check_that_nothing_is_written_again(second, pass_time)


def test_documents_that_name_no_maker_are_replaced_once(world, deploy, manifest, pass_time):
    """As version 1.5.0 wrote them; nobody knows which thresholds and limits they were made with."""
    for key in SCORED + REJECTED:
        source = world.head(ObjectRef("photos", key), deadline=Deadline.after(60))
        document = Document(source, io.BytesIO(), manifest.model.sha256, "?", "predictions", Outcome.SCORED)
        metadata = {name: value for name, value in document.metadata.items() if name != "maker"}
        world.place(ObjectRef("results", f"documents/{key}.json"), b"{}", metadata)
    pass_time()
    function = deploy()
    function.sweep()

    assert world.take_written() == dict.fromkeys(SCORED + REJECTED, 1)
    check_that_nothing_is_written_again(function, pass_time)


# A, then B, then A again

OLDER = ["uploads/1.npy", "uploads/2.npy", "uploads/3.npy"]


@pytest.fixture
def makers(world, deploy):
    """Two deployments, and objects that were uploaded long before the first of them."""
    for key in OBJECTS:
        world.remove(ObjectRef("photos", key))
    for key in OLDER:
        world.place(ObjectRef("photos", key), IMAGES)
    world.time += timedelta(days=1)
    return deploy(), lambda: deploy(unsure_below=0.5)


@pytest.mark.parametrize("first", ["scores", "sweeps"])
@pytest.mark.parametrize("gaps", [(0, 0), (0, 60), (60, 0), (60, 60), (19, 19)], ids=str)
def test_after_a_rollback_the_documents_of_the_other_maker_are_replaced_and_no_others(world, makers, first, gaps):
    """B never swept, and its documents are younger than A, and younger than their inputs, by hours."""
    a, deploy_b = makers
    a.score(OLDER[0])
    if first == "sweeps":
        world.remove(ObjectRef("photos", OLDER[1]))
        world.remove(ObjectRef("photos", OLDER[2]))
        a.sweep()
        for key in OLDER[1:]:
            world.place(ObjectRef("photos", key), IMAGES)
    world.time += timedelta(minutes=gaps[0])
    deploy_b().score(OLDER[1])
    world.time += timedelta(minutes=gaps[1])
    a.score(OLDER[2])  # in a process that was there all the time, too
    world.take_written()

    world.time += timedelta(minutes=gaps[1])
    report = a.sweep()

    assert world.take_written() == {OLDER[1]: 1}
    assert report.outdated == 1
    for _ in range(2):
        world.time += timedelta(hours=1)
        a.sweep()
        assert world.attempts == 0


def test_while_two_makers_work_each_finds_the_documents_of_the_other(world, makers):
    """As with a deployment that moves over step by step: all of them, however long it takes."""
    a, deploy_b = makers
    b, keys = deploy_b(), []
    for number in range(40):
        world.time += timedelta(minutes=5)
        keys.append(f"uploads/while-{number:02}.npy")
        world.place(ObjectRef("photos", keys[-1]), IMAGES)
        world.time += 2 * SETTLED
        (a, b)[number % 2].score(keys[-1])
    world.remove(ObjectRef("photos", OLDER[0]))
    world.remove(ObjectRef("photos", OLDER[1]))
    world.remove(ObjectRef("photos", OLDER[2]))
    world.take_written()
    world.time += timedelta(hours=1)

    a.sweep()

    assert world.take_written() == dict.fromkeys(keys[1::2], 1)
