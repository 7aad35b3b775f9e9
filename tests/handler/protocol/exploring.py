"""Explores every order in which the calls of several `Documents.publish` can come, with uploads between them, and faults.

This runs the function's own code over `MemoryStore`. A worker is stopped at its next call by an exception, and is brought back
there by running its `publish` again with the answers that it had. So a state of the whole is a value, each state is visited
once, and the schedules that lead through it are counted without being run.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from handler.deadline import Deadline
from handler.documents import Document, Documents
from handler.errors import StorageUnavailable, TransientError
from handler.layout import Layout, LayoutName
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Outcome
from handler.store import StoredObject, WriteResult
from infra.stores.memory import MemoryStore
from tests.handler.values import MAKER

INPUT, PLACE = ObjectRef("in", "a.png"), ObjectRef("out", "a.png.json")
NEVER = Deadline.never()


class Violation(AssertionError):
    """A schedule that breaks a promise."""


class Input(NamedTuple):
    """A state of the input; the ETag is its content, to be read more easily."""

    etag: str
    version: str | None

    def __str__(self) -> str:
        return f"{self.etag}, version {self.version}" if self.version else self.etag

    @property
    def described(self) -> StoredObject:
        return StoredObject(INPUT, self.etag, self.version, len(self.etag))


class Written(NamedTuple):
    """A document, or a write of one on the condition that the document there has the ETag `replacing`."""

    content: bytes
    metadata: tuple[tuple[str, str], ...]
    replacing: str | None = None

    @property
    def about(self) -> Input:
        metadata = dict(self.metadata)
        return Input(metadata["input-etag"], metadata.get("input-version"))


class Worker(NamedTuple):
    """A worker that publishes the document of a state of the input, and had some answers of the store."""

    source: Input
    owns: bool  # whether its message comes again if it fails
    answers: tuple[Input | Written | WriteResult | None, ...] = ()


class State(NamedTuple):
    """Everything that decides what may happen next. Of all changes of the input, `changes` have happened.

    `late` is a write that was given up, and may take effect yet; `faults` and `twins` are what may still happen of these.
    """

    workers: tuple[Worker | None, ...]
    faults: int
    twins: int
    changes: int = 0
    document: Written | None = None
    messages: int = 0
    late: Written | None = None


def make_document(source: Input) -> Document:
    """Returns a document whose content, as that of a real one, differs for each state and version of the input."""
    content = io.BytesIO(f"{source.etag}, version {source.version}".encode())
    return Document(source.described, content, "f" * 64, MAKER.results, "predictions", Outcome.SCORED)


class Counting(MemoryStore):
    """A store in memory that counts its writes."""

    writes = 0

    def place(self, *arguments, **options):
        self.writes += 1
        return super().place(*arguments, **options)


def put(store: MemoryStore, write: Written) -> WriteResult:
    return store.put(
        PLACE,
        io.BytesIO(write.content),
        content_type="application/json",
        metadata=dict(write.metadata),
        replacing=write.replacing,
        deadline=NEVER,
    )


class Step(NamedTuple):
    """What happens, in words, the state after it, and whether a document was written."""

    words: str
    after: State
    has_written: bool = False


class NotItsTurn(BaseException):
    """The worker has come to a call that it may not make yet. No code of the function's catches this."""


class Inapplicable(BaseException):
    """A fault cannot happen to this call."""


@dataclass
class Turn:
    """A `Store` that gives a worker its earlier answers again, and then lets it make one call, to which a fault may happen."""

    store: MemoryStore
    source: Input | None
    worker: Worker
    fault: str | None
    late: Written | None = None
    has_conditions: bool = True
    is_made: bool = False
    place: int = 0

    def __post_init__(self) -> None:
        self.answers = list(self.worker.answers)

    def head(self, ref, *, deadline):
        answer = self._next(self._look_at_input if ref == INPUT else self._find)
        if isinstance(answer, Written):
            store = MemoryStore()
            return store.place(PLACE, answer.content, dict(answer.metadata))
        return answer.described if answer else None

    def put(self, ref, content, *, content_type, metadata, replacing, deadline):
        write = Written(content.getvalue(), tuple(sorted(metadata.items())), replacing)
        standing = self.store.head(PLACE, deadline=deadline)
        if standing and not self.has_conditions:
            write = write._replace(replacing=standing.etag)
        return self._next(lambda: self._put(write))

    def _next(self, call):
        if self.place == len(self.answers):
            if self.is_made:
                raise NotItsTurn
            self.is_made = True
            self.answers.append(call())
        self.place += 1
        return self.answers[self.place - 1]

    def _look_at_input(self):
        self._fail_if(self.fault == "fails", to_put=False)
        return self.source

    def _find(self):
        self._fail_if(self.fault == "fails", to_put=False)
        return document_in(self.store)

    def _put(self, write):
        self._fail_if(self.fault == "fails", to_put=True)
        if self.fault == "meets another write":
            return WriteResult.CONFLICT
        if self.fault in {"is given up", "is given up and tried again"}:
            self.late = write
            self._fail_if(self.fault == "is given up", to_put=True)
            return put(self.store, write)
        result = put(self.store, write)
        if self.fault and result is not WriteResult.WRITTEN:
            raise Inapplicable
        self._fail_if(self.fault == "is done, but not answered", to_put=True)
        return WriteResult.STOPPED if self.fault == "is done twice" else result

    def _fail_if(self, is_failing, *, to_put):
        if is_failing:
            raise StorageUnavailable("Expected an answer. Received: none.")
        if self.fault and not to_put:
            raise Inapplicable


# A process that dies at a call is one for which the call fails.
LATE_FAULTS = ("is given up", "is given up and tried again")
FAULTS = ("fails", "meets another write", "is done, but not answered", "is done twice")


