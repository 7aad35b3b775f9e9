"""Examines buckets: whether they are there, how they are kept, and what the present identity may read of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handler.objects import Prefix
from infra.doctor.asking import Answer, Cloud
from infra.doctor.findings import Finding, ok, unknown, wrong

_NO_ENCRYPTION = "ServerSideEncryptionConfigurationNotFoundError"
_ABSENT = "coatcheck-doctor-looks-for-nothing"  # an object that nobody has, of which HEAD tells whether it is allowed


def examine_bucket(cloud: Cloud, bucket: str) -> Iterator[Finding]:
    """Yields what is found about a bucket: its existence and region, its versions and its encryption."""
    subject = f"bucket {bucket}"
    head = cloud.ask("s3", "head_bucket", Bucket=bucket)
    if head.code:
        yield head.failure(subject, "create it, or name another in the settings")
        return
    yield _region(cloud, subject, head)
    versioning = cloud.ask("s3", "get_bucket_versioning", Bucket=bucket)
    kept = f"versions are {versioning.value.get('Status', 'off').lower()}"
    yield _unless_failed(versioning, ok(subject, kept))
    encryption = cloud.ask("s3", "get_bucket_encryption", Bucket=bucket)
    if encryption.code == _NO_ENCRYPTION:
        yield ok(subject, "encrypted by S3 as it is by default; no key of your own is set")
    else:
        yield _unless_failed(encryption, ok(subject, f"encrypted by {_algorithm(encryption)}"))


def examine_access(cloud: Cloud, prefix: Prefix) -> Iterator[Finding]:
    """Yields whether the present identity may list a prefix, and look at and read an object in it."""
    place = {"Bucket": prefix.bucket}
    listing = cloud.ask("s3", "list_objects_v2", **place, Prefix=prefix.prefix, MaxKeys=1)
    found = listing.value.get("Contents", [])
    key = found[0]["Key"] if found else f"{prefix.prefix}{_ABSENT}"
    calls = {"LIST": listing, "HEAD": cloud.ask("s3", "head_object", **place, Key=key)}
    if found and found[0].get("Size"):
        calls["GET"] = cloud.ask("s3", "get_object", **place, Key=key, Range="bytes=0-0")
    for name, answer in calls.items():
        if answer.is_refused:
            advice = f"allow {name} to the identity that you run this with; the function's own role may differ"
            yield wrong(f"access to {prefix}", f"{name} is refused ({answer.code})", advice)
        elif answer.code and not (answer.is_missing and name == "HEAD"):
            yield answer.failure(f"access to {prefix}", "create the bucket, or name another in the settings")
    allowed = [name for name, answer in calls.items() if not answer.code or (answer.is_missing and name == "HEAD")]
    if allowed:
        untold = "" if "GET" in calls else "; GET was not tried, since nothing is there"
        yield ok(f"access to {prefix}", f"{', '.join(allowed)} allowed to you{untold}")


def _region(cloud: Cloud, subject: str, head: Answer) -> Finding:
    headers = head.value.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = head.value.get("BucketRegion") or headers.get("x-amz-bucket-region")
    here = cloud.client("s3").meta.region_name
    if region is None:
        return unknown(subject, "it is there, but its region is not told")
    if region in {here, "aws-global"} or here == "aws-global":
        return ok(subject, f"is there, in {region}")
    return wrong(subject, f"is in {region}, not in {here}", "name the region with --region; a queue must be in its bucket's")


def _algorithm(answer: Answer) -> str:
    rules: list[dict[str, Any]] = answer.value.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    by = [rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "?") for rule in rules]
    return ", ".join(by) or "no rule"


def _unless_failed(answer: Answer, finding: Finding) -> Finding:
    return answer.failure(finding.subject, "create it, or name another in the settings") if answer.code else finding
