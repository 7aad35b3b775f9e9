"""The places in which a bucket's folder holds the object of each key, and the keys that it holds, in order.

A key that is a path of plain names is the path of its object. Some objects cannot have such a path: their key is none (`../a`,
`a//b`), or no file can be there (`a/b` where `a` is a file, a name that is too long). They are hidden: they lie below
`.coatcheck/objects/`, where a path is the key's bytes in hexadecimal digits, cut into names of a length that every file system
allows. So no two keys share a path, and hidden paths are in the order of their keys, as plain ones are.

    .coatcheck/objects/    the objects that are hidden
    .coatcheck/metadata/   the metadata of each object, in the same form
    .coatcheck/writing/    the files that are being written, and the locks
"""

from __future__ import annotations

import heapq
import itertools
import zlib
from collections.abc import Callable, Iterator

from infra.stores.folders import Place, names_below

HIDDEN = ".coatcheck"

_ROOM = HIDDEN.encode()
_MAX_DIGITS = 120  # in a name; with a suffix within the 143 bytes that encrypted file systems allow, others 255
_OBJECT = b".object"  # "." comes before "/" and every digit, as a key comes before the longer ones that begin with it


def object_places(key: str) -> tuple[Place, ...]:
    """Returns the places in which the object of a key may lie; the first one that can hold it does."""
    hidden = _hidden_place(key, b"objects", _OBJECT)
    if not _is_plain(key):
        return (hidden,)
    *folders, name = key.encode().split(b"/")
    return Place(tuple(folders), name), hidden


def metadata_place(key: str) -> Place:
    """Returns the place of the metadata of a key's object."""
    return _hidden_place(key, b"metadata", b".json")


def writing_place(key: str, suffix: str) -> Place:
    """Returns a place for whoever writes the object of a key. It is shared by many keys, so that there is a bounded number."""
    return Place((_ROOM, b"writing"), f"{zlib.crc32(key.encode()) & 0xFF:02x}.{suffix}".encode())


def keys_under(root: int, prefix: str, after: str) -> Iterator[str]:
    """Yields the keys below a root that begin with `prefix` and follow `after`, in the order of their UTF-8 bytes.

    A folder is looked into when its turn comes, and its names are in memory until the last of them has been passed.
    """
    wanted = prefix.encode(), after.encode()
    plain = _walk(root, (), _plain_key, *wanted)
    hidden = _walk(root, (_ROOM, b"objects"), _hidden_key, *wanted)
    for key, _ in itertools.groupby(heapq.merge(plain, hidden)):
        yield key.decode()


def _walk(root: int, room: tuple[bytes, ...], key_of: Callable[[bytes], bytes], prefix: bytes, after: bytes) -> Iterator[bytes]:
    """Yields the wanted keys of the files in a room.

    `key_of` maps the path of a file to its key, and the path of a folder to the bytes with which every key in it begins. The
    path of a folder ends in "/" when paths are sorted, which puts `a-b` before `a/b`, and that before `a0`.
    """
    waiting = [b""]
    while waiting:
        path = waiting.pop()
        if path and not path.endswith(b"/"):
            yield key_of(path)
            continue
        inner = (path + name for name in names_below(root, (*room, *path.split(b"/")[:-1])))
        waiting += sorted((path for path in inner if _is_wanted(path, key_of, prefix, after)), reverse=True)


def _is_wanted(path: bytes, key_of: Callable[[bytes], bytes], prefix: bytes, after: bytes) -> bool:
    try:
        key = key_of(path)
    except ValueError:
        return False
    if path.endswith(b"/"):
        return (key.startswith(prefix) or prefix.startswith(key)) and (key > after or after.startswith(key))
    return key.startswith(prefix) and key > after


def _plain_key(path: bytes) -> bytes:
    """Returns the key of a path; raises ValueError if it is not UTF-8, or hidden."""
    if not _is_plain(path.decode().removesuffix("/")):
        raise ValueError(f"Expected a plain path. Received: {path!r}.")
    return path


def _is_plain(key: str) -> bool:
    """Returns whether a key is a path of plain names; file systems that ignore case take `.Coatcheck` for `.coatcheck`."""
    return not any(name in {"", ".", ".."} or "\0" in name or name.casefold() == HIDDEN for name in key.split("/"))


def _hidden_key(path: bytes) -> bytes:
    """Returns the key of a hidden path; raises ValueError if it is none."""
    return bytes.fromhex(path.replace(b"/", b"").removesuffix(_OBJECT).decode())


def _hidden_place(key: str, room: bytes, suffix: bytes) -> Place:
    digits = key.encode().hex().encode()
    cut = len(digits) - len(digits) % _MAX_DIGITS
    folders = (digits[start : start + _MAX_DIGITS] for start in range(0, cut, _MAX_DIGITS))
    return Place((_ROOM, room, *folders), digits[cut:] + suffix)
