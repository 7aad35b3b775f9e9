"""Decodes NumPy's `.npy` files, each a uint8 array of one image or many. Pure.

The header is checked before memory is allocated, and nothing is unpickled. An array in C order is read piece by piece; an array
in Fortran order begins with the first pixel of every image, so the whole array must be in memory.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import operator
import struct
import tokenize
import warnings
from collections.abc import Iterator

import numpy as np

from handler.errors import UnreadableArray
from handler.formats.image import Image, Target, read_pixels, require_shape
from handler.formats.meter import read_whole
from handler.formats.stream import Body, Stream
from handler.limits import Limits

NAME = "NumPy array (.npy, uint8)"

_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 10_000  # NumPy's own limit, which NumPy checks only after reading all that is declared, up to 4 GiB

_HEADER_ERRORS = (ValueError, TypeError, IndexError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError)


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a `.npy` file."""
    return head.startswith(_MAGIC)


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format."""
    return "npy"


def decode(body: Stream, target: Target) -> Iterator[Image]:
    """Yields the array's images in order, each named by its position, from 0.

    Raises:
        UnreadableArray: the header is broken, the dtype is not uint8, or there are too few or too many bytes.
        WrongShape: the images are not of the model's size.
        ObjectTooLarge: the array is in Fortran order, and has more bytes than may be in memory at once.
    """
    shape, fortran_order, dtype = _read_header(body)
    if dtype != np.uint8:
        raise UnreadableArray(
            f"Expected dtype uint8, raw pixels of 0 to 255. Received: {dtype}. "
            "Save values of 0 to 255 with numpy.save(file, images.astype('uint8')), "
            "values of 0 to 1 with numpy.save(file, (images * 255).round().astype('uint8'))."
        )
    count = require_shape(shape, target.shape)
    pixels = io.BytesIO(_in_c_order(body, shape, target.limits)) if fortran_order else body
    return read_pixels(pixels, count, target.shape, UnreadableArray)


def _read_header(body: Body) -> tuple[tuple[int, ...], bool, np.dtype]:
    prefix = body.read(len(_MAGIC) + 2)
    version = tuple(prefix[-2:])
    length_format = "<H" if version == (1, 0) else "<I"
    length_field = body.read(struct.calcsize(length_format))
    if version not in {(1, 0), (2, 0), (3, 0)} or len(length_field) < struct.calcsize(length_format):
        raise UnreadableArray(
            "Expected a .npy header of version 1.0, 2.0 or 3.0. "
            f"Received: version {'.'.join(map(str, version))}; save it with numpy.save."
        )
    (length,) = struct.unpack(length_format, length_field)
    if length > _MAX_HEADER_BYTES:
        raise UnreadableArray(
            f"Expected a .npy header of at most {_MAX_HEADER_BYTES} bytes. "
            f"Received: {length} declared; save it with numpy.save."
        )
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    header = io.BytesIO(length_field + body.read(length))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns of Python 2's headers, and of old names of dtypes
            shape, order, dtype = read_header(header, max_header_size=_MAX_HEADER_BYTES)
        return tuple(map(operator.index, shape)), order, dtype  # NumPy accepts True as a size; operator.index makes it 1
    except _HEADER_ERRORS as error:
        raise UnreadableArray(
            "Expected a .npy header as numpy.save writes it. Received: one that cannot be parsed; save it again."
        ) from error


def _in_c_order(body: Body, shape: tuple[int, ...], limits: Limits) -> bytes:
    content = read_whole(body, limits, "an array in Fortran order")
    if len(content) != int(np.prod(shape, dtype=object)):
        raise UnreadableArray(
            f"Expected as many bytes as the shape {shape} has pixels. Received: {len(content)}; upload it again."
        )
    return np.frombuffer(content, np.uint8).reshape(shape, order="F").tobytes(order="C")
