"""Decodes tables of pixels, the CSV in which Kaggle publishes MNIST and Fashion-MNIST: one image a line. Pure.

    label,pixel1,pixel2,...,pixel784
    2,0,0,...,0

The columns of pixels are those with numbers in their names, in the order of the numbers; all others, such as the label, are
ignored. Without a line of names, the pixels are all columns, or all but the first if there is one more. Values may be quoted,
with spaces around them, and separated by commas, semicolons or tabs. A line that is no image becomes a row under `rejected`,
and the other lines are scored. A table is read line by line.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from handler.errors import UnreadableArray, WrongShape
from handler.formats.image import Image, Target, Unreadable, or_refuse
from handler.formats.lines import BYTE_ORDER_MARK, read_lines
from handler.formats.stream import Stream

NAME = "CSV of pixels (label,pixel1,pixel2,…)"

_MIN_COLUMNS = 4  # by which a table is told from a list of objects
_MAX_VALUE_BYTES = 32  # of one name or value with its separator; other columns may use what the pixels leave
_NUMBER = re.compile(rb"\d+")
_NAME = re.compile(rb"[\w .()\[\]\x80-\xff-]*")
_VALUES = re.compile(rb"[\s\"\d,;.eE+-]+")
_WHOLE = re.compile(rb"\.0+(?!\d)")  # as pandas ends whole numbers in columns of floats
_MAX_VALUE = 255


def recognises(head: bytes) -> bool:
    """Returns whether `head` begins a table of pixels.

    The first line must have at least four whole numbers alone, or four names that differ by their numbers alone: `pixel1`.
    """
    first = head.removeprefix(BYTE_ORDER_MARK).lstrip().partition(b"\n")[0]
    fields = _split(first, _separator(first))
    if len(fields) < _MIN_COLUMNS or not _NUMBER.search(first):
        return False
    if _VALUES.fullmatch(first):
        return True
    names = fields[:-1]  # the last one may be cut
    are_names = all(_NAME.fullmatch(name) for name in names)
    return are_names and (_are_counted(names[1:]) or len(_pixel_columns([*set(names)])) >= _MIN_COLUMNS - 1)


def kind(head: bytes) -> str:
    """Returns the name that documents give to this format."""
    return "csv"


def decode(body: Stream, target: Target) -> Iterator[Image | Unreadable]:
    """Yields the image of each line, named by its position from 0, and the lines that are no image.

    Raises:
        WrongShape: the table has another number of columns than the model's images have pixels.
        UnreadableArray: no line is an image, or a line is longer than any line of a table.
    """
    values = math.prod(target.shape.as_tuple)
    max_bytes = _MAX_VALUE_BYTES * (values + _MAX_VALUE_BYTES)
    too_long = UnreadableArray(f"Expected lines of at most {max_bytes} bytes. Received: a longer one; save one image a line.")
    lines = (line for line in read_lines(body, max_bytes, too_long) if line.strip())
    first = next(lines, b"")
    separator = _separator(first)
    names = _split(first, separator)
    has_names = not _VALUES.fullmatch(first) or (_are_counted(names[1:-1]) and len(names) > _MAX_VALUE)
    pixels = [names[column] for column in _pixel_columns(names)]
    has_names = has_names and len(set(pixels)) == len(pixels)  # values repeat, as in a line that has its label in words
    columns = _columns(names, values, has_names=has_names)
    rows = lines if has_names else chain([first], lines)
    items = (_image(number, _split(line, separator), len(names), columns, target) for number, line in enumerate(rows))
    return or_refuse(items, UnreadableArray, "a table with an image in it", "lines")


def _separator(line: bytes) -> bytes:
    return max((b",", b";", b"\t"), key=line.count)


def _split(line: bytes, separator: bytes) -> list[bytes]:
    if b"." in line:
        line = _WHOLE.sub(b"", line)
    return [field.strip() for field in line.replace(b'"', b"").split(separator)]


def _are_counted(names: Sequence[bytes]) -> bool:
    """Returns whether the columns are named by consecutive numbers, as pandas does."""
    is_number = len(names) >= _MIN_COLUMNS - 2 and names[0].isdigit() and len(names[0]) < _MAX_VALUE_BYTES
    return is_number and [b"%d" % (int(names[0]) + step) for step in range(len(names))] == [*names]


def _pixel_columns(names: Sequence[bytes]) -> list[int]:
    """Returns the positions of the names that differ from most others by their numbers alone, in the order of the numbers."""
    patterns = [_NUMBER.sub(b"#", name) for name in names]
    most = Counter(pattern for pattern in patterns if b"#" in pattern).most_common(1)
    positions = [position for position, pattern in enumerate(patterns) if most and pattern == most[0][0]]
    return sorted(positions, key=lambda position: _numbers(names[position]))


def _numbers(name: bytes) -> list[tuple[int, bytes]]:
    """Returns the numbers in a name so that they can be sorted; each may have thousands of digits, too many for `int`."""
    digits = [number.lstrip(b"0") for number in _NUMBER.findall(name)]
    return [(len(number), number) for number in digits]


def _columns(names: Sequence[bytes], values: int, *, has_names: bool) -> list[int]:
    if has_names:
        columns = _pixel_columns(names)
        if len(columns) == values:
            return columns
    elif len(names) in {values, values + 1}:
        return list(range(len(names)))[-values:]
    received = f"{len(_pixel_columns(names))} columns of pixels" if has_names else f"{len(names)} columns"
    raise WrongShape(
        f"Expected a table of {values} columns of pixels, and one of labels or none. Received: {received}; "
        "save images of the model's size, or upload them as pictures, which are converted."
    )


def _image(number: int, fields: list[bytes], width: int, columns: list[int], target: Target) -> Image | Unreadable:
    name = str(number)
    if len(fields) != width:
        return _unreadable(name, f"{len(fields)} values where the first line has {width}")
    chosen = [fields[column] for column in columns]
    try:
        pixels = bytes(map(int, chosen))
    except ValueError:
        wrong = next(value for value in chosen if not _is_pixel(value))
        return _unreadable(name, repr(wrong[:20].decode(errors="replace")))
    return Image(name, np.frombuffer(pixels, np.uint8).reshape(target.shape.as_tuple))


def _is_pixel(value: bytes) -> bool:
    try:
        bytes([int(value)])
    except ValueError:
        return False
    return True


def _unreadable(name: str, received: str) -> Unreadable:
    return Unreadable.because(
        name, UnreadableArray(f"Expected a line of whole numbers of 0 to 255. Received: {received}; mend the line.")
    )
