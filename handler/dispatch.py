"""References to objects that are scored later, by way of the queue: those that lists name and those that sweeps find.

    references --accepted?--> chunks --time left?--> messages --several calls at the same time--> queue

Where there is no queue there is no `Dispatcher`: sweeps then score in place, and lists are rejected. No AWS and no clock here:
the queue and the time are passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeVar

from handler.deadline import Deadline, TimeBudget
from handler.documents import Documents, is_about
from handler.errors import OutOfTime, UnacceptedObject
from handler.formats.image import Named
from handler.inputs import Inputs
from handler.jobs import MAX_MESSAGES, Queue, Sweep, score_message
from handler.objects import ObjectRef
from handler.predictions import NamedObject, RejectedImage
from handler.store import StoredObject

T = TypeVar("T")

CHUNK_OBJECTS = 100  # between two looks at the clock: a second or so


def chunks_of(items: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """Yields `items` in chunks of `CHUNK_OBJECTS`, as they are asked for; the last one may be smaller."""
    waiting = iter(items)
    while chunk := tuple(islice(waiting, CHUNK_OBJECTS)):
        yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """Sends references to the queue, with `concurrency` calls at the same time."""

    inputs: Inputs
    documents: Documents
    queue: Queue
    concurrency: int

    def require_accepted(self, ref: ObjectRef) -> None:
        """Accepts an object that may be read, and raises UnacceptedObject for any other."""
        self.inputs.require_accepted(ref)

    def place(self, ref: ObjectRef) -> ObjectRef:
        """Returns where the document of an accepted object belongs."""
        return self.documents.place(ref)

    def send(self, chunk: Sequence[ObjectRef | Sweep], deadline: Deadline) -> None:
        """Sends one chunk of objects and sweeps, each as a message of its own.

        Raises:
            QueueUnavailable: some were not taken; sending all of them again is harmless.
            OutOfTime: a call did not end by `deadline`.
        """
        messages = [score_message(it) if isinstance(it, ObjectRef) else it.as_message() for it in chunk]
        batches = [messages[start : start + MAX_MESSAGES] for start in range(0, len(messages), MAX_MESSAGES)]
        with ThreadPoolExecutor(self.concurrency) as pool:
            list(pool.map(partial(self.queue.send, deadline=deadline), batches))

    def send_listing(self, listing: Listing, model_sha256: str, budget: TimeBudget) -> None:
        """Sends what a list names, unless its document says that this was done: a list that names itself must come to an end.

        Raises:
            QueueUnavailable: some were not taken.
            OutOfTime: the time was over before the last chunk was sent; sending the list again as a whole is harmless.
        """
        existing = self.documents.find(listing.source.ref, budget.finish_by)
        if existing and is_about(existing, listing.source, model_sha256):
            return
        for position, chunk in enumerate(chunks_of(listing.refs)):
            if position and budget.begin_by.is_over:
                raise OutOfTime(
                    f"Expected to send the {len(listing.refs)} objects that {listing.source.ref} names in one invocation. "
                    f"Received: time for {position * CHUNK_OBJECTS} of them; split the list."
                )
            self.send(chunk, budget.finish_by)


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects that one list names: those that are accepted, each once, and a row for each one that is not."""

    source: StoredObject
    dispatcher: Dispatcher
    refs: dict[ObjectRef, None] = field(default_factory=dict)
    refused: list[RejectedImage] = field(default_factory=list)

    def add(self, named: Named) -> None:
        """Takes note of the next object that the list names."""
        ref = ObjectRef(named.bucket or self.source.ref.bucket, named.key)
        try:
            self.dispatcher.require_accepted(ref)
        except UnacceptedObject as error:
            self.refused.append(RejectedImage(str(ref), type(error).__name__, str(error)))
        else:
            self.refs[ref] = None

    def objects(self) -> Iterator[NamedObject]:
        """Yields each object and where its document will be, as the list's own document says it."""
        return (NamedObject(str(ref), str(self.dispatcher.place(ref))) for ref in self.refs)
