"""The mixed batch over the store of files: faults strike the calls of `Store`, and queue and clock are simulated."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from handler.custody import Custody
from handler.deadline import Deadline, TimeBudget
from handler.delivery import Delivery
from handler.dispatch import Dispatcher
from handler.documents import Documents
from handler.errors import OutOfTime, StorageUnavailable
from handler.formats.picture import readable_kinds
from handler.inputs import Inputs
from handler.layout import Layout, LayoutName
from handler.maker import Maker
from handler.marks import Marks
from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model
from handler.objects import ObjectRef, Prefix
from handler.scoring import Scorer
from handler.settings import DEFAULTS, load_limits
from handler.store import WriteResult
from handler.sweeping import Sweeper
from handler.triggers import parse_event
from infra.cloud.faults import Fault, Run
from infra.stores.files import FileStore
from tests.handler.simulation import Clock, Killed, Sent, SimulatedQueue, record
from tests.infra.sweeping import batch
from tests.infra.sweeping.world import (
    MARKS,
    MAX_INVOCATIONS,
    OUTAGE_INVOCATIONS,
    OUTPUT,
    PREFIX,
    Outcome,
    is_disturbed,
    said_to_be_gone,
)
from tests.promises import Answer, DeadLetter, Message, Seen, described, violations

IN, OUT = "inbox", "outbox"
TIMEOUT_S = 900.0


@dataclass
class Queue(SimulatedQueue):
    """A queue that also says how many messages wait, and notes what it took."""

    sent: list[str] = field(default_factory=list)

    def count_waiting(self, *, deadline):
        self._require(deadline)
        return len(self.messages)

    def send(self, messages, *, deadline):
        super().send(messages, deadline=deadline)
        self.sent += [json.dumps(message) for message in messages]


@dataclass
class StruckBody(io.RawIOBase):
    """The body of an object that breaks off in its middle, or whose second half takes until the deadline."""

    body: io.BufferedIOBase
    half: int
    error: Exception
    read_bytes: int = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        if self.read_bytes >= self.half:
            raise self.error
        part = self.body.read(min(len(buffer), self.half - self.read_bytes))
        buffer[: len(part)] = part
        self.read_bytes += len(part)
        return len(part)

    def close(self):
        self.body.close()
        super().close()


@dataclass
class StruckStore:
    """A store, one of whose calls is struck as `run` has it. After a kill, no call is made before the next invocation."""

    store: FileStore
    clock: Clock
    run: Run = field(default_factory=Run)
    is_dead: bool = False

    def open(self, ref, *, start=0, end=None, if_match=None, deadline):
        def call():
            opened = self.store.open(ref, start=start, end=end, if_match=if_match, deadline=deadline)
            self.run.read.append(str(ref))
            return opened

        fault, opened = self._call("GET", ref.key, call, deadline)
        if opened and fault in {Fault.CUT, Fault.SLOW}:
            error = StorageUnavailable("broke off") if fault is Fault.CUT else OutOfTime("too slow")
            body = StruckBody(opened.body, opened.source.size_bytes // 2, error)
            return msgspec.structs.replace(opened, body=io.BufferedReader(body))
        return opened

    def head(self, ref, *, deadline):
        return self._call("HEAD", ref.key, lambda: self.store.head(ref, deadline=deadline), deadline)[1]

    def put(self, ref, content, *, deadline, **rest):
        def call():
            result = self.store.put(ref, content, deadline=deadline, **rest)
            if result is WriteResult.WRITTEN:
                content.seek(0)
                self.run.written.append((str(ref), content.read()))
            return result

        fault, result = self._call("PUT", ref.key, call, deadline)
        return {Fault.CONFLICT: WriteResult.CONFLICT, Fault.STOPPED: WriteResult.STOPPED}.get(fault, result)

    def list(self, prefix, after, *, deadline):
        _, rows = self._call("LIST", prefix.prefix, lambda: list(self.store.list(prefix, after, deadline=deadline)), deadline)
        return iter(rows)

    def _call(self, operation, key, function, deadline):
        """Makes a call unless a fault keeps it from being made; returns the fault and the result, or raises its error."""
        if self.is_dead:
            raise Killed
        fault = self.run.strike(operation, key)
        if fault in {Fault.SLOW_DOWN, Fault.OUTAGE}:
            raise StorageUnavailable("refused")
        if fault is Fault.HANG_BEFORE:
            self._wait(deadline)
        if fault is Fault.KILL_BEFORE:
            self._die()
        if fault in {Fault.CONFLICT, Fault.STOPPED, Fault.NOT_FOUND}:
            return fault, None
        result = function()
        if fault is Fault.CLOSE_AFTER:
            raise StorageUnavailable("no answer")
        if fault is Fault.HANG_AFTER:
            self._wait(deadline)
        if fault is Fault.KILL_AFTER:
            self._die()
        return fault, result

    def _wait(self, deadline):
        self.clock.now_s = max(self.clock.now_s, deadline.at_s)
        raise OutOfTime("no answer in time")

    def _die(self):
        self.is_dead = True
        raise Killed


class FileWorld:
    """Folders in which the batch is scored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.files = FileStore({IN: folder / IN, OUT: folder / OUT})
        for bucket in (IN, OUT):
            (folder / bucket).mkdir()
        self.queue = Queue(self.clock)
        self.store = StruckStore(self.files, self.clock)
        self.model = load_model(directory_reader(BUNDLED_ARTIFACT), 1)
        self.etags: dict[str, str] = {}
        self.standing: dict[ObjectRef, batch.Standing] = {}
        self.expected: dict[str, bytes] = {}
        self._prepare()

    def learn(self, client: str) -> Outcome:
        """Scores the batch without a fault, and keeps the documents that it leaves: every other run must leave the same."""
        outcome = self.run(client)
        self.expected = {place: content for place, content in self._after().items() if MARKS not in place}
        return outcome

    def run(self, _client: str, call: str | None = None, fault: Fault | None = None) -> Outcome:
        """Does the same as `tests.infra.sweeping.world.World.run`; there is one client only."""
        self._reset()
        self.store.run = run = Run(call=call, fault=fault)
        answers = self._deliver()
        if fault is Fault.NOT_FOUND:
            self._send([batch.sweep_job(IN, PREFIX)])
            answers += self._deliver()
        found = violations(self._seen(answers))
        if call and not run.is_struck:
            found.append(f"the call {call} was never made")
        if self.queue.messages:
            found.append(f"messages still come after {MAX_INVOCATIONS} invocations")
        return Outcome(tuple(found), tuple(run.calls), run.is_harmless, len(answers))

    def _prepare(self) -> None:
        contents = batch.inputs(IN)
        self._put_inputs(contents | batch.EARLIER)
        self._send([batch.upload_event(IN, key) for key in batch.SCORED_BEFORE])
        self._deliver()
        for one in self._listed(OUT):
            if not one.ref.key.startswith(MARKS):
                found = self.files.head(one.ref, deadline=Deadline.never())
                self.standing[one.ref] = batch.Standing(self._content(one.ref), dict(found.metadata))
        self._put_inputs({key: contents[key] for key in batch.EARLIER})

    def _reset(self) -> None:
        for one in self._listed(OUT):
            (self.folder / OUT / one.ref.key).unlink()
        for ref, document in self.standing.items():
            self._put(ref, document.content, document.metadata)
        self.queue.messages.clear()
        self.queue.dead.clear()
        self.queue.sent.clear()
        self._send([batch.upload_event(IN, key) for key in batch.REDELIVERED], batch.EARLIER_DELIVERIES)
        self._send([*(batch.upload_event(IN, key) for key in batch.EVENTS), batch.sweep_job(IN, batch.SWEPT)])

    def _send(self, bodies, receive_count=0) -> None:
        for body in bodies:
            self.queue.count += 1
            name = f"m{self.queue.count}"
            self.queue.messages[name] = Sent(name, json.loads(body), receive_count=receive_count)

    def _deliver(self) -> list[Answer]:
        run, answers, struck = self.store.run, [], 0
        for _ in range(MAX_INVOCATIONS):
            received = self.queue.receive(25)
            if not received and not self.queue.messages:
                break
            struck += run.is_struck
            run.is_out = run.is_out and struck < OUTAGE_INVOCATIONS
            self.store.is_dead = False
            if received and (answer := self._invoke({"Records": [record(sent) for sent in received]})):
                answers.append(answer)
        return answers

    def _invoke(self, event) -> Answer | None:
        """Invokes the parts of the function as it does itself, and returns what it answered; None if it was killed."""
        ends_at = self.clock() + TIMEOUT_S
        budget = TimeBudget.of(TIMEOUT_S, reserve_s=10, answer_s=1, clock=self.clock)
        with ThreadPoolExecutor(2) as pool:
            scorer, sweeper = self._parts(pool)
            request = parse_event(event)
            delivery = Delivery(
                request=request,
                scorer=scorer,
                sweeper=sweeper,
                custody=Custody(self.queue, budget.finish_by, lambda _error: None),
                budget=budget,
                record=lambda _named, _report: None,
            )
            try:
                reply = request.reply(delivery.run())
            except Killed:
                return None
        failed = {failure["itemIdentifier"] for failure in reply["batchItemFailures"]}
        done = [message.id for message in request.messages if message.id not in failed]
        self.queue.delete(done, deadline=Deadline.never())
        run, again = self.store.run, [json.loads(body).get("message") for body in self.queue.sent if "postponed" in body]
        messages = tuple(
            Message(
                message.id,
                tuple(map(str, message.objects)),
                is_failed=message.id in failed,
                is_sent_again=message.body in again,
                is_disturbed=run.fault is not None and is_disturbed(run, message),
            )
            for message in request.messages
        )
        standing = {str(ref): document.content for ref, document in self.standing.items()} | dict(run.written)
        return Answer(messages, self.etags, standing, ends_at - self.clock(), superseded=said_to_be_gone(run, IN))

    def _parts(self, pool) -> tuple[Scorer, Sweeper]:
        inputs, output = (Prefix(IN, PREFIX),), Prefix(OUT, OUTPUT)
        limits = load_limits({}, DEFAULTS)
        maker = Maker.of(self.model, limits, inputs, formats=readable_kinds(), has_queue=True)
        marks = Marks(self.store, output, maker)
        documents = Documents(self.store, output, Layout(LayoutName.JSON, 10_000), maker, marks=marks, sleep=lambda _s: None)
        accepted = Inputs(self.store, inputs, documents)
        dispatcher = Dispatcher(documents=documents, queue=self.queue, pool=pool)
        scorer = Scorer(
            model=self.model,
            inputs=accepted,
            documents=documents,
            dispatcher=dispatcher,
            limits=limits,
            batch_images=16,
            concurrency=8,
        )
        return scorer, Sweeper(
            inputs=accepted,
            documents=documents,
            dispatcher=dispatcher,
            scorer=scorer,
            concurrency=8,
            max_objects=1000,
            max_queue_messages=1000,
        )

    def _seen(self, answers: list[Answer]) -> Seen:
        run = self.store.run
        earlier = dict(described(document.content) for document in self.standing.values())
        addresses = [address for address in (f"s3://{IN}/{key}" for key in batch.EARLIER) if address in earlier]
        dead = [parse_event({"Records": [record(sent)]}).messages[0] for sent in self.queue.dead]
        return Seen(
            prefixes=(f"s3://{IN}/{PREFIX}",),
            output=f"s3://{OUT}/{OUTPUT}",
            inputs=self.etags,
            asked={f"s3://{IN}/{key}" for key in (*batch.EVENTS, *batch.REDELIVERED, *batch.NAMED)},
            after=self._after(),
            models={self.model.manifest.model.sha256},
            before={
                str(ref): document.content
                for ref, document in self.standing.items()
                if described(document.content)[1] in self.etags.values()
            },
            expected=self.expected,
            written=tuple(run.written),
            states={address: (earlier[address], self.etags[address]) for address in addresses},
            read=set(run.read),
            dead=tuple(DeadLetter(message.id, tuple(map(str, message.objects))) for message in dead),
            answers=tuple(answers),
        )

    def _after(self) -> dict[str, bytes]:
        listed = [one.ref for bucket in (IN, OUT) for one in self._listed(bucket)]
        return {str(ref): self._content(ref) for ref in listed if str(ref) not in self.etags}

    def _listed(self, bucket):
        return list(self.files.list(Prefix(bucket, ""), "", deadline=Deadline.never()))

    def _content(self, ref):
        with self.files.open(ref, deadline=Deadline.never()).body as body:
            return body.read()

    def _put_inputs(self, contents) -> None:
        for key, content in contents.items():
            ref = ObjectRef(IN, key)
            self._put(ref, content, {})
            self.etags[str(ref)] = self.files.head(ref, deadline=Deadline.never()).etag

    def _put(self, ref, content, metadata) -> None:
        there = self.files.head(ref, deadline=Deadline.never())
        self.files.put(
            ref,
            io.BytesIO(content),
            content_type="application/json",
            metadata=metadata,
            replacing=there.etag if there else None,
            deadline=Deadline.never(),
        )
