"""Judges the names of the members of archives. Pure."""

from __future__ import annotations

import re

from handler.errors import UnsafeMember

MAX_NAME_CHARACTERS = 500  # each image of an array repeats its member's name, so a long one makes a document huge

_SEPARATOR = re.compile(r"[/\\]")  # Windows accepts both, and some of its tools write backslashes
_UNDECODABLE = re.compile("[\udc80-\udcff]")  # Python's marks for bytes that are not UTF-8

# Folders and files that systems add for themselves: macOS, Synology and QNAP, Windows, Linux. Compared in lower case.
_OF_SYSTEMS = {
    *{"__macosx", "@eadir", "@recycle", "#recycle", "$recycle.bin", "system volume information", "lost+found"},
    *{"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"},
}


def readable_name(raw: bytes) -> str:
    """Returns the name that `raw` encodes in UTF-8; in a name of another encoding, `%E9` stands for the byte E9.

    So different names stay different, and each can be written as JSON.
    """
    name = raw.decode("utf-8", "surrogateescape")
    return _UNDECODABLE.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", name)


def is_folder(name: str, size_bytes: int) -> bool:
    """Returns whether a member is a folder by its name; PowerShell 5 and .NET end those with a backslash."""
    return name.endswith("/") or (name.endswith("\\") and not size_bytes)


def is_skipped(name: str) -> bool:
    """Returns whether a member is not one of the user's own images.

    These are hidden files, files in hidden folders (`.git/`, `.ipynb_checkpoints/`), and what systems add for themselves
    (`__MACOSX/`, `@eaDir/`, `Thumbs.db`).
    """
    parts = _SEPARATOR.split(name)
    return any(part.lower() in _OF_SYSTEMS or (part.startswith(".") and part not in {".", ".."}) for part in parts)


def require_safe_name(name: str) -> None:
    """Requires a name that stays inside of the archive, wherever the archive would be unpacked.

    Raises:
        UnsafeMember: the name is absolute, leads upwards, is empty, or is too long.
    """
    parts = _SEPARATOR.split(name)
    if not name:
        raise UnsafeMember("Expected a member with a name. Received: an empty name; pack it again.")
    if not parts[0] or ".." in parts or re.match("[A-Za-z]:", name):
        raise UnsafeMember(
            "Expected a path inside of the archive. Received: an absolute one, or one with '..' in it; "
            "pack the folder by a relative path."
        )
    if len(name) > MAX_NAME_CHARACTERS:
        raise UnsafeMember(
            f"Expected a path of at most {MAX_NAME_CHARACTERS} characters. Received: {len(name)} of them; shorten it."
        )


def shortened(name: str) -> str:
    """Returns a name that documents may repeat: one that is too long is truncated."""
    return f"{name[:MAX_NAME_CHARACTERS]}…" if len(name) > MAX_NAME_CHARACTERS else name
