"""The promises I1 to I8 of the function, stated once: from what is seen of a run to the list of the promises that it broke.

Pure. Every test that breaks something, by a fault, a kill or a history, gathers a `Seen` and asks for its `violations`, each of
which is a text that begins with the number of the promise, such as "I4: ". Objects are named by their addresses,
`s3://bucket/key`.

I1  Every accepted object ends in exactly one of: a document, a row of a finished shard, the dead letters.
I2  A document is whole, valid by its schema, and names its input and its model.
I3  A document of an older state of an object never replaces that of a newer one.
I4  Delivering a message again changes no byte that was written.
I5  Nothing is written outside of the output, and nothing there, or outside of the inputs, is read as an input.
I6  A message is reported as failed if and only if its objects are not durably finished.
I7  No healthy object ends in the dead letters.
I8  An invocation answers before its time is over.
"""

import functools
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import jsonschema

from infra.schemas import DIRECTORY

MARKS = "_coatcheck/"  # under the output, where no document lies

# The schema that a document names, without its version, and the file that states it.
SCHEMAS = {
    "coatcheck.predictions": "predictions.json",
    "coatcheck.rejection": "rejection.json",
    "coatcheck.list": "list.json",
    "coatcheck.prediction-lines": "prediction-lines.json",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an invocation, as the answer leaves it.

    Attributes:
        objects: The addresses of the objects that it asks for; empty for a sweep.
        is_sent_again: Whether a new message was sent in its place.
        is_disturbed: Whether a fault hit its work, so that it may be reported as failed though all of it is done.
    """

    id: str
    objects: tuple[str, ...]
    is_failed: bool
    is_sent_again: bool = False
    is_disturbed: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One invocation that answered, and what was stored at that moment.

    Attributes:
        messages: The messages of its batch.
        inputs: The ETag of each input that existed, by address.
        documents: The content of each document that stood, by address.
        left_s: The seconds that were left; negative if Lambda had ended the invocation before.
        rows: The addresses and ETags of the objects that had a row of a finished shard.
        superseded: The addresses of objects that changed during the invocation, whose newer events do the rest.
    """

    messages: tuple[Message, ...]
    inputs: Mapping[str, str]
    documents: Mapping[str, bytes]
    left_s: float = 1.0
    rows: Collection[tuple[str, str]] = ()
    superseded: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that the queue gave up, and the addresses of the objects that it asks for."""

    id: str
    objects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of a run once it is settled: no message is left, and nothing works any more.

    Attributes:
        prefixes: The prefixes of the inputs, as INPUT_URIS names them.
        output: The prefix of the output, as OUTPUT_URI names it.
        inputs: The present ETag of each input that exists, by address.
        asked: The addresses of the objects that events, lists or sweeps asked for.
        after: The content of each object in the buckets that can be written, but for the inputs, by address.
        models: The digests of the models that were deployed.
        suffix: The end of a document's key.
        before: The documents that stood before, of which each must be left as it is: nothing about it has changed.
        expected: The documents that a run without faults leaves, which every other run must leave too.
        strays: The addresses of objects that stood outside of the output before.
        written: The addresses and contents of all writes that took effect, in their order.
        states: The ETags that each input had one after another, the oldest first.
        read: The addresses of all objects that were read.
        rows: The address and ETag of each row of a finished shard.
        dead: The messages that the queue gave up.
        sick: The addresses of objects, and the ids of messages, that no retry helps, and that belong into the dead letters.
        answers: The invocations that answered.
        has_one_maker: Whether the same model and settings were at work all the time, so that equal inputs give equal bytes.
    """

    prefixes: tuple[str, ...]
    output: str
    inputs: Mapping[str, str]
    asked: Collection[str]
    after: Mapping[str, bytes]
    models: Collection[str]
    suffix: str = ".json"
    before: Mapping[str, bytes] = field(default_factory=dict)
    expected: Mapping[str, bytes] = field(default_factory=dict)
    strays: Collection[str] = ()
    written: tuple[tuple[str, bytes], ...] = ()
    states: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    read: Collection[str] = ()
    rows: tuple[tuple[str, str], ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    sick: Collection[str] = ()
    answers: tuple[Answer, ...] = ()
    has_one_maker: bool = True

    @property
    def documents(self):
        """The documents that stand in the end, by address."""
        return {place: content for place, content in self.after.items() if self.is_document(place)}

    def is_document(self, place):
        """Returns whether an address is that of a document, and not of a mark."""
        return place.startswith(self.output) and not place.startswith(self.output + MARKS)

    def place(self, address):
        """Returns the address of the document of an object."""
        return f"{self.output}{address.removeprefix('s3://').partition('/')[2]}{self.suffix}"

    def is_accepted(self, address):
        """Returns whether an object may be read."""
        return address.startswith(self.prefixes) and not address.startswith(self.output)


def violations(seen: Seen) -> list[str]:
    """Returns one text for each promise that was broken and each place where it was; an empty list if none was."""
    checks = (_one_end, _whole, _newest, _unchanged, _inside, _told, _no_healthy_dead, _in_time)
    return [f"I{number}: {text}" for number, check in enumerate(checks, 1) for text in check(seen)]


def described(content: bytes) -> tuple[str, str]:
    """Returns the address and the ETag of the input that a document names; empty if it names none."""
    try:
        named = json.loads(content.split(b"\n", 1)[0] if b'"coatcheck.prediction-lines/' in content[:100] else content)["input"]
        return f"s3://{named['bucket']}/{named['key']}", named["etag"]
    except (ValueError, KeyError, TypeError):
        return "", ""


def _one_end(seen: Seen) -> Iterator[str]:
    documents, rows = seen.documents, Counter(address for address, etag in seen.rows if seen.inputs.get(address) == etag)
    dead = {address for letter in seen.dead for address in letter.objects}
    for address in sorted(set(seen.asked)):
        if address not in seen.inputs or not seen.is_accepted(address):
            continue
        has_document = described(documents.get(seen.place(address), b"")) == (address, seen.inputs[address])
        ends = ["document"] * has_document + ["row"] * rows[address] + ["dead letter"] * (address in dead)
        if len(ends) != 1:
            yield f"{address} ends {len(ends)} times: {', '.join(ends) or 'nowhere'}"


def _whole(seen: Seen) -> Iterator[str]:
    for place, content in seen.documents.items():
        try:
            head = _valid(content)
        except (ValueError, KeyError, TypeError, jsonschema.ValidationError) as error:
            yield f"{place} is not whole and valid: {getattr(error, 'message', error)!s:.200}"
            continue
        address, _ = described(content)
        if seen.place(address) != place:
            yield f"{place} holds the document of {address}"
        if head["model"]["sha256"] not in seen.models:
            yield f"{place} names a model that was never deployed, {head['model']['sha256']}"


def _valid(content: bytes):
    """Returns the document, or the head of its lines; raises an error if it is not whole and valid by the schema it names."""
    text = content.decode()
    if '"coatcheck.prediction-lines/' not in text[:100]:
        document = json.loads(text)
        _validator(document["schema"]).validate(document)
        return document
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        _validator(lines[0]["schema"]).validate(line)
    if "summary" not in lines[-1]:
        raise ValueError("the last line is no summary")
    return lines[0]


@functools.cache
def _validator(name: str):
    """Returns what validates documents that name a schema, `coatcheck.predictions/2`; each version has a file of its own."""
    kind, _, version = name.partition("/")
    folder = DIRECTORY / "1" if version == "1" else DIRECTORY
    return jsonschema.Draft202012Validator(json.loads((folder / SCHEMAS[kind]).read_text()))


def _newest(seen: Seen) -> Iterator[str]:
    for place, content in seen.documents.items():
        address, etag = described(content)
        if etag and address in seen.asked and seen.inputs.get(address, etag) != etag:
            yield f"{place} is about etag {etag} of {address}, whose present one is {seen.inputs[address]}"
    reached: dict[str, int] = {}
    for place, content in seen.written:
        address, etag = described(content)
        states = seen.states.get(address, ())
        if not seen.is_document(place) or etag not in states:
            continue
        # The oldest state that this document can be about, since an input may change back to what it was.
        later = [at for at, state in enumerate(states) if state == etag and at >= reached.get(place, 0)]
        if not later:
            yield f"{place} was written about etag {etag} of {address} after one about a newer state"
        reached[place] = later[0] if later else reached[place]


def _unchanged(seen: Seen) -> Iterator[str]:
    for place, content in {**seen.before, **seen.expected}.items():
        if place not in seen.after:
            yield f"{place} is missing, which stood before or stands after a run without faults"
        elif seen.after[place] != content:
            yield f"{place} has other bytes than before, or than after a run without faults"
    first: dict[tuple[str, str, str], bytes] = {}
    for place, content in seen.written if seen.has_one_maker else ():
        if seen.is_document(place) and first.setdefault((place, *described(content)), content) != content:
            yield f"{place} was written twice about the same state, with other bytes"


def _inside(seen: Seen) -> Iterator[str]:
    for place in sorted({*seen.after, *(place for place, _ in seen.written)} - set(seen.strays)):
        if not place.startswith(seen.output):
            yield f"{place} was written outside of the output"
    for place in sorted(set(seen.strays) - set(seen.after)):
        yield f"{place}, outside of the output, is gone"
    for address in sorted(set(seen.read)):
        if not seen.is_accepted(address) and not address.startswith(seen.output + MARKS):
            yield f"{address} was read, which is no accepted input"
    for place, content in seen.documents.items():
        address, _ = described(content)
        if address and not seen.is_accepted(address):
            yield f"{place} is about {address}, which is no accepted input"


def _told(seen: Seen) -> Iterator[str]:
    for answer in seen.answers:
        for message in answer.messages:
            missing = [address for address in message.objects if not _is_finished(seen, answer, address)]
            if missing and not message.is_failed and not message.is_sent_again:
                yield f"message {message.id} was reported as done, but {missing[0]} was not finished"
            if not missing and message.is_failed and not message.is_disturbed and message.id not in seen.sick:
                asked = ", ".join(message.objects) or "a job"
                yield f"message {message.id} was reported as failed, but all that it asks for was finished: {asked}"


def _is_finished(seen: Seen, answer: Answer, address: str) -> bool:
    """Returns whether everything that can be done about an object was durably done at the time of the answer."""
    if not seen.is_accepted(address):
        return False
    if address not in answer.inputs or address in answer.superseded:
        return True
    state = address, answer.inputs[address]
    return state in answer.rows or described(answer.documents.get(seen.place(address), b"")) == state


def _no_healthy_dead(seen: Seen) -> Iterator[str]:
    for letter in seen.dead:
        healthy = [address for address in letter.objects if address not in seen.sick]
        if letter.id not in seen.sick and (healthy or not letter.objects):
            yield f"message {letter.id} is in the dead letters, with {healthy[0] if healthy else 'a job'} that is healthy"


def _in_time(seen: Seen) -> Iterator[str]:
    for number, answer in enumerate(seen.answers, 1):
        if answer.left_s <= 0:
            yield f"invocation {number} answered {-answer.left_s:.3f} s after its time was over"