def document_in(store: MemoryStore) -> Written | None:
    standing = store.head(PLACE, deadline=NEVER)
    return Written(store.content(PLACE), tuple(sorted(standing.metadata.items()))) if standing else None


@dataclass
class Explorer:
    """Explores all schedules of some workers and some changes of the input, the content of an upload each, None for a deletion.

    There are up to `faults` faults, and `twins` messages are delivered twice. A write may be late only if `may_be_late`.
    `publishing` makes the documents over a store.
    """

    changes: tuple[str | None, ...]
    is_versioned: bool
    faults: int = 0
    twins: int = 0
    may_be_late: bool = False
    workers: int = 2
    publishing: Callable[..., Documents] = Documents
    make_document: Callable[[Input], Document] = make_document
    schedules: dict[State, int] = field(default_factory=dict)

    def explore(self) -> int:
        """Returns the number of schedules, of which none breaks a promise.

        Raises:
            Violation: one does, and is told step by step.
        """
        return self._count(State((None,) * self.workers, self.faults, self.twins), ())

    def _count(self, state: State, path: tuple[str, ...]) -> int:
        if state not in self.schedules:
            self._require_settled(state, path)
            count = 0
            for step in self._following(state):
                told = (*path, step.words)
                if step.has_written and state.document and step.after.document:
                    self._require_replaceable(state.document, step.after.document, told)
                count += self._count(step.after, told)
            self.schedules[state] = count or 1
        return self.schedules[state]

    def _require_settled(self, state: State, path: tuple[str, ...]) -> None:
        """P1: once nothing is left to be done, the document is about the present input."""
        source, about = self._source(state), state.document.about if state.document else None
        if not state.messages and not any(state.workers) and not state.late and source and about != source:
            raise Violation("\n".join((*path, f"P1: the document is about {about}, and the input is {source}")))

    def _require_replaceable(self, old: Written, new: Written, path: tuple[str, ...]) -> None:
        """P2: no document of an older state replaces that of a newer one; P3: none is written anew."""
        if self._age(new.about) < self._age(old.about):
            raise Violation("\n".join((*path, f"P2: the document of {new.about} replaces that of {old.about}")))
        if new.metadata == old.metadata:
            raise Violation("\n".join((*path, f"P3: the document of {new.about} is written once more")))

    def _following(self, state: State) -> Iterator[Step]:
        """Yields everything that may happen next."""
        if state.changes < len(self.changes):
            content = self.changes[state.changes]
            changed = state._replace(changes=state.changes + 1, messages=state.messages + bool(content))
            yield Step(f"the input becomes {content}", changed)
        if state.late:
            store = self._store(state)
            result = put(store, state.late)
            yield self._written(f"the late write comes: {result.name}", state._replace(late=None), state, store)
        for place, worker in enumerate(state.workers):
            if worker:
                yield from self._turns(state, place, worker)
            elif None not in state.workers[:place]:  # workers that are idle are alike
                yield from self._deliveries(state, place)

    def _deliveries(self, state: State, place: int) -> Iterator[Step]:
        """Yields the deliveries of a message, upon which a worker reads and scores the present input.

        A copy of a message that is delivered twice comes again if it fails, but that of an input with versions need not.
        """
        source = self._source(state)
        words = f"worker {place} reads {source or 'nothing'}"
        if state.messages:
            begun = with_worker(state, place, Worker(source, owns=True) if source else None)
            yield Step(words, begun._replace(messages=state.messages - 1))
        if state.twins and source:
            begun = with_worker(state, place, Worker(source, owns=not self.is_versioned))
            yield Step(f"{words}, delivered twice", begun._replace(twins=state.twins - 1))

    def _turns(self, state: State, place: int, worker: Worker) -> Iterator[Step]:
        """Yields what may become of the next call of a worker."""
        late_faults = LATE_FAULTS if self.may_be_late and not state.late else ()
        for fault in (None, *(FAULTS + late_faults if state.faults else ())):
            store = self._store(state)
            turn = Turn(store, self._source(state), worker, fault)
            documents = self.publishing(turn, Prefix("out", ""), Layout(LayoutName.JSON, 1), MAKER, sleep=lambda seconds: None)
            worker_after, messages = None, state.messages
            try:
                end = documents.publish(self.make_document(worker.source), NEVER).name
            except NotItsTurn:
                end, worker_after = "it goes on", worker._replace(answers=tuple(turn.answers))
            except TransientError:
                end, messages = "it fails", state.messages + worker.owns
            except Inapplicable:
                continue
            words = f"call {len(worker.answers) + 1} of worker {place} for {worker.source} {fault or 'is made'}: {end}"
            after = with_worker(state, place, worker_after)._replace(messages=messages, faults=state.faults - bool(fault))
            yield self._written(words, after._replace(late=turn.late or state.late), state, store)

    def _written(self, words: str, after: State, before: State, store: Counting) -> Step:
        return Step(words, after._replace(document=document_in(store)), store.writes > bool(before.document))

    def _age(self, source: Input) -> int:
        """Returns a number that grows with the uploads, or 0 if contents come back and there are no versions to tell them."""
        if source.version:
            return int(source.version)
        return self.changes.index(source.etag) if len(set(self.changes)) == len(self.changes) else 0

    def _source(self, state: State) -> Input | None:
        content = self.changes[state.changes - 1] if state.changes else None
        return Input(content, str(state.changes) if self.is_versioned else None) if content else None

    def _store(self, state: State) -> Counting:
        store = Counting()
        if state.document:
            store.place(PLACE, state.document.content, dict(state.document.metadata))
        return store


def with_worker(state: State, place: int, worker: Worker | None) -> State:
    return state._replace(workers=(*state.workers[:place], worker, *state.workers[place + 1 :]))
