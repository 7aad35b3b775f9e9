"""Converts decoded JSON to a value of a type."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def convert(value: Any, to: type[T], *, strict: bool = True) -> T:
    """Returns `value`, which Python has decoded from JSON, as a value of the type `to`.

    Raises:
        msgspec.ValidationError: it is none; also if a text in it has a lone surrogate, which JSON can write and UTF-8 cannot.
    """
    try:
        return msgspec.convert(value, to, strict=strict)
    except UnicodeEncodeError as error:
        raise msgspec.ValidationError(f"Expected text in UTF-8, got lone surrogates ({error.reason})") from error
