"""No message of a batch suffers from the others: not from their size, their failures, their slowness or their end."""

import itertools
import json
import threading

import msgspec
import numpy as np
import pytest

from handler.custody import LEASE_S, MAX_FAILURES, Custody, batches_of
from handler.deadline import TimeBudget
from handler.delivery import MAX_RETRY_S, Delivery, in_turn, retry_after_s
from handler.documents import Documents
from handler.errors import OutOfTime, QueueUnavailable, StorageUnavailable, UnacceptedObject
from handler.inputs import Inputs
from handler.layout import Layout, LayoutName
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Outcome, Report
from handler.scoring import Scorer
from handler.triggers import parse_event
from handler.triggers.request import Message, Results
from infra.stores.memory import MemoryStore
from tests.handler.formats.samples import idx
from tests.handler.simulation import Clock, Killed, Sent, SimulatedQueue, Worker, record
from tests.handler.values import MAKER

IMAGES = 100  # of an object, each of which takes as long as a thousand, so that the object stands for one of 100,000
HOPELESS = 7  # the pixels of images that take 9 s each
RATE = 2_254  # images a second, of the bundled model


class World:
    """Inputs, documents, a queue and a function, all on one clock."""

    def __init__(self, model, target):
        self.clock = Clock()
        self.queue = SimulatedQueue(self.clock)
        self.store = MemoryStore()
        self.documents = Documents(self.store, Prefix("out", ""), Layout(LayoutName.JSON, 1), MAKER, sleep=lambda seconds: None)
        self.model, self.target, self.classified = model, target, 0
        self.speed = RATE / 1000

    def upload(self, *keys, content=None):
        for key in keys:
            self.store.place(ObjectRef("inputs", key), content or idx(np.zeros((IMAGES, 2, 3), np.uint8)))
        self.queue.send([{"objects": [f"s3://inputs/{key}"]} for key in keys], deadline=self.forever)

    @property
    def forever(self):
        return msgspec.structs.replace(self.budget.finish_by, at_s=1e12)

    @property
    def budget(self):
        return TimeBudget.of(900, 10, 1, self.clock)

    def worker(self, batch_images=16, **parts):
        def classify(images):
            self.classified += len(images)
            self.clock.now_s += len(images) / self.speed + 9 * (images == HOPELESS).all(axis=(1, 2, 3)).sum()
            return self.model.classify(images)

        scorer = Scorer(
            model=msgspec.structs.replace(self.model, classify=classify),
            inputs=Inputs(self.store, (Prefix("inputs", ""),), self.documents),
            documents=self.documents,
            dispatcher=None,
            limits=self.target.limits,
            batch_images=batch_images,
            concurrency=4,
        )
        return Worker(self.queue, scorer, **parts)

    @property
    def documented(self):
        return {ref.key.removesuffix(".json") for ref in self.store.refs() if ref.bucket == "out"}


@pytest.fixture
def world(model, target):
    return World(model, target)


KEYS = [f"{number:02}.idx" for number in range(25)]


@pytest.mark.parametrize("slowness", [1, 3])
def test_a_batch_of_the_largest_objects_ends_in_as_many_documents_and_no_dead_letter(world, slowness):
    """25 messages of 100,000 images are 1,109 s of work, and on a slower processor 3,327, of an invocation's 900."""
    world.speed = RATE / 1000 / slowness
    world.upload(*KEYS)

    worker = world.worker()
    worker.drain()

    assert world.documented == set(KEYS)
    assert world.queue.dead == []
    assert len(worker.invocations) == (2 if slowness == 1 else 5)
    postponed = [report for reports in worker.invocations for report in reports.values() if report.outcome is Outcome.POSTPONED]
    assert postponed
    assert all(report.outcome is not Outcome.FAILED for reports in worker.invocations for report in reports.values())


def test_one_message_of_many_large_objects_gets_on_with_every_delivery(world):
    """What is done is not scored again, although the message that is sent again is a new one."""
    world.upload(*KEYS)
    world.queue.messages.clear()
    world.queue.send([{"objects": [f"s3://inputs/{key}" for key in KEYS]}], deadline=world.forever)

    worker = world.worker()
    worker.drain(10)

    assert world.documented == set(KEYS)
    assert (world.queue.messages, world.queue.dead) == ({}, [])
    assert world.classified < 27 * IMAGES


