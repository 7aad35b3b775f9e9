"""A bucket in memory with the function's parts around it, and a state machine that has a backlog of it scored."""

import io
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
from PIL import Image

from handler.backlog.files import decode_index
from handler.backlog.runs import Places
from handler.backlog.tasks import Backlog, parse_task
from handler.deadline import Deadline, TimeBudget
from handler.dispatch import Dispatcher
from handler.documents import Documents
from handler.inputs import Inputs
from handler.jobs import Asked, Sweep
from handler.layout import Layout, LayoutName
from handler.marks import SETTLED, Marks
from handler.objects import ObjectRef, Prefix
from handler.scoring import Scorer
from handler.sweeping import Sweeper
from infra.stores.memory import MemoryStore
from tests.handler.conftest import MemoryQueue
from tests.handler.values import MAKER

INPUT = "inbox"
UPLOADS, MORE, OUTPUT = Prefix(INPUT, "uploads/"), Prefix(INPUT, "more/"), Prefix("outbox", "results/")


def picture(number):
    """A small PNG, another one for each number below 256."""
    file = io.BytesIO()
    Image.new("L", (3, 2), number % 256).save(file, "PNG")
    return file.getvalue()


class World:
    """`recorded` are the reports on objects, in their order; `another` is the model of a run with a model of its own."""

    def __init__(self, model, limits, *, store=None, maker=MAKER, another=None, layout=LayoutName.JSON, has_queue=False):
        self.time = datetime(2026, 11, 29, tzinfo=UTC)
        self.store = store or MemoryStore()
        if isinstance(self.store, MemoryStore):
            self.store.clock = self.now
        self.recorded, self.queue = [], MemoryQueue()
        self.model = model
        self.scorer = self._scorer(model, limits, maker, Layout(layout, 1), has_queue=has_queue)
        other = self._scorer(another, limits, msgspec.structs.replace(maker, results="a" * 64), Layout(layout, 1), marks=False)
        self.backlog = Backlog(scorer=self.scorer, scorer_of=lambda _digest: other, concurrency=4)
        self.places = Places(OUTPUT)

    def _scorer(self, model, limits, maker, layout, *, marks=True, has_queue=False):
        marks = Marks(self.store, OUTPUT, maker, clock=lambda: self.now().timestamp()) if marks else None
        documents = Documents(self.store, OUTPUT, layout, maker, sleep=lambda _s: None, marks=marks)
        dispatcher = Dispatcher(documents=documents, queue=self.queue, pool=ThreadPoolExecutor(1)) if has_queue else None
        return Scorer(
            model=model,
            inputs=Inputs(self.store, (UPLOADS, MORE), documents),
            documents=documents,
            dispatcher=dispatcher,
            limits=limits,
            batch_images=16,
            concurrency=4,
        )

    def now(self):
        return self.time

    def content(self, ref):
        opened = self.store.open(ref, deadline=Deadline.after(60))
        return opened.body.read()

    def refs(self, prefix):
        return sorted(
            (found.ref for found in self.store.list(prefix, "", deadline=Deadline.after(60))), key=lambda ref: ref.key
        )

    def put(self, key, content=None):
        return self.store.place(ObjectRef("inbox", key), picture(len(key)) if content is None else content)

    def put_many(self, count, prefix="uploads/"):
        """Puts pictures; returns their keys."""
        keys = [f"{prefix}{number:06d}.png" for number in range(count)]
        for number, key in enumerate(keys):
            self.put(key, picture(number))
        return keys

    def settle(self):
        self.time += timedelta(days=1) + SETTLED

    def upload(self, *keys):
        """Has objects scored as uploads are."""
        return self.scorer.score([Asked(ObjectRef("inbox", key)) for key in keys], self.budget(), lambda *_: None)

    def sweep(self, sweep=None, budget=None):
        sweeper = Sweeper(
            inputs=self.scorer.inputs,
            documents=self.scorer.documents,
            dispatcher=Dispatcher(documents=self.scorer.documents, queue=self.queue, pool=ThreadPoolExecutor(1)),
            scorer=self.scorer,
            concurrency=4,
            max_objects=10**6,
            max_queue_messages=10,
            now=self.now,
        )
        return sweeper.sweep(sweep or Sweep(), budget or self.budget(), lambda *_: None)

    def budget(self):
        return TimeBudget(Deadline.after(600), Deadline.after(600))

    def do(self, event, budget=None):
        return self.backlog.do(
            parse_task(event), budget or self.budget(), lambda ref, report: self.recorded.append((ref, report))
        )

    def plan(self, run="first", **order):
        answer = {"job": "plan", "run": run} | order
        while not answer.get("is_planned"):
            answer = self.do(answer)
        return answer

    def shards(self, answer):
        return msgspec.json.decode(self.content(ObjectRef(answer["bucket"], answer["shards_key"])))

    def run(self, run="first", **order):
        """Does what the state machine does; returns the summary."""
        shards = self.shards(self.plan(run, **order))
        random.Random(0).shuffle(shards)
        for shard in shards:
            self.do(shard)
        return self.do({"job": "summarise", "run": run})

    def rows(self, run="first", maker=MAKER.results):
        """The rows of a run, in the order of the shards."""
        prefix = self.places.rows_of(maker, run)
        return [line for ref in self.refs(prefix) for line in self.content(ref).splitlines()]

    def row_keys(self, run="first", maker=MAKER.results):
        return [msgspec.json.decode(row)["input"]["key"] for row in self.rows(run, maker)]

    def indexes(self, run="first"):
        prefix = self.places.indexes(MAKER, run)
        return [decode_index(self.content(ref), ref) for ref in self.refs(prefix)]

    def document(self, key):
        return self.content(ObjectRef("outbox", f"results/{key}.json"))
