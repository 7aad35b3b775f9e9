"""A process of the function that lives long, on a store and a queue in memory; what it holds is told again and again.

    python -m tests.handler.living INVOCATIONS LOOKS SEED

Every kind of failure is mixed in. At each of the looks, which are at equal distances, a line of JSON says how many files,
threads and bytes the process holds, how many invocations of each kind there were, and how often a document was in a temporary
file. The folder of temporary files is TMPDIR.
"""

import gc
import io
import json
import os
import random
import sys
import tempfile
import threading
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

import handler.app
import handler.spool
from handler.aws import call_by
from handler.errors import InvocationFailed, QueueUnavailable, StorageUnavailable, UnrecognisedEvent
from handler.objects import ObjectRef
from handler.telemetry import logger
from infra.cloud.event_source import Context
from infra.stores.memory import MemoryStore
from tests.handler.conftest import MemoryQueue

IMAGES = Path(__file__).parents[2] / "events" / "images"
INPUT = "coatcheck-input-123456789012"
SETTINGS = {
    "INPUT_URIS": f"s3://{INPUT}/uploads/",
    "OUTPUT_URI": "s3://coatcheck-output-123456789012/predictions/",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/work",
    "S3_CONCURRENCY": "4",
    "DEADLINE_RESERVE_MS": "20",
    "AWS_DEFAULT_REGION": "us-east-1",
}
SPOOLED_BYTES = 2**11  # so that a document of a dozen rows is in a temporary file
BUG = 251  # the value of the pixels at which the model fails


class Store(MemoryStore):
    """Fails, hangs or forgets where a key says so, and counts the documents that come out of temporary files."""

    __slots__ = ("released", "spooled", "temporary")

    def __init__(self, temporary):
        super().__init__(before=self.fail)
        self.temporary = temporary
        self.spooled = 0
        self.released = threading.Event()

    def fail(self, method, place):
        key = getattr(place, "key", "")
        if "unavailable" in key or ("unwritable" in key and method in {"create", "replace"}):
            raise StorageUnavailable(f"Expected {method} of {place} to succeed. Received: 503.")

    def open(self, ref, *, deadline, **options):
        if "hangs" in ref.key:
            call_by(deadline, f"open of {ref}", self.released.wait)
        return super().open(ref, deadline=deadline, **options)

    def release(self):
        """Lets go of the calls that hung, which were given up."""
        self.released.set()
        self.released = threading.Event()

    def put(self, ref, content, **options):
        self.spooled += any(link.startswith(self.temporary) for link in open_files())
        return super().put(ref, content, **options)


def open_files():
    found = []
    for file in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(file.readlink()))
        except FileNotFoundError:  # that of the listing itself, or of another thread
            continue
    return found


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archive(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


def objects():
    """The objects of the input bucket by the kind of what becomes of them; uploads of a kind take each other's places."""
    coat, bag = ((IMAGES / f"{name}-0.png").read_bytes() for name in ("coat", "bag"))
    pixels = np.random.default_rng(27).integers(0, 250, (12, 28, 28), np.uint8)
    return {
        "scored": [coat, bag, npy(pixels[:3])],
        "rejected": [b"no image", coat[:100], b"", npy(np.zeros((1, 2, 2), np.uint8)), archive({"../a.png": coat})],
        "unavailable": [coat],
        "unwritable": [coat, b"no image"],
        "hangs": [coat],
        "gone": [],
        "spooled": [npy(pixels), archive({f"{n}.png": coat if n % 2 else b"?" * n for n in range(16)})],
        "large": [archive({"a.png": coat, "big": bytes(2**20)})],  # too large to be read whole when it is opened
        "list": [b'{"key": "uploads/scored/0"}\n{"key": "uploads/scored/1"}\n{"key": "elsewhere"}\n'],
        "bug": [npy(np.full((1, 28, 28), BUG, np.uint8))],
    }


def s3_event(kind, count):
    rows = [{"bucket": {"name": INPUT}, "object": {"key": f"uploads/{kind}/{n}"}} for n in range(count)]
    return {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": row} for row in rows]}


def sqs_event(bodies, chance):
    return {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": str(number),
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(chance.choice([1, 1, 2, 5]))},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:work",
            }
            for number, body in enumerate(bodies)
        ]
    }