def test_an_object_that_never_ends_becomes_a_dead_letter_beside_others_that_keep_coming(world):
    """Whenever others used up the time it is sent again as a new message, which keeps the count of its failures."""
    world.upload("hopeless.idx", content=idx(np.full((IMAGES, 2, 3), HOPELESS, np.uint8)))
    worker, number = world.worker(batch_images=1), 0
    while not world.queue.dead and number < 200:
        number += 1
        if number % 2:
            world.upload(f"{number}.idx", f"{number}a.idx")
        batch = world.queue.receive(25)
        if batch:
            worker.invoke(batch)

    (dead,) = world.queue.dead
    assert "hopeless.idx" in str(dead.body)
    assert len(world.documented) > 10


def test_a_message_that_was_sent_again_is_the_original_one(world):
    body = {"objects": ["s3://inputs/a.idx"]}
    again = {"postponed": True, "message": json.dumps(body), "failures": 3}
    event = {"Records": [record(Sent("m", again, receive_count=2))]}

    (message,) = parse_event(event).messages

    assert (message.objects, message.receive_count) == ((ObjectRef("inputs", "a.idx"),), 5)
    assert (message.unless_done, json.loads(message.body)) == (True, body)


def test_an_object_that_was_opened_early_and_whose_turn_came_late_is_postponed(world):
    world.speed = IMAGES / 400  # so the third of four, which are all opened at once, is cut off
    world.upload(*KEYS[:4])

    worker = world.worker(batch_images=1)
    worker.drain()

    assert [report.outcome for report in worker.invocations[0].values()].count(Outcome.POSTPONED) == 2
    assert world.documented == set(KEYS[:4])


def test_an_object_that_has_the_whole_time_and_is_not_done_fails_until_it_is_a_dead_letter(world):
    world.speed = 0.11  # images a second, so that the object needs 909 s
    world.upload("a.idx")

    worker = world.worker(batch_images=1)
    worker.drain()

    assert [reports["a.idx"].outcome for reports in worker.invocations] == [Outcome.FAILED] * 8
    assert len(world.queue.dead) == 1


def test_a_postponed_message_that_cannot_be_sent_has_failed(world):
    world.speed /= 3
    world.upload(*KEYS[:8])
    worker = world.worker()

    def refuse(messages, *, deadline):
        raise QueueUnavailable("refused")

    world.queue.send = refuse
    worker.invoke(world.queue.receive(25))

    outcomes = [report.outcome for report in worker.invocations[0].values()]
    assert outcomes.count(Outcome.SCORED) == 6
    assert outcomes.count(Outcome.FAILED) == 2
    assert len(world.queue.messages) == 2


def test_a_message_of_which_one_object_failed_is_not_sent_again_for_another_that_was_late(world):
    """It comes back as it is; a copy beside it would begin to count its failures anew, and become two with every delivery."""
    world.speed = IMAGES / 400
    world.upload(*KEYS[:4])
    sent = world.queue.count = 1
    world.queue.messages = {"m1": Sent("m1", {"objects": [f"s3://inputs/{key}" for key in KEYS[:4]]})}

    def refuse(method, place):
        if place.key == KEYS[0]:
            raise StorageUnavailable("refused")

    world.store.before = refuse
    worker = world.worker(batch_images=1)
    worker.invoke(world.queue.receive(25))

    reports = worker.invocations[0]
    assert [type(report.error) for report in reports.values()].count(OutOfTime) == 1
    assert Outcome.POSTPONED not in {report.outcome for report in reports.values()}
    assert (world.queue.count, list(world.queue.messages)) == (sent, ["m1"])


@pytest.mark.parametrize("position", [0, 1, 12, 23, 24])
def test_a_message_that_kills_the_process_ends_in_the_dead_letters_alone(world, position):
    world.upload(*KEYS)

    def kill(method, place):
        if method == "create" and place.key == f"{KEYS[position]}.json":
            raise Killed

    world.speed = 1e6
    world.store.before = kill
    worker = world.worker()
    worker.drain()

    (dead,) = world.queue.dead
    assert KEYS[position] in str(dead.body)
    assert world.documented == set(KEYS) - {KEYS[position]}
    assert 8 <= worker.invocations.count("killed") <= 16


