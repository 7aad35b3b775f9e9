"""Implements `handler.store.Store` for S3: open, head, conditional put, list. Talks to S3 by `handler.s3_calls` alone.

An error that is an answer is returned as a value: None for an object that does not exist, a `WriteResult` for a write whose
condition does not hold.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import boto3
import botocore.session
from botocore.utils import parse_timestamp

from handler.aws import MAX_WRITE_S, client_config, out_of_time
from handler.deadline import Deadline
from handler.errors import ObjectChanged, StorageUnavailable
from handler.objects import ObjectRef, Prefix
from handler.s3_answers import BLOCK_BYTES, Body, read_small
from handler.s3_calls import BodyBlocks, call, read_first_block, require_fields
from handler.store import INSTANT, STANDARD, OpenObject, StoredObject, WriteResult

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef, ObjectTypeDef, PutObjectOutputTypeDef

_NOT_FOUND = {"NoSuchKey", "404"}  # a response to HEAD has no body, so botocore only knows the status
_STOPPED = {"PreconditionFailed", "412"}
_CONFLICT = {"ConditionalRequestConflict", "409"}
_OUTSIDE = {"InvalidRange", "416"}
_ARCHIVED = {"InvalidObjectState"}


def make_client(concurrency: int) -> S3Client:
    """Builds the client that `S3Storage` needs, with a connection for each of `concurrency` simultaneous calls."""
    session = botocore.session.Session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_time)
    return boto3.Session(botocore_session=session).client("s3", config=client_config(concurrency))


def parse_time(text: Any) -> datetime:
    """Returns a time that S3 tells.

    botocore itself spends 34 of 55 ms on the times of a page of a listing, this function less than one.
    """
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return parse_timestamp(text)  # "Mon, 02 Nov 2026 10:00:00 GMT" of a header, say
    return time if time.tzinfo else time.replace(tzinfo=UTC)


class S3Storage:
    """The objects in S3; `handler.store.Store` documents what each method promises."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def open(
        self, ref: ObjectRef, *, start: int = 0, end: int | None = None, if_match: str | None = None, deadline: Deadline
    ) -> OpenObject | None:
        """Opens an object with one GET, and reads the first block of it.

        At the end of the body, botocore verifies the length, and a CRC32, SHA-1, SHA-256 or SHA-512 checksum of the whole
        object, if it was uploaded with one and is read whole. It verifies neither CRC64NVME, the default of S3 and the AWS CLI,
        nor a checksum of the checksums of an upload's parts; TLS alone guards the bytes of these objects in transit.
        """
        if end is not None and end <= start:
            return self._open_empty_part(ref, if_match, deadline)
        options: dict[str, Any] = {"IfMatch": f'"{if_match}"'} if if_match else {}
        if start or end is not None:
            options["Range"] = f"bytes={start}-{'' if end is None else end - 1}"

        def get() -> GetObjectOutputTypeDef:
            return self._client.get_object(Bucket=ref.bucket, Key=ref.key, **options)

        try:
            response, first = read_first_block(get, ref, deadline)
        except StorageUnavailable as error:
            if error.code in _NOT_FOUND:
                return None
            if error.code in _STOPPED:
                raise ObjectChanged(f"Expected {ref} with etag={if_match}. Received: another one.") from error
            return self._open_unread(ref, start, if_match, error, deadline)
        if len(first) < BLOCK_BYTES:
            response["Body"].close()
            return OpenObject(_describe(ref, response), io.BytesIO(first))
        body = Body(BodyBlocks(ref, response["Body"], deadline), first)
        return OpenObject(_describe(ref, response), io.BufferedReader(body, BLOCK_BYTES))

    def head(self, ref: ObjectRef, *, deadline: Deadline) -> StoredObject | None:
        """Describes an object with one HEAD; returns None if there is no such object."""
        try:
            response = call("HeadObject", ref, deadline, lambda: self._client.head_object(Bucket=ref.bucket, Key=ref.key))
        except StorageUnavailable as error:
            if error.code in _NOT_FOUND:
                return None
            raise
        return _describe(ref, response)

    def put(
        self,
        ref: ObjectRef,
        content: BinaryIO,
        *,
        content_type: str,
        metadata: Mapping[str, str],
        replacing: str | None,
        deadline: Deadline,
    ) -> WriteResult:
        """Writes an object with one conditional PUT.

        A small one is sent as bytes: before it sends a file, boto3 asks S3 whether it may, which costs the time of another
        call.
        """
        small = read_small(content)
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": f'"{replacing}"'}

        def put() -> PutObjectOutputTypeDef:
            content.seek(0)  # an earlier attempt may have read some of it
            body = content if small is None else small
            return self._client.put_object(
                Bucket=ref.bucket, Key=ref.key, Body=body, ContentType=content_type, Metadata=metadata, **condition
            )

        try:
            response = call("PutObject", ref, deadline, put, max_s=MAX_WRITE_S)
        except StorageUnavailable as error:
            if error.code in _STOPPED:
                return WriteResult.STOPPED
            if error.code in _CONFLICT | _NOT_FOUND:
                return WriteResult.CONFLICT
            raise
        require_fields("PutObject", ref, response, "ETag")
        return WriteResult.WRITTEN

    def list(self, prefix: Prefix, after: str, *, deadline: Deadline) -> Iterator[StoredObject]:
        """Lists objects with one call for each page of up to 1,000."""
        paginator = self._client.get_paginator("list_objects_v2")
        pages = iter(
            paginator.paginate(
                Bucket=prefix.bucket, Prefix=prefix.prefix, StartAfter=after, OptionalObjectAttributes=["RestoreStatus"]
            )
        )
        while (page := call("ListObjectsV2", prefix, deadline, lambda: next(pages, None))) is not None:
            # An empty answer with status 200 would otherwise be taken for the end of the list.
            require_fields("ListObjectsV2", prefix, page, "IsTruncated")
            if page["IsTruncated"]:
                require_fields("ListObjectsV2", prefix, page, "NextContinuationToken")
            for row in page.get("Contents", ()):
                require_fields("ListObjectsV2", prefix, row, "Key", "ETag", "Size")
                if deadline.is_over:
                    raise out_of_time(f"ListObjectsV2 of {prefix}", "more objects than there was time for")
                yield _describe_row(prefix.bucket, row)

    def _open_unread(
        self, ref: ObjectRef, start: int, if_match: str | None, error: StorageUnavailable, deadline: Deadline
    ) -> OpenObject | None:
        """Opens an object of which S3 gave no byte for a reason that lies in the object, and raises any other `error` again.

        The object is looked at after S3 has refused it. If the reason is none of the object that is there by then, the first
        one was replaced or restored meanwhile.
        """
        if error.code in _OUTSIDE:
            part = self._open_empty_part(ref, if_match, deadline)
            if part is None or part.source.size_bytes <= start:
                return part
        elif error.code in _ARCHIVED:
            source = self.head(ref, deadline=deadline)
            if source is None:
                return None
            if source.storage_class not in INSTANT and not source.is_restored:
                return OpenObject(source, io.BytesIO(), is_archived=True)
        raise error

    def _open_empty_part(self, ref: ObjectRef, if_match: str | None, deadline: Deadline) -> OpenObject | None:
        """Opens a part that has no bytes, for example because it lies after the end of the object.

        S3 refuses a GET of such a part and does not describe the object, so the object is looked at with a HEAD.
        """
        source = self.head(ref, deadline=deadline)
        if source and if_match not in {None, source.etag}:
            raise ObjectChanged(f"Expected {ref} with etag={if_match}. Received: etag={source.etag}.")
        return OpenObject(source, io.BytesIO()) if source else None


def _describe(ref: ObjectRef, response: GetObjectOutputTypeDef | HeadObjectOutputTypeDef) -> StoredObject:
    """Describes the whole object, even if the response is a part of it, `bytes 0-9/1000`."""
    require_fields("GetObject or HeadObject", ref, response, "ETag", "ContentLength")
    part = response.get("ContentRange")
    return StoredObject(
        ref,
        response["ETag"].strip('"'),
        response.get("VersionId"),
        int(part.rpartition("/")[2]) if part else response["ContentLength"],
        response.get("Metadata", {}),
        response.get("LastModified"),
        str(response.get("ArchiveStatus") or response.get("StorageClass", STANDARD)),
        'ongoing-request="false"' in response.get("Restore", ""),
    )


def _describe_row(bucket: str, row: ObjectTypeDef) -> StoredObject:
    return StoredObject(
        ObjectRef(bucket, row["Key"]),
        row["ETag"].strip('"'),
        None,
        row["Size"],
        last_modified=row.get("LastModified"),
        storage_class=row.get("StorageClass", STANDARD),
        is_restored="RestoreExpiryDate" in row.get("RestoreStatus", ()),
    )
