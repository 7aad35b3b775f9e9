"""Parses invocations by a Distributed Map of Step Functions, with a batch of items or a single item. Pure.

Items come from a listing, an inventory, JSON or CSV. With an ItemBatcher the event is
`{"BatchInput": {"bucket": "name"}, "Items": [item, item]}`, without one it is the item. An item is
`{"Key": "a.png", "Bucket": "name"}`, with field names in any case, or the address `"s3://bucket/key"`. Items of a listing name
no bucket: give it as `BatchInput.bucket`, or add it to each item with an ItemSelector. Other fields of an item (`Etag`, sizes
as numbers or text) are ignored: the object is scored in its present state. Shape of the event:
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html

Keys are taken as they are, and decoded if no object has that key. An inventory writes keys form-encoded: set
`BatchInput.encoded_keys: true` if keys hold a "+" or a "%", since such a key does not show whether it is encoded.

The answer is a small summary. If more than `BatchInput.tolerated_failure_percentage` of the items failed, by default if any
item failed, the invocation raises, so that the state machine retries the batch or counts it as failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from handler.errors import InvocationFailed, UnreadableMessage, UnrecognisedEvent
from handler.objects import parse_ref
from handler.triggers.answers import MAX_REASONS, reports_of, shorten, summarise
from handler.triggers.converting import convert
from handler.triggers.keys import decode_key, name_raw
from handler.triggers.request import Message, Request, Results, name_object

NAME = "Step Functions Distributed Map"


class _BatchInput(msgspec.Struct):
    bucket: str | None = None
    tolerated_failure_percentage: float = 0
    encoded_keys: bool = False


class _Batch(msgspec.Struct):
    Items: list[Any]
    BatchInput: _BatchInput = msgspec.field(default_factory=_BatchInput)


def recognises(event: dict[str, Any]) -> bool:
    """Returns whether `event` is a batch of items, or one item.

    MinIO's notifications have a field `Key` too, in addition to their Records.
    """
    return "Items" in event or ("Records" not in event and any(str(name).lower() == "key" for name in event))


def parse(event: dict[str, Any]) -> Request:
    """Returns a request with one message for each item.

    Raises:
        UnrecognisedEvent: there are no items, or `BatchInput` is not as the module's docstring describes it.
    """
    batch = _parse_batch(event) if "Items" in event else _Batch([event], _parse_batch({**event, "Items": []}).BatchInput)
    if not batch.Items:
        raise UnrecognisedEvent("Expected a batch with one item or more under Items. Received: none.")
    messages = tuple(_parse_item(str(index), item, batch.BatchInput) for index, item in enumerate(batch.Items))
    return Request(NAME, messages, partial(_answer, batch.BatchInput.tolerated_failure_percentage))


def _parse_batch(event: dict[str, Any]) -> _Batch:
    try:
        batch = convert(event, _Batch, strict=False)  # numbers may be text
    except msgspec.ValidationError as error:
        raise UnrecognisedEvent(f"Expected a list Items, and a BatchInput with a bucket or none. Received: {error}.") from error
    if not 0 <= batch.BatchInput.tolerated_failure_percentage <= 100:
        raise UnrecognisedEvent(
            f"Expected a tolerated_failure_percentage of 0 to 100. Received: {batch.BatchInput.tolerated_failure_percentage}."
        )
    return batch


def _parse_item(message_id: str, item: object, batch_input: _BatchInput) -> Message:
    try:
        bucket, key = _address(item, batch_input.bucket)
        if batch_input.encoded_keys:
            return Message(message_id, (name_object(bucket, decode_key(key)),))
        return name_raw(message_id, bucket, key)
    except UnreadableMessage as error:
        return Message(message_id, problem=error)


def _address(item: object, bucket: str | None) -> tuple[str, str]:
    if isinstance(item, str):
        ref = parse_ref(item)
        if ref is None:
            raise UnreadableMessage(f"Expected s3://bucket/key. Received: {item[:200]!r}.")
        return ref.bucket, ref.key
    fields = {str(name).lower(): value for name, value in item.items()} if isinstance(item, dict) else {}
    key, named = fields.get("key"), fields.get("bucket") or bucket
    if not isinstance(key, str) or not isinstance(named, str):
        raise UnreadableMessage(
            "Expected an item with a Key, and a Bucket in it or in BatchInput. "
            f"Received: the fields {sorted(fields)}, BatchInput.bucket={bucket!r}."
        )
    return named, key


def _answer(tolerated_percentage: float, messages: Sequence[Message], results: Results) -> dict[str, object]:
    unfinished = sum(not message.is_finished(results) for message in messages)
    reasons = [reason for message in messages for reason in message.reasons(results)]
    if unfinished * 100 > tolerated_percentage * len(messages):
        raise InvocationFailed(
            f"{unfinished} of {len(messages)} items are not finished, more than {tolerated_percentage:g} %: {shorten(reasons)}"
        )
    return {"items": len(messages), **summarise(reports_of(messages, results)), "unfinished": reasons[:MAX_REASONS]}
