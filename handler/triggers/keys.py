"""Reads keys as event sources write them: form-encoded, raw, or in an encoding that is not documented. Pure."""

from __future__ import annotations

from urllib.parse import unquote_plus

from handler.errors import UnreadableMessage
from handler.triggers.request import Message, name_object


def decode_key(encoded: str) -> str:
    """Decodes a form-encoded key, once: `red+flower%2B1.jpg` is `red flower+1.jpg`.

    Raises:
        UnreadableMessage: the decoded bytes are not UTF-8.
    """
    try:
        return unquote_plus(encoded, errors="strict")
    except UnicodeDecodeError as error:
        raise UnreadableMessage(f"Expected a key that encodes UTF-8. Received: {encoded!r}.") from error


def name_raw(message_id: str, bucket: str, key: str) -> Message:
    """Returns a message that asks for the object of a raw key, and for that of the decoded key if the first does not exist.

    This is for sources whose documentation does not say whether they encode keys, and whose emulators disagree.

    Raises:
        UnreadableMessage: no object can have such a key.
    """
    ref = name_object(bucket, key)
    try:
        other = name_object(bucket, decode_key(key))
    except UnreadableMessage:
        other = ref
    return Message(message_id, (ref,), alternatives={} if other == ref else {ref: other})
