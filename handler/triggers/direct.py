"""Parses direct invocations by people and scripts: addresses of objects in, addresses of documents and counts out. Pure.

    {"objects": ["s3://bucket/first key.png", "s3://bucket/second.png"], "unless_done": true}

Keys are written as they are, without any encoding. With `unless_done`, which may be left out, an object whose document is there
and right is not scored again. Sweeps and lists send their messages in this form too, and a list says in `lists` how many lists
led to the object.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import msgspec

from handler.errors import UnreadableMessage, UnrecognisedEvent
from handler.objects import parse_ref
from handler.triggers.answers import answer_or_raise
from handler.triggers.converting import convert
from handler.triggers.request import Message, Request, name_object

NAME = "direct invocation"


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    objects: Annotated[list[Any], msgspec.Meta(min_length=1)]
    unless_done: bool = False
    lists: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` has a field `objects`."""
    return "objects" in event


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message for each object.

    Raises:
        UnrecognisedEvent: `objects` is not a list, or is empty, or another field is unknown or of a wrong type.
    """
    try:
        asked = convert(event, _Asked)
    except msgspec.ValidationError as error:
        uris = event["objects"]
        raise UnrecognisedEvent(
            'Expected {"objects": ["s3://bucket/key", …]} with one object or more, perhaps "unless_done": true, and nothing '
            f"else. Received: the keys {sorted(map(str, event))}, objects={type(uris).__name__} "
            f"of {len(uris) if isinstance(uris, list) else 'no'} objects ({error})."
        ) from error
    messages = (_parse_uri(str(index), uri) for index, uri in enumerate(asked.objects))
    how = partial(msgspec.structs.replace, unless_done=asked.unless_done, lists=asked.lists)
    return Request(NAME, tuple(map(how, messages)), answer_or_raise)


def _parse_uri(message_id: str, uri: object) -> Message:
    ref = parse_ref(uri) if isinstance(uri, str) else None
    if ref is None:
        received = repr(uri) if isinstance(uri, str) else f"a JSON {type(uri).__name__}"
        return Message(message_id, problem=UnreadableMessage(f"Expected s3://bucket/key. Received: {received}."))
    try:
        return Message(message_id, (name_object(ref.bucket, ref.key),))
    except UnreadableMessage as error:
        return Message(message_id, problem=error)
