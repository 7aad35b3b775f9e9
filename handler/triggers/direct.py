"""Parses direct invocations by people and scripts: addresses of objects in, addresses of documents and counts out. Pure.

    {"objects": ["s3://bucket/first key.png", "s3://bucket/second.png"]}

Keys are written as they are, without any encoding. Sweeps and lists send their messages in this form too.
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
        UnrecognisedEvent: `objects` is not a list, is empty, or is not the event's only field.
    """
    uris = event["objects"]
    if not isinstance(uris, list) or not uris or set(event) != {"objects"}:
        raise UnrecognisedEvent(
            'Expected {"objects": ["s3://bucket/key", …]} with one object or more, and nothing else. '
            f"Received: the keys {sorted(map(str, event))}, objects={type(uris).__name__} "
            f"of {len(uris) if isinstance(uris, list) else 'no'} objects."
        )
    return Request(NAME, tuple(_parse_uri(str(index), uri) for index, uri in enumerate(uris)), answer_or_raise)


def _parse_uri(message_id: str, uri: object) -> Message:
    ref = parse_ref(uri) if isinstance(uri, str) else None
    if ref is None:
        received = repr(uri) if isinstance(uri, str) else f"a JSON {type(uri).__name__}"
        return Message(message_id, problem=UnreadableMessage(f"Expected s3://bucket/key. Received: {received}."))
    try:
        return Message(message_id, (name_object(ref.bucket, ref.key),))
    except UnreadableMessage as error:
        return Message(message_id, problem=error)
