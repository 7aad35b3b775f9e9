"""Measures sweeps: ten million generated objects, the pages of S3's listing, and 20,000 objects of the embedded cloud.

    python -m infra.bench.sweeps       takes minutes; `make bench` does without it

The processor time of a page is that of botocore, which the generated objects leave out, so both are to be added up.
"""

from __future__ import annotations

import io
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, islice
from threading import Thread

import msgspec

from handler.deadline import Deadline, TimeBudget
from handler.documents import PREDICTIONS, Document, Documents
from handler.inputs import Inputs
from handler.jobs import Sweep, SweepReport
from handler.layout import Layout, LayoutName
from handler.maker import Maker
from handler.marks import RESERVED, Marks
from handler.objects import ObjectRef, Prefix
from handler.outcomes import Outcome
from handler.storage import S3Storage, make_client
from handler.store import Store, StoredObject
from handler.sweeping import Sweeper
from infra.bench.function import make_scorer
from infra.cloud.embedded import Cloud, clear_aws_environment, start_cloud
from infra.stores.memory import MemoryStore

GENERATED, STORED, PAGES, PAGE_OBJECTS = 10_000_000, 20_000, 200, 1000
MAKER = Maker("a" * 64, "b" * 64)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
CONCURRENCY = 8


class Generated(MemoryStore):
    """A store of `count` objects, and the documents of a share of them, which exist only while they are listed.

    It counts calls. The documents are those of the first objects.
    """

    def __init__(self, count: int, documented: float = 1.0) -> None:
        super().__init__(clock=lambda: BEGAN)
        self.count = count
        self.documents = int(count * documented)
        self.calls: Counter[str] = Counter()
        self.before = lambda method, _: self.calls.update([method])

    def list(self, prefix: Prefix, after: str, *, deadline: Deadline) -> Iterator[StoredObject]:
        """Yields objects that are a day younger than the marker, or documents that are a day younger than these."""
        is_input = prefix.bucket == "in-bucket"
        start, suffix, days = ("", "", 1) if is_input else ("predictions/", ".json", 2)
        written = BEGAN + timedelta(days=days)
        if RESERVED in prefix.prefix:  # of backlogs, whose files are in memory
            yield from super().list(prefix, after, deadline=deadline)
            return
        for number in range(self.count if is_input else self.documents):
            if number % PAGE_OBJECTS == 0:
                self._begin("list", prefix, deadline)
            key = f"{start}uploads/{number:08}.png{suffix}"
            if key > after:
                yield StoredObject(ObjectRef(prefix.bucket, key), "0" * 32, None, 544, last_modified=written)


class ListingHandler(BaseHTTPRequestHandler):
    """Answers every request with the same page of a listing, which says that there are more."""

    protocol_version = "HTTP/1.1"
    page = (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>'
        "<NextContinuationToken>{token}</NextContinuationToken>"
        + "".join(
            f"<Contents><Key>uploads/{number:08}.png</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{'0' * 32}&quot;</ETag><Size>544</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for number in range(PAGE_OBJECTS)
        )
        + "</ListBucketResult>"
    )
    tokens = count()

    def do_GET(self) -> None:
        """Sends the page."""
        page = self.page.replace("{token}", str(next(self.tokens))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Logs nothing."""


def main() -> None:
    """Prints each figure."""
    say = sys.stdout.write
    store, inputs, output = Generated(GENERATED), Prefix("in-bucket", "uploads/"), Prefix("out-bucket", "predictions/")
    Marks(store, output, MAKER).made_since(Deadline.after(60))  # the maker begins, at the time of the store
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    report = sweep(store, inputs, output)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    say(
        f"{report.examined:,} generated objects, of which {report.looked_at} were looked at: {seconds:.0f} s, "
        f"{processor_s:.0f} s of processor time, {dict(store.calls)}, "
        f"{(after.ru_maxrss - before.ru_maxrss) / 1024:.0f} MiB more memory at the peak\n"
    )
    say(f"a page of {PAGE_OBJECTS:,} objects: {measure_page_s() * 1000:.1f} ms of processor time\n")
    clear_aws_environment()
    with start_cloud() as cloud:
        measure_cloud(cloud)


def sweep(store: Store, inputs: Prefix, output: Prefix, now: datetime = BEGAN) -> SweepReport:
    """Sweeps a store without a queue, at the time of day `now`."""
    marks = Marks(store, output, MAKER)
    documents = Documents(store, output, Layout(LayoutName.JSON, 1), MAKER, marks=marks)
    reading = Inputs(store, (inputs,), documents)
    sweeper = Sweeper(
        inputs=reading,
        documents=documents,
        dispatcher=None,
        scorer=msgspec.structs.replace(make_scorer(store), inputs=reading, documents=documents),
        concurrency=CONCURRENCY,
        max_objects=1,
        max_queue_messages=1,
        now=lambda: now,
    )
    report = sweeper.sweep(Sweep(inputs), TimeBudget.of(36_000, 10, 1), lambda _named, _report: None)
    if report.error:
        raise report.error
    return report


def measure_page_s() -> float:
    """Returns the processor time in which botocore fetches and parses a page of a listing, and the store describes it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), ListingHandler)
    Thread(target=server.serve_forever, daemon=True).start()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    listed = S3Storage(make_client(1)).list(Prefix("in-bucket", ""), "", deadline=Deadline.after(3600))
    next(listed)
    began = time.process_time()
    list(islice(listed, PAGES * PAGE_OBJECTS))
    spent = time.process_time() - began
    server.shutdown()
    return spent / PAGES


def measure_cloud(cloud: Cloud) -> None:
    """Prints the calls of two sweeps over the embedded cloud, the second one as if it came an hour later."""
    os.environ.update(cloud.environment)
    cloud.s3.put_bucket_notification_configuration(Bucket=cloud.input_bucket, NotificationConfiguration={})  # nobody listens
    client = make_client(CONCURRENCY)
    store, calls = S3Storage(client), Counter[str]()
    inputs, output = Prefix(cloud.input_bucket, "uploads/"), Prefix(cloud.output_bucket, "predictions/")
    documents = Documents(store, output, Layout(LayoutName.JSON, 1), MAKER)

    def put(number: int) -> None:
        key, deadline = f"uploads/{number:08}.png", Deadline.after(600)
        cloud.s3.put_object(Bucket=cloud.input_bucket, Key=key, Body=b"content")
        source = store.head(ObjectRef(cloud.input_bucket, key), deadline=deadline)
        if source:
            document = Document(source, io.BytesIO(b"{}"), "c" * 64, MAKER.results, PREDICTIONS, Outcome.SCORED)
            documents.publish(document, deadline)

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(put, range(STORED)))
    client.meta.events.register("before-call.s3.*", lambda model, **_: calls.update([model.name]))
    for hours in (1, 2):
        calls.clear()
        began = time.perf_counter()
        report = sweep(store, inputs, output, datetime.now(UTC) + timedelta(hours=hours))
        sys.stdout.write(
            f"{report.examined:,} objects of the embedded cloud: {time.perf_counter() - began:.0f} s, {dict(calls)}\n"
        )


if __name__ == "__main__":
    main()
