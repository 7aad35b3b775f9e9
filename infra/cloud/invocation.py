"""Describes the result of invoking the function outside Lambda, in the form in which Lambda would report it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FunctionError:
    """Describes the exception that the function raised, or the reason why it could not be loaded, as Lambda reports it."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """Holds the result of one invocation.

    Attributes:
        answer: The value that the function returned; None if there is an `error`.
        error: The error that the invocation ended with; None if there is an answer.
        request_id: The request's id in the log; empty if the log was not read.
        lines: The lines that the function logged during the invocation.
    """

    answer: object
    error: FunctionError | None
    request_id: str = ""
    lines: tuple[str, ...] = ()


def parse_reply(content: bytes | str) -> tuple[object, FunctionError | None]:
    """Returns the answer and the error of a reply, one of which is None.

    The emulator sends an exception that the function raised in the same way as an answer, with status 200.

    Raises:
        json.JSONDecodeError: the reply is neither.
    """
    reply: Any = json.loads(content)
    if isinstance(reply, dict) and {"errorType", "errorMessage"} <= reply.keys():
        return None, FunctionError(reply["errorType"], reply["errorMessage"])
    return reply, None
