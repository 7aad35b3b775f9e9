"""A bucket, a queue, a clock and two workers in one process, whose every call waits until the history says what becomes of it.

A worker runs the real function on a batch of messages. It stops before each call of the store or of the queue, and goes on when
it is told the fate of the call. It is a greenlet and no thread, so one worker runs at any time, and a history is the same
whenever it is repeated. All time is simulated: the store's times of last change, deadlines, the queue's and the markers'.
"""

import io
import json
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum

import msgspec
from greenlet import getcurrent, greenlet

from handler.contract import Model
from handler.custody import RENEW_S, Custody
from handler.deadline import Deadline, TimeBudget
from handler.delivery import Delivery
from handler.dispatch import Dispatcher
from handler.documents import Documents
from handler.errors import OutOfTime, QueueUnavailable, ScoringError, StorageUnavailable
from handler.inputs import Inputs
from handler.layout import Layout, LayoutName
from handler.maker import Maker
from handler.marks import RESERVED, Marks
from handler.objects import ObjectRef, Prefix
from handler.scoring import Scorer
from handler.store import WriteResult
from handler.sweeping import Sweeper
from handler.triggers import parse_event
from tests.handler.conftest import LIMITS, fake_classify, make_manifest
from tests.handler.histories.reference import KILLER, SLOW, Settings, contents
from tests.handler.simulation import Clock, Killed, Sent, SimulatedQueue, record

UPLOADS, OUTPUT = Prefix("inbox", "uploads/"), Prefix("outbox", "results/")
EPOCH = datetime(2026, 11, 29, tzinfo=UTC)
INVOCATION_S = 900
MAX_LATE_S = 240  # after which no write lands any more that was given up


class Fate(Enum):
    """What becomes of a call."""

    DONE = "done"
    THROTTLED = "throttled"
    ANSWER_LOST = "answer lost"  # it took effect, and then failed
    CUT = "cut"  # an object's body breaks off; any other call is done
    HUNG = "hung"  # until its deadline, without effect
    HUNG_DONE = "hung, done"  # until its deadline, and it took effect at once
    HUNG_LATE = "hung, late"  # until its deadline, and a write takes effect later
    KILLED = "killed"  # with the process, before it took effect
    DONE_KILLED = "done, killed"  # with the process, after it took effect


EFFECTIVE = {Fate.DONE, Fate.ANSWER_LOST, Fate.CUT, Fate.HUNG_DONE, Fate.DONE_KILLED}


class AtOnce(Executor):
    """Makes each call when it is begun, on the thread that begins it; the end of the process ends all."""

    def __init__(self, _threads=1):
        pass

    def submit(self, function, /, *arguments, **options):
        future = Future()
        try:
            future.set_result(function(*arguments, **options))
        except ScoringError as error:
            future.set_exception(error)
        return future


class BrokenBody(io.BytesIO):
    def read(self, _size=-1, /):
        raise StorageUnavailable("Expected the whole object. Received: a body that broke off.")


@dataclass
class Queue(SimulatedQueue):
    """The queue, whose clock and messages the history moves."""

    def count_waiting(self, *, deadline):
        return sum(it.visible_at_s <= self.clock() for it in self.messages.values())

    def take(self, count, *, newest_first):
        """Delivers up to `count` visible messages; those that were delivered too often become dead letters."""
        visible = [it for it in self.messages.values() if it.visible_at_s <= self.clock()]
        batch = []
        for sent in reversed(visible) if newest_first else visible:
            if sent.receive_count == self.max_receive_count:
                self.dead.append(self.messages.pop(sent.id))
            elif len(batch) < count:
                sent.receive_count += 1
                sent.visible_at_s = self.clock() + self.visibility_s
                batch.append(sent)
        return batch