@pytest.mark.parametrize("failures", [0, 1, 2, 4, 7])
def test_a_message_is_done_although_each_batch_has_a_new_one_that_kills_the_process(world, failures):
    """Somebody goes on uploading objects that use up the memory; this one had failed before, by an outage perhaps."""
    world.speed = 1e6
    world.upload("healthy.idx")
    (healthy,) = world.queue.messages.values()
    healthy.receive_count = failures

    def kill(method, place):
        if method == "create" and place.key.startswith("killer"):
            raise Killed

    world.store.before = kill
    worker = world.worker()
    for number in range(40):
        if "healthy.idx" in world.documented:
            break
        visible_s = [it.visible_at_s for it in world.queue.messages.values() if "healthy" in str(it.body)]
        world.clock.now_s = max(world.clock.now_s, *visible_s)
        world.upload(f"killer{number}.idx")
        worker.invoke(world.queue.receive(25))

    assert "healthy.idx" in world.documented
    assert not [sent for sent in world.queue.dead if "healthy" in str(sent.body)]


@pytest.mark.parametrize("uploads", [1, 5])
def test_where_there_is_never_enough_time_messages_become_dead_letters(world, uploads):
    """The reserve is all the time that there is; nobody used up anything, so no message may be sent again for ever."""
    world.speed = 1e6
    world.upload(*KEYS[:uploads])
    sent = world.queue.count

    world.worker(timeout_s=9.5).drain()

    assert len(world.queue.dead) == uploads
    assert world.queue.count < sent + 10 * uploads


@pytest.mark.parametrize("received", [[1, 2], [2, 1], [2, 2], [3, 3], [4, 1]])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_alternative_that_only_one_of_two_messages_knows_is_scored(world, received, is_first):
    """A key that may be encoded, or not, and another message that has it as it is; both were received before, or not."""
    world.speed = 1e6
    world.store.place(ObjectRef("inputs", "a b.idx"), idx(np.zeros((IMAGES, 2, 3), np.uint8)))
    detail = {"bucket": {"name": "inputs"}, "object": {"key": "a+b.idx"}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "id": "1", "detail": detail}
    bodies = [event, {"objects": ["s3://inputs/a+b.idx"]}]
    world.queue.send(bodies if is_first else bodies[::-1], deadline=world.forever)
    for sent, count in zip(world.queue.messages.values(), received, strict=True):
        sent.receive_count = count - 1

    world.worker().drain()

    assert world.documented == {"a b.idx"}
    assert world.queue.dead == []


@pytest.mark.parametrize("killers", [2, 8, 24])
def test_several_messages_that_kill_the_process_take_no_other_along(world, killers):
    world.upload(*KEYS)
    deadly = {f"{key}.json" for key in sorted(KEYS, key=lambda key: (int(key[:2]) % 3, key))[:killers]}

    def kill(method, place):
        if method == "create" and place.key in deadly:
            raise Killed

    world.speed = 1e6
    world.store.before = kill
    worker = world.worker()
    worker.drain(2000)

    assert world.documented == {key for key in KEYS if f"{key}.json" not in deadly}
    assert len(world.queue.dead) == len(deadly) == killers
    assert world.queue.messages == {}


def test_from_the_third_delivery_on_a_message_is_begun_alone(world):
    world.speed = 1e6
    world.upload(*KEYS[:5])
    for sent in world.queue.messages.values():
        sent.receive_count = 2
    before = set(world.queue.messages)
    happened = []
    world.store.before = lambda method, place: happened.append((method, set(world.queue.messages)))

    worker = world.worker()
    worker.invoke(world.queue.receive(5))

    (waiting,) = [messages for method, messages in happened if method == "open"]
    assert (len(waiting), len(waiting & before)) == (5, 1)
    assert len(world.documented) == 1
    worker.drain()
    assert world.documented == set(KEYS[:5])


def test_messages_that_cannot_be_set_aside_are_done_one_at_a_time(world):
    world.speed = 1e6
    world.upload(*KEYS[:5])
    for sent in world.queue.messages.values():
        sent.receive_count = 4

    def refuse(messages, *, deadline):
        raise QueueUnavailable("refused")

    world.queue.send = refuse
    world.worker().invoke(world.queue.receive(5))

    assert world.documented == set(KEYS[:5])
    assert world.queue.messages == {}


