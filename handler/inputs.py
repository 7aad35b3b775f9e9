"""Decides which objects may be read, and opens and lists them. No AWS here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import BinaryIO

import msgspec

from handler.deadline import Deadline
from handler.documents import Documents
from handler.errors import RejectedInput, UnacceptedObject
from handler.objects import ObjectRef, Prefix
from handler.store import OpenObject, Store, StoredObject

MAX_WHOLE_BYTES = 2**20  # the largest object that is read whole when it is opened; several are in memory at once

_REST_BYTES = 2**20  # in one read of the bytes that a decoder left


class Inputs(msgspec.Struct, frozen=True):
    """The objects of a store that may be read.

    These are the objects under `prefixes` that are not under the output, and whose own document has a place.
    """

    store: Store
    prefixes: tuple[Prefix, ...]
    documents: Documents

    def require_accepted(self, ref: ObjectRef) -> None:
        """Requires that an object may be read.

        Raises:
            UnacceptedObject: `ref` is outside the inputs or inside the output, or there is no place for its document.
        """
        if self.documents.holds(ref) or not any(prefix.holds(ref) for prefix in self.prefixes):
            raise UnacceptedObject(
                f"Expected an object under INPUT_URIS ({self._accepted()}). Received: {ref}; it was not read."
            )
        self.documents.place(ref)

    def require_accepted_prefix(self, prefix: Prefix) -> None:
        """Requires that a prefix lies under the inputs.

        Raises:
            UnacceptedObject: some objects under `prefix` may not be read.
        """
        if not any(accepted.includes(prefix) for accepted in self.prefixes):
            raise UnacceptedObject(
                f"Expected a prefix under INPUT_URIS ({self._accepted()}). Received: {prefix}; it was not listed."
            )

    def open(self, ref: ObjectRef, deadline: Deadline) -> OpenObject | None:
        """Opens an accepted object, and reads it whole if it has up to `MAX_WHOLE_BYTES`; returns None if there is none.

        Raises:
            UnacceptedObject: the object may not be read.
            StorageUnavailable: the store failed.
            OutOfTime: the call did not end by `deadline`.
        """
        self.require_accepted(ref)
        opened = self.store.open(ref, deadline=deadline)
        if opened is None or opened.source.size_bytes > MAX_WHOLE_BYTES:
            return opened
        with closing(opened.body) as body:
            return msgspec.structs.replace(opened, body=io.BytesIO(body.read()))

    def open_either(self, ref: ObjectRef, alternative: ObjectRef | None, deadline: Deadline) -> OpenObject | None:
        """Opens `ref`, or `alternative` if there is no object `ref`; returns and raises the same as `open`."""
        if alternative is None:
            return self.open(ref, deadline)
        try:
            opened = self.open(ref, deadline)
        except UnacceptedObject:
            opened = self.open(alternative, deadline)
            if opened is None:
                raise
            return opened
        if opened is None:
            with suppress(UnacceptedObject):  # `alternative` may not be read, so there is no object
                return self.open(alternative, deadline)
        return opened

    def look_at(self, ref: ObjectRef, deadline: Deadline) -> StoredObject | None:
        """Describes an object without reading it; returns None if there is none, and raises the same as `open`."""
        self.require_accepted(ref)
        return self.store.head(ref, deadline=deadline)

    def list_under(self, prefix: Prefix, after: str, deadline: Deadline) -> Iterator[StoredObject]:
        """Yields the objects under `prefix` whose keys follow the key `after`, in the order of the keys' UTF-8 bytes.

        Raises:
            StorageUnavailable: the store failed.
            OutOfTime: a call did not end by `deadline`.
        """
        return self.store.list(prefix, after, deadline=deadline)

    def outermost(self) -> list[Prefix]:
        """Returns the accepted prefixes that lie in no other accepted prefix, so that nothing is listed twice."""
        prefixes = dict.fromkeys(self.prefixes)
        return [one for one in prefixes if not any(other.includes(one) for other in prefixes if other != one)]

    def _accepted(self) -> str:
        return ", ".join(str(prefix) for prefix in self.prefixes)


@contextmanager
def verified(body: BinaryIO) -> Iterator[None]:
    """Reads the rest of `body` at the end, even if the object was rejected.

    Corruption in transit can look like a broken object, or like an object of another format; the length, and those checksums
    that the store can verify, are verified only at the end of the body.
    """
    try:
        yield
    except RejectedInput:
        _read_to_the_end(body)
        raise
    _read_to_the_end(body)


def _read_to_the_end(body: BinaryIO) -> None:
    while body.read(_REST_BYTES):
        pass
