"""Parses direct invocations by people and scripts: addresses of objects in, addresses of documents and counts out. Pure.

    {"objects": ["s3://bucket/first key.png", "s3://bucket/second.png"], "unless_done": true}

Keys are written as they are, without any encoding. With `unless_done`, which may be left out, an object whose document is there
and right is not scored again. Sweeps and lists send their messages in this form too.
"""

from __future__ import annotations

from typing import Any

from handler.errors import UnreadableMessage, UnrecognisedEvent
from handler.objects import parse_ref
from handler.triggers.answers import answer_or_raise
from handler.triggers.request import Message, Request, name_object

NAME = "direct invocation"


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` has a field `objects`."""
    return "objects" in event


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message for each object.

    Raises:
        UnrecognisedEvent: `objects` is not a list, or is empty, or the event has unknown fields.
    """
    uris, unless_done = event["objects"], event.get("unless_done", False)
    if not isinstance(uris, list) or not uris or not isinstance(unless_done, bool) or set(event) - {"objects", "unless_done"}:
        raise UnrecognisedEvent(
            'Expected {"objects": ["s3://bucket/key", …]} with one object or more, perhaps "unless_done": true, and nothing '
            "else. "
            f"Received: the keys {sorted(map(str, event))}, objects={type(uris).__name__} "
            f"of {len(uris) if isinstance(uris, list) else 'no'} objects."
        )
    return Request(NAME, tuple(_parse_uri(str(index), uri, unless_done) for index, uri in enumerate(uris)), answer_or_raise)


def _parse_uri(message_id: str, uri: object, unless_done: bool) -> Message:  # a field of the event
    ref = parse_ref(uri) if isinstance(uri, str) else None
    if ref is None:
        received = repr(uri) if isinstance(uri, str) else f"a JSON {type(uri).__name__}"
        return Message(message_id, problem=UnreadableMessage(f"Expected s3://bucket/key. Received: {received}."))
    try:
        return Message(message_id, (name_object(ref.bucket, ref.key),), unless_done=unless_done)
    except UnreadableMessage as error:
        return Message(message_id, problem=error)
