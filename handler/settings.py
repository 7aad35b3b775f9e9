"""Reads the environment variables into one frozen value. No AWS here, and no other module reads these variables.

OUTPUT_URI               s3://bucket/prefix/ that documents are written under (required)
INPUT_URIS               comma-separated s3://bucket/prefix/ that objects may be read from (required)
MODEL_URI                directory or s3://bucket/prefix/ of the artifact (default: the bundled one)
QUEUE_URL                queue that sweeps and lists send work to (default: none; sweeps score in place, lists are rejected)
RESULT_FORMAT            json, jsonl, or auto: lines above LINES_ABOVE_IMAGES (default: json)
LINES_ABOVE_IMAGES       with auto, a document of more rows is in lines (default: 10,000)
MAX_OBJECT_BYTES         a larger object is rejected undecoded (default: 64 MiB)
MAX_IMAGE_PIXELS         width times height; a larger image is rejected undecoded (default: 67,108,864)
MAX_IMAGES_PER_OBJECT    an object of more images is rejected (default: 100,000)
MAX_ARCHIVE_MEMBERS      an archive of more members is rejected (default: 10,000)
MAX_MEMBER_BYTES         unpacked; a larger member, picture or array in Fortran order is rejected (default: 64 MiB)
MAX_UNPACKED_BYTES       an archive or packed object that unpacks to more is rejected (default: 1 GiB)
MAX_COMPRESSION_RATIO    unpacked size by compressed size; beyond 1 MiB unpacked, a larger ratio is rejected (default: 100)
MAX_LIST_OBJECTS         a list that names more objects is rejected (default: 100,000)
MAX_SWEEP_OBJECTS        a sweep that finds more objects to score sends no more, unless it says "rescore" (default: 100,000)
MAX_SWEEP_QUEUE_MESSAGES a sweep does nothing while more messages wait in the queue (default: 10,000)
MODEL_BATCH_IMAGES       images the model sees in one call (default: 16)
MODEL_THREADS            threads of one model call (default: 1, the one processor that 1,769 MB have)
S3_CLIENT                boto3, or obstore, which is faster, to read and write objects (default: boto3)
S3_CONCURRENCY           objects read or written at the same time (default: 64)
DEADLINE_RESERVE_MS      when less than this is left of the invocation, nothing new is begun (default: 10,000)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from handler.errors import BadSettings
from handler.layout import Layout, LayoutName
from handler.limits import Limits
from handler.objects import Prefix, parse_prefix

# The defaults suit a function of 1,769 MB, which has in memory S3_CONCURRENCY objects of up to 1 MiB, the rows of twice as many
# documents, up to 2 MiB each, one picture or member of MAX_MEMBER_BYTES, and one decoded picture: of MAX_IMAGE_PIXELS, up
# to 1,200 MB were measured for a PNG of one column, and 1,100 MB for a WebP.
DEFAULTS = {
    "MAX_OBJECT_BYTES": 64 * 2**20,
    "MAX_IMAGE_PIXELS": 2**26,
    "MAX_IMAGES_PER_OBJECT": 100_000,
    "LINES_ABOVE_IMAGES": 10_000,
    "MAX_ARCHIVE_MEMBERS": 10_000,
    "MAX_MEMBER_BYTES": 64 * 2**20,
    "MAX_UNPACKED_BYTES": 2**30,
    "MAX_COMPRESSION_RATIO": 100,
    "MAX_LIST_OBJECTS": 100_000,  # 10,000 calls to SQS, of which S3_CONCURRENCY are made at the same time
    "MAX_SWEEP_OBJECTS": 100_000,  # about $1.24, if all of them have a document already
    "MAX_SWEEP_QUEUE_MESSAGES": 10_000,
    "MODEL_BATCH_IMAGES": 16,  # with 64, activations exceed a core's cache: a fifth slower with the bundled model
    "MODEL_THREADS": 1,
    "S3_CONCURRENCY": 64,  # S3 answers in 20 to 200 ms, which are waited for together; docs/performance.md measures others
    "DEADLINE_RESERVE_MS": 10_000,
}

# A larger number would not be honoured: Pillow refuses twice as many pixels, and Lambda has 1,024 threads. A process has as
# many for objects, for the looks of a sweep and for messages to the queue, beside those of `handler.aws` for their calls.
_MAX = {"MAX_IMAGE_PIXELS": 1024**3 // 4 // 3, "S3_CONCURRENCY": 160, "MODEL_THREADS": 1000, "DEADLINE_RESERVE_MS": 900_000}

S3_CLIENTS = ("boto3", "obstore")

_URL = re.compile(r"https?://[^\s/]+/\S+")
_MAX_DIGITS = 15


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the function; the module's docstring documents each of them."""

    output: Prefix
    inputs: tuple[Prefix, ...]
    model: Path | Prefix | None
    queue_url: str | None
    layout: Layout
    limits: Limits
    max_sweep_objects: int
    max_sweep_queue_messages: int
    model_batch_images: int
    model_threads: int
    s3_client: str
    s3_concurrency: int
    deadline_reserve_ms: int


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Reads every variable, and checks all of them together.

    Raises:
        BadSettings: variables are missing, malformed or contradictory; the message names every one of them.
    """
    reader = _Reader(environ)
    output = reader.prefix("OUTPUT_URI")
    inputs = reader.prefixes("INPUT_URIS")
    model = reader.place("MODEL_URI")
    queue_url = reader.url("QUEUE_URL")
    numbers = {name: reader.natural(name, default) for name, default in DEFAULTS.items()}
    layout = LayoutName(reader.choice("RESULT_FORMAT", tuple(LayoutName)))
    client = reader.choice("S3_CLIENT", S3_CLIENTS)
    for prefix in inputs:
        if output and output.overlaps(prefix):
            reader.fault("OUTPUT_URI", f"a prefix that shares nothing with INPUT_URIS ({prefix})", str(output))
    reader.require_no_faults()
    return Settings(
        output=cast("Prefix", output),  # or it is a fault
        inputs=inputs,
        model=model,
        queue_url=queue_url,
        layout=Layout(layout, numbers["LINES_ABOVE_IMAGES"]),
        limits=_limits(numbers),
        max_sweep_objects=numbers["MAX_SWEEP_OBJECTS"],
        max_sweep_queue_messages=numbers["MAX_SWEEP_QUEUE_MESSAGES"],
        model_batch_images=numbers["MODEL_BATCH_IMAGES"],
        model_threads=numbers["MODEL_THREADS"],
        s3_client=client,
        s3_concurrency=numbers["S3_CONCURRENCY"],
        deadline_reserve_ms=numbers["DEADLINE_RESERVE_MS"],
    )


def load_limits(environ: Mapping[str, str], defaults: Mapping[str, int]) -> Limits:
    """Reads the limits on one object alone, whose `defaults` may be others than the function's.

    Raises:
        BadSettings: variables are malformed; the message names every one of them.
    """
    reader = _Reader(environ)
    limits = _limits({name: reader.natural(name, default) for name, default in defaults.items()})
    reader.require_no_faults()
    return limits


def _limits(numbers: Mapping[str, int]) -> Limits:
    return Limits(
        object_bytes=numbers["MAX_OBJECT_BYTES"],
        image_pixels=numbers["MAX_IMAGE_PIXELS"],
        images=numbers["MAX_IMAGES_PER_OBJECT"],
        archive_members=numbers["MAX_ARCHIVE_MEMBERS"],
        member_bytes=numbers["MAX_MEMBER_BYTES"],
        unpacked_bytes=numbers["MAX_UNPACKED_BYTES"],
        compression_ratio=numbers["MAX_COMPRESSION_RATIO"],
        list_objects=numbers["MAX_LIST_OBJECTS"],
    )


class _Reader:
    """Reads single variables, and collects all faults instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []

    def require_no_faults(self) -> None:
        if self.faults:
            raise BadSettings("The environment is not usable:\n" + "\n".join(f"- {fault}" for fault in self.faults))

    def fault(self, name: str, expected: str, received: str) -> None:
        self.faults.append(f"{name}: expected {expected}. Received: {received}.")

    def prefix(self, name: str) -> Prefix | None:
        prefixes = self.prefixes(name)
        if len(prefixes) > 1:
            self.fault(name, "one s3://bucket/prefix/", repr(self._environ[name]))
        return prefixes[0] if prefixes else None

    def prefixes(self, name: str) -> tuple[Prefix, ...]:
        text = self._environ.get(name, "")
        prefixes = tuple(parse_prefix(part.strip()) for part in text.split(","))
        if all(prefixes):
            return tuple(prefix for prefix in prefixes if prefix)
        if text:
            self.fault(name, "s3://bucket/prefix/ with a slash at its end", repr(text))
        else:
            self.fault(name, "s3://bucket/prefix/", "nothing; it is required")
        return ()

    def place(self, name: str) -> Path | Prefix | None:
        text = self._environ.get(name)
        if text and text.startswith("s3://"):
            return self.prefix(name)
        return Path(text) if text else None

    def url(self, name: str) -> str | None:
        text = self._environ.get(name)
        if text and not _URL.fullmatch(text):
            self.fault(name, "the URL of a queue, https://…", repr(text))
        return text or None

    def natural(self, name: str, default: int) -> int:
        text = self._environ.get(name) or str(default)
        maximum = _MAX.get(name, 10**_MAX_DIGITS)
        if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS and 0 < int(text) <= maximum:
            return int(text)
        self.fault(name, f"a whole number from 1 to {maximum}", repr(text))
        return default

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        text = self._environ.get(name) or choices[0]
        if text in choices:
            return text
        self.fault(name, " or ".join(choices), repr(text))
        return choices[0]
