"""Reads pictures: one small file for each kind, which judges the parts of a picture, and hands its pixels to one decoder.

To add a kind, add a module that offers the names of `handler.formats.pictures.judged.Kind`, and name it in `KINDS`.
"""

from __future__ import annotations

from handler.formats.pictures import avif, bmp, gif, heic, jpeg, png, tiff, webp
from handler.formats.pictures.judged import Kind

KINDS: tuple[Kind, ...] = (png, jpeg, webp, gif, bmp, tiff, avif, heic)
