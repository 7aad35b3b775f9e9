"""Sends references to objects to the queue, to be scored later: objects that lists name, and objects that sweeps find.

    references --accepted?--> chunks --time left?--> messages --several calls at the same time--> queue

Where there is no queue there is no `Dispatcher`: sweeps then score in place, and lists are rejected. No AWS and no clock here:
the queue and the time are passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import islice
from typing import TypeVar

import msgspec

from handler.deadline import Deadline, TimeBudget
from handler.documents import Documents
from handler.errors import OutOfTime, UnacceptedObject, UnreadableList
from handler.formats.image import Named
from handler.inputs import Inputs
from handler.jobs import MAX_MESSAGES, Asked, Queue, Sweep
from handler.objects import ObjectRef
from handler.predictions import NamedObject, RejectedImage
from handler.store import StoredObject

T = TypeVar("T")

# As long as no document can be written, lists that name each other are sent at each delivery. This bounds what comes of it.
MAX_LISTS = 3

CHUNK_OBJECTS = 100  # sent or scored between two checks of the time, in about a second


def chunks_of(items: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """Yields `items` in chunks of `CHUNK_OBJECTS`, lazily; the last chunk may be smaller."""
    waiting = iter(items)
    while chunk := tuple(islice(waiting, CHUNK_OBJECTS)):
        yield chunk


class Dispatcher(msgspec.Struct, frozen=True, kw_only=True):
    """Sends references to the queue. The threads of `pool` make the calls, for all lists and sweeps together."""

    documents: Documents
    queue: Queue
    pool: Executor

    def send(self, chunk: Sequence[Asked | Sweep], deadline: Deadline) -> None:
        """Sends one chunk of objects and sweeps, each as a message of its own.

        Raises:
            QueueUnavailable: some messages were not taken; sending all of them again is harmless.
            OutOfTime: a call did not end by `deadline`.
        """
        messages = [job.as_message() for job in chunk]
        batches = [messages[start : start + MAX_MESSAGES] for start in range(0, len(messages), MAX_MESSAGES)]
        list(self.pool.map(partial(self.queue.send, deadline=deadline), batches))

    def send_listing(self, listing: Listing, budget: TimeBudget) -> None:
        """Sends the objects that a list names, unless its document says that they were sent before.

        Without this condition, lists that name each other would never come to an end.

        Raises:
            UnacceptedObject: the document of another bucket's object is in the place of the list's document.
            QueueUnavailable: some messages were not taken; sending the whole list again is harmless.
            OutOfTime: the time was over before the last chunk was sent; sending the whole list again is harmless.
        """
        existing = self.documents.find(listing.source.ref, budget.finish_by)
        if existing:
            self.documents.require_same_bucket(listing.source, existing)
        if existing and self.documents.is_sent_list(existing, listing.source):
            return
        jobs = (Asked(ref, unless_done=True, lists=listing.lists) for ref in listing.refs)
        for position, chunk in enumerate(chunks_of(jobs)):
            if position and budget.begin_by.is_over:
                raise OutOfTime(
                    f"Expected to send the {len(listing.refs)} objects that {listing.source.ref} names in one invocation. "
                    f"Received: time for {position * CHUNK_OBJECTS} of them; split the list."
                )
            self.send(chunk, budget.finish_by)


class Listing(msgspec.Struct, frozen=True):
    """The objects that one list names.

    `refs` holds the objects that are accepted, each once, and `refused` a row for each of the other objects. `lists` is the
    number of lists by which they are named, this one included.
    """

    source: StoredObject
    inputs: Inputs
    documents: Documents
    lists: int = 1
    refs: dict[ObjectRef, None] = msgspec.field(default_factory=dict)
    refused: list[RejectedImage] = msgspec.field(default_factory=list)

    def add(self, named: Named) -> None:
        """Adds the next object that the list names."""
        ref = ObjectRef(named.bucket or self.source.ref.bucket, named.key)
        if ref == self.source.ref:  # the list of a whole prefix names itself, and it is being scored already
            return
        try:
            self.inputs.require_accepted(ref)
        except UnacceptedObject as error:
            self.refused.append(RejectedImage(str(ref), type(error).__name__, str(error)))
        else:
            self.refs[ref] = None

    def require_accepted(self) -> None:
        """Requires that the list names an object that may be read; any table of two columns looks like a list.

        Raises:
            UnreadableList: all of the named objects are refused, or the list names itself alone, or too many lists led to it.
        """
        if self.lists > MAX_LISTS:
            raise UnreadableList(
                f"Expected at most {MAX_LISTS} lists, each named by the one before. Received: more; name the objects directly."
            )
        if self.refs:
            return
        if not self.refused:
            raise UnreadableList(
                "Expected a list that names other objects. Received: one that names itself alone; name the objects."
            )
        raise UnreadableList(
            f"Expected a list that names objects under INPUT_URIS. Received: {len(self.refused)} names, none "
            "of which lies there; if this is a list, mend the names, and if not, upload images in its place. "
            f"The first name: {self.refused[0].message}"
        )

    def objects(self) -> Iterator[NamedObject]:
        """Yields each accepted object with the place of its document, as the list's own document contains them."""
        return (NamedObject(str(ref), str(self.documents.place(ref))) for ref in self.refs)
