"""Examines whether a store judges conditional writes, on which every document relies; asked to, by writing a small object.

S3 does. Stores that speak S3's protocol may not: some refuse the headers, and some pass over them and write all the same.
"""

from __future__ import annotations

import secrets
import urllib.parse
from collections.abc import Callable, Iterator

from handler.marks import RESERVED
from handler.objects import Prefix
from infra.doctor.asking import Answer, Cloud
from infra.doctor.findings import Finding, ok, unknown, wrong

_SUBJECT = "conditional writes"
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_STOPPED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_WRITES = 4  # of a probe
_NO_ETAG = '"00000000000000000000000000000000"'
_LOST = (
    "do not write documents there: the document of an older upload may replace that of a newer one, and an event that is"
    " delivered twice may change a document that is written"
)


def examine_conditions(cloud: Cloud, output: Prefix, *, is_probed: bool) -> Iterator[Finding]:
    """Yields whether the store of `output` judges conditions; without `is_probed`, it is only said of other stores than S3."""
    endpoint: str = cloud.client("s3").meta.endpoint_url
    if is_probed:
        yield from _probe(cloud, output, endpoint)
    elif not (urllib.parse.urlsplit(endpoint).hostname or "").endswith(_AWS):
        yield unknown(_SUBJECT, f"{endpoint} is not S3, and only a write would show it", "run this again with --probe")


def _probe(cloud: Cloud, output: Prefix, endpoint: str) -> Iterator[Finding]:
    place = {"Bucket": output.bucket, "Key": f"{output.prefix}{RESERVED}probe-{secrets.token_hex(8)}"}
    written: list[Answer] = []

    def put(body: bytes, **condition: str) -> Answer:
        answer = cloud.ask("s3", "put_object", **place, Body=body, **condition)
        written.extend([] if answer.code else [answer])
        return answer

    try:
        yield _judge(cloud, place, put, endpoint)
    finally:
        left = [answer.code for answer in _remove(cloud, place, written) if answer.code]
    if left:
        where = f"s3://{place['Bucket']}/{place['Key']}"
        yield unknown(_SUBJECT, f"the object of this probe stays, since its deletion failed with {left[0]}", f"delete {where}")


def _judge(cloud: Cloud, place: dict[str, str], put: Callable[..., Answer], endpoint: str) -> Finding:
    """Returns what the answers to four writes say, of which two are to be made and two to be stopped."""
    created = put(b"first", IfNoneMatch="*")
    if created.is_refused or created.is_missing:
        return created.failure(_SUBJECT, "create the bucket, or name another in OUTPUT_URI")
    if created.code:
        return wrong(_SUBJECT, f"{endpoint} does not create an object with If-None-Match: * ({_told(created)})", _LOST)
    for name, condition in (("If-None-Match: *", {"IfNoneMatch": "*"}), ("another ETag in If-Match", {"IfMatch": _NO_ETAG})):
        second = put(b"second", **condition)
        if second.code not in _STOPPED or _content(cloud, place) != b"first":
            return wrong(_SUBJECT, f"{endpoint} does not stop a write with {name} ({_told(second)})", _LOST)
    replaced = put(b"third", IfMatch=created.value["ETag"])
    if replaced.code or _content(cloud, place) != b"third":
        return wrong(_SUBJECT, f"{endpoint} does not replace an object with its ETag in If-Match ({_told(replaced)})", _LOST)
    return ok(_SUBJECT, f"{endpoint} judges If-None-Match and If-Match, as four writes to {_folder(place)} showed")


def _folder(place: dict[str, str]) -> str:
    return f"s3://{place['Bucket']}/{place['Key'].rpartition('/')[0]}/"


def _told(answer: Answer) -> str:
    return answer.code or "it answered 200"


def _content(cloud: Cloud, place: dict[str, str]) -> bytes | None:
    answer = cloud.ask("s3", "get_object", **place)
    content: bytes | None = None if answer.code else answer.value["Body"].read()
    return content


def _remove(cloud: Cloud, place: dict[str, str], written: list[Answer]) -> list[Answer]:
    """Deletes each version that was written, or the object where there are no versions, and returns the answers.

    So is what is still there then: a store may have written what it said it did not.
    """

    def delete(version: str | None) -> Answer:
        return cloud.ask("s3", "delete_object", **place, **({"VersionId": version} if version else {}))

    deletions = [delete(version) for version in {answer.value.get("VersionId") for answer in written}]
    for _ in range(_WRITES):
        left = cloud.ask("s3", "head_object", **place)
        if left.code or any(deletion.code for deletion in deletions):
            break
        deletions.append(delete(left.value.get("VersionId")))
    return deletions
