"""The targets of the fuzzers: what reads bytes that somebody else wrote, with sound seeds, and what may come of any bytes.

Each target takes any bytes and returns, or raises if the code does anything but what it promises. It needs no fuzzer, so that
`make test` runs it over the seeds and over every input that was ever found to break something.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np

from handler.backlog.collecting import read_part
from handler.backlog.covering import read_plan, read_shards
from handler.backlog.files import Entry, Index, IndexHead, KeysHead, decode_index, decode_keys, encode_index, encode_keys
from handler.backlog.planning import _names_in
from handler.backlog.runs import Order, Part, Places, Plan, Progress, Sampled, Shard, Totals
from handler.backlog.surviving import Attempts
from handler.backlog.tasks import parse_task
from handler.contract import Conversion, PixelShape
from handler.deadline import Deadline
from handler.errors import BadArtifact, BadSettings, InvocationFailed, RejectedInput, StorageUnavailable, UnrecognisedEvent
from handler.formats import FORMATS, HEAD_BYTES, decode
from handler.formats.image import Image, Named, Target, Unreadable
from handler.jobs import SweepReport
from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Outcome, Report
from handler.settings import DEFAULTS, load_limits, load_settings
from handler.store import OpenObject, StoredObject
from handler.triggers import TRIGGERS, parse_event
from handler.triggers.request import Results
from tests.handler.formats.seeds import PACKS, SEEDS

EVENTS = Path(__file__).parents[2] / "events"

# An image of at most 100,000 pixels, and objects that unpack to at most 4 MB, so that many are tried in a second.
SMALL = DEFAULTS | {"MAX_IMAGE_PIXELS": 10**5, "MAX_MEMBER_BYTES": 10**6, "MAX_UNPACKED_BYTES": 4 * 10**6}
FORM = Target(shape=PixelShape(height=28, width=28, channels=1), conversion=Conversion(), limits=load_limits({}, SMALL))
PLACE = ObjectRef("out", "file")
NEVER = Deadline(1e9, lambda: 0.0)


@dataclass(frozen=True)
class Fuzzed:
    """One target: its name, what it does with any bytes, and sound inputs."""

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


class OneFile:
    """A store in which the same content lies at every place, and which writes nothing."""

    def __init__(self, content):
        self._content = content

    def open(self, ref, **_):
        return OpenObject(StoredObject(ref, "e", None, len(self._content)), io.BytesIO(self._content))


def decode_object(content):
    """Images, named objects and unreadable members come out, or a rejection, whose text no memory address is in."""
    try:
        for item in decode(io.BytesIO(content), "x", FORM):
            match item:
                case Image():
                    require(item.pixels.shape == (28, 28, 1) and item.pixels.dtype == np.uint8, item.pixels.shape)
                case Unreadable():
                    require(isinstance(item.error, RejectedInput), item.error)
                case _:
                    require(isinstance(item, Named), item)
    except RejectedInput as error:
        require("0x7f" not in str(error), error)


def parse(content):
    """An event is refused as a whole, or becomes a request that names objects, and that is answered in any case."""
    try:
        event = json.loads(content)
    except (ValueError, RecursionError):
        return  # Lambda hands over what is JSON
    try:
        if isinstance(event, dict):
            parse_task(event)
        request = parse_event(event)
    except UnrecognisedEvent:
        return
    for outcome in (Outcome.SCORED, Outcome.FAILED):
        reports = {one.ref: Report(one.ref, outcome) for one in request.asked}
        sweeps = {sweep: SweepReport(sweep) for sweep in request.sweeps}
        for ref in reports:
            require(0 < len(ref.bucket) <= 255 and 0 < len(ref.key.encode()) <= 1024, ref)
        try:
            json.dumps(request.reply(Results(reports, sweeps)))
        except InvocationFailed:
            require(outcome is Outcome.FAILED or any(message.problem for message in request.messages), "all is done")


def file_readers(content):
    """The readers of the files of a run, given what such a file says; those that are stored in gzip's format are packed."""
    packed, plain = gzip.compress(content, 1), OneFile(content)
    places = Places(Prefix("out", ""))
    return {
        "keys": lambda: decode_keys(packed, PLACE),
        "index": lambda: decode_index(packed, PLACE),
        "names": lambda: list(_names_in(packed, PLACE)),
        "plan": lambda: read_plan(plain, places, "run", NEVER),
        "shards": lambda: read_shards(plain, places, SimpleNamespace(run="run", attempt="a"), NEVER),
        "part": lambda: read_part(plain, PLACE, NEVER),
        "note": lambda: Attempts(plain, PLACE, NEVER),
        "gzip": lambda: decode_index(content, PLACE),
    }


