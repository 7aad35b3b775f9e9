"""Local folders as a `Store`: each bucket is a folder, and a key is the path of a file in it. Linux and macOS.

The metadata of an object lie in a sidecar file below `.coatcheck/` in the bucket's folder, as one entry for each content, under
its ETag. A write adds the entry of the new content to that of the present one, and only then moves the finished file into its
place, in one step. So an object and its metadata agree whenever a writer is killed, and a file that somebody put there by hand
has no metadata. Nothing is forced to the disk: a power cut may take the last writes away.

A link is no object, and nothing below a link is one. A file system that ignores case, or the forms of Unicode, takes keys that
differ in nothing else for one. Every call that tells an ETag reads the file to its end, since nothing else says what is in it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from handler.deadline import Deadline
from handler.errors import ObjectChanged
from handler.objects import ObjectRef, Prefix
from handler.store import OpenObject, StoredObject, WriteResult
from infra.stores.folders import find_file, locked, move_file, new_file, open_file, root_folder
from infra.stores.places import keys_under, metadata_place, object_places, writing_place
from infra.stores.reading import Call, FileBody

BLOCK_BYTES = 2**18  # read or written at once; the deadline is looked at before each


@dataclass(frozen=True, slots=True)
class FileStore:
    """Objects in local folders, `folders` by bucket; see `handler.store.Store` for what each method promises."""

    folders: Mapping[str, Path]

    def open(
        self, ref: ObjectRef, *, start: int = 0, end: int | None = None, if_match: str | None = None, deadline: Deadline
    ) -> OpenObject | None:
        """Opens an object; see `Store`."""
        call = Call("open", ref, deadline)
        with self._folder(call) as root:
            found = _find(root, ref, call)
            if found is None:
                return None
            source, body = found
            if if_match not in {None, source.etag}:
                body.close()
                raise ObjectChanged(f"Expected {ref} with etag={if_match}. Received: etag={source.etag}.")
            body.narrow(start, end)
            return OpenObject(source, io.BufferedReader(body, BLOCK_BYTES))

    def head(self, ref: ObjectRef, *, deadline: Deadline) -> StoredObject | None:
        """Describes an object."""
        call = Call("head", ref, deadline)
        with self._folder(call) as root:
            found = _find(root, ref, call)
            if found is None:
                return None
            source, body = found
            body.close()
            return source

    def put(
        self,
        ref: ObjectRef,
        content: BinaryIO,
        *,
        content_type: str,  # noqa: ARG002  # files have none
        metadata: Mapping[str, str],
        replacing: str | None,
        deadline: Deadline,
    ) -> WriteResult:
        """Writes an object on a condition, under a lock that every other writer of it waits for."""
        call = Call("put", ref, deadline)
        with self._folder(call) as root, locked(root, writing_place(ref.key, "lock"), call.require_time):
            found = _find(root, ref, call)
            standing, places = None, object_places(ref.key)
            if found is not None:
                standing, body = found
                body.close()
                places = (body.place,)
            if (standing.etag if standing else None) != replacing:
                return WriteResult.STOPPED if standing else WriteResult.CONFLICT
            new = writing_place(ref.key, "object")
            with new_file(root, new) as file:
                etag = _copy(content, file, call)
                entries = {standing.etag: standing.metadata} if standing else {}
                _write_metadata(root, ref.key, {**entries, etag: metadata})
                move_file(root, new, places)
        return WriteResult.WRITTEN

    def list(self, prefix: Prefix, after: str, *, deadline: Deadline) -> Iterator[StoredObject]:
        """Lists objects; each folder and file is looked at when its turn comes."""
        call = Call("list", prefix, deadline)
        with self._folder(call) as root:
            for key in keys_under(root, prefix.prefix, after):
                body = _open(root, ObjectRef(prefix.bucket, key), call)
                if body is not None:
                    with closing(body):
                        listed = body.describe(body.digest(), {})
                    yield listed

    @contextmanager
    def _folder(self, call: Call) -> Iterator[int]:
        """Opens the folder of the bucket that a call is about, and translates the errors of the call."""
        call.require_time()
        bucket = call.about.bucket
        with call.translated():
            if bucket not in self.folders:
                raise FileNotFoundError(errno.ENOENT, "No folder is known for the bucket", bucket)
            with root_folder(self.folders[bucket]) as root:
                yield root


def _find(root: int, ref: ObjectRef, call: Call) -> tuple[StoredObject, FileBody] | None:
    """Describes the object that is there, and opens it; returns None if there is none.

    Content and metadata are read one after the other, so the content must still be in its place in the end. If it is not, a
    writer came in between, and both are read again.
    """
    while (body := _open(root, ref, call)) is not None:
        with ExitStack() as stack:
            stack.callback(body.close)
            etag = body.digest()
            metadata = _read_metadata(root, ref.key).get(etag, {})
            present = find_file(root, object_places(ref.key))
            if present and os.path.samestat(present[1], body.status):
                stack.pop_all()
                return body.describe(etag, metadata), body
    return None


def _open(root: int, ref: ObjectRef, call: Call) -> FileBody | None:
    found = find_file(root, object_places(ref.key))
    file = open_file(root, found[0]) if found else None
    return FileBody(ref, found[0], file, call) if found and file else None


def _read_metadata(root: int, key: str) -> dict[str, dict[str, str]]:
    """Returns the metadata by the ETag of the content that they describe; empty for a file that was put there by hand."""
    file = open_file(root, metadata_place(key))
    if file is None:
        return {}
    with file:
        return msgspec.json.decode(file.read(), type=dict[str, dict[str, str]])


def _write_metadata(root: int, key: str, entries: Mapping[str, Mapping[str, str]]) -> None:
    new = writing_place(key, "json")
    with new_file(root, new) as file:
        file.write(msgspec.json.encode(entries))
        file.flush()
        move_file(root, new, [metadata_place(key)])


def _copy(content: BinaryIO, file: BinaryIO, call: Call) -> str:
    """Copies `content` from its beginning into `file`, and returns its ETag."""
    digest = hashlib.md5(usedforsecurity=False)
    content.seek(0)
    while block := content.read(BLOCK_BYTES):
        call.require_time()
        digest.update(block)
        file.write(block)
    file.flush()
    return digest.hexdigest()