class World:
    """`store` holds everything, and `remove` takes an object out of it. `log` tells every call and what became of it.

    `watch` is told of every document that is written: its place, what stood there, and the content and the metadata of now.
    `broken` takes the promises that were broken.
    """

    documents_of = Documents
    maker_of = staticmethod(Maker.of)

    def __init__(self, store, remove, watch, broken):
        self.store, self._remove, self.watch, self.broken = store, remove, watch, broken
        self.clock = Clock()
        self.queue = Queue(self.clock)
        self.workers = [Worker(self, "A"), Worker(self, "B")]
        self.settings = Settings()
        self.times: dict[ObjectRef, datetime] = {}
        self.documents: dict[ObjectRef, tuple[bytes, dict]] = {}
        self.etags: dict[str, str] = {}  # of the present inputs, by key
        self.late = []  # writes that were given up, and the moment from which on they do not land
        self.log: list[str] = []

    # --- what others do ----------------------------------------------------------------------------------------------

    def now(self):
        return EPOCH + timedelta(seconds=self.clock())

    def upload(self, key, name):
        ref, content = ObjectRef("inbox", f"uploads/{key}"), contents()[name]
        while True:
            there = self.store.head(ref, deadline=Deadline.never())
            replacing = there.etag if there else None
            written = self.store.put(
                ref, io.BytesIO(content), content_type="x/y", metadata={}, replacing=replacing, deadline=Deadline.never()
            )
            if written is WriteResult.WRITTEN:
                break
        self.times[ref] = self.now()
        self.etags[key] = self.store.head(ref, deadline=Deadline.never()).etag
        self.tell(f"upload {key} {name}")
        return self.etags[key]

    def delete(self, key):
        self._remove(ObjectRef("inbox", f"uploads/{key}"))
        del self.etags[key]
        self.tell(f"delete {key}")

    def notify(self, bucket, key):
        """Sends the notification of an upload, as S3 does."""
        entity = {"bucket": {"name": bucket}, "object": {"key": key}}
        body = {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": entity}]}
        self.queue.send([body], deadline=self.forever)

    def sweep(self, *, verify=False):
        job = {"job": "sweep", "scheduled_time": self.now().isoformat()}
        self.queue.send([job | ({"verify": True} if verify else {})], deadline=self.forever)

    def redrive(self):
        """Sends the dead letters again as new messages, as an operator does."""
        self.queue.send([sent.body for sent in self.queue.dead], deadline=self.forever)
        self.queue.dead.clear()

    def land(self):
        """Has the first write land that was given up, if it still may; its condition is judged now."""
        effect, until_s = self.late.pop(0)
        if self.clock() <= until_s:
            effect()

    def tick(self, seconds):
        """Lets time pass: calls whose deadline comes are over, and leases are renewed."""
        until_s = self.clock() + seconds
        while True:
            due = [worker for worker in self.workers if worker.due_s is not None and worker.due_s <= until_s]
            if not due:
                break
            worker = min(due, key=lambda worker: worker.due_s)
            self.clock.now_s = max(self.clock(), worker.due_s)
            worker.come_due()
        self.clock.now_s = max(self.clock(), until_s)

    @property
    def forever(self):
        return Deadline(1e15, self.clock)

    def tell(self, line):
        self.log.append(f"{self.clock():.0f} {line}")


@dataclass
class Call:
    """The call that a worker waits to make."""

    name: str
    place: object
    deadline: Deadline


@dataclass
class Worker:
    """A process of the function, which does one invocation after the other.

    `call` is the call that waits for its fate, and `hang` the fate of one whose deadline comes first. `lease` renews the lease
    on the messages, and is due at `lease_due_s`. `parts` are those of the function as it was deployed with `settings`.
    """

    world: World
    name: str
    call: Call | None = None
    batch: list[Sent] = field(default_factory=list)
    is_dead: bool = False
    hang: Fate = Fate.HUNG
    lease: object = None
    lease_due_s: float = 0.0
    parts: dict = field(default_factory=dict)
    settings: Settings | None = None

    def __post_init__(self):
        self._run: greenlet | None = None
        self._waits = True

    # --- the history's side ------------------------------------------------------------------------------------------

    @property
    def is_idle(self):
        return not self._run

    @property
    def due_s(self):
        """The moment at which this worker does something although nobody told it to; None if there is none."""
        moments = [self.call.deadline.at_s] if self.call else []
        moments += [self.lease_due_s] if self.lease else []
        return min(moments, default=None)

    def begin(self, batch):
        self.batch, self.is_dead, self.hang = batch, False, Fate.HUNG
        self.world.tell(f"{self.name} begins {[sent.id for sent in batch]}")
        self._run = greenlet(self._invoke)
        self._run.switch()

    def resume(self, fate):
        """Goes on until the next call; the present one has a fate."""
        if self.call.name == "answer" and fate not in {Fate.KILLED, Fate.DONE_KILLED}:
            fate = Fate.DONE
        self._run.parent = getcurrent()  # another worker, if it lets time pass
        self._run.switch(fate)

    def finish(self):
        while not self.is_idle:
            self.resume(Fate.DONE)

    def kill(self):
        if not self.is_idle:
            self.resume(Fate.KILLED)

    def come_due(self):
        """Does what is due now: the renewal of the lease, or the end of a call that hangs."""
        if self.lease and self.lease_due_s <= self.world.clock():
            self._waits = False
            self.lease()
            self._waits = True
            self.lease_due_s = self.world.clock() + RENEW_S
        elif self.call:
            fate, self.hang = self.hang, Fate.HUNG
            self.resume(fate)

    # --- the function's side -----------------------------------------------------------------------------------------

    def _invoke(self):
        try:
            self._answer(self.batch)
        except Killed:
            self.world.tell(f"{self.name} is killed")

    def _answer(self, batch):
        world = self.world
        if self.settings != world.settings:
            self.settings, self.parts = world.settings, self._make_parts(world.settings)
        budget = TimeBudget.of(INVOCATION_S, 10, 1, world.clock)
        custody = Custody(Wire(self), budget.finish_by, lambda error: world.tell(f"{self.name} warns {error}"), self._leased)
        ends_at_s = world.clock() + INVOCATION_S
        delivery = Delivery(
            request=parse_event({"Records": [record(sent) for sent in batch]}),
            custody=custody,
            budget=budget,
            record=lambda named, report: world.tell(f"{self.name} reports {named.key} {report.outcome.value}"),
            jitter=lambda: 0.5,
            **self.parts,
        )
        answer = delivery.request.reply(delivery.run())
        if world.clock() > ends_at_s:
            world.broken.append(f"I8: {self.name} answers {world.clock() - ends_at_s} s after its end")
        self.make("answer", None, Deadline(world.clock(), world.clock), lambda: None, StorageUnavailable)
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        world.tell(f"{self.name} answers {sorted(failed)}")
        world.queue.delete([sent.id for sent in batch if sent.id not in failed], deadline=world.forever)

    def _make_parts(self, settings):
        world, wire = self.world, Wire(self)
        limits = msgspec.structs.replace(LIMITS, images=settings.max_images)
        manifest = make_manifest()
        digest = f"{settings.model}" * 64
        manifest = msgspec.structs.replace(
            manifest, version=str(settings.model), model=msgspec.structs.replace(manifest.model, sha256=digest)
        )
        model = Model(manifest, self._classifier(settings), digest)
        maker = world.maker_of(model, limits, (UPLOADS,), formats=("npy",), has_queue=True)
        marks = Marks(wire, OUTPUT, maker, clock=lambda: world.now().timestamp())
        documents = world.documents_of(
            wire, OUTPUT, Layout(LayoutName.JSON, 1), maker, sleep=world.tick, jitter=lambda: 0.75, marks=marks
        )
        inputs = Inputs(wire, (UPLOADS,), documents)
        shared = {
            "inputs": inputs,
            "documents": documents,
            "dispatcher": Dispatcher(documents=documents, queue=wire, pool=AtOnce()),
            "concurrency": 3,
            "threads": AtOnce,
        }
        scorer = Scorer(model=model, limits=limits, batch_images=4, **shared)
        sweeper = Sweeper(scorer=scorer, max_objects=1000, max_queue_messages=1000, now=world.now, **shared)
        return {"scorer": scorer, "sweeper": sweeper}

    def _classifier(self, settings):
        def classify(images):
            if (images == KILLER).all(axis=(1, 2, 3)).any() and not settings.is_mended:
                self.die()
            if (images == SLOW).all(axis=(1, 2, 3)).any():
                self.world.tick(75)
            return fake_classify(255 - images if settings.model % 2 else images)

        return classify

    @contextmanager
    def _leased(self, renew, first_s, then_s):
        if not first_s:
            renew()
        self.lease, self.lease_due_s = renew, self.world.clock() + (first_s or then_s)
        try:
            yield
        finally:
            self.lease = None

    def die(self):
        """Ends the process; the next invocation starts a new one."""
        self.is_dead, self.settings, self.lease = True, None, None
        raise Killed

    def make(self, name, place, deadline, effect, unavailable):
        """Makes a call as soon as the history says what becomes of it."""
        if self.is_dead:  # what is done on the way out of a function that was killed
            raise Killed
        if deadline.is_over and name != "answer":
            raise OutOfTime(f"Expected time to {name} {place}. Received: none is left.")
        if name == "open" and not UPLOADS.holds(place) and not place.key.startswith(OUTPUT.prefix + RESERVED):
            self.world.broken.append(f"I5: {place} is read")
        fate = Fate.DONE
        if self._waits:
            self.call = Call(name, place, deadline)
            fate = self._run.parent.switch()
            self.call = None
        self.world.tell(f"{self.name} {name} {place}: {fate.value}")
        if fate is Fate.HUNG_LATE and name == "put":
            self.world.late.append((effect, self.world.clock() + MAX_LATE_S))
        try:
            result = effect() if fate in EFFECTIVE else None
        except ScoringError as error:  # of the storage itself
            self.world.tell(f"{self.name} {name} {place} fails: {error}")
            raise
        if fate in {Fate.KILLED, Fate.DONE_KILLED}:
            self.die()
        if fate in {Fate.THROTTLED, Fate.ANSWER_LOST}:
            raise unavailable(f"Expected to {name} {place}. Received: a fault.")
        if fate in {Fate.HUNG, Fate.HUNG_DONE, Fate.HUNG_LATE}:
            raise OutOfTime(f"Expected {name} {place} in time. Received: no answer.")
        is_cut = fate is Fate.CUT and name == "open" and result
        return msgspec.structs.replace(result, body=BrokenBody()) if is_cut else result


class Wire:
    """The store and the queue as one worker reaches them: each call is made by `Worker.make`."""

    name = "work"

    def __init__(self, worker):
        self._worker, self._world = worker, worker.world

    def open(self, ref, *, start=0, end=None, if_match=None, deadline):
        store = self._world.store
        return self._stored(
            "open", ref, deadline, lambda: store.open(ref, start=start, end=end, if_match=if_match, deadline=Deadline.never())
        )

    def head(self, ref, *, deadline):
        def head():
            found = self._world.store.head(ref, deadline=Deadline.never())
            return found and self._dated(found)

        return self._stored("head", ref, deadline, head)

    def put(self, ref, content, *, content_type, metadata, replacing, deadline):
        content.seek(0)
        kept = content.read()

        def put():
            world = self._world
            written = world.store.put(
                ref,
                io.BytesIO(kept),
                content_type=content_type,
                metadata=metadata,
                replacing=replacing,
                deadline=Deadline.never(),
            )
            world.tell(f"{self._worker.name} put {ref} replacing {replacing}: {written.name}")
            if written is WriteResult.WRITTEN:
                world.times[ref] = world.now()
                if not ref.key.startswith(OUTPUT.prefix + RESERVED):
                    earlier = world.documents.get(ref)
                    world.documents[ref] = kept, dict(metadata)
                    world.watch(ref, earlier, world.documents[ref])
            return written

        return self._stored("put", ref, deadline, put)

    def list(self, prefix, after, *, deadline):
        listed = self._stored(
            "list", prefix, deadline, lambda: list(self._world.store.list(prefix, after, deadline=Deadline.never()))
        )
        return iter([self._dated(found) for found in listed])

    def send(self, messages, *, deadline):
        self._queued("send", json.dumps(list(messages)), deadline, lambda: self._queue.send(messages, deadline=self._forever))

    def delete(self, handles, *, deadline):
        self._queued("delete", sorted(handles), deadline, lambda: self._queue.delete(handles, deadline=self._forever))

    def hide(self, seconds, *, deadline):
        self._queued("hide", sorted(seconds.items()), deadline, lambda: self._queue.hide(seconds, deadline=self._forever))

    def count_waiting(self, *, deadline):
        return self._queued("count", None, deadline, lambda: self._queue.count_waiting(deadline=self._forever))

    @property
    def _queue(self):
        return self._world.queue

    @property
    def _forever(self):
        return self._world.forever

    def _dated(self, found):
        return msgspec.structs.replace(found, last_modified=self._world.times.get(found.ref, EPOCH))

    def _stored(self, name, place, deadline, effect):
        return self._worker.make(name, place, deadline, effect, StorageUnavailable)

    def _queued(self, name, place, deadline, effect):
        return self._worker.make(name, place, deadline, effect, QueueUnavailable)
