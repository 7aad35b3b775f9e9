"""Sending what a list names: in chunks, against the clock, by several calls at the same time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from handler.deadline import Deadline, TimeBudget
from handler.dispatch import CHUNK_OBJECTS, Dispatcher, Listing, chunks_of
from handler.documents import Documents
from handler.errors import OutOfTime, QueueUnavailable
from handler.formats.image import Named
from handler.inputs import Inputs
from handler.jobs import Asked, Sweep
from handler.layout import Layout, LayoutName
from handler.objects import ObjectRef, Prefix
from infra.stores.memory import MemoryStore
from tests.handler.values import MAKER


@pytest.fixture
def dispatcher(queue):
    documents = Documents(MemoryStore(), Prefix("out", ""), Layout(LayoutName.JSON, 1), MAKER)
    return Dispatcher(documents=documents, queue=queue, pool=ThreadPoolExecutor(4))


def listing_of(dispatcher, count):
    documents = dispatcher.documents
    source = documents.store.place(ObjectRef("in", "list.csv"), b"a list")
    listing = Listing(source, Inputs(documents.store, (Prefix("in", ""),), documents), documents)
    for number in range(count):
        listing.add(Named("in", f"{number}.png"))
    return listing


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_chunks_are_full_but_for_the_last(count, sizes):
    assert CHUNK_OBJECTS == 100
    assert [len(chunk) for chunk in chunks_of(range(count))] == sizes


def test_a_list_is_sent_whole_and_each_name_once(dispatcher, queue, budget):
    listing = listing_of(dispatcher, 2000)
    listing.add(Named("in", "7.png"))

    dispatcher.send_listing(listing, budget)

    assert sorted(message["objects"][0] for message in queue.messages) == sorted(f"s3://in/{n}.png" for n in range(2000))


def test_the_clock_is_looked_at_between_chunks_and_the_list_says_so(dispatcher, queue):
    """Of 2,000 names no more is sent than there is time for; the list comes again, and sending a name twice is harmless."""
    looks = iter([0.0, 0.0])
    budget = TimeBudget(Deadline(1, lambda: next(looks, 1.0)), Deadline.after(3600))

    with pytest.raises(OutOfTime, match=r"2000 objects .* time for 300 of them; split the list"):
        dispatcher.send_listing(listing_of(dispatcher, 2000), budget)
    assert len(queue.messages) == 300


def test_the_first_chunk_is_sent_even_if_time_is_short(dispatcher, queue):
    budget = TimeBudget(Deadline.after(0), Deadline.after(3600))

    dispatcher.send_listing(listing_of(dispatcher, CHUNK_OBJECTS), budget)

    assert len(queue.messages) == CHUNK_OBJECTS


def test_a_chunk_s_calls_are_made_at_the_same_time(dispatcher, queue, budget):
    """Four calls meet at a barrier, which one after the other never could."""
    barrier = threading.Barrier(4, timeout=10)
    queue.before = lambda messages: barrier.wait()

    dispatcher.send_listing(listing_of(dispatcher, 40), budget)

    assert len(queue.messages) == 40


def test_lists_that_are_sent_at_the_same_time_share_the_calls(dispatcher, queue, budget):
    """Four lists of four messages, and four threads for all of them."""
    running, most, lock = [], [], threading.Lock()

    def slow(messages):
        with lock:
            running.append(1)
            most.append(len(running))
        time.sleep(0.02)
        with lock:
            running.pop()

    queue.before = slow
    listings = [listing_of(dispatcher, 40) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda listing: dispatcher.send_listing(listing, budget), listings))

    assert len(queue.messages) == 160
    assert max(most) <= 4


def test_a_call_that_fails_fails_the_chunk(dispatcher, queue, budget):
    def failing(messages):
        if {"objects": ["s3://in/15.png"], "unless_done": True, "lists": 1} in messages:
            raise QueueUnavailable("full")

    queue.before = failing

    with pytest.raises(QueueUnavailable):
        dispatcher.send_listing(listing_of(dispatcher, 40), budget)


def test_objects_and_sweeps_are_messages_of_their_own(dispatcher, queue):
    dispatcher.send([Asked(ObjectRef("in", "a b.png"), unless_done=True), Sweep(Prefix("in", "x/"), "x/y")], Deadline.after(60))

    assert queue.messages == [
        {"objects": ["s3://in/a b.png"], "unless_done": True},
        {"job": "sweep", "prefix": "s3://in/x/", "after": "x/y"},
    ]