def read_files(content):
    """Each file of a run is read whole, or is said to be no such file."""
    for reader in file_readers(content).values():
        with suppress(StorageUnavailable):
            reader()


def read_settings(content):
    """Variables, one a line, are taken or named in one error."""
    lines = (line.partition("=") for line in content.decode(errors="replace").splitlines())
    variables = {name: text for name, _, text in lines}
    try:
        settings = load_settings(variables)
    except BadSettings as error:
        require(any(name in str(error) for name in (*variables, "OUTPUT_URI", "INPUT_URIS")), error)
    else:
        require(not any(settings.output.overlaps(prefix) for prefix in settings.inputs), settings)
        require(0 < settings.limits.image_pixels <= 1024**3 // 4 // 3, settings)


_read = directory_reader(BUNDLED_ARTIFACT)


def read_manifest(content):
    """An artifact with this manifest is loaded, or said to be bad."""
    try:
        model = load_model(lambda name: content if name == "manifest.json" else _read(name))
    except BadArtifact:
        return
    require(model.manifest.model.size_bytes == len(_read("model.tflite")), model.manifest.model)


def require(holds, seen):
    if not holds:
        raise AssertionError(f"Received: {seen!r}.")


def _format_of(content):
    for unpack in (lambda: content, *(lambda unpack=unpack: unpack(content) for _, unpack in PACKS.values())):
        try:
            head = unpack()[:HEAD_BYTES]
        except (OSError, ValueError, EOFError, zlib.error):
            continue
        for known in FORMATS:
            if known.recognises(head):
                return known
    raise LookupError("no format")


def _trigger_of(content):
    event = json.loads(content)
    return next((trigger.NAME for trigger in TRIGGERS if trigger.recognises(event)), None)


_events = [path.read_bytes() for path in sorted(EVENTS.glob("*.json"))]
DIGEST = "0" * 64
_shard = Shard(run="r", number=1, token="0" * 16, bucket="in", first="a", last="c", objects=3, bytes=5)
_tasks = [
    b'{"job":"plan","run":"r","prefix":"s3://in/a/","documents":true,"max_seconds":5}',
    b'{"job":"plan","run":"r","listed":true,"state":{"attempt":"20261130T000000Z-01234567","planned_at":"now","parts":1}}',
    b'{"job":"summarise","run":"r"}',
    msgspec.json.encode(_shard),
]
_index = IndexHead(
    run="r", number=1, bucket="in", results=DIGEST, rejections=DIGEST, outcomes={"scored": 1}, images=1, bytes=1, seconds=0.5
)
_plan = Plan(
    run="r", order=Order(), planned_at="now", attempt="a", results=DIGEST, totals=Totals(), shards=1, sampled=Sampled()
)
_files = [
    gzip.decompress(encode_keys(KeysHead(run="r", number=1, bucket="in", replaced=["b"]), ["a", "b"])),
    gzip.decompress(encode_index(Index(_index, [Entry("a", "e"), Entry("b", "e", has_rejected=True)]))),
    encode_index(Index(_index, [])),
    b'["in","a",5]\n["in","b",6,"e"]\n',
    b'{"killed":1,"killers":[3],"suspect":4,"at":5}',
    *map(msgspec.json.encode, (_plan, [_shard], Part(DIGEST, [_shard], Progress()))),
]
_settings = [
    b"OUTPUT_URI=s3://out/p/\nINPUT_URIS=s3://in/a/,s3://in/b/\nMODEL_URI=s3://m/v/\nQUEUE_URL=https://h/q\n",
    b"OUTPUT_URI=s3://out/p/\nINPUT_URIS=s3://in/\n"
    + "".join(f"{name}={value}\n" for name, value in DEFAULTS.items()).encode(),
]

TARGETS = {
    one.name: one
    for one in (
        *(
            Fuzzed(
                known.__name__.removeprefix("handler.formats."),
                decode_object,
                tuple(content for content in SEEDS.values() if _format_of(content) is known),
            )
            for known in FORMATS
        ),
        *(
            Fuzzed(
                trigger.__name__.removeprefix("handler."),
                parse,
                tuple(content for content in _events if _trigger_of(content) == trigger.NAME),
            )
            for trigger in TRIGGERS
        ),
        Fuzzed("tasks", parse, tuple(_tasks)),
        Fuzzed("files", read_files, tuple(_files)),
        Fuzzed("settings", read_settings, tuple(_settings)),
        Fuzzed("manifest", read_manifest, (_read("manifest.json"),)),
    )
}
