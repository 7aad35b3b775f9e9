"""The items of AVIF and HEIC files: in every form of their lists, in the file or in the box `idat`, and in bounded work."""

import itertools
import struct

import pytest

from handler.errors import UnreadableImage
from handler.formats.pictures.items import items_of, without_metadata

DATA = bytes(range(200))


def box(kind, *parts):
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + kind + data


def full(version, flags=0):
    return bytes([version]) + flags.to_bytes(3, "big")


def number(value, size):
    return value.to_bytes(size, "big")


def info(item, kind, version=2):
    return box(b"infe", full(version, 1), number(item, 4 if version == 3 else 2), b"\0\7", kind, b"name\0")


def infos(*entries, version=0):
    return box(b"iinf", full(version, 3), number(len(entries), 4 if version else 2), *entries)


def locations(items, version=0, sizes=(4, 4, 0, 0), bases=None):
    """The box `iloc` of items: number, way of storing, and start and length of each part."""
    offset_size, length_size, base_size, index_size = sizes
    wide = 4 if version == 2 else 2
    listed = []
    for item, way, extents in items:
        base = extents[0][0] // 2 if base_size else 0
        listed += [number(item, wide), b"\xab" + bytes([0xC0 | way]) if version else b"", b"\0\0", number(base, base_size)]
        listed += [number(len(extents), 2)]
        for start, length in extents:
            listed += [b"\xee" * (index_size if version else 0), number(start - base, offset_size), number(length, length_size)]
    packed = bytes([offset_size << 4 | length_size, base_size << 4 | index_size])
    return box(b"iloc", full(version, 5), packed, number(len(items), wide), *listed)


def file_of(*boxes, stored=()):
    """DATA lie at its byte 8."""
    return box(b"mdat", DATA) + box(b"meta", bytes(4), *boxes, *stored)


FORMS = [
    (places, sizes, list_version, entry_version)
    for places in (0, 1, 2)
    for sizes in itertools.product([4, 8], [4, 8], [0, 4, 8], [0, 4, 8])
    for list_version, entry_version in [(0, 2), (1, 2), (0, 3), (1, 3)]
    if (places == 2) == (entry_version == 3)
]


def test_the_data_of_an_item_are_found_in_every_form_of_the_lists():
    for places, sizes, list_version, entry_version in FORMS:
        first, second, other = (70_001, 2, 70_002) if entry_version == 3 else (60_001, 2, 60_002)
        content = file_of(
            infos(
                *(info(item, kind, entry_version) for item, kind in [(first, b"av01"), (other, b"Exif"), (second, b"av01")]),
                version=list_version,
            ),
            locations([(second, 0, [(100, 5)]), (other, 0, [(50, 1)]), (first, 0, [(8, 3), (30, 2)])], places, sizes),
        )

        assert list(items_of(content, b"av01")) == [DATA[92:97], DATA[:3] + DATA[22:24]]


@pytest.mark.parametrize(
    ("version", "way", "expected"),
    [(0, 1, DATA[:3]), (1, 0, DATA[:3]), (1, 1, b"89a"), (2, 0, DATA[:3]), (2, 1, b"89a"), (1, 2, DATA[:3])],
)
def test_an_item_is_in_the_store_if_its_place_says_so(version, way, expected):
    entry = info(7, b"av01", 3 if version == 2 else 2)
    content = file_of(
        infos(entry), locations([(7, way, [(8, 3)])], version), stored=[box(b"idat", b"0123456789abc"), box(b"free")]
    )

    assert list(items_of(content, b"av01")) == [expected]


def test_without_a_store_an_item_in_it_is_empty():
    content = file_of(infos(info(7, b"av01")), locations([(7, 1, [(0, 0)])], 1))

    assert list(items_of(content, b"av01")) == [b""]


def test_a_part_without_a_length_goes_to_the_end():
    content = file_of(infos(info(7, b"av01")), locations([(7, 0, [(190, 0), (8, 1)])]))

    assert list(items_of(content, b"av01")) == [content[190:] + DATA[:1]]


@pytest.mark.parametrize(
    "entries",
    [
        [info(7, b"av01", 0)],
        [info(7, b"av01", 1)],
        [info(7, b"av01").replace(b"infe", b"free")],
        [info(8, b"av01")],
        [info(7, b"av02")],
        [],
    ],
)
def test_an_item_that_is_not_listed_as_one_of_its_type_is_none(entries):
    assert list(items_of(file_of(infos(*entries), locations([(7, 0, [(8, 3)])])), b"av01")) == []


@pytest.mark.parametrize(
    "boxes", [[], [infos(info(7, b"av01"))], [locations([])], [box(b"free", infos()), box(b"free", locations([]))]]
)
def test_both_lists_are_needed(boxes):
    with pytest.raises(UnreadableImage, match="Expected a file with a main picture"):
        list(items_of(file_of(*boxes), b"av01"))
    with pytest.raises(UnreadableImage, match="Expected a file with a main picture"):
        list(items_of(box(b"free", bytes(4), infos(), locations([])), b"av01"))


def test_a_list_of_places_that_is_cut_is_refused():
    whole = locations([(7, 0, [(8, 3)])])
    for length in range(len(whole) - 8):
        cut = box(b"iloc", whole[8 : 8 + length])
        with pytest.raises(UnreadableImage, match="a truncated list"):
            list(items_of(file_of(infos(info(7, b"av01")), cut), b"av01"))


def test_items_may_have_twice_the_bytes_of_the_file_and_none_more():
    def of(*extents):
        entries = [info(item, b"av01") for item in range(len(extents))]
        return file_of(infos(*entries), locations([(item, 0, [extent]) for item, extent in enumerate(extents)]))

    twice = of((0, 0), (0, 0), (10**6, 0))
    assert list(map(len, items_of(twice, b"av01"))) == [len(twice), len(twice), 0]
    with pytest.raises(UnreadableImage, match="parts have data of their own"):
        list(items_of(of((0, 0), (0, 0), (0, 1)), b"av01"))


@pytest.mark.parametrize("counts", [[9_999], [4_999, 4_999], [4_997, 4_999, 1], [9_997, 0, 0]])
def test_ten_thousand_parts_are_read_and_one_more_is_refused(counts):
    """Items and extents count alike."""

    def of(counts):
        places = [(item, 0, [(0, 1)] * count) for item, count in enumerate(counts)]
        return file_of(infos(info(60_000, b"av01")), locations(places))

    assert list(items_of(of(counts), b"av01")) == []
    for more in ([*counts, 0], [*counts[:-1], counts[-1] + 1]):
        with pytest.raises(UnreadableImage, match="at most 10000 parts"):
            list(items_of(of(more), b"av01"))


@pytest.mark.parametrize(("list_version", "entry_version"), [(0, 2), (1, 2), (0, 3), (1, 3)])
def test_metadata_lose_their_type_and_nothing_else_changes(list_version, entry_version):
    kinds = [b"av01", b"Exif", b"mime", b"exif"]
    content = file_of(infos(*(info(7, kind, entry_version) for kind in kinds), version=list_version), locations([]))

    expected = content.replace(b"Exif", b"skip").replace(b"mime", b"skip")
    assert without_metadata(content) == expected
    assert list(items_of(expected, b"av01")) == []