def test_what_was_done_beside_a_message_that_kills_the_process_does_not_come_again(world):
    world.speed = 1e6
    world.upload("killer.idx")
    (killer,) = world.queue.messages.values()
    killer.receive_count = 1
    world.upload(*KEYS)

    def kill(method, place):
        if method == "create" and place.key == "killer.idx.json":
            raise Killed

    world.store.before = kill
    worker = world.worker(batch_messages=26)
    worker.invoke(world.queue.receive(26))

    assert worker.invocations == ["killed"]
    assert [sent.id for sent in world.queue.messages.values()] == [killer.id]


def test_each_message_received_before_is_done_and_deleted_before_the_next_is_begun(world):
    world.speed = 1e6
    world.upload(*KEYS[:5])
    for sent in world.queue.messages.values():
        sent.receive_count = 1
    happened = []
    world.store.before = lambda method, place: happened.append((method, place.bucket, place.key[:2]))
    delete = world.queue.delete
    world.queue.delete = lambda handles, *, deadline: (
        happened.append(("delete", *handles)),
        delete(handles, deadline=deadline),
    )

    world.worker().invoke(world.queue.receive(5))

    order = [key for method, bucket, key in [it for it in happened if len(it) == 3] if method == "open"]
    steps = [it[0] for it in happened[: 4 * 5]]
    assert steps == ["open", "head", "create", "delete"] * 5
    assert sorted(order) == [key[:2] for key in KEYS[:5]]


def test_what_was_received_before_and_done_is_not_classified_again(world):
    world.upload("a.idx")
    worker = world.worker()
    worker.drain()
    world.upload("a.idx")
    (sent,) = world.queue.messages.values()
    sent.receive_count = 1
    classified = world.classified

    worker.drain()

    assert worker.invocations[-1]["a.idx"].outcome is Outcome.DUPLICATE
    assert world.classified == classified


def test_what_comes_from_a_sweep_and_is_done_is_not_classified_again(world):
    world.upload("a.idx")
    worker = world.worker()
    worker.drain()
    classified = world.classified
    world.queue.send([{"objects": ["s3://inputs/a.idx"], "unless_done": True}], deadline=world.forever)

    worker.drain()

    assert worker.invocations[-1]["a.idx"].outcome is Outcome.DUPLICATE
    assert world.classified == classified


def test_a_rejection_by_another_maker_is_no_finished_document(world):
    world.upload("a.png", content=b"no image")
    worker = world.worker()
    worker.drain()
    place = ObjectRef("out", "a.png.json")
    old = world.store.head(place, deadline=world.forever).metadata
    world.store.place(place, b"{}", {**old, "maker": "0" * 64})
    world.queue.send([{"objects": ["s3://inputs/a.png"], "unless_done": True}], deadline=world.forever)

    worker.drain()

    assert worker.invocations[-1]["a.png"].outcome is Outcome.REJECTED
    assert world.store.head(place, deadline=world.forever).metadata == old


def test_what_fails_comes_again_after_seconds_and_then_minutes(world):
    world.upload("a.idx")

    def unavailable(method, place):
        if method == "open":
            raise StorageUnavailable("S3 is down")

    world.store.before = unavailable
    times = []
    worker = world.worker()
    while world.queue.messages:
        batch = world.queue.receive(25)
        if batch:
            times.append(world.clock())
            worker.invoke(batch)

    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(waits) == 7
    for wait_s, least_s in zip(waits, (5, 20, 80, 320, 900, 900, 900), strict=True):
        assert least_s <= wait_s <= 1.25 * least_s
    assert len(world.queue.dead) == 1


def test_what_no_retry_helps_comes_again_at_once(world):
    world.queue.send(["no event", {"objects": ["s3://elsewhere/a"]}], deadline=world.forever)

    world.worker().drain()

    assert len(world.queue.dead) == 2
    assert world.clock() == 0


@pytest.mark.parametrize("receive_count", [0, 1])
def test_messages_are_leased_while_they_are_worked_on(world, monkeypatch, receive_count):
    """So that they come again soon after the process was killed: at once for those received before, else after a while."""
    monkeypatch.setattr("handler.custody.FIRST_LEASE_S", 0.01)
    monkeypatch.setattr("handler.custody.RENEW_S", 0.01)
    world.upload("a.idx")
    (sent,) = world.queue.messages.values()
    sent.receive_count = receive_count
    leases, renewed, hide = [], threading.Event(), world.queue.hide

    def keep(seconds, *, deadline):
        leases.append(dict(seconds))
        hide(seconds, deadline=deadline)
        if len(leases) == 2:
            renewed.set()

    world.queue.hide = keep
    world.store.before = lambda method, place: renewed.wait(10)
    world.worker().invoke(world.queue.receive(1))

    assert renewed.is_set()
    assert leases[:2] == [{sent.id: LEASE_S}] * 2


