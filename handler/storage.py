"""S3 as a `Store`: open, head, conditional put, list. Alone talks to S3.

Every error of botocore leaves here as `StorageUnavailable`, or as a value where it is an answer: None for an object that does
not exist, a `WriteResult` for a write that its condition stopped.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from handler.aws import call_by, client_config
from handler.deadline import Deadline
from handler.errors import ObjectChanged, StorageUnavailable
from handler.objects import ObjectRef, Prefix
from handler.store import STANDARD, OpenObject, StoredObject, WriteResult

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef, ObjectTypeDef

T = TypeVar("T")

BLOCK_BYTES = 2**18  # read from the network at once: a small object whole, with the call that opens it

_NOT_FOUND = {"NoSuchKey", "404"}  # HEAD has no body, so botocore can only repeat the status
_STOPPED = {"PreconditionFailed", "412"}
_CONFLICT = {"ConditionalRequestConflict", "409"}
_OUTSIDE = {"InvalidRange", "416"}


def make_client(concurrency: int) -> S3Client:
    """Builds the client that `S3Storage` needs, with as many connections as there are calls at the same time."""
    return boto3.client("s3", config=client_config(concurrency))


class S3Storage:
    """Objects in S3; see `handler.store.Store` for what each method promises."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def open(
        self, ref: ObjectRef, *, start: int = 0, end: int | None = None, if_match: str | None = None, deadline: Deadline
    ) -> OpenObject | None:
        """Opens an object with one GET, and reads the first block of it.

        botocore verifies the length, and a CRC32, SHA-1 or SHA-256 checksum of the whole object, at the end of the body.
        """
        options: dict[str, Any] = {"IfMatch": f'"{if_match}"'} if if_match else {}
        if start or end is not None:
            options["Range"] = f"bytes={start}-{'' if end is None else end - 1}"

        def get() -> tuple[GetObjectOutputTypeDef, bytes]:
            response = self._client.get_object(Bucket=ref.bucket, Key=ref.key, **options)
            return response, _read_block(response["Body"])

        try:
            response, first = _call("GetObject", ref, deadline, get)
        except StorageUnavailable as error:
            if error.code in _NOT_FOUND:
                return None
            if error.code in _STOPPED:
                raise ObjectChanged(f"Expected {ref} with etag={if_match}. Received: another one.") from error
            if error.code in _OUTSIDE:
                return self._open_outside(ref, if_match, deadline)
            raise
        body = _Body(ref, response["Body"], first, deadline)
        return OpenObject(_describe(ref, response), io.BufferedReader(body, BLOCK_BYTES))

    def head(self, ref: ObjectRef, *, deadline: Deadline) -> StoredObject | None:
        """Describes an object with one HEAD."""
        try:
            response = _call("HeadObject", ref, deadline, lambda: self._client.head_object(Bucket=ref.bucket, Key=ref.key))
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
        """Writes an object with one conditional PUT."""
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": f'"{replacing}"'}

        def put() -> None:
            content.seek(0)  # an earlier attempt may have read it
            self._client.put_object(
                Bucket=ref.bucket, Key=ref.key, Body=content, ContentType=content_type, Metadata=metadata, **condition
            )

        try:
            _call("PutObject", ref, deadline, put)
        except StorageUnavailable as error:
            if error.code in _STOPPED:
                return WriteResult.STOPPED
            if error.code in _CONFLICT | _NOT_FOUND:
                return WriteResult.CONFLICT
            raise
        return WriteResult.WRITTEN

    def list(self, prefix: Prefix, after: str, *, deadline: Deadline) -> Iterator[StoredObject]:
        """Lists with one call for each page of up to 1,000 objects."""
        paginator = self._client.get_paginator("list_objects_v2")
        pages = iter(paginator.paginate(Bucket=prefix.bucket, Prefix=prefix.prefix, StartAfter=after))
        while (page := _call("ListObjectsV2", prefix, deadline, lambda: next(pages, None))) is not None:
            for row in page.get("Contents", ()):
                yield _describe_row(prefix.bucket, row)

    def _open_outside(self, ref: ObjectRef, if_match: str | None, deadline: Deadline) -> OpenObject | None:
        """Opens the empty part of an object that lies behind its end: S3 refuses it, and does not describe the object."""
        source = self.head(ref, deadline=deadline)
        if source and if_match not in {None, source.etag}:
            raise ObjectChanged(f"Expected {ref} with etag={if_match}. Received: etag={source.etag}.")
        return OpenObject(source, io.BytesIO()) if source else None


