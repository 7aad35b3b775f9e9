"""States the expected result of each file of events/: the function's answer or error, and the documents that it leaves.

The table EXPECTED has one row for each file; `infra.cloud.checking` compares an invocation with its row. The built package is
checked under the emulator (`tests/emulator`) and in Lambda's container (`infra.cloud.sam_local`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"  # as in the event files

EMPTY = ""  # in place of a sample's name: an object of no bytes


@dataclass(frozen=True, slots=True)
class Expectation:
    """Holds the state before one event, and the expected result of it.

    Attributes:
        uploads: The content of the input bucket: the name of a sample of events/images, or EMPTY, by key.
        answer: The value that the function returns.
        error: The type of the exception that the function raises instead of returning.
        documents: The whole content of the output bucket afterwards: the name of a schema of handler/schemas, by key. By
            default, a prediction document for each upload and a rejection document for each empty one.
    """

    uploads: Mapping[str, str] = field(default_factory=dict)
    answer: object = None
    error: str | None = None
    documents: Mapping[str, str] | None = None


def _samples(*names: str) -> dict[str, str]:
    return {f"uploads/{name}": name for name in names}


def document_key(key: str) -> str:
    """Returns the key of the document that belongs to the input `key`."""
    return f"predictions/{key}.json"


def _row(key: str, outcome: str = "scored") -> dict[str, str | None]:
    document = None if outcome == "gone" else f"s3://{OUTPUT}/{document_key(key)}"
    return {"object": f"s3://{INPUT}/{key}", "outcome": outcome, "document": document}


def _counts(images: int | None = None, **outcomes: int) -> dict[str, object]:
    counts = dict.fromkeys(("scored", "duplicate", "superseded", "gone", "rejected", "failed", "postponed"), 0) | outcomes
    return {"outcomes": counts, "images": counts["scored"] if images is None else images}


def _notified(uploads: Mapping[str, str], images: int | None = None) -> Expectation:
    """Returns the row of an event whose sender is told addresses and counts, where every object is scored."""
    rows = [_row(key) for key in uploads]
    return Expectation(uploads, {"objects": rows, **_counts(images, scored=len(rows))})


def _queued(uploads: Mapping[str, str], *returned: str, documents: Mapping[str, str] | None = None) -> Expectation:
    """Returns the row of queue messages; `returned` are the last characters of the ids that are to be delivered again."""
    ids = [f"059f36b4-87a3-44ab-83d2-66197598{end}" for end in returned]
    return Expectation(uploads, {"batchItemFailures": [{"itemIdentifier": name} for name in ids]}, documents=documents)


def _swept(examined: int, missing: int, **job: str) -> Expectation:
    """Returns the row of a sweep that sends the objects that it finds to the queue, and scores none itself."""
    uploads = _samples("bag-0.png", "coat-0.png")
    report = {
        "job": "sweep",
        **job,
        "scheduled_time": "2026-11-02T10:00:00Z",
        "examined": examined,
        "archived": 0,
        "refused": 0,
    }
    report |= {"missing": missing, "outdated": 0, "looked_at": 0, "sent": missing, "unsent": 0, "unseen": 0, "dollars": 0.0}
    report |= {"outcomes": {}, "handed_on": [], "stopped": None}
    return Expectation(uploads, {"objects": [], **_counts(), "sweeps": [report]}, documents={})


def _mapped(uploads: Mapping[str, str], unfinished: tuple[str, ...] = (), **outcomes: int) -> Expectation:
    """Returns the row of the items of a Distributed Map."""
    summary = {"items": sum(outcomes.values()), **_counts(**outcomes), "unfinished": list(unfinished)}
    return Expectation(uploads, summary)


def _tasks(version: str, *results: tuple[str, str]) -> dict[str, object]:
    """Returns the answer to a job of S3 Batch Operations."""
    rows = [
        {"taskId": f"dGFza2lkZ29lc2hlcmUK{index}", "resultCode": code, "resultString": text}
        for index, (code, text) in enumerate(results)
    ]
    return {
        "invocationSchemaVersion": version,
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": "YXNkbGZqYWRmaiBhc2RmdW9hZHNmZGpmaGFzbGtkaGZza2RmaAo",
        "results": rows,
    }


_COAT = _samples("coat-0.png")
_RED, _PLUS, _FOLDER, _GONE = "uploads/red flower.jpg", "uploads/c++ notes+100%.png", "uploads/rack 2/", "uploads/deleted.png"
_HOSTILE = {_RED: "coat-0.png", _PLUS: "bag-0.png", "uploads/naïve/ñ.png": "dress-0.png", _FOLDER: EMPTY}
_NO_BYTES = (
    "Expected images in one of the known formats. "
    "Received: the 0 bytes of a folder, which has no images itself; there is nothing to do."
)
_OUTSIDE = (
    f"Expected an object under INPUT_URIS (s3://{INPUT}/uploads/). "
    f"Received: s3://{INPUT}/elsewhere/coat-0.png; it was not read."
)
_REJECTED: dict[str, str | None] = {"error": "EmptyObject", "reason": _NO_BYTES}

EXPECTED: dict[str, Expectation] = {
    "s3-ceph.json": _notified({_PLUS: "bag-0.png"} | _COAT),
    "s3-delete.json": _notified({}),
    "s3-hostile-keys.json": Expectation(
        _HOSTILE,
        {
            "objects": [*(_row(key) for key in list(_HOSTILE)[:3]), _row(_FOLDER, "rejected") | _REJECTED],
            **_counts(scored=3, rejected=1),
        },
    ),
    "s3-minio.json": _notified({_RED: "coat-0.png"}),
    "s3-longest-key.json": Expectation(_COAT, error="InvocationFailed"),
    "s3-test-event.json": _notified({}),
    "s3-tiering.json": _notified({}),
    "s3-two-records.json": _notified(_samples("sandal-0.png", "packed-idx3-ubyte.gz"), images=101),
    "s3-unversioned-upload.json": _notified(_COAT),
    "s3-upload-encoded-key.json": _notified({"uploads/rack 1/naïve coat + 100%.png": "coat-0.png"}),
    "s3-upload.json": _notified(_COAT),
    "s3-versioned-upload.json": _notified(_COAT),
    "sqs-dead-letters.json": _queued(
        {_RED: "coat-0.png"} | _samples(*(f"{name}-0.png" for name in ("coat", "bag", "dress", "shirt", "sandal"))),
    ),
    "sqs-hostile-keys.json": _queued(_HOSTILE, "0004"),
    "sqs-mixed-batch.json": _queued(_samples("bag-0.png", "coat-0.png"), "0003", "0004"),
    "sqs-nested.json": _queued(_samples(*(f"{name}-0.png" for name in ("coat", "bag", "dress", "shirt", "sandal")))),
    "sqs-s3-upload.json": _queued(_COAT),
    "sqs-sweep.json": _queued(_COAT, documents={}),
    "sqs-unreadable.json": _queued({}, "0000", "0001", "0002", "0003"),
    "sns-test-event.json": _notified({}),
    "sns-upload.json": _notified({_RED: "coat-0.png"}),
    "cloudtrail-put.json": _notified({_PLUS: "coat-0.png"}),
    "cloudtrail-read.json": _notified({}),
    "cloudtrail-refused-put.json": _notified({}),
    "eventbridge-delete.json": _notified({}),
    "eventbridge-encoded-key.json": _notified({_RED: "coat-0.png"}),
    "eventbridge-raw-key.json": _notified({_PLUS: "coat-0.png"}),
    "eventbridge-unknown.json": Expectation(error="InvocationFailed"),
    "eventbridge-upload.json": _notified(_COAT),
    "schedule-rule.json": _swept(2, 2),
    "schedule-scheduler.json": _swept(2, 2),
    "schedule-sweep.json": _swept(2, 2, prefix=f"s3://{INPUT}/uploads/"),
    "map-csv-item.json": _mapped(_COAT, scored=1),
    "map-inventory-batch.json": _mapped(
        _COAT | {_RED: "coat-0.png"},
        (f"s3://{INPUT}/elsewhere/coat-0.png (UnacceptedObject: {_OUTSIDE})",),
        scored=2,
        failed=1,
    ),
    "map-json-batch.json": _mapped(_samples("coat-0.png", "bag-0.png"), scored=2),
    "map-listing-batch.json": _mapped(_COAT | {_PLUS: "bag-0.png", _FOLDER: EMPTY}, scored=2, rejected=1),
    "map-listing-item.json": _mapped(_COAT, scored=1),
    "map-task-token.json": Expectation(_COAT, error="UnrecognisedEvent", documents={}),
    "batch-operations-1.json": Expectation(
        _COAT, _tasks("1.0", ("Succeeded", f"scored: s3://{OUTPUT}/predictions/uploads/coat-0.png.json"))
    ),
    "batch-operations-2.json": Expectation(
        {_RED: "coat-0.png", _FOLDER: EMPTY},
        _tasks(
            "2.0",
            ("Succeeded", f"scored: s3://{OUTPUT}/{document_key(_RED)}"),
            ("PermanentFailure", f"rejected: EmptyObject: {_NO_BYTES}"),
            ("PermanentFailure", f"gone: s3://{INPUT}/{_GONE}"),
            ("PermanentFailure", f"failed: UnacceptedObject: {_OUTSIDE}"),
            ("PermanentFailure", "Expected a key that encodes UTF-8. Received: '%FF.png'."),
        ),
    ),
    "direct-objects.json": Expectation(
        _COAT | {_PLUS: "bag-0.png"},
        {
            "objects": [_row("uploads/coat-0.png"), _row(_PLUS), _row(_GONE, "gone")],
            **_counts(scored=2, gone=1),
        },
    ),
}
