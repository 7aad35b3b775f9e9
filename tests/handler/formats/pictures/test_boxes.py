"""The boxes of AVIF and HEIC files: of every way to state a length, up to the first that is damaged."""

import struct

import pytest

from handler.errors import UnreadableImage
from handler.formats.pictures.boxes import brands, children

FIRST = struct.pack(">I4s", 8, b"frst")
WIDE = struct.pack(">I4sQ", 1, b"wide", 17) + b"x"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (FIRST, [(b"frst", 8, 8)]),
        (struct.pack(">I4s", 9, b"more") + b"x" + FIRST, [(b"more", 8, 9), (b"frst", 17, 17)]),
        (FIRST + b"1234567", [(b"frst", 8, 8)]),
        (FIRST + struct.pack(">I4s", 0, b"rest") + b"xyz", [(b"frst", 8, 8), (b"rest", 16, 19)]),
        (FIRST + WIDE + FIRST, [(b"frst", 8, 8), (b"wide", 24, 25), (b"frst", 33, 33)]),
        (struct.pack(">I4sQ", 1, b"wide", 16), [(b"wide", 16, 16)]),
        (WIDE[:15], []),
        (struct.pack(">I4sQ", 1, b"wide", 15), []),
        (struct.pack(">I4sQ", 1, b"wide", 2**63), []),
        (struct.pack(">I4s", 2, b"less") + bytes(20), []),
        (struct.pack(">I4s", 7, b"less") + bytes(20), []),
        (struct.pack(">I4s", 9, b"cut "), []),
        (struct.pack(">I4s", 2**31, b"huge") + bytes(20), []),
        (struct.pack(">I4s", 2**32 - 1, b"huge") + bytes(20), []),
    ],
)
def test_boxes_are_found_by_their_lengths_up_to_one_that_is_damaged(content, expected):
    assert list(children(b"?" + content, 1, 1 + len(content))) == [(kind, start + 1, end + 1) for kind, start, end in expected]


def test_ten_thousand_boxes_are_found_and_one_more_is_refused():
    assert len(list(children(FIRST * 10_000, 0, 8 * 10_000))) == 10_000
    with pytest.raises(UnreadableImage, match="at most 10000 boxes"):
        list(children(FIRST * 10_001, 0, 8 * 10_001))


def test_brands_are_those_of_the_first_box_alone_as_far_as_they_are_whole():
    brand = [b"avif", b"mif1", b"miaf"]
    content = struct.pack(">I", 8 + 4 * 4) + b"ftyp" + brand[0] + b"\0\0\0\1" + brand[1] + brand[2]

    assert brands(content + FIRST + b"heic") == {*brand}
    for length in range(len(content)):
        whole = max(0, length // 4 - 4)
        assert brands(content[:length]) == ({*brand[: 1 + whole]} if length >= 12 else frozenset())
    assert brands(content.replace(b"ftyp", b"free")) == frozenset()
