"""What each file of events/ leads to: the objects that it names, the function's answer, and the documents afterwards.

One row for each file. The built package is held against it under the emulator (`tests/emulator`) and in Lambda's container
(`infra.cloud.sam_local`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema

from infra.cloud.embedded import Cloud
from infra.cloud.invocation import Invocation
from infra.paths import IMAGES, ROOT

INPUT, OUTPUT = "coatcheck-input-123456789012", "coatcheck-output-123456789012"  # as in the event files

EMPTY = ""

_SCHEMAS = ROOT / "handler" / "schemas"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One event's.

    Attributes:
        uploads: What is in the input bucket: a sample of events/images for each key; EMPTY, an object of no bytes.
        answer: What the function returns.
        error: The type of what it raises instead.
        documents: What is in the output bucket afterwards, and nothing else: a schema of handler/schemas for each key. Left
            out: a prediction document for each upload, a rejection for an empty one.
    """

    uploads: Mapping[str, str] = field(default_factory=dict)
    answer: object = None
    error: str | None = None
    documents: Mapping[str, str] | None = None


def _samples(*names: str) -> dict[str, str]:
    return {f"uploads/{name}": name for name in names}


def _document(key: str) -> str:
    return f"predictions/{key}.json"


def _row(key: str, outcome: str = "scored") -> dict[str, str | None]:
    document = None if outcome == "gone" else f"s3://{OUTPUT}/{_document(key)}"
    return {"object": f"s3://{INPUT}/{key}", "outcome": outcome, "document": document}


def _counts(images: int | None = None, **outcomes: int) -> dict[str, object]:
    counts = dict.fromkeys(("scored", "duplicate", "superseded", "gone", "rejected", "failed"), 0) | outcomes
    return {"outcomes": counts, "images": counts["scored"] if images is None else images}


def _notified(uploads: Mapping[str, str], images: int | None = None) -> Expectation:
    """A sender that is told addresses and counts, of objects that are all scored."""
    rows = [_row(key) for key in uploads]
    return Expectation(uploads, {"objects": rows, **_counts(images, scored=len(rows))})


def _queued(uploads: Mapping[str, str], *returned: str, documents: Mapping[str, str] | None = None) -> Expectation:
    """Queue messages; those `returned`, by the end of their id, are to be delivered again."""
    ids = [f"059f36b4-87a3-44ab-83d2-66197598{end}" for end in returned]
    return Expectation(uploads, {"batchItemFailures": [{"itemIdentifier": name} for name in ids]}, documents=documents)


def _swept(examined: int, missing: int, **job: str) -> Expectation:
    """A sweep that sends what it finds to the queue, and scores nothing itself."""
    uploads = _samples("bag-0.png", "coat-0.png")
    report = {"job": "sweep", **job, "scheduled_time": "2026-11-02T10:00:00Z", "examined": examined, "refused": 0}
    report |= {"missing": missing, "sent": missing, "outcomes": {}, "handed_on": []}
    return Expectation(uploads, {"objects": [], **_counts(), "sweeps": [report]}, documents={})


def _mapped(uploads: Mapping[str, str], unfinished: tuple[str, ...] = (), **outcomes: int) -> Expectation:
    """Items of a Distributed Map."""
    summary = {"items": sum(outcomes.values()), **_counts(**outcomes), "unfinished": list(unfinished)}
    return Expectation(uploads, summary)


