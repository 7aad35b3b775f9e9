"""Defines what a sheet shows of an image, and which images come first. Pure values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Literal

import msgspec

from handler.predictions import Input, RejectedImage
from infra.errors import InfraError
from infra.show.documents import Row


class Unshowable(InfraError):
    """Raised if the images of an object cannot be shown; the message says why, in a sentence for the page."""


class Rank(IntEnum):
    """The order of images on the sheet: those that people should look at come first."""

    REJECTED = auto()
    UNFAMILIAR = auto()
    UNSURE = auto()
    SURE = auto()


@dataclass(frozen=True, slots=True)
class Noted:
    """A row with a note on it for the reader, such as "was Coat, is Shirt"."""

    row: Row
    note: str = ""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture, as a file. If it `is_crisp`, its pixels are few and are shown as squares when it is enlarged."""

    kind: Literal["png", "webp"]
    content: bytes
    is_crisp: bool


# Yields the names and thumbnails of the wanted images of an object, in any order; those that cannot be had are left out.
# It raises Unshowable if none can be had any more.
Thumbnails = Callable[[Input, frozenset[str]], Iterable[tuple[str, Thumbnail]]]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One image of an object: its prediction, or the `error` for which it was rejected."""

    image: str
    class_name: str | None = None
    confidence: float | None = None
    unsure: bool = False
    unfamiliar: bool = False
    error: str = ""
    note: str = ""

    @property
    def rank(self) -> Rank:
        """The place of the image in the order of the sheet."""
        if self.class_name is None:
            return Rank.REJECTED
        return Rank.UNFAMILIAR if self.unfamiliar else Rank.UNSURE if self.unsure else Rank.SURE


def entry_of(noted: Noted) -> Entry:
    """Returns what the sheet shows of a row."""
    result = noted.row.result
    if isinstance(result, RejectedImage):
        return Entry(image=result.image, error=f"{result.error}: {result.message}", note=noted.note)
    return Entry(
        image=result.image,
        class_name=result.class_name,
        confidence=result.confidence,
        unsure=result.unsure is True,
        unfamiliar=result.unfamiliar is True,
        note=noted.note,
    )
