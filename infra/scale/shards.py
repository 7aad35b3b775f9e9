"""Cuts objects into shards, as the plan of a backlog does. Pure."""

from __future__ import annotations

MAX_OBJECTS, MAX_BYTES = 2_500, 2**30  # of a whole shard, which has one or the other, or a part of both
FIRST_PARTS = 20  # the first shard is this part of a whole one, the next two parts, and so on


def plan_shards(objects: int, object_bytes: int) -> list[int]:
    """Returns the number of objects of each shard, of objects that all have the same size."""
    whole = 1 / (1 / MAX_OBJECTS + object_bytes / MAX_BYTES)
    sizes: list[int] = []
    while objects:
        part = min(1.0, (len(sizes) + 1) / FIRST_PARTS)
        sizes.append(min(objects, max(1, int(whole * part + 1e-9))))
        objects -= sizes[-1]
    return sizes
