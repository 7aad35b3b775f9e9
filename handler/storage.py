"""S3, as small as the handler needs it: read with identity, describe, write conditionally, list.

Every error of botocore leaves here as `StorageUnavailable`, or as a value where it is an answer: None for an object that is
gone, `WriteResult` for a write that its condition stopped.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import boto3
import botocore.config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from handler.errors import StorageUnavailable
from handler.objects import FetchedObject, ObjectRef, OpenObject, Prefix, StoredDocument, StoredObject, WriteResult

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

BUFFER_BYTES = 2**18  # read from the network at once

_GONE = {"NoSuchKey", "404"}  # HEAD has no body, so botocore can only repeat the status
_STOPPED = {"PreconditionFailed", "412"}
_CONFLICT = {"ConditionalRequestConflict", "409"}


def make_client(concurrency: int) -> S3Client:
    """Builds the client that `S3Storage` wants: bounded waits, and as many connections as threads."""
    return boto3.client("s3", config=client_config(concurrency))


def client_config(concurrency: int) -> botocore.config.Config:
    """How every client waits and tries again, and the name that it goes by in access logs."""
    return botocore.config.Config(
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=concurrency,
        user_agent_extra="coatcheck",
    )


class S3Storage:
    """Objects and documents in S3; safe to use from several threads."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def read(self, ref: ObjectRef, at_most_bytes: int) -> FetchedObject | None:
        """Reads an object and the identity of what was read.

        A larger object than `at_most_bytes` comes back without content. None: there is no such object.

        Raises:
            StorageUnavailable: S3 refused, failed or broke off.
        """
        opened = self.open(ref)
        if opened is None:
            return None
        with closing(opened.body) as body:
            return FetchedObject(opened.source, body.read() if opened.source.size_bytes <= at_most_bytes else b"")

    def open(self, ref: ObjectRef) -> OpenObject | None:
        """Opens an object to be read forwards, however large it is; its body is to be closed. None: there is no such object.

        A body raises StorageUnavailable when it breaks off; whether it arrived as it was sent is known once it was read to
        its end.

        Raises:
            StorageUnavailable: S3 refused, failed or broke off.
        """
        with _translated("GetObject", ref):
            try:
                response = self._client.get_object(Bucket=ref.bucket, Key=ref.key)
            except ClientError as error:
                if _code(error) in _GONE:
                    return None
                raise
        return OpenObject(_identity(ref, response), io.BufferedReader(_Body(ref, response["Body"]), BUFFER_BYTES))

    def identify(self, ref: ObjectRef) -> StoredObject | None:
        """Returns an object's present identity; None: there is no such object. Raises StorageUnavailable."""
        response = self._head(ref)
        return None if response is None else _identity(ref, response)

    def describe(self, ref: ObjectRef) -> StoredDocument | None:
        """Returns what is known of a document; None: there is none. Raises StorageUnavailable."""
        response = self._head(ref)
        return None if response is None else StoredDocument(response["ETag"], response["Metadata"])

    def list_objects(self, prefix: Prefix, after: str) -> Iterator[StoredObject]:
        """Lists what lies under `prefix` behind the key `after`, in the order of keys, page by page.

        Raises:
            StorageUnavailable: S3 refused, failed or broke off.
        """
        pages = self._client.get_paginator("list_objects_v2")
        with _translated("ListObjectsV2", prefix):
            for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.prefix, StartAfter=after):
                for row in page.get("Contents", ()):
                    yield StoredObject(ObjectRef(prefix.bucket, row["Key"]), row["ETag"].strip('"'), None, row["Size"])

    def create(self, ref: ObjectRef, content: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> WriteResult:
        """Writes an object that does not exist yet. Raises StorageUnavailable."""
        return self._put(ref, content, content_type, metadata, {"IfNoneMatch": "*"})

    def replace(
        self, ref: ObjectRef, content: BinaryIO, content_type: str, metadata: Mapping[str, str], *, etag: str
    ) -> WriteResult:
        """Writes over the object that has `etag`, and no other. Raises StorageUnavailable."""
        return self._put(ref, content, content_type, metadata, {"IfMatch": etag})

    def reader(self, prefix: Prefix) -> Callable[[str], bytes]:
        """Returns a reader of the files under `prefix`, by name; it raises FileNotFoundError for one that is missing."""

        def read(name: str) -> bytes:
            ref = ObjectRef(prefix.bucket, f"{prefix.prefix}{name}")
            with _translated("GetObject", ref):
                try:
                    return self._client.get_object(Bucket=ref.bucket, Key=ref.key)["Body"].read()
                except ClientError as error:
                    if _code(error) in _GONE:
                        raise FileNotFoundError(str(ref)) from error
                    raise

        return read

    def _head(self, ref: ObjectRef) -> HeadObjectOutputTypeDef | None:
        with _translated("HeadObject", ref):
            try:
                return self._client.head_object(Bucket=ref.bucket, Key=ref.key)
            except ClientError as error:
                if _code(error) in _GONE:
                    return None
                raise

    def _put(
        self, ref: ObjectRef, content: BinaryIO, content_type: str, metadata: Mapping[str, str], condition: dict[str, Any]
    ) -> WriteResult:
        content.seek(0)  # an attempt before this one may have read it
        with _translated("PutObject", ref):
            try:
                self._client.put_object(
                    Bucket=ref.bucket, Key=ref.key, Body=content, ContentType=content_type, Metadata=metadata, **condition
                )
            except ClientError as error:
                if _code(error) in _STOPPED:
                    return WriteResult.STOPPED
                if _code(error) in _CONFLICT | _GONE:  # gone: what was to be replaced was deleted meanwhile
                    return WriteResult.CONFLICT
                raise
            return WriteResult.WRITTEN


class _Body(io.RawIOBase):
    """What botocore reads from the network, as any other file; its own `with` would skip the checks of length and checksum."""

    def __init__(self, ref: ObjectRef, body: StreamingBody) -> None:
        super().__init__()
        self._ref = ref
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _translated("GetObject", self._ref):
            block = self._body.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._body.close()
        super().close()


@contextmanager
def _translated(operation: str, ref: ObjectRef | Prefix) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _unavailable(operation, ref, _code(error), error) from error
    except (BotoCoreError, HTTPClientError) as error:
        raise _unavailable(operation, ref, type(error).__name__, error) from error


def _unavailable(operation: str, ref: ObjectRef | Prefix, code: str, error: Exception) -> StorageUnavailable:
    hint = " Without s3:ListBucket, S3 answers so for an object that is gone." if code in {"AccessDenied", "403"} else ""
    return StorageUnavailable(f"S3 refused or failed {operation} of {ref}: {error}.{hint}", operation=operation, code=code)


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def _identity(ref: ObjectRef, response: GetObjectOutputTypeDef | HeadObjectOutputTypeDef) -> StoredObject:
    return StoredObject(ref, response["ETag"].strip('"'), response.get("VersionId"), response["ContentLength"])