def _tasks(version: str, *results: tuple[str, str]) -> dict[str, object]:
    """The answer to a job of S3 Batch Operations."""
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
    "s3-delete.json": _notified({}),
    "s3-hostile-keys.json": Expectation(
        _HOSTILE,
        {
            "objects": [*(_row(key) for key in list(_HOSTILE)[:3]), _row(_FOLDER, "rejected") | _REJECTED],
            **_counts(scored=3, rejected=1),
        },
    ),
    "s3-longest-key.json": Expectation(_COAT, error="InvocationFailed"),
    "s3-test-event.json": _notified({}),
    "s3-tiering.json": _notified({}),
    "s3-two-records.json": _notified(_samples("sandal-0.png", "packed-idx3-ubyte.gz"), images=101),
    "s3-unversioned-upload.json": _notified(_COAT),
    "s3-upload-encoded-key.json": _notified({"uploads/rack 1/naïve coat + 100%.png": "coat-0.png"}),
    "s3-upload.json": _notified(_COAT),
    "s3-versioned-upload.json": _notified(_COAT),
    "sqs-hostile-keys.json": _queued(_HOSTILE, "0004"),
    "sqs-mixed-batch.json": _queued(_samples("bag-0.png", "coat-0.png"), "0003", "0004"),
    "sqs-nested.json": _queued(_samples(*(f"{name}-0.png" for name in ("coat", "bag", "dress", "shirt", "sandal")))),
    "sqs-s3-upload.json": _queued(_COAT),
    "sqs-sweep.json": _queued(_COAT, documents={}),
    "sqs-unreadable.json": _queued({}, "0000", "0001", "0002", "0003"),
    "sns-test-event.json": _notified({}),
    "sns-upload.json": _notified({_RED: "coat-0.png"}),
    "eventbridge-delete.json": _notified({}),
    "eventbridge-encoded-key.json": _notified({_RED: "coat-0.png"}),
    "eventbridge-raw-key.json": _notified({_PLUS: "coat-0.png"}),
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
    "batch-operations-1.json": Expectation(
        _COAT, _tasks("1.0", ("Succeeded", f"scored: s3://{OUTPUT}/predictions/uploads/coat-0.png.json"))
    ),
    "batch-operations-2.json": Expectation(
        {_RED: "coat-0.png", _FOLDER: EMPTY},
        _tasks(
            "2.0",
            ("Succeeded", f"scored: s3://{OUTPUT}/{_document(_RED)}"),
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


def prepare(cloud: Cloud, expectation: Expectation) -> None:
    """Empties the cloud's buckets and puts the objects that the event names."""
    for bucket in (cloud.input_bucket, cloud.output_bucket):
        for key in _read(cloud, bucket):
            cloud.s3.delete_object(Bucket=bucket, Key=key)
    for key, name in expectation.uploads.items():
        content = b"" if name == EMPTY else (IMAGES / name).read_bytes()
        cloud.s3.put_object(Bucket=cloud.input_bucket, Key=key, Body=content)


def read_documents(cloud: Cloud) -> dict[str, bytes]:
    """Everything in the output bucket."""
    return _read(cloud, cloud.output_bucket)


def differences(expectation: Expectation, invocation: Invocation, documents: Mapping[str, bytes]) -> list[str]:
    """What is not as expected, each in one sentence; none: all is."""
    wanted = expectation.documents
    if wanted is None:
        wanted = {
            _document(key): "rejection.json" if name == EMPTY else "predictions.json"
            for key, name in expectation.uploads.items()
        }
    error = invocation.error
    pairs: list[tuple[str, object, object]] = [
        ("error", expectation.error, error and error.type),
        ("answer", expectation.answer, invocation.answer),
        ("documents", sorted(wanted), sorted(documents)),
    ]
    found = [
        f"Expected {name} {expected!r}. Received: {received!r}." for name, expected, received in pairs if expected != received
    ]
    if error and error.type != expectation.error:
        found.append(error.message)
    return found + [
        fault for key in sorted(wanted.keys() & documents.keys()) for fault in _faults(key, documents[key], wanted[key])
    ]


def _faults(key: str, content: bytes, schema: str) -> list[str]:
    """What is wrong with a document: not as its schema says, or about another object than its place says."""
    try:
        document: Any = json.loads(content)
        jsonschema.validate(document, json.loads((_SCHEMAS / schema).read_text()))
    except (json.JSONDecodeError, UnicodeDecodeError, jsonschema.ValidationError) as error:
        return [f"{key} is not as {schema} says: {getattr(error, 'message', error)}"]
    place = _document(document["input"]["key"])
    return [] if place == key else [f"{key} holds the document of {place}."]


def _read(cloud: Cloud, bucket: str) -> dict[str, bytes]:
    listed = cloud.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {row["Key"]: cloud.s3.get_object(Bucket=bucket, Key=row["Key"])["Body"].read() for row in listed}
