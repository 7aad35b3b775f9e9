"""Implements `handler.store.Store` for S3 by two clients: obstore reads and writes objects, and boto3 does all else.

obstore takes a twentieth of boto3's processor time for a small object, and half the time to start. boto3 is the reference: it
is asked again whenever obstore's answer leaves anything open, so that both clients give the same objects, documents and errors.

- boto3 lists objects, and describes inputs, since obstore tells neither the storage class nor whether an object is restored.
- A key that obstore would change or refuses, such as one with an empty segment, goes to boto3; so does a document of more than
  `MAX_SMALL_BYTES`, since boto3 sends it out of its file.
- After any error of obstore, boto3 makes the same call again, in the time that is left of the one call. For a conditional PUT
  this is as safe as boto3's own attempts are.
- An ETag of 32 hexadecimal digits is the MD5 of the object, unless it is encrypted with a key of KMS. If obstore's bytes have
  another MD5, boto3 reads the object again, and its bytes count.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError

from handler.aws import MAX_CALL_S, MAX_WRITE_S
from handler.deadline import Deadline
from handler.errors import ObjectChanged
from handler.objects import ObjectRef, Prefix
from handler.obstore_calls import OBSTORE_ERRORS, Reading, call
from handler.obstore_client import Buckets, Stores
from handler.s3_answers import BLOCK_BYTES, Body, read_small, unavailable
from handler.store import OpenObject, Store, StoredObject, WriteResult

if TYPE_CHECKING:
    from obstore import Attributes, GetOptions, GetResult, PutMode

T = TypeVar("T")

_ODD_KEY = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|\A\Z|\A/|//|/\Z|(\A|/)\.\.?(/|\Z)")
_MD5 = re.compile("[0-9a-f]{32}")
_PLAIN_NAME = re.compile("[a-z0-9_-]+")
_PLAIN_VALUE = re.compile("([!-~]([ -~]*[!-~])?)?")
# The attributes by which obstore means headers, and not metadata; to send them, it takes any case of letters.
_HEADERS = {"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Storage-Class"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # obstore tells this time if S3 tells none


class ObstoreStorage:
    """The objects in S3; `handler.store.Store` documents what each method promises.

    `make_reference` makes the store by boto3, which is made when it is first needed. `inputs` are the prefixes of the objects
    whose storage class counts.
    """

    def __init__(self, buckets: Buckets, make_reference: Callable[[], Store], inputs: Sequence[Prefix]) -> None:
        self._buckets = buckets
        self._inputs = inputs
        self._make_reference = make_reference
        self._made: Store | None = None
        self._lock = threading.Lock()

    def _reference(self, operation: str, place: ObjectRef | Prefix, deadline: Deadline) -> Store:
        """Returns the store by boto3, for an operation; to make it takes as long as many a call, and so ends by `deadline`."""
        return self._made or call(operation, place, deadline, self._make)

    def _make(self) -> Store:
        with self._lock:
            if self._made is None:
                self._made = self._make_reference()
            return self._made

    def open(
        self, ref: ObjectRef, *, start: int = 0, end: int | None = None, if_match: str | None = None, deadline: Deadline
    ) -> OpenObject | None:
        """Opens an object with a GET of its first block, and one of what follows it, if anything does.

        The storage class of the result is STANDARD, whichever it is, since obstore does not tell it. The length is verified at
        the end of the body, and its MD5 if the ETag is one; TLS alone guards the bytes of other objects in transit.
        """

        def open_by_boto3() -> OpenObject | None:
            return self._reference("GetObject", ref, deadline).open(
                ref, start=start, end=end, if_match=if_match, deadline=deadline
            )

        stores = self._stores(ref)
        if stores is None or (end is not None and end <= start):
            return open_by_boto3()
        attempt = _Attempt("GetObject", ref, deadline, MAX_CALL_S)
        try:
            return self._open(stores, ref, start, end, if_match, deadline)
        except OBSTORE_ERRORS as error:
            if if_match and isinstance(error, PreconditionError):
                raise ObjectChanged(f"Expected {ref} with etag={if_match}. Received: another one.") from error
            opened = attempt.again(open_by_boto3, error, _close_when_opened)
            return self._learn(opened, error) if isinstance(error, _OtherMD5) else opened

    def _open(
        self, stores: Stores, ref: ObjectRef, start: int, end: int | None, if_match: str | None, deadline: Deadline
    ) -> OpenObject:
        """Opens an object by obstore alone; raises `OBSTORE_ERRORS` if its answer leaves anything open.

        The first block is a request of its own, which is all of a small object. What follows it is opened at once, so that the
        body is that of `source` even if the object is replaced later.
        """
        block_end = start + BLOCK_BYTES if end is None else min(end, start + BLOCK_BYTES)

        def get_block() -> tuple[GetResult, bytes]:
            result = obstore.get(stores.brief, ref.key, options=_options(start, block_end, if_match))
            return result, bytes(result.bytes())

        result, first = call("GetObject", ref, deadline, get_block, is_request=self._buckets.can_wait)
        source = _describe(ref, result)
        length = (source.size_bytes if end is None else min(end, source.size_bytes)) - start
        if len(first) != min(length, BLOCK_BYTES):
            raise ValueError(f"expected a block of {min(length, BLOCK_BYTES)} bytes; received {len(first)}")
        is_whole = not start and end is None
        digest = hashlib.md5(first, usedforsecurity=False) if is_whole and _MD5.fullmatch(source.etag) else None
        if len(first) < length:
            options = _options(start + BLOCK_BYTES, end, source.etag)
            reading = Reading(lambda: obstore.get(stores.lasting, ref.key, options=options))
            call("GetObject", ref, deadline, reading.open, reading.give_up)
            blocks = _Blocks(reading, source, length - len(first), digest, deadline, self._require_same_by_boto3)
            return OpenObject(source, io.BufferedReader(Body(blocks, first), BLOCK_BYTES))
        if digest and digest.hexdigest() != source.etag:
            raise _OtherMD5(source, first)
        return OpenObject(source, io.BytesIO(first))

    def head(self, ref: ObjectRef, *, deadline: Deadline) -> StoredObject | None:
        """Describes an object with one HEAD; the storage class of an object that is no input is STANDARD, whichever it is."""

        def head_by_boto3() -> StoredObject | None:
            return self._reference("HeadObject", ref, deadline).head(ref, deadline=deadline)

        stores = self._stores(ref)
        if stores is None or any(prefix.holds(ref) for prefix in self._inputs):
            return head_by_boto3()
        attempt = _Attempt("HeadObject", ref, deadline, MAX_CALL_S)
        try:
            return _describe(
                ref,
                call(
                    "HeadObject",
                    ref,
                    deadline,
                    lambda: obstore.get(stores.brief, ref.key, options={"head": True}),
                    is_request=self._buckets.can_wait,
                ),
            )
        except FileNotFoundError:
            return None
        except OBSTORE_ERRORS as error:
            return attempt.again(head_by_boto3, error)

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
        """Writes an object with one conditional PUT; S3 verifies the SHA-256 that it is signed with."""

        def put_by_boto3() -> WriteResult:
            return self._reference("PutObject", ref, deadline).put(
                ref, content, content_type=content_type, metadata=metadata, replacing=replacing, deadline=deadline
            )

        stores = self._stores(ref)
        body = read_small(content) if stores and _is_plain(content_type, metadata) else None
        if stores is None or body is None:
            return put_by_boto3()
        attributes: Attributes = {"Content-Type": content_type, **metadata}
        mode: PutMode = "create" if replacing is None else {"e_tag": f'"{replacing}"'}
        attempt = _Attempt("PutObject", ref, deadline, MAX_WRITE_S)
        try:
            call(
                "PutObject",
                ref,
                deadline,
                lambda: obstore.put(stores.brief, ref.key, body, attributes=attributes, mode=mode, use_multipart=False),
                max_s=MAX_WRITE_S,
                is_request=self._buckets.can_wait,
            )
        except AlreadyExistsError:
            # It stands for a 412 and for a 409. After "stopped" the caller looks for the object, and starts again without one.
            return WriteResult.STOPPED if replacing is None else WriteResult.CONFLICT
        except OBSTORE_ERRORS as error:
            return attempt.again(put_by_boto3, error)
        return WriteResult.WRITTEN

    def list(self, prefix: Prefix, after: str, *, deadline: Deadline) -> Iterator[StoredObject]:
        """Lists objects by boto3."""
        return self._reference("ListObjectsV2", prefix, deadline).list(prefix, after, deadline=deadline)

    def _stores(self, ref: ObjectRef) -> Stores | None:
        return None if _ODD_KEY.search(ref.key) else self._buckets.of(ref.bucket)

    def _learn(self, opened: OpenObject | None, found: _OtherMD5) -> OpenObject | None:
        """Leaves the bucket to boto3 if both clients read the same bytes, so that the ETags there are no MD5s."""
        if opened is None or opened.source.etag != found.source.etag or opened.is_archived:
            return opened
        with closing(opened.body) as body:
            again = body.read()
        if again == found.content:
            self._buckets.leave(found.source.ref.bucket)
        return OpenObject(opened.source, io.BytesIO(again))

    def _require_same_by_boto3(self, source: StoredObject, md5: str, deadline: Deadline) -> None:
        """Requires that boto3 reads the bytes with this MD5 too; then the ETag is none, and the bucket is left to boto3.

        Raises:
            StorageUnavailable: it reads other bytes, or the object is gone.
            ObjectChanged: the object has another ETag now.
        """
        opened = self._reference("GetObject", source.ref, deadline).open(source.ref, if_match=source.etag, deadline=deadline)
        digest = hashlib.md5(usedforsecurity=False)
        if opened:
            with closing(opened.body) as body:
                while part := body.read(BLOCK_BYTES):
                    digest.update(part)
        if not opened or digest.hexdigest() != md5:
            error = ValueError(f"expected a body that has the MD5 of its ETag {source.etag}; received one of {md5}")
            raise unavailable("GetObject", source.ref, "MD5Mismatch", error)
        self._buckets.leave(source.ref.bucket)


class _OtherMD5(ValueError):
    """The bytes that were read of a whole object have another MD5 than its ETag is."""

    def __init__(self, source: StoredObject, content: bytes) -> None:
        super().__init__(f"expected a body that has the MD5 of its ETag {source.etag}; received another one")
        self.source = source
        self.content = content


class _Attempt:
    """A call of obstore that began when this was made, and has `max_s` seconds together with its repetition by boto3."""

    def __init__(self, operation: str, ref: ObjectRef, deadline: Deadline, max_s: float) -> None:
        self._operation = operation
        self._ref = ref
        self._deadline = deadline
        self._end = Deadline.after(max_s)

    def again(self, function: Callable[[], T], error: Exception, when_late: Callable[[Future[T]], None] | None = None) -> T:
        """Makes the call by boto3, after `error` of obstore.

        Raises:
            StorageUnavailable: S3 refused or failed again, or the time of the call was over.
            OutOfTime: the call did not end by the deadline.
        """
        left_s = self._end.left_s
        if left_s <= 0:
            raise unavailable(self._operation, self._ref, type(error).__name__, error) from error
        return call(self._operation, self._ref, self._deadline, function, when_late, left_s)


class _Blocks:
    """The blocks of a body that obstore reads; at its end its length is verified, and its MD5 if the ETag is one."""

    def __init__(
        self,
        reading: Reading,
        source: StoredObject,
        missing: int,
        digest: Any,
        deadline: Deadline,
        require_same: Callable[[StoredObject, str, Deadline], None],
    ) -> None:
        self._reading = reading
        self._source = source
        self._missing = missing
        self._digest = digest
        self._deadline = deadline
        self._require_same = require_same

    def read(self) -> bytes:
        """Reads a block, as `handler.s3_answers.Blocks` documents."""
        ref = self._source.ref
        try:
            block = call("GetObject", ref, self._deadline, self._reading.block, self._reading.give_up)
        except OBSTORE_ERRORS as error:
            raise unavailable("GetObject", ref, type(error).__name__, error) from error
        self._missing -= len(block)
        if self._digest:
            self._digest.update(block)
        if len(block) < BLOCK_BYTES:
            self._verify()
        return block

    def close(self) -> None:
        """Closes the connection, unless a read was given up, which closes it when it ends."""
        self._reading.close()

    def _verify(self) -> None:
        if self._missing:
            error = ValueError(f"the body ended {self._missing} bytes before its end")
            raise unavailable("GetObject", self._source.ref, "IncompleteRead", error)
        if self._digest and self._digest.hexdigest() != self._source.etag:
            self._require_same(self._source, self._digest.hexdigest(), self._deadline)


def _options(start: int, end: int | None, if_match: str | None) -> GetOptions:
    options: GetOptions = {"if_match": f'"{if_match}"'} if if_match else {}
    if end is not None:
        options["range"] = (start, end)
    elif start:
        options["range"] = {"offset": start}
    return options


def _describe(ref: ObjectRef, result: GetResult) -> StoredObject:
    """Describes the whole object, even if the result is a part of it; raises ValueError if the answer had no ETag."""
    meta = result.meta
    if not meta["e_tag"]:
        raise ValueError("expected an answer with ETag; received one without ETag")
    return StoredObject(
        ref,
        meta["e_tag"].strip('"'),
        meta["version"],
        meta["size"],
        {name: value for name, value in result.attributes.items() if name not in _HEADERS},
        None if meta["last_modified"] == _EPOCH else meta["last_modified"],
    )


def _is_plain(content_type: str, metadata: Mapping[str, str]) -> bool:
    """Returns whether obstore sends these as boto3 does."""
    return _PLAIN_VALUE.fullmatch(content_type) is not None and all(
        _PLAIN_NAME.fullmatch(name) and name.title() not in _HEADERS and _PLAIN_VALUE.fullmatch(value)
        for name, value in metadata.items()
    )


def _close_when_opened(opening: Future[OpenObject | None]) -> None:
    def close(done: Future[OpenObject | None]) -> None:
        if not done.exception() and (opened := done.result()):
            opened.body.close()

    opening.add_done_callback(close)