def test_a_lease_names_no_message_that_was_deleted(world, monkeypatch):
    """SQS refuses to hide what is deleted, and the log would tell of an error at each renewal."""
    monkeypatch.setattr("handler.custody.RENEW_S", 0.01)
    world.upload("a.idx", "b.idx")
    done, other = parse_event({"Records": [record(sent) for sent in world.queue.receive(2)]}).messages
    leases, renewed = [], threading.Semaphore(0)

    def keep(seconds, *, deadline):
        leases.append(set(seconds))
        renewed.release()

    world.queue.hide = keep
    custody = Custody(world.queue, world.budget.finish_by, lambda error: None)
    with custody.leased([done, other], at_once=True):
        renewed.acquire(timeout=10)
        custody.delete([done])
        before = len(leases)
        while len(leases) < before + 3:  # the next one may have begun before the deletion
            renewed.acquire(timeout=10)

    assert leases[0] == {done.id, other.id}
    assert leases[-1] == {other.id}


def test_a_message_that_failed_too_often_is_not_sent_again_as_a_new_one(world):
    """A new message has a count of deliveries of its own: the queue would never give the message up."""
    world.upload("a.idx")
    (sent,) = world.queue.receive(1)
    (message,) = parse_event({"Records": [record(sent)]}).messages
    custody = Custody(world.queue, world.budget.finish_by, lambda error: None)

    assert custody.may_send(msgspec.structs.replace(message, receive_count=MAX_FAILURES))
    assert not custody.may_send(msgspec.structs.replace(message, receive_count=MAX_FAILURES + 1))


def test_messages_of_another_queue_are_not_touched(world):
    world.upload("a.idx")
    (sent,) = world.queue.receive(1)
    event = {"Records": [record(sent) | {"eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:another"}]}
    world.store.before = lambda method, place: (_ for _ in ()).throw(StorageUnavailable("S3 is down"))
    before = sent.visible_at_s

    Delivery(
        request=parse_event(event),
        scorer=world.worker().scorer,
        sweeper=None,
        custody=Custody(world.queue, world.budget.finish_by, lambda error: None),
        budget=world.budget,
        record=lambda named, report: None,
    ).run()

    assert sent.visible_at_s == before


def test_the_order_is_another_one_in_each_delivery():
    def order(count):
        return tuple(it.id for it in in_turn([Message(str(number), receive_count=count) for number in range(25)]))

    assert len({order(count) for count in range(2, 9)}) == 7
    assert {frozenset(order(count)) for count in range(2, 9)} == {frozenset(map(str, range(25)))}


def test_batches_are_limited_by_number_and_by_size():
    small = [Message(str(number), body="{}") for number in range(23)]
    large = [Message(str(number), body="x" * 150_000) for number in range(3)]

    assert [len(batch) for batch in batches_of(small)] == [10, 10, 3]
    assert [len(batch) for batch in batches_of(large)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("error", "expected"),
    [(StorageUnavailable("down"), MAX_RETRY_S), (UnacceptedObject("elsewhere"), 0), (OutOfTime("late"), MAX_RETRY_S)],
)
def test_the_wait_depends_on_the_error_and_is_bounded(error, expected):
    ref = ObjectRef("inputs", "a")
    message = Message("m", (ref,), receive_count=10**8)

    assert retry_after_s(message, Results({ref: Report(ref, Outcome.FAILED, error=error)}), jitter=0.0) == expected


def test_the_queue_s_own_errors_are_told_and_fail_nothing(world):
    world.upload("a.idx")
    batch = world.queue.receive(1)
    batch[0].receive_count = 2
    warned = []

    def refuse(*_, deadline):
        raise QueueUnavailable("refused")

    world.queue.delete = refuse
    results = Delivery(
        request=parse_event({"Records": [record(batch[0])]}),
        scorer=world.worker().scorer,
        sweeper=None,
        custody=Custody(world.queue, world.budget.finish_by, warned.append),
        budget=world.budget,
        record=lambda named, report: None,
    ).run()

    assert results.reports[ObjectRef("inputs", "a.idx")].outcome is Outcome.SCORED
    assert [str(error) for error in warned] == ["refused"]
