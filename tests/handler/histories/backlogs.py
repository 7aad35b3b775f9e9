"""Random histories of backlogs: runs are planned, scored and repeated, while objects change, calls fail and workers are killed.

Each task of a run is done by a worker of its own, one after the other, as the state machine has them done. At one call of it
something may happen: the call fails, or its answer is lost, or the worker is killed, or others do something meanwhile, such as
the very same task.
"""

from datetime import timedelta
from enum import Enum
from functools import cache

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from handler.contract import Model
from handler.deadline import Deadline, TimeBudget
from handler.errors import ScoringError, StorageUnavailable
from handler.objects import ObjectRef
from infra.show.documents import read_documents
from infra.stores.memory import MemoryStore
from tests.handler.backlog.world import INPUT, OUTPUT, World, picture
from tests.handler.conftest import LIMITS, fake_classify, make_manifest

# Keys whose documents lie in another order than they do, keys that begin others, and some in the second prefix.
KEYS = ("uploads/a", "uploads/a-", "uploads/a-b", "uploads/a.json", "uploads/b", "uploads/b0", "more/a", "more/b")
CONTENTS = {"dark": picture(0), "light": picture(255), "broken": b"no image at all"}
RUNS = ("first", "second")
KEPT = (f"{OUTPUT.prefix}_coatcheck/shards/", f"{OUTPUT.prefix}_coatcheck/covered/")  # rows and indexes, which nothing changes

keys, contents = st.sampled_from(KEYS), st.sampled_from(["dark", "light", "dark", "light", "broken"])
changes = st.lists(st.tuples(keys, contents | st.none()), min_size=1, max_size=4)


class Fate(Enum):
    """What happens at one call of a task."""

    THROTTLED = "throttled"
    ANSWER_LOST = "answer lost"  # it took effect, and then failed
    KILLED = "killed"  # with the worker, before it took effect
    DONE_KILLED = "done, killed"  # with the worker, after it took effect
    OVERTAKEN = "overtaken"  # another worker does the same task before it
    CHANGED = "changed"  # an object changes before it
    UPLOADED = "uploaded"  # an upload is scored before it


# None, or the call, by its number or by what it writes, the fate, and the key and the content of what happens meanwhile.
calls = st.integers(1, 30) | st.sampled_from(KEPT)
strikes = st.none() | st.tuples(calls, st.sampled_from(Fate), keys, contents)


class Killed(BaseException):
    """Raised by every call of a worker that was killed; nothing catches it."""


class Struck:
    """The store as one worker has it; `strike` is called at one call, and says what becomes of it.

    It is the call number `at`, or the first one that writes under a prefix of this name.
    """

    def __init__(self, store, at, strike):
        self._store, self._at, self._strike, self._is_dead, self._count = store, at, strike, False, 0

    def open(self, *places, **options):
        return self._call(lambda: self._store.open(*places, **options))

    def head(self, *places, **options):
        return self._call(lambda: self._store.head(*places, **options))

    def put(self, ref, *content, **options):
        return self._call(lambda: self._store.put(ref, *content, **options), ref.key)

    def list(self, *places, **options):
        return iter(self._call(lambda: [*self._store.list(*places, **options)]))

    def _call(self, make, written=""):
        if self._is_dead:
            raise Killed
        self._count += 1
        is_struck = self._strike and (written.startswith(self._at) if isinstance(self._at, str) else self._count == self._at)
        fate = self._strike() if is_struck else None
        if is_struck:
            self._strike = None
        self._is_dead = fate in {Fate.KILLED, Fate.DONE_KILLED}
        if fate is Fate.KILLED:
            raise Killed
        if fate is Fate.THROTTLED:
            raise StorageUnavailable("Expected an answer. Received: SlowDown.")
        answer = make()
        if fate is Fate.DONE_KILLED:
            raise Killed
        if fate is Fate.ANSWER_LOST:
            raise StorageUnavailable("Expected an answer. Received: none.")
        return answer


