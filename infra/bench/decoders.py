"""Measures the speed of decoding alone, with the same images in each format."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import PIL.Image

from handler.contract import Manifest
from handler.formats import decode
from handler.formats.image import Unreadable
from infra.bench.measurement import Measurement, measure_rates
from infra.bench.samples import read_pngs, target


def measure_decoders(manifest: Manifest) -> Iterator[Measurement]:
    """Yields the images per second that are decoded from each format."""
    for label, contents, images in packed_formats(read_pngs()):
        rates = measure_rates(partial(_decode_all, contents, manifest), images)
        yield Measurement(f"decoding alone, {label}", rates, "images/s")


def packed_formats(pngs: list[bytes]) -> Iterator[tuple[str, list[bytes], int]]:
    """Yields the images of `pngs` in each format: the format's label, its objects, and the number of images in them."""
    pictures = [PIL.Image.open(io.BytesIO(content)) for content in pngs]
    yield "PNG", pngs * 10, len(pngs) * 10
    for kind, options in (("JPEG", {}), ("WebP", {"lossless": True})):
        yield kind, [_saved(picture, kind, **options) for picture in pictures] * 10, len(pngs) * 10
    many = np.tile(np.stack([np.asarray(picture) for picture in pictures]), (100, 1, 1))
    for label, content in _packed_arrays(many):
        yield label, [content], len(many)
    yield "zip of PNGs", [_zipped(pngs)] * 10, len(pngs) * 10
    yield "tar.gz of PNGs", [_tarred(pngs)] * 10, len(pngs) * 10


def _packed_arrays(pixels: np.ndarray) -> Iterator[tuple[str, bytes]]:
    array = io.BytesIO()
    np.save(array, pixels)
    yield ".npy", array.getvalue()
    zipped = io.BytesIO()
    np.savez_compressed(zipped, pixels)
    yield ".npz, deflated", zipped.getvalue()
    packed = struct.pack(">IIII", 0x0803, *pixels.shape) + pixels.tobytes()
    yield "IDX", packed
    yield "IDX, gzipped", gzip.compress(packed)


def _zipped(pngs: list[bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zip_file:
        for number, content in enumerate(pngs):
            zip_file.writestr(f"{number}.png", content)
    return archive.getvalue()


def _tarred(pngs: list[bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for number, content in enumerate(pngs):
            member = tarfile.TarInfo(f"{number}.png")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def _saved(picture: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _decode_all(contents: list[bytes], manifest: Manifest) -> None:
    for content in contents:
        for image in decode(io.BytesIO(content), "object", target(manifest)):
            if isinstance(image, Unreadable):
                raise TypeError(f"The benchmark's own objects must be readable. Received: {image.error}")
