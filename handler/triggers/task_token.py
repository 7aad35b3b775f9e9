"""Refuses events of Step Functions that wait for a task token to come back. Pure.

Only a call of states:SendTaskSuccess would answer them, for which the function has no permission; without it, the state would
wait until it times out. The usual invocation returns the answer itself.
"""

from __future__ import annotations

import re
from typing import Any

from handler.errors import UnrecognisedEvent

_LETTERS = re.compile("[^a-z]")


def refuse_task_token(event: dict[str, Any]) -> None:
    """Requires that an event holds no task token, neither at its top nor in an object within it.

    The user chooses the name of the field, so case and punctuation are ignored. A field `token` is refused in a batch of items
    alone, whose other fields a state adds; in a single item it may be a column of a CSV file.

    Raises:
        UnrecognisedEvent: there is a task token, which nobody would send back.
    """
    found = next((name for name in _names(event) if _LETTERS.sub("", name.lower()).endswith("tasktoken")), None)
    if found is None and "Items" in event and "token" in event:
        found = "token"
    if found is not None:
        raise UnrecognisedEvent(
            "Expected an event whose sender takes the returned answer, since this function sends no task token back. "
            f"Received: the field {found[:50]!r}. Use arn:aws:states:::lambda:invoke without .waitForTaskToken, which returns "
            "the answer and needs no token."
        )


def _names(event: dict[str, Any]) -> list[str]:
    """Returns the names of all fields of an event and of the objects within it; lists are not looked into."""
    names: list[str] = []
    unread: list[dict[str, Any]] = [event]
    while unread:
        fields = unread.pop()
        names += map(str, fields)
        unread += [value for value in fields.values() if isinstance(value, dict)]
    return names
