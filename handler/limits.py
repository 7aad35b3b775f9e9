"""The limits on what one object may hold; the settings of the same names tell what each means. A pure value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The upper limits of one object, in bytes, pixels, images, members, named objects, and times its size."""

    object_bytes: int
    image_pixels: int
    images: int
    archive_members: int
    member_bytes: int
    unpacked_bytes: int
    compression_ratio: int
    list_objects: int
