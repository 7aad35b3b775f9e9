"""The directory of a zip archive: its place, its entries, and the bytes that they claim, up to each boundary."""

import io
import itertools
import struct

import msgspec
import pytest

from handler.errors import ObjectTooLarge, UnreadableArchive, UnreadableMember
from handler.formats.zip_directory import Entry, read_directory
from tests.handler.conftest import LIMITS

IN_64 = 2**32 - 1
HEADER_BYTES = 30


def entry(start=0, packed=0, *, name=b"a", extra=b"", comment=b"", size=9, flags=0x800, method=8, crc=7, mode=0o100644):
    fixed = struct.pack("<4s6H3I", b"PK\1\2", 3, 20, flags, method, 11, 22, crc, packed, size)
    lengths = struct.pack("<5H2I", len(name), len(extra), len(comment), 33, 44, mode << 16 | 55, start)
    return fixed + lengths + name + extra + comment


def end(size, start, comment=b"", comment_bytes=None):
    lengths = (size, start, len(comment) if comment_bytes is None else comment_bytes)
    return struct.pack("<4s4H2IH", b"PK\5\6", 1, 2, 3, 4, *lengths) + comment


def end64(size, start):
    return struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 5, 6, 7, 8, 9, 10, size, start)


LOCATOR64 = struct.pack("<4sIQI", b"PK\6\7", 1, 2, 3)


def archive(*entries, members=HEADER_BYTES, comment=b"", is_64=False):
    """An archive whose members are that many bytes of no meaning."""
    directory = b"".join(entries)
    if is_64:
        ending = end64(len(directory), members) + LOCATOR64 + end(IN_64, IN_64, comment)
    else:
        ending = end(len(directory), members, comment)
    return bytes(members) + directory + ending


def read(content, **limits):
    return read_directory(io.BytesIO(content), msgspec.structs.replace(LIMITS, **limits))


def refused(content, named):
    with pytest.raises(UnreadableArchive, match=named):
        read(content)


@pytest.mark.parametrize("is_64", [False, True])
@pytest.mark.parametrize("comment", [b"", b"x", b"x" * 65_535])
@pytest.mark.parametrize("members", [HEADER_BYTES, 100_000])
def test_a_directory_is_found_before_a_comment_of_any_length(members, comment, is_64):
    content = archive(entry(packed=members - HEADER_BYTES), members=members, comment=comment, is_64=is_64)

    for behind in (b"", b"behind"[: 65_535 - len(comment)]):
        directory = read(content + behind)
        assert [each.name for each in directory.entries] == ["a"]
        assert directory.end == len(content)


@pytest.mark.parametrize("is_64", [False, True])
def test_an_archive_of_nothing_is_its_end_alone(is_64):
    assert read(archive(members=0, is_64=is_64)).entries == []
    refused(archive(members=1, is_64=is_64), "Expected one zip archive from the first byte on")


def test_a_comment_that_is_cut_ends_with_the_file():
    content = archive(entry())

    assert read(content[:-2] + struct.pack("<H", 9) + b"cut").end == len(content) + 3


def test_an_end_that_is_cut_or_missing_is_none():
    content = archive(entry())
    for length in range(len(content) - 22 + 1, len(content)):
        refused(content[:length], "Expected a zip archive with its directory at the end")
    refused(b"", "Expected a zip archive with its directory at the end")
    refused(content + bytes(65_535 + 76 + 1 + 22), "Expected a zip archive with its directory at the end")


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("is_64", [False, True])
def test_a_directory_ends_where_its_end_begins(by, is_64):
    for size, start in [(47 + by, 30), (47, 30 + by)]:
        ending = end64(size, start) + LOCATOR64 + end(47, 30) if is_64 else end(size, start)
        refused(bytes(30) + entry() + ending, "Expected one zip archive from the first byte on")


@pytest.mark.parametrize(
    "before", [b"PK\6\6" + bytes(72), bytes(56) + b"PK\6\7" + bytes(16), b"PK\6\6" + bytes(52) + b"PK\6\6" + bytes(16)]
)
def test_the_records_of_64_bits_count_only_together(before):
    """Anything else in their places is the comment of the last member."""
    (only,) = read(archive(entry(comment=before))).entries

    assert only.name == "a"


def test_the_last_of_several_ends_counts():
    assert read(archive(entry(comment=b"PK\5\6" + bytes(18)))).entries[0].name == "a"


def test_an_entry_is_read_field_by_field_and_the_next_one_behind_all_of_its_parts():
    first = entry(0, 3, name=b"first", extra=b"extra!", comment=b"comment")
    second = entry(33, 4, name=b"second", size=5, flags=0x801, method=0, crc=2**32 - 1, mode=0o120777)

    assert read(archive(first, second, members=67)).entries == [
        Entry("first", 0x800, 8, 7, 3, 9, 0, 0o100644, None),
        Entry("second", 0x801, 0, 2**32 - 1, 4, 5, 33, 0o120777, None),
    ]


