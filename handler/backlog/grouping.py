"""Groups objects into shards that take about the same time, as they come. Pure.

An object takes its part of `MAX_OBJECTS`, as each costs a call, and its part of `MAX_BYTES`, as bytes are read and decoded. The
first shards are smaller, so that results come soon, and a small backlog is shared by several workers.
"""

from __future__ import annotations

import msgspec

MAX_OBJECTS = 2_500  # seconds of work with several calls at a time
MAX_BYTES = 2**29  # of arrays of 28 x 28 pixels 685,000 images, which take 500 s of the 900 s of an invocation

FIRST_PARTS = 20  # the first shard is this part of a whole one, the next two parts, and so on


class Group(msgspec.Struct):
    """The objects of one shard: their keys, in order, and the bytes of all of them together.

    The keys `replaced` are those of them whose objects have a document that is to be replaced.
    """

    keys: list[str] = msgspec.field(default_factory=list)
    replaced: list[str] = msgspec.field(default_factory=list)
    bytes: int = 0

    @property
    def weight(self) -> float:
        """The part of a whole shard that this is."""
        return len(self.keys) / MAX_OBJECTS + self.bytes / MAX_BYTES

    def add(self, key: str, size_bytes: int, *, has_document: bool) -> None:
        """Adds the next object."""
        self.keys.append(key)
        if has_document:
            self.replaced.append(key)
        self.bytes += size_bytes

    def has_room(self, size_bytes: int, number: int) -> bool:
        """Returns whether one more object fits into this shard, which is the one of a `number`, counted from 1.

        An object that fits into no shard has one of its own.
        """
        added = 1 / MAX_OBJECTS + size_bytes / MAX_BYTES
        return not self.keys or self.weight + added <= min(1, number / FIRST_PARTS) + 1e-9  # sums of fractions are not exact
