"""Defines the limits on what one object may hold; `handler.settings` documents the setting of each. A pure value."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The upper limits for one object, each in the unit of its name.

    `compression_ratio` is in unpacked bytes for each compressed byte.
    """

    object_bytes: int
    image_pixels: int
    images: int
    archive_members: int
    member_bytes: int
    unpacked_bytes: int
    compression_ratio: int
    list_objects: int
