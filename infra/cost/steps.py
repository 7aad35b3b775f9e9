"""Defines what a route is: steps that AWS charges for, each counted per object, per invocation, or in larger lots. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from handler.backlog.grouping import MAX_BYTES, MAX_OBJECTS
from handler.jobs import MAX_MESSAGES
from handler.settings import DEFAULTS

PAGE_OBJECTS = 1000  # in one listing, which is S3's limit
LIST_OBJECTS = DEFAULTS["MAX_LIST_OBJECTS"]


class Per(StrEnum):
    """What a step is done once for."""

    OBJECT = "object"
    INVOCATION = "invocation"
    RECEIVE = f"{MAX_MESSAGES} messages of an invocation"
    TEN = f"{MAX_MESSAGES} objects"
    PAGE = f"{PAGE_OBJECTS:,} objects"
    LIST = f"list of {LIST_OBJECTS:,} objects"
    RUN = "run"


class Step(msgspec.Struct, frozen=True):
    """Something that is done `amount` times for each `per`, and costs what `Prices` calls `price`.

    `operation` is what boto3 calls it if the function itself does it; None if AWS does.
    """

    text: str
    price: str
    per: Per
    amount: int = 1
    operation: str | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A way on which objects come to the function; `told` says in a sentence when and how they do.

    `batch` is the number of objects of an invocation; None if the queue brings them, in the batches that the template sets. An
    object holds `images_per_object`. A route `finds` objects if the function looks for them, or reads their names, before they
    are scored, and `scores` them unless it finds nothing to do. It `writes_rows` if the objects of an invocation get one
    file of rows, and no documents of their own.
    """

    name: str
    told: str
    steps: tuple[Step, ...]
    batch: int | None = None
    images_per_object: int = 1
    finds: bool = False
    scores: bool = True
    writes_rows: bool = False


class Lots(msgspec.Struct, frozen=True):
    """How many objects and invocations a number of `images` makes on a route, with `batch` objects in an invocation."""

    images: int
    images_per_object: int
    batch: int

    @property
    def objects(self) -> int:
        """The number of objects, of which the last may hold fewer images."""
        return ceil_of(self.images, self.images_per_object)

    def count(self, per: Per) -> int:
        """Returns how often a step is done that is done once for each `per`."""
        full, rest = divmod(self.objects, self.batch)
        counts = {
            Per.OBJECT: self.objects,
            Per.INVOCATION: full + bool(rest),
            Per.RECEIVE: full * ceil_of(self.batch, MAX_MESSAGES) + ceil_of(rest, MAX_MESSAGES),
            Per.TEN: ceil_of(self.objects, MAX_MESSAGES),
            Per.PAGE: ceil_of(self.objects, PAGE_OBJECTS),
            Per.LIST: ceil_of(self.objects, LIST_OBJECTS),
            Per.RUN: 1,
        }
        return counts[per]

    def invocations(self) -> tuple[tuple[int, int, int], ...]:
        """Returns the number of invocations that are alike, and the objects and images in each: full ones, and the last."""
        full, rest = divmod(self.objects, self.batch)
        in_full = self.batch * self.images_per_object
        alike = [(full, self.batch, min(in_full, self.images)), (int(bool(rest)), rest, self.images - full * in_full)]
        return tuple(some for some in alike if some[0])


def shard_objects(object_bytes: int) -> int:
    """Returns how many objects of `object_bytes` a whole shard of a backlog holds."""
    return int(1 / (1 / MAX_OBJECTS + object_bytes / MAX_BYTES))


def ceil_of(number: int, divisor: int) -> int:
    """Returns `number` divided by `divisor`, rounded up."""
    return -(-number // divisor)
