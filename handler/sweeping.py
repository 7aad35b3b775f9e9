"""Sweeps: finds the inputs that have no document of the present model, and has them scored, by the queue if there is one.

    list inputs --> look at each one's document (threads) --> missing, or of another state or model --> send, or score in place

Nothing is remembered between sweeps: the bucket is listed as it is now, and whatever a lost message, an outage or a new model
left undone is found. A sweep that runs out of time sends what is left of it to the queue, as a job of its own. No AWS and no
clock here: all of that is passed in.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice
from typing import Any

from handler.errors import InvocationFailed, OutOfTime, StorageUnavailable, UnacceptedObject
from handler.jobs import Sweep, SweepReport, score_message
from handler.objects import ObjectRef, Prefix, StoredDocument, StoredObject
from handler.outcomes import Report
from handler.publishing import is_about, is_anothers

CHUNK_OBJECTS = 100  # between two looks at the time that is left: a second or so


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """All that sweeping needs from outside.

    `list_objects` lists a prefix behind a key, in the order of keys. `describe` returns what stands in a document's place.
    `send` puts messages into the queue; None: there is none. `score` scores objects in place. `require_accepted` and
    `require_accepted_prefix` raise UnacceptedObject for what may not be read or has no place for a document.
    """

    inputs: tuple[Prefix, ...]
    model_sha256: str
    list_objects: Callable[[Prefix, str], Iterator[StoredObject]]
    describe: Callable[[ObjectRef], StoredDocument | None]
    locate: Callable[[ObjectRef], ObjectRef]
    require_accepted: Callable[[ObjectRef], None]
    require_accepted_prefix: Callable[[Prefix], None]
    send: Callable[[Iterable[Mapping[str, Any]]], None] | None
    score: Callable[[Iterable[ObjectRef]], Mapping[ObjectRef, Report]]
    concurrency: int

    def sweep(self, sweep: Sweep, has_time: Callable[[], bool]) -> SweepReport:
        """Sweeps as far as there is time, one chunk at least, and reports what became of it."""
        tally = _Tally()
        try:
            self._sweep(sweep, has_time, tally)
        except Exception as error:  # other messages of its batch must not be taken with it
            tally.error = error
        return SweepReport(
            sweep,
            examined=tally.examined,
            refused=tally.refused,
            missing=tally.missing,
            sent=tally.sent,
            outcomes=tally.outcomes,
            handed_on=tally.handed_on,
            error=tally.error,
        )

    def _sweep(self, sweep: Sweep, has_time: Callable[[], bool], tally: _Tally) -> None:
        if sweep.prefix:
            self.require_accepted_prefix(sweep.prefix)
        waiting = deque((prefix, sweep.after) for prefix in ((sweep.prefix,) if sweep.prefix else _outermost(self.inputs)))
        while waiting:
            prefix, after = waiting.popleft()
            listed = self.list_objects(prefix, after)
            while chunk := tuple(islice(listed, CHUNK_OBJECTS)):
                if tally.examined and not has_time():
                    rest = [(prefix, after), *waiting]
                    self._hand_on([Sweep(*part, sweep.scheduled_time) for part in rest], tally)
                    return
                self._examine(chunk, tally)
                after = chunk[-1].ref.key

    def _examine(self, chunk: Sequence[StoredObject], tally: _Tally) -> None:
        """Has those of some inputs scored that lack a document."""
        tally.examined += len(chunk)
        with ThreadPoolExecutor(self.concurrency) as pool:
            states = list(pool.map(self._look_at, chunk))
        missing = [source.ref for source, state in zip(chunk, states, strict=True) if state is _State.MISSING]
        tally.refused += states.count(_State.REFUSED)
        tally.missing += len(missing)
        if self.send:
            self.send(score_message(ref) for ref in missing)
            tally.sent += len(missing)
        else:
            self._score(missing, tally)

    def _score(self, missing: Sequence[ObjectRef], tally: _Tally) -> None:
        for report in self.score(missing).values():
            tally.outcomes[report.outcome.value] += 1
            if not report.is_finished:
                tally.error = InvocationFailed(
                    f"Not every object that was swept is finished. The last: {report.ref}: {report.error}"
                )

    def _look_at(self, source: StoredObject) -> _State:
        """An object whose document has no place would go to the dead letters at every sweep; its own event took it there.

        A document that cannot be looked at counts as missing: the object's own message will say why.
        """
        try:
            self.require_accepted(source.ref)
            document = self.describe(self.locate(source.ref))
        except UnacceptedObject:
            return _State.REFUSED
        except StorageUnavailable:
            return _State.MISSING
        if document and is_anothers(document, source):
            return _State.REFUSED
        return _State.DONE if document and is_about(document, source, self.model_sha256) else _State.MISSING

    def _hand_on(self, rest: Sequence[Sweep], tally: _Tally) -> None:
        if self.send is None:
            raise OutOfTime(
                f"Expected to sweep it all in one invocation. Received: {tally.examined} inputs until the time was up, "
                f"the next one in the {rest[0]}. Sweep again to go on, sweep smaller prefixes, or set QUEUE_URL."
            )
        self.send(part.as_message() for part in rest)
        tally.handed_on = tuple(rest)


@dataclass(slots=True)
class _Tally:
    """What a sweep has come to so far."""

    examined: int = 0
    refused: int = 0
    missing: int = 0
    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    handed_on: tuple[Sweep, ...] = ()
    error: Exception | None = None


class _State(Enum):
    """How an input stands."""

    DONE = auto()
    MISSING = auto()
    REFUSED = auto()  # its document has no place


def _outermost(prefixes: Sequence[Prefix]) -> list[Prefix]:
    """Those that lie in no other, so that nothing is examined twice."""
    return [one for one in dict.fromkeys(prefixes) if not any(other.includes(one) for other in prefixes if other != one)]