class _Body(io.RawIOBase):
    """The body of an object, block by block, each by the deadline."""

    def __init__(self, ref: ObjectRef, body: StreamingBody, first: bytes, deadline: Deadline) -> None:
        super().__init__()
        self._ref = ref
        self._body = body
        self._block = memoryview(first)
        self._has_ended = len(first) < BLOCK_BYTES
        self._was_given_up = False
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._block and not self._has_ended:
            block = _call("GetObject", self._ref, self._deadline, lambda: _read_block(self._body), self._give_up)
            self._block, self._has_ended = memoryview(block), len(block) < BLOCK_BYTES
        count = min(len(buffer), len(self._block))
        buffer[:count] = self._block[:count]
        self._block = self._block[count:]
        return count

    def close(self) -> None:
        if not self._was_given_up:
            self._body.close()
        super().close()

    def _give_up(self, reading: Future[bytes]) -> None:
        """Ends a read that another thread is waiting in; closing the body here would wait for that thread."""
        self._was_given_up = True
        reading.add_done_callback(lambda _: self._body.close())
        self._body._raw_stream.shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  # urllib3's; botocore does not offer it


def _read_block(body: StreamingBody) -> bytes:
    """Reads `BLOCK_BYTES`, fewer only at the end, which is reached in that case: it is where botocore verifies the body.

    Its own `with` would skip these checks.
    """
    parts, missing = [], BLOCK_BYTES
    while missing and (part := body.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _call(
    operation: str,
    ref: ObjectRef | Prefix,
    deadline: Deadline,
    function: Callable[[], T],
    when_late: Callable[[Future[T]], None] | None = None,
) -> T:
    with _translated(operation, ref):
        return call_by(deadline, f"{operation} of {ref}", function, when_late)


@contextmanager
def _translated(operation: str, ref: ObjectRef | Prefix) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        hint = " Without s3:ListBucket, S3 answers so for an object that is gone." if code in {"AccessDenied", "403"} else ""
        raise _unavailable(operation, ref, code, error, hint) from error
    except BotoCoreError as error:
        raise _unavailable(operation, ref, type(error).__name__, error) from error


def _unavailable(operation: str, ref: ObjectRef | Prefix, code: str, error: Exception, hint: str = "") -> StorageUnavailable:
    return StorageUnavailable(f"S3 refused or failed {operation} of {ref}: {error}.{hint}", operation=operation, code=code)


def _describe(ref: ObjectRef, response: GetObjectOutputTypeDef | HeadObjectOutputTypeDef) -> StoredObject:
    """Describes the whole object, also if the answer is a part of it, `bytes 0-9/1000`."""
    part = response.get("ContentRange")
    return StoredObject(
        ref,
        response["ETag"].strip('"'),
        response.get("VersionId"),
        int(part.rpartition("/")[2]) if part else response["ContentLength"],
        response.get("Metadata", {}),
        response.get("LastModified"),
        response.get("StorageClass", STANDARD),
    )


def _describe_row(bucket: str, row: ObjectTypeDef) -> StoredObject:
    return StoredObject(
        ObjectRef(bucket, row["Key"]),
        row["ETag"].strip('"'),
        None,
        row["Size"],
        last_modified=row.get("LastModified"),
        storage_class=row.get("StorageClass", STANDARD),
    )
