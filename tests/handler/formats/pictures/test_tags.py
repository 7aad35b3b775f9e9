"""The tags of TIFF files and EXIF blocks: of every type of whole numbers, in place or elsewhere, up to the last byte."""

import itertools
import struct

import pytest

from handler.formats.pictures.tags import orientation, read_tags

FORMS = list(itertools.product("<>", [False, True]))


def block(*entries, order="<", is_big=False, data=b"", count=None):
    """A block of entries: tag, type, number of values, and the bytes in which they are or in which their place is."""
    size = 8 if is_big else 4
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}H", 43) + struct.pack(f"{order}HHQ", 8, 0, 16) if is_big else b""
    head = head or mark + struct.pack(f"{order}HI", 42, 8)
    stated = len(entries) if count is None else count
    packed = [struct.pack(f"{order}HH{'Q' if is_big else 'I'}", *entry[:3]) + entry[3].ljust(size, b"\0") for entry in entries]
    return head + struct.pack(f"{order}{'Q' if is_big else 'H'}", stated) + b"".join(packed) + data


@pytest.mark.parametrize(("order", "is_big"), FORMS)
@pytest.mark.parametrize(("kind", "code", "bytes_each"), [(1, "B", 1), (3, "H", 2), (4, "I", 4), (7, "B", 1), (16, "Q", 8)])
def test_values_stand_in_their_entry_if_they_fit_and_else_at_the_place_that_it_names(order, is_big, kind, code, bytes_each):
    room = 8 if is_big else 4
    for count in range(1, 11):
        values = tuple(range(200, 200 + count))
        packed = struct.pack(f"{order}{count}{code}", *values)
        at = (16 + 8 + 20 * 2) if is_big else (8 + 2 + 12 * 2)
        place = struct.pack(f"{order}{'Q' if is_big else 'I'}", at)
        is_inside = count * bytes_each <= room
        entries = [(5, kind, count, packed if is_inside else place), (9, 3, 1, struct.pack(f"{order}H", 7))]

        content = block(*entries, order=order, is_big=is_big, data=b"" if is_inside else packed)
        assert read_tags(content, {5, 9}) == {5: values, 9: (7,)}
        assert read_tags(content, {9, 10}) == {9: (7,)}
        if not is_inside:
            assert read_tags(content[:-1], {5, 9}) == {9: (7,)}


@pytest.mark.parametrize(("order", "is_big"), FORMS)
def test_a_tag_that_is_damaged_is_left_out_and_the_others_are_read(order, is_big):
    fine = struct.pack(f"{order}H", 6)
    far = b"\xff" * (8 if is_big else 4)
    bad = [
        (1, 2, 1, b"a"),
        (2, 0, 1, b""),
        (3, 3, 0, b""),
        (4, 4, 9, far),
        (5, 3, 2**32 - 1, b""),
        (6, 5, 1, b""),
        (7, 17, 1, b""),
    ]

    content = block(*bad, (8, 3, 1, fine), order=order, is_big=is_big)
    assert read_tags(content, range(10)) == {8: (6,)}


def test_the_first_of_two_undamaged_tags_counts():
    assert read_tags(block((5, 2, 1, b"a"), (5, 3, 1, b"\1"), (5, 3, 1, b"\2")), {5}) == {5: (1,)}


def test_a_directory_that_is_cut_has_the_tags_until_there():
    """Of the last one, two bytes are enough, which are its value."""
    content = block(*[(tag, 3, 1, b"\1") for tag in range(5)])
    for length in range(len(content)):
        assert len(read_tags(content[:length], range(5))) == max(0, length - 8) // 12
    assert len(read_tags(block((0, 3, 1, b"\1"), (1, 3, 1, b"\1"), count=1), range(5))) == 1
    assert read_tags(block((0, 3, 1, b"\1"), count=0), range(5)) == {}


def test_a_tag_has_at_most_65_536_values():
    for count, is_read in [(65_536, True), (65_537, False)]:
        content = block((5, 1, count, struct.pack("<I", 22)), data=bytes(count))
        assert (5 in read_tags(content, {5})) == is_read


def test_a_large_directory_has_at_most_65_535_tags():
    entries = struct.pack("<HHQQ", 1, 3, 1, 1) * 65_534
    head = b"II" + struct.pack("<HHHQ", 43, 8, 0, 16)
    for last, is_read in [(b"", True), (struct.pack("<HHQQ", 1, 3, 1, 1), False)]:
        content = head + struct.pack("<Q", 2**40) + entries + last + struct.pack("<HHQQ", 2, 3, 1, 1)
        assert (2 in read_tags(content, {2})) == is_read


@pytest.mark.parametrize("beginning", [b"IM*\0", b"", b"ii*\0"])
def test_a_block_of_no_order_has_no_tags(beginning):
    assert read_tags(beginning + block((5, 3, 1, b"\1"))[4:], {5}) == {}


def turned(number, kind=3):
    return block((0x112, kind, 1, bytes([number])))


@pytest.mark.parametrize(
    ("exif", "xmp", "number"),
    [
        *((turned(number), b"", number if 1 <= number <= 8 else 1) for number in range(11)),
        *((b"", b'tiff:Orientation="%d"' % number, number if 1 <= number <= 8 else 1) for number in range(10)),
        (b"", b"<tiff:Orientation>6</tiff:Orientation>", 6),
        (b"", b"", 1),
        (b"Exif\0\0" + turned(3), b"", 3),
        (b"Exif\0\0" * 3 + turned(3), b"", 3),
        (b"Exif\0" + turned(3), b"", 1),
        (turned(3), b'tiff:Orientation="6"', 3),
        (turned(9), b'tiff:Orientation="6"', 1),
        (turned(3, kind=2), b'tiff:Orientation="6"', 6),
        (block((0x111, 3, 1, b"\3")), b'tiff:Orientation="6"', 6),
    ],
)
def test_a_picture_is_turned_by_its_exif_block_or_else_by_its_xmp_block(exif, xmp, number):
    assert orientation(exif, xmp) == number