@pytest.mark.parametrize("cut", range(1, 47))
def test_a_directory_of_entries_that_are_not_whole_is_refused(cut):
    directory = entry() + entry(30)[:-cut]
    refused(bytes(60) + directory + end(len(directory), 60), "Expected a zip archive with a whole directory")


def test_the_shortest_entry_has_no_name():
    assert [each.name for each in read(archive(entry(name=b""))).entries] == [""]


def test_entries_have_their_own_mark():
    refused(archive(entry().replace(b"PK\1\2", b"PK\1\3")), "Received: a corrupt one")


def field_64(*values, kind=1, length=None):
    return struct.pack("<HH", kind, 8 * len(values) if length is None else length) + struct.pack(f"<{len(values)}Q", *values)


OTHER = struct.pack("<HH", 7, 5) + b"other"


@pytest.mark.parametrize("wide", list(itertools.product([False, True], repeat=3)))
def test_what_does_not_fit_into_32_bits_stands_in_the_extra_field_in_its_order(wide):
    values = [2**33 + 1, 5, 0]  # unpacked, packed, start
    narrow = [IN_64 if is_wide else value % 2**32 for value, is_wide in zip(values, wide, strict=True)]
    extra = OTHER + field_64(*(value for value, is_wide in zip(values, wide, strict=True) if is_wide)) + OTHER
    content = archive(entry(narrow[2], narrow[1], size=narrow[0], extra=extra), members=35)

    (only,) = read(content).entries
    assert (only.packed_bytes, only.start, only.problem) == (5, 0, None)
    assert only.size_bytes == (values[0] if wide[0] else 1)


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        OTHER,
        OTHER[:-1],
        OTHER[:3],
        field_64(),
        field_64(1)[:-1],
        field_64(1, length=7) + OTHER,
        field_64(1, kind=2),
        struct.pack("<HH", 9, 65_535) + bytes(9),
    ],
)
def test_an_entry_without_the_size_that_it_promises_is_a_problem_of_its_own(extra):
    first, second = read(archive(entry(size=IN_64, extra=extra), entry(30), members=60)).entries

    assert isinstance(first.problem, UnreadableMember)
    assert (first.size_bytes, second.problem) == (IN_64, None)


def test_an_extra_field_is_not_read_where_everything_fits():
    assert read(archive(entry(extra=b"?"))).entries[0].problem is None


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [
        (b"a\xc3\xa4", 0x800, "a\u00e4"),
        (b"a\xc3\xa4", 0, "a\u00e4"),
        (b"a\x84", 0, "a\u00e4"),
        (b"a\x84", 0x400, "a\u00e4"),
        (b"a.png\0.exe", 0x800, "a.png"),
        (b"a.png\0\x84", 0, "a.png"),
    ],
)
def test_a_name_is_utf_8_or_else_of_code_page_437(name, flags, expected):
    assert read(archive(entry(name=name, flags=flags))).entries[0].name == expected


def test_members_lie_one_behind_the_other_in_any_order_of_the_directory():
    members = [entry(0, 10), entry(40, 0), entry(70, 5)]
    for order in itertools.permutations(members):
        assert len(read(archive(*order, members=105)).entries) == 3
        refused(archive(*order, members=104), "some that share bytes, or exceed the archive")
    refused(archive(entry(0, 11), *members[1:], members=105), "some that share bytes")
    refused(archive(members[0], entry(40, 1), members[2], members=105), "some that share bytes")
    refused(archive(entry(1, 9), *members[1:], members=105), "one behind other bytes")


def test_of_a_member_with_a_problem_only_its_header_must_have_room():
    broken = {"size": IN_64, "extra": b""}

    assert len(read(archive(entry(0, 10**6, **broken), entry(30), members=60)).entries) == 2
    assert len(read(archive(entry(0, 30), entry(60, 7, **broken), members=60)).entries) == 2
    assert len(read(archive(entry(0), entry(30, 10**6, **broken), members=60)).entries) == 2
    refused(archive(entry(0, 1), entry(30, **broken), members=60), "some that share bytes")
    refused(archive(entry(0, 0), entry(31, **broken), members=60), "some that share bytes")
    refused(archive(entry(0), entry(60), members=60), "some that share bytes")


def test_as_many_members_as_the_limit_are_read_and_one_more_is_refused():
    entries = [entry(30 * place) for place in range(4)]

    assert len(read(archive(*entries[:3], members=90), archive_members=3).entries) == 3
    with pytest.raises(ObjectTooLarge, match=r"at most 3 .*\(MAX_ARCHIVE_MEMBERS\)"):
        read(archive(*entries, members=120), archive_members=3)
