"""Cuts objects into shards, as the plan of a backlog does. Pure."""

from __future__ import annotations

from handler.backlog.grouping import FIRST_PARTS, MAX_BYTES, MAX_OBJECTS


def plan_shards(objects: int, object_bytes: int) -> list[int]:
    """Returns the number of objects of each shard, of objects that all have the same size."""
    whole = 1 / (1 / MAX_OBJECTS + object_bytes / MAX_BYTES)
    sizes: list[int] = []
    while objects:
        part = min(1.0, (len(sizes) + 1) / FIRST_PARTS)
        sizes.append(min(objects, max(1, int(whole * part + 1e-9))))
        objects -= sizes[-1]
    return sizes