class Life:
    """The function, and what it is asked for again and again."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.kinds = objects()
        self.seen = Counter()
        self.store, self.queue = Store(tempfile.gettempdir()), MemoryQueue()
        self.queue.before = self.fail_queue
        handler.app.make_store = lambda *_: self.store
        handler.app.WorkQueue = lambda *_: self.queue
        handler.spool.IN_MEMORY_BYTES = SPOOLED_BYTES
        stopwatch = handler.app.build_parts().stopwatch
        classify = stopwatch.classify

        def breaking(images):
            if (images == BUG).all(axis=(1, 2, 3)).any():
                raise RuntimeError("a bug of the model")
            return classify(images)

        stopwatch.classify = breaking

    def fail_queue(self, _):
        if self.chance.random() < 0.2:
            raise QueueUnavailable("Expected an answer of the queue. Received: 503.")

    def live(self):
        """Makes one invocation of a random kind, with objects that are new or were there before."""
        kind = self.chance.choice([*self.kinds, "unrecognised", "unreadable", "sqs", "late"])
        event, left_ms = self.event_of(kind)
        try:
            handler.app.lambda_handler(event, Context("request", remaining_ms=left_ms))
            ended = "answered"
        except (InvocationFailed, UnrecognisedEvent, RuntimeError) as error:
            ended = type(error).__name__
        self.seen[f"{kind}: {ended}"] += 1
        self.store.release()
        self.queue.messages.clear()
        self.queue.deleted.clear()
        self.queue.hidden.clear()

    def event_of(self, kind):
        if kind == "unrecognised":
            return self.chance.choice([{"x": "y" * 1000}, {"job": "plan"}, {"Records": [1]}]), 60_000
        if kind == "unreadable":
            return sqs_event(["{", "[]", json.dumps({"job": "?"}), "\u2028" * 2000], self.chance), 60_000
        if kind == "sqs":
            bodies = [json.dumps(s3_event(self.upload(), 1)) for _ in range(3)]
            return sqs_event(bodies, self.chance), 60_000
        if kind == "late":
            return s3_event(self.upload(), 3), 1
        self.upload(kind)
        return s3_event(kind, 1 if kind == "hangs" else 2), 40 if kind == "hangs" else 60_000

    def upload(self, kind=None):
        kind = kind or self.chance.choice([kind for kind in self.kinds if kind not in {"hangs", "bug"}])
        for number, content in enumerate(self.chance.choices(self.kinds[kind], k=2) if self.kinds[kind] else ()):
            self.store.place(ObjectRef(INPUT, f"uploads/{kind}/{number}"), content)
        return kind

    def told(self):
        gc.collect()
        threads = Counter(thread.name.split("_")[0].split("-")[0] for thread in threading.enumerate())
        rss_pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "files": len(open_files()),
            "temporary": list(map(str, Path(tempfile.gettempdir()).iterdir())),
            "threads": threads,
            "traced_bytes": tracemalloc.get_traced_memory()[0],
            "rss_bytes": rss_pages * os.sysconf("SC_PAGE_SIZE"),
            "spooled": self.store.spooled,
            "seen": self.seen,
        }


def main(invocations, looks, seed):
    os.environ |= SETTINGS
    results, sys.stdout = sys.stdout, Path(os.devnull).open("w")  # noqa: SIM115  # for as long as the process lives
    logger.registered_handler.setStream(sys.stdout)
    life = Life(seed)
    tracemalloc.start()
    for _ in range(looks):
        for _ in range(invocations // looks):
            life.live()
        results.write(json.dumps(life.told()) + "\n")
        results.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
