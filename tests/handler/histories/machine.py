"""Random histories of uploads, workers, faults, deployments and sweeps, and what must hold after every step of them.

Hypothesis prints a history that fails as calls of a `Histories`, the shortest that it can find. It is run again by itself:

    from tests.handler.histories.machine import Histories
    state = Histories()
    ...
"""

import json
from collections import Counter, defaultdict

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from handler.objects import ObjectRef
from infra.stores.memory import MemoryStore
from tests.handler.histories.reference import Settings, answer, answers, contents, names, told
from tests.handler.histories.world import OUTPUT, Fate, World
from tests.promises import DeadLetter, Seen, violations

KEYS = ("a", "b", "c")
CONTENTS = sorted(contents())
MAX_OWN_FAILURES = 4  # deliveries that a healthy object's neighbours may use up, of eight

keys, workers = st.sampled_from(KEYS), st.sampled_from([0, 1])
# Mostly two contents of one image, so that an object often changes back to what it was.
some_contents = st.sampled_from(["dark", "light", "dark", "light", *CONTENTS])


class Histories(RuleBasedStateMachine):
    """Two workers take the messages of uploads to three keys, and every step may go wrong."""

    is_versioned = False

    def __init__(self):
        super().__init__()
        self.broken: list[str] = []  # the promises that were broken
        self.world = self.make_world()
        self.present: dict[str, str] = {}  # the name of the content, by key
        self.states: defaultdict[str, list[str]] = defaultdict(list)  # all ETags that an object had, the oldest first
        self.deployed = [self.world.settings]
        self.lost: set[str] = set()  # keys whose document is right only after a sweep
        self.sick: set[str] = set()  # keys at which an object was that ends the process, and which may be in the dead letters
        self.hit: Counter[str] = Counter()  # by key, the deliveries that a fault from outside used up

    def make_world(self):
        store = MemoryStore(is_versioned=self.is_versioned)
        return World(store, store.remove, self.wrote, self.broken)

    # --- what users and operators do ---------------------------------------------------------------------------------

    @rule(key=keys, content=some_contents, events=st.sampled_from([1, 1, 1, 2, 0]))
    def upload(self, key, content, events):
        etag = self.world.upload(key, content)
        self.present[key] = content
        if self.states[key][-1:] != [etag]:
            self.states[key].append(etag)
        self.hit.update(self.keys_at_work() & {key})
        self.lost.add(key)
        self.sick |= {key} if content == "killer" else set()
        for _ in range(events):
            self.notify(key)
            self.lost.discard(key)

    @precondition(lambda self: self.present)
    @rule(key=keys)
    def delete(self, key):
        if self.present.pop(key, None):
            self.world.delete(key)
            self.lost.discard(key)

    @rule(key=keys)
    def notify(self, key):
        self.world.notify("inbox", f"uploads/{key}")

    @rule(bucket=st.sampled_from(["outbox", "strange"]))
    def notify_of_no_input(self, bucket):
        self.world.notify(bucket, "results/uploads/a.json")

    @rule(model=st.sampled_from([1, 2]), max_images=st.sampled_from([16, 100]), is_mended=st.booleans())
    def deploy(self, model, max_images, is_mended):
        self.world.settings = Settings(model, max_images, is_mended)
        self.deployed.append(self.world.settings)

    @rule(verify=st.booleans())
    def sweep(self, verify):
        self.world.sweep(verify=verify)

    @precondition(lambda self: self.world.queue.dead)
    @rule()
    def redrive(self):
        self.world.redrive()

    # --- what the cloud does -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.queue.messages)
    @rule(worker=workers, count=st.integers(1, 4), newest_first=st.booleans(), calls=st.sampled_from([0, 3, 8, 100]))
    def deliver(self, worker, count, newest_first, calls):
        one = self.world.workers[worker]
        batch = self.world.queue.take(count, newest_first=newest_first) if one.is_idle else []
        if batch:
            one.begin(batch)
            self.go_on(worker, calls)

    @rule(
        key=keys,
        first=some_contents,
        back=st.sampled_from([True, True, False]),
        calls=st.sampled_from([3, 4, 4, 5, 6]),
        fate=st.sampled_from(["DONE", "DONE", "HUNG_LATE", "HUNG_DONE"]),
    )
    def overtake(self, key, first, back, calls, fate):
        """One worker is on an object when it changes, perhaps back, and another does the change before the first goes on."""
        before = self.present.get(key, "dark")
        self.upload(key, first, 1)
        self.deliver(0, 1, newest_first=True, calls=calls)
        self.upload(key, before if back else "light", 1)
        self.deliver(1, 1, newest_first=True, calls=100)
        if fate != "DONE":
            self.hang(0, fate)
        self.go_on(0, 100)

    @precondition(lambda self: self.is_at_work)
    @rule(worker=workers, calls=st.sampled_from([1, 1, 2, 3, 5, 100]))
    def go_on(self, worker, calls):
        one = self.world.workers[worker]
        while not one.is_idle and calls:
            one.resume(Fate.DONE)
            calls -= 1

    @precondition(lambda self: self.is_at_work)
    @rule(worker=workers, fate=st.sampled_from(["THROTTLED", "ANSWER_LOST", "CUT", "KILLED", "DONE_KILLED"]))
    def fail(self, worker, fate):
        one = self.world.workers[worker]
        if not one.is_idle:
            self.hit.update(self.keys_of(one))
            one.resume(Fate[fate])

    @precondition(lambda self: self.is_at_work)
    @rule(worker=workers, fate=st.sampled_from(["HUNG", "HUNG_DONE", "HUNG_LATE"]))
    def hang(self, worker, fate):
        one = self.world.workers[worker]
        if not one.is_idle:
            self.hit.update(self.keys_at_work())
            one.hang = Fate[fate]
            self.world.tick(max(0, one.call.deadline.left_s))

    @precondition(lambda self: self.world.late)
    @rule()
    def land(self):
        """A write that was given up takes effect, which undoes a change to and fro if the input has no versions."""
        before = dict(self.world.documents)
        self.world.land()
        if not self.is_versioned:
            changed = [ref for ref, document in self.world.documents.items() if before.get(ref) != document]
            self.lost.update(key for key in KEYS if self.place(key) in changed)

    @precondition(lambda self: any(not worker.is_idle for worker in self.world.workers))
    @rule(worker=workers)
    def deliver_again(self, worker):
        """The messages of a worker become visible while it works on them."""
        for sent in self.world.workers[worker].batch:
            self.hit.update(self.keys_in(sent.body))
            sent.visible_at_s = self.world.clock()

    @rule(seconds=st.sampled_from([1, 61, 241, 961, 1300, 5000]))
    def wait(self, seconds):
        self.hit.update(self.keys_at_work())
        self.world.tick(seconds)

    @rule()
    def settle(self):
        """Everything is delivered, a sweep runs, and everything is delivered again: then every document is right."""
        self.world.tell("settles")
        for worker in self.world.workers:
            worker.finish()
        while self.world.late:
            self.land()
        self.drain()
        self.world.redrive()
        self.world.sweep()
        self.drain()
        self.broken += self.unsettled()
        assert not self.broken, self.broken
        self.sick = {key for key in self.sick if self.is_dead(key) or self.present.get(key) == "killer"}
        self.lost.clear()
        self.hit.clear()

    # --- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def check(self):
        self.broken += [*self.unfinished(), *self.wrongly_dead()]
        assert not self.broken, self.broken

    def unfinished(self):
        """An object about which no message is left has its document, of its present state."""
        open_keys = self.lost | {key for sent in [*self.messages, *self.world.queue.dead] for key in self.keys_in(sent.body)}
        for key in sorted(self.present.keys() - open_keys):
            document = self.world.documents.get(self.place(key))
            if document is None:
                yield f"I1: uploads/{key} has no document, and no message is left"
                continue
            etag, _, says = told(document[0])
            if etag != self.world.etags[key]:
                yield f"I3: uploads/{key} has a document of another state, and no message is left"
            elif says not in {answer(key, self.present[key], settings) for settings in self.deployed}:
                yield f"I2: uploads/{key} has a document that says {says}, and no message is left"

    def wrongly_dead(self):
        """No healthy object is dead, but for faults from outside that used up its deliveries."""
        for sent in self.world.queue.dead:
            for key in sorted(self.keys_in(sent.body) - self.sick):
                if self.hit[key] + MAX_OWN_FAILURES < self.world.queue.max_receive_count:
                    yield f"I7: message {sent.id} is dead, and uploads/{key} is healthy"

    def wrote(self, place, earlier, document):
        """Checks one write of a document, at the moment of the write."""
        content, metadata = document
        etag, model, says = told(content)
        key = place.key.removeprefix(f"{OUTPUT.prefix}uploads/").removesuffix(".json")
        if place != self.place(key) or key not in KEYS:
            self.broken.append(f"I5: {place} is written")
        if says not in {answer(key, names()[etag], it) for it in self.deployed if model == f"{it.model}" * 64}:
            self.broken.append(f"I2: {place} is written, and says {says} of {names()[etag]}")
        if metadata["input-etag"] != etag or metadata["model-sha256"] != model:
            self.broken.append(f"I2: {place} is written with metadata of something else, {metadata}")
        if earlier and earlier[1] == metadata:
            self.broken.append(f"I4: {place} is written once more")
        if earlier and len(set(self.states[key])) == len(self.states[key]):
            states = self.states[key]
            if states.index(etag) < states.index(told(earlier[0])[0]):
                self.broken.append(f"I3: {place} is written of an older state in place of that of a newer one")

    def unsettled(self):
        """Every object has one end, and a document is what the reference says, by the model and the settings of now."""
        world = self.world
        stored = {str(ref): content for ref, (content, _) in world.documents.items()}
        letters = {sent.id: tuple(objects_in(sent.body)) for sent in world.queue.dead if self.keys_in(sent.body)}
        dead = {address for named in letters.values() for address in named}
        ends = {f"s3://inbox/uploads/{key}": key for key in self.present if f"s3://inbox/uploads/{key}" not in dead}
        seen = Seen(
            prefixes=("s3://inbox/uploads/",),
            output=str(OUTPUT),
            inputs={f"s3://inbox/uploads/{key}": etag for key, etag in world.etags.items()},
            asked=set(ends),
            after=stored,
            models={f"{settings.model}" * 64 for settings in self.deployed},
            dead=tuple(DeadLetter(number, named) for number, named in letters.items()),
            sick={f"s3://inbox/uploads/{key}" for key in self.sick},
            has_one_maker=False,
        )
        yield from violations(seen)
        for key in ends.values():
            if str(self.place(key)) not in stored:  # which breaks a promise
                continue
            name = self.present[key]
            _, model, says = told(stored[str(self.place(key))])
            if model != f"{world.settings.model}" * 64 or says not in answers(key, name, world.settings, self.deployed):
                yield f"I1: uploads/{key}, {name}, has a document of the model {model[0]} that says {says}"

    # --- the rest ----------------------------------------------------------------------------------------------------

    @property
    def is_at_work(self):
        return any(worker.call for worker in self.world.workers)

    @property
    def messages(self):
        return self.world.queue.messages.values()

    def place(self, key):
        return ObjectRef("outbox", f"{OUTPUT.prefix}uploads/{key}.json")

    def is_dead(self, key):
        return any(key in self.keys_in(sent.body) for sent in self.world.queue.dead)

    def keys_in(self, body):
        return {it.removeprefix("s3://inbox/uploads/") for it in objects_in(body) if it.startswith("s3://inbox/uploads/")}

    def keys_of(self, worker):
        return {key for sent in worker.batch for key in self.keys_in(sent.body)}

    def keys_at_work(self):
        return {key for worker in self.world.workers if not worker.is_idle for key in self.keys_of(worker)}

    def drain(self):
        """Has the two workers take turns until no message is left; the clock goes on to the next one that becomes visible."""
        for turn in range(600):
            if not self.messages:
                return
            next_s = min(sent.visible_at_s for sent in self.messages)
            self.world.tick(max(0, next_s - self.world.clock()))
            worker = self.world.workers[turn % 2]
            batch = self.world.queue.take(10, newest_first=False)
            if batch:
                worker.begin(batch)
                worker.finish()
        self.broken.append("I1: the messages never end")

    def teardown(self):
        try:
            if not self.broken:
                self.settle()
        finally:
            for worker in self.world.workers:
                worker.kill()


class Versioned(Histories):
    """The same with a bucket that keeps versions, where late writes do no harm either."""

    is_versioned = True


def run(machine, histories, number, *, steps, shrinks=True):
    """Runs as many histories of a machine as the seed `number` makes; the error of one that fails has its script as notes."""
    options = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(machine), settings=options)
    except Exception as error:
        error.add_note(f"To run it again, write before it: from {machine.__module__} import {machine.__name__}")
        raise


def script_of(error):
    """The history of an error, as a script that runs it again."""
    *steps, how = error.__notes__
    lines = [line for note in steps for line in note.splitlines() if line.startswith("state")]
    return "\n".join([how.partition(": ")[2], *lines])


def objects_in(body):
    """The addresses of the objects that the body of a message names."""
    if "message" in body:
        body = json.loads(body["message"])
    named = [record["s3"] for record in body.get("Records", [])]
    return [f"s3://{it['bucket']['name']}/{it['object']['key']}" for it in named] + body.get("objects", [])
