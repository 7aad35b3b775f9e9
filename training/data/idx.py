"""Parses IDX, the file format of MNIST and its relatives (http://yann.lecun.com/exdb/mnist/). Pure: bytes in, arrays out."""

from __future__ import annotations

import numpy as np

from training.errors import DataError

_IMAGES_MAGIC = 0x0803  # unsigned byte, three dimensions
_LABELS_MAGIC = 0x0801  # unsigned byte, one dimension


def read_images(content: bytes, source: object) -> np.ndarray:
    """Parses an idx3 file of grey images; `source` names the file in errors.

    Returns:
        `(n, height, width, 1)` uint8, 0..255.

    Raises:
        DataError: `content` is not an idx3 file, or not a whole one.
    """
    return _parse_idx(content, _IMAGES_MAGIC, dimensions=3, source=source)[..., None]


def read_labels(content: bytes, source: object) -> np.ndarray:
    """Parses an idx1 file of labels; `source` names the file in errors.

    Returns:
        `(n,)` uint8.

    Raises:
        DataError: `content` is not an idx1 file, or not a whole one.
    """
    return _parse_idx(content, _LABELS_MAGIC, dimensions=1, source=source)


def _parse_idx(content: bytes, magic: int, *, dimensions: int, source: object) -> np.ndarray:
    header_bytes = 4 + 4 * dimensions
    if len(content) < header_bytes:
        raise DataError(
            f"Expected an IDX file, which begins with {header_bytes} bytes of header. Received: {len(content)} bytes in "
            f"{source}; get the file again."
        )
    received, *shape = (int(word) for word in np.frombuffer(content, ">u4", count=1 + dimensions))
    if received != magic:
        kind = "images" if magic == _IMAGES_MAGIC else "labels"
        raise DataError(
            f"Expected an IDX file of {kind}, which begins with {magic:#010x}. Received: {received:#010x} in {source}; give "
            "the files of images and of labels the names that are theirs."
        )
    expected_bytes = header_bytes + int(np.prod(shape, dtype=object))
    if len(content) != expected_bytes:
        raise DataError(
            f"Expected {expected_bytes} bytes for the shape {tuple(shape)} in the header. "
            f"Received: {len(content)} bytes in {source}; the file is truncated, or its header is wrong; get it again."
        )
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)
