"""Compares the result of an event with its row in `infra.cloud.expectations`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema

from handler.marks import RESERVED
from infra.cloud.embedded import Cloud
from infra.cloud.expectations import EMPTY, Expectation, document_key
from infra.cloud.invocation import Invocation
from infra.paths import IMAGES
from infra.schemas import DIRECTORY


def prepare(cloud: Cloud, expectation: Expectation) -> None:
    """Empties the cloud's buckets and puts the objects that the event names."""
    for bucket in (cloud.input_bucket, cloud.output_bucket):
        for key in _read(cloud, bucket):
            cloud.s3.delete_object(Bucket=bucket, Key=key)
    for key, name in expectation.uploads.items():
        content = b"" if name == EMPTY else (IMAGES / name).read_bytes()
        cloud.s3.put_object(Bucket=cloud.input_bucket, Key=key, Body=content)


def read_documents(cloud: Cloud) -> dict[str, bytes]:
    """Returns the content of every object in the output bucket, by key, but for the marks of sweeps."""
    marks = document_key(RESERVED).removesuffix(".json")
    return {key: content for key, content in _read(cloud, cloud.output_bucket).items() if not key.startswith(marks)}


def differences(expectation: Expectation, invocation: Invocation, documents: Mapping[str, bytes]) -> list[str]:
    """Returns one sentence for each difference from the expected result; the list is empty if there is none."""
    wanted = expectation.documents
    if wanted is None:
        wanted = {
            document_key(key): "rejection.json" if name == EMPTY else "predictions.json"
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
    """Returns the faults of a document that breaks its schema, or stands at the place of another object's document."""
    try:
        document: Any = json.loads(content)
        jsonschema.validate(document, json.loads((DIRECTORY / schema).read_text()))
    except (json.JSONDecodeError, UnicodeDecodeError, jsonschema.ValidationError) as error:
        return [f"{key} is not as {schema} says: {getattr(error, 'message', error)}"]
    place = document_key(document["input"]["key"])
    return [] if place == key else [f"{key} holds the document of {place}."]


def _read(cloud: Cloud, bucket: str) -> dict[str, bytes]:
    listed = cloud.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {row["Key"]: cloud.s3.get_object(Bucket=bucket, Key=row["Key"])["Body"].read() for row in listed}
