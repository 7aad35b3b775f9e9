"""Puts documents and rows into one order, that of the places of documents with `.jsonl`. Pure.

Places end in `.json` or `.jsonl`, as the function was set up when they were written, and the two orders differ: `a.json` comes
before `a.json/b.json`, but `a.jsonl` after `a.json/b.jsonl`. From the one order comes the other if each item waits until the
place that was read last is as great as its own. The items that wait are all beginnings of that place, so there are at most as
many as it has characters, and one or two as a rule.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def place_in_order(place: str) -> str:
    """Returns a place by which all are in order, with `.jsonl` for `.json`."""
    return f"{place}l" if place.endswith(".json") else place


def in_order(items: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Yields items in the order of their places with `.jsonl`, each with this place.

    They come with their places, in the order of these; or in that of places with `.jsonl`, though all are told with `.json`.
    """
    waiting: list[tuple[str, int, T]] = []
    for number, (place, item) in enumerate(items):
        while waiting and waiting[0][0] <= place:
            yield _pop(waiting)
        heapq.heappush(waiting, (place_in_order(place), number, item))
    while waiting:
        yield _pop(waiting)


def _pop(waiting: list[tuple[str, int, T]]) -> tuple[str, T]:
    place, _, item = heapq.heappop(waiting)
    return place, item