class Backlogs(RuleBasedStateMachine):
    """Two runs over eight objects, beside uploads and sweeps."""

    def __init__(self):
        super().__init__()
        self.store = MemoryStore()
        self.time = self.worker().time
        self.store.clock = lambda: self.time
        self.present: dict[str, str] = {}  # the name of the content, by key
        self.planned: dict[str, dict] = {}  # the event, or its last answer, by run
        self.kept: dict[ObjectRef, bytes] = {}
        self.settled = self.tasks = 0
        self.log: list[str] = []

    def worker(self, strike=None, task=None):
        store = self.store
        if strike:
            at, fate, key, content = strike
            store = Struck(store, at, lambda: self.happen(fate, key, content, task))
        model = Model(make_manifest(), fake_classify, "f" * 64)
        world = World(model, LIMITS, another=model, store=store)
        if hasattr(self, "time"):
            world.time, self.store.clock = self.time, lambda: self.time
        return world

    def happen(self, fate, key, content, task):
        self.log.append(f"    {fate.value}")
        if fate is Fate.CHANGED:
            self.put(key, content)
        elif fate is Fate.UPLOADED:
            self.upload(key, content, None)
        elif fate is Fate.OVERTAKEN and task:
            task(self.worker())
        return fate

    def do(self, task, strike):
        """Has a worker do a task; returns its answer, or None if it failed by what struck it."""
        self.tasks += 1
        try:
            return task(self.worker(strike, task))
        except (ScoringError, Killed) as error:
            self.log.append(f"    failed: {type(error).__name__}: {error}")
            if not strike:
                raise
            return None
        finally:
            self.require_unchanged()

    # --- what users do -----------------------------------------------------------------------------------------------

    @initialize(contents=st.lists(contents, min_size=len(KEYS), max_size=len(KEYS)))
    def fill(self, contents):
        for key, content in zip(KEYS, contents, strict=True):
            self.put(key, content)

    @rule(changes=changes)
    def change(self, changes):
        """Objects are put or deleted, and their events are lost."""
        for key, content in changes:
            self.put(key, content)

    def put(self, key, content):
        self.log.append(f"put {key} {content}")
        ref = ObjectRef(INPUT, key)
        self.store.remove(ref)
        self.present.pop(key, None)
        if content:
            self.store.place(ref, CONTENTS[content])
            self.present[key] = content

    @rule(key=keys, content=contents, strike=strikes)
    def upload(self, key, content, strike):
        self.put(key, content)
        self.do(lambda world: world.upload(key), strike)

    @rule(seconds=st.sampled_from([1, 1000, 100_000]))
    def wait(self, seconds):
        self.time += timedelta(seconds=seconds)

    @rule(strike=strikes)
    def sweep(self, strike):
        """A sweep whose messages are lost."""
        self.do(World.sweep, strike)

    # --- what the state machine does ---------------------------------------------------------------------------------

    @rule(run=st.sampled_from(RUNS), parts=st.sampled_from([1, 2, 100]), strike=strikes)
    def plan(self, run, parts, strike):
        """Some parts of a run are planned, of which the first is struck."""
        over = TimeBudget(Deadline.after(-1), Deadline.after(600))
        for _ in range(parts):
            event = self.planned.get(run, {"job": "plan", "run": self.named(run)})
            if event.get("is_planned"):
                return
            self.log.append(f"plan {run}")
            self.planned[run] = self.do(lambda world, event=event: world.do(event, over), strike) or event
            strike = None

    @rule(run=st.sampled_from(RUNS), numbers=st.lists(st.integers(0, 4), min_size=1, max_size=3), strike=strikes)
    def score(self, run, numbers, strike):
        """Some shards are scored, perhaps one of them again, of which the first is struck."""
        self.plan(run, 100, None)
        shards = self.shards(run)
        for number in numbers:
            if number < len(shards):
                self.log.append(f"score {run} {number}")
                self.do(lambda world, number=number: world.do(shards[number]), strike)
                strike = None

    @rule(
        run=st.sampled_from(RUNS),
        number=st.integers(0, 4),
        at=st.sampled_from(KEPT),
        fate=st.sampled_from(Fate),
        changes=changes,
    )
    def repeat(self, run, number, at, fate, changes):
        """A shard is struck at its rows or at its index, and is scored again after some changes."""
        self.score(run, [number], (at, fate, *changes[0]))
        self.change(changes)
        self.score(run, [number], None)

    @rule(run=st.sampled_from(RUNS), strike=strikes)
    def summarise(self, run, strike):
        if self.shards(run):
            self.do(lambda world: world.do({"job": "summarise", "run": self.named(run)}), strike)

    @precondition(lambda self: self.tasks >= 10)
    @rule()
    def settle(self):
        """The runs are finished, another one is done, and then every object has its answer and nothing is missing."""
        self.log.append("settle")
        for run in RUNS:
            self.plan(run, 100, None)
            self.score(run, range(len(self.shards(run))), None)
            self.summarise(run, None)
        self.wait(100_000)
        last = self.named("last")
        summary = self.worker().run(last)
        assert summary["failed"] == 0, summary
        self.wait(100_000)
        world = self.worker()
        assert world.sweep().missing == 0
        assert world.plan(f"{last}-again")["plan"]["objects"] == 0
        answers = {}
        for one in read_documents(OUTPUT, lambda: self.store):
            assert not one.fault, one
            key = msgspec.json.decode(one.content)["input"]["key"]
            assert key not in answers, f"{key} has two answers"
            answers[key] = one.content
        self.planned.clear()
        self.settled, self.tasks = self.settled + 1, 0
        for key, content in self.present.items():
            assert answers.get(key) == expected(key, content), f"{key}, {content}"

    # --- the rest ----------------------------------------------------------------------------------------------------

    def require_unchanged(self):
        """Requires that no rows and no index that were there have changed."""
        stored = {ref: self.store.content(ref) for ref in self.store.refs() if ref.key.startswith(KEPT)}
        assert [str(ref) for ref, content in self.kept.items() if stored.get(ref) != content] == []
        self.kept = stored

    def named(self, run):
        """The name of a run, which is another one after all was settled."""
        return f"{run}-{self.settled}"

    def shards(self, run):
        """The shards of a run that is planned; none of another one."""
        answer = self.planned.get(run, {})
        return self.worker().shards(answer) if answer.get("is_planned") else []

    def teardown(self):
        self.settle()


@cache
def expected(key, content):
    """The document of an upload of a content, which nothing disturbs."""
    model = Model(make_manifest(), fake_classify, "f" * 64)
    world = World(model, LIMITS, another=model)
    world.put(key, CONTENTS[content])
    world.upload(key)
    return world.document(key)
