"""Tar archives that lie, cost too much, or hold what nobody should unpack unseen."""

import bz2
import gzip
import io
import json
import lzma
import tarfile

import msgspec
import numpy as np
import pytest

from handler.errors import UnreadableArchive, UnrecognisedFormat
from handler.formats import decode, packing
from tests.handler.formats.samples import (
    Forwards,
    decoded,
    limited,
    npy,
    peak_bytes,
    png,
    rows,
    sparse_tar,
    targz,
    tarred,
    zipped,
)

PIXELS = np.random.default_rng(2).integers(0, 256, (3, 28, 28), np.uint8)
PNG = png(PIXELS[0])


def header(name, kind=tarfile.REGTYPE, size=0, **fields):
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    for field, value in fields.items():
        setattr(member, field, value)
    return member.tobuf(tarfile.GNU_FORMAT)


def block(content):
    return content + bytes(-len(content) % 512)


def pax(records, kind=tarfile.XHDTYPE):
    return header("pax", kind, len(records)) + block(records)


def record(key, value):
    text = b" " + key + b"=" + value + b"\n"
    length = len(text) + 1
    while len(str(length)) + len(text) != length:
        length += 1
    return str(length).encode() + text


A_PNG = header("a.png", size=len(PNG)) + block(PNG)
END = bytes(1024)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"V", b"M"],
)
def test_links_and_special_files_are_named_and_never_followed(kind, fashion_target):
    content = header("link.png", kind, linkname="/etc/passwd") + A_PNG + END

    assert rows(content, fashion_target) == [("link.png", "UnsafeMember"), "a.png"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_the_size_of_what_has_no_content_is_of_no_meaning(kind, fashion_target):
    assert rows(header("b", kind, 4096) + A_PNG + END, fashion_target)[-1] == "a.png"


def test_a_sparse_file_of_pax_is_named(fashion_target):
    """Its holes are left out, so what is there could be taken for another picture."""
    content = pax(record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.minor", b"0")) + A_PNG + END

    assert rows(content, fashion_target) == [("a.png", "UnsafeMember")]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["é" * 200, "d/" * 120 + "a.png"])
def test_long_names_are_read(format, name, fashion_target):  # noqa: A002  # tarfile's own word
    assert rows(tarred({name: PNG, "b.png": PNG}, format), fashion_target) == [name, "b.png"]


def test_a_name_that_is_no_utf_8_has_a_document_all_the_same(fashion_target):
    raw = pax(record(b"path", b"\xff.png")) + A_PNG + header("b").replace(b"b", b"\xfe", 1)
    checked = bytearray(raw)
    checksum = sum(checked[-512:-364]) + sum(checked[-356:]) + 8 * 32
    checked[-364:-356] = b"%06o\0 " % checksum

    (image, item) = decoded(bytes(checked) + END, fashion_target)
    assert (image.name, item.name) == ("%FF.png", "%FE")


def test_the_size_of_pax_counts(fashion_target):
    content = pax(record(b"size", str(len(PNG)).encode())) + header("a.png", size=0) + block(PNG) + END

    assert rows(content, fashion_target) == ["a.png"]


def test_what_holds_for_all_members_is_passed_over(fashion_target):
    content = pax(record(b"comment", b"0123abcd"), tarfile.XGLTYPE) + A_PNG + END

    assert rows(content, fashion_target) == ["a.png"]


@pytest.mark.parametrize(
    "content",
    [
        pax(b"no record"),
        pax(b"5 a=b"),  # one byte short
        pax(b"0 a=b\n"),
        pax(b"-6 a=b\n"),
        pax(b"9999999999999999999 a=b\n"),
        pax(b"4 \n\n"),
        pax(record(b"size", b"-1")) + A_PNG,
        pax(record(b"size", b"9" * 30)) + A_PNG,
        pax(record(b"size", b"")) + A_PNG,
        pax(b"".join(record(b"%d" % number, b"") for number in range(101))),
        pax(b"") * 5 + A_PNG,
        header("a.png", size=len(PNG)),
        header("a", tarfile.SYMTYPE) + b"\x01" * 512,
        A_PNG + A_PNG[:512].replace(b"a.png", b"b.png") + block(PNG),  # a wrong checksum
    ],
    ids=range(14),
)
def test_a_broken_header_or_end_is_refused(content, fashion_target):
    """`tarfile` would take most of these for the end, and lose what follows without a word."""
    for pack in (bytes, gzip.compress):
        with pytest.raises(UnreadableArchive):
            decoded(pack(content + (END if content[-1:] != b"\0" else b"")), fashion_target)


def test_a_negative_size_is_refused(fashion_target):
    member = bytearray(header("a.png"))
    member[124:136] = b"\xff" * 12  # -1 in base 256
    member[148:156] = b"%06o\0 " % (sum(member[:148]) + sum(member[156:]) + 8 * 32)

    with pytest.raises(UnreadableArchive, match="Received: -1"):
        decoded(bytes(member) + END, fashion_target)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("size", [2**21, 2**33, 2**70])
def test_an_extended_header_of_any_declared_size_is_never_read(kind, size, fashion_target):
    content = header("pax", kind, size) + bytes(10**6)
    body = Forwards(content, 2**20)

    def refused():
        with pytest.raises(UnreadableArchive, match="truncated"):
            list(decode(body, "x", fashion_target))

    assert peak_bytes(refused) < 10**5
    assert body.most_bytes <= 2**14


@pytest.mark.parametrize("size", [10**9, 2**60])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, b"V"])
def test_a_member_larger_than_the_limit_is_never_in_memory(size, kind, fashion_target):
    content = header("a.npy", kind, size) + bytes(10**6)

    def refused():
        with pytest.raises(UnreadableArchive, match="truncated"):
            list(decode(Forwards(content, 2**20), "x", fashion_target))

    assert peak_bytes(refused) < 10**5


def test_a_member_larger_than_the_limit_is_named_and_skipped(fashion_target):
    content = {"a.npy": npy(np.zeros((999, 28, 28), np.uint8)), "b.png": PNG}

    for pack in (tarred, targz):
        (item, image) = decoded(pack(content), limited(fashion_target, member_bytes=10_000))
        assert "at most 10000 bytes (MAX_MEMBER_BYTES). Received: 783344 bytes" in str(item.error)
        assert np.array_equal(image.pixels[..., 0], PIXELS[0])


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("zeros", [0, 512, 9216, 2**17])
def test_the_archives_behind_an_archive_are_read_too(pack, zeros, fashion_target):
    """`cat a.tar b.tar c.tar`, whatever fills the last record of the tape."""
    b, c = tarred({"b.png": PNG}), tarred({"c.png": PNG})

    assert rows(pack(A_PNG + END + bytes(zeros) + b + c), fashion_target) == ["a.png", "b.png", "c.png"]
    assert rows(pack(A_PNG + END + bytes(zeros)) + pack(b), fashion_target) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("rest", "name"),
    [(PNG, "a PNG image"), (b"rest" * 999, "text that begins with b'restrest'"), (zipped({}), "a zip archive")],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_anything_else_behind_an_archive_is_a_row(rest, name, pack, fashion_target):
    (image, item) = decoded(pack(A_PNG + END + rest), fashion_target)

    assert (image.name, item.name) == ("a.png", "(behind the archive)")
    assert f"Expected nothing behind the archive. Received: {name}; upload what was appended" in str(item.error)


def test_an_archive_that_breaks_off_behind_an_archive_is_refused(fashion_target):
    with pytest.raises(UnreadableArchive, match="truncated"):
        decoded(A_PNG + END + A_PNG[:600], fashion_target)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("end", [A_PNG, A_PNG + bytes(100), A_PNG[: 512 + len(PNG)]])
def test_a_packed_archive_needs_no_closing_zeros_since_its_stream_is_whole(pack, end, fashion_target):
    """Writers that are not closed leave them out; the stream's own end and checksum tell that nothing is missing."""
    assert rows(pack(end), fashion_target) == ["a.png"]
    with pytest.raises(UnreadableArchive):
        decoded(pack(end)[:-1], fashion_target)


@pytest.mark.parametrize("end", [A_PNG, A_PNG + bytes(100), A_PNG[: 512 + len(PNG)]])
def test_an_archive_that_is_not_packed_needs_its_closing_zeros(end, fashion_target):
    with pytest.raises(UnreadableArchive, match=r"truncated.*; upload it again"):
        decoded(end, fashion_target)


@pytest.mark.parametrize("count", [1, 4, 5, 25, 26, 200])
def test_a_sparse_file_of_any_number_of_pieces_is_one_row(count, fashion_target):
    content = sparse_tar(count) + A_PNG + END

    assert rows(content, fashion_target) == [("sparse.png", "UnsafeMember"), "a.png"]


def test_a_sparse_file_of_pax_has_its_own_name_however_many_pieces_are_told(fashion_target):
    told = b"".join(record(b"GNU.sparse.offset", b"%d" % number) for number in range(500))
    content = pax(told + record(b"GNU.sparse.name", b"rack/s.png") + record(b"path", b"GNUSparseFile.1/s.png")) + A_PNG

    assert rows(content + A_PNG + END, fashion_target) == [("rack/s.png", "UnsafeMember"), "a.png"]


def test_an_extended_header_that_is_too_long_spoils_its_own_member_alone(fashion_target):
    content = header("pax", tarfile.XHDTYPE, 2**17) + bytes(2**17) + A_PNG

    assert rows(content + A_PNG + END, fashion_target) == [("a.png", "UnreadableMember"), "a.png"]


def test_names_that_are_no_utf_8_stay_different_and_can_be_written(fashion_target):
    names = [b"caf\xe9.png", b"caf\xe8.png", "café.png".encode(), b"\xff\xfe"]
    content = b"".join(pax(record(b"path", name)) + A_PNG for name in names)

    found = rows(content + END, fashion_target)
    assert found == ["caf%E9.png", "caf%E8.png", "café.png", "%FF%FE"]
    assert json.loads(msgspec.json.encode(found)) == found


def test_the_folders_of_incremental_archives_are_skipped(fashion_target):
    assert rows(header("rack/", b"D", 5) + block(b"Ya\0\0") + A_PNG + END, fashion_target) == ["a.png"]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content[:-8] + bytes(8),
        lambda content: content + b"rest",
        lambda content: content + b"\x1f\x8b",
        lambda content: content + bytes(20) + b"\x1f",
    ],
)
def test_a_gzip_stream_that_is_not_whole_is_refused(change, fashion_target):
    with pytest.raises(UnreadableArchive, match="gzip"):
        decoded(change(targz({"a.png": PNG})), fashion_target)


def test_a_gzip_stream_of_countless_streams_is_refused(fashion_target, monkeypatch):
    monkeypatch.setattr(packing, "_MAX_STREAMS", 10)
    content = targz({"a.png": PNG})

    assert rows(content + gzip.compress(b"", mtime=0) * 9, fashion_target) == ["a.png"]
    with pytest.raises(UnreadableArchive, match="at most 10 gzip streams"):
        decoded(content + gzip.compress(b"", mtime=0) * 10, fashion_target)


def test_a_gzip_stream_with_a_long_name_in_its_header_is_recognised(fashion_target):
    file = io.BytesIO()
    with gzip.GzipFile("n" * 2000, "wb", fileobj=file) as packed:
        packed.write(tarred({"a.png": PNG}))

    assert rows(file.getvalue(), fashion_target) == ["a.png"]


def test_a_gzip_stream_of_something_else_says_so(fashion_target):
    with pytest.raises(UnrecognisedFormat, match=r"Received: an HTML page, packed by gzip; "):
        decoded(gzip.compress(b"<html>", mtime=0), fashion_target)


def test_a_gzip_stream_whose_output_ends_with_a_read_is_read_on(fashion_target):
    """The decompressor may hold bytes back when its input is used up."""
    plain = tarred({"a.npy": npy(np.zeros((1000, 28, 28), np.uint8))})
    content = gzip.compress(plain, mtime=0)

    for piece_bytes in (1, 2, 1000):
        assert len(list(decode(Forwards(content, piece_bytes), "x", fashion_target))) == 1000


def test_times_in_gnu_s_headers_are_no_part_of_a_name(fashion_target):
    """`tar --format=gnu -g` writes them where other kinds of tar write the beginning of a long name."""
    packed = tarred({"a.png": PNG})
    block = bytearray(packed[:512])
    block[257:265] = b"ustar  \0"
    block[345:357] = b"15302635011\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])

    assert rows(bytes(block) + packed[512:], fashion_target) == ["a.png"]


@pytest.mark.parametrize("size", [1, 511, 512, 513, 1024, 2**14 - 1, 2**14, 2**14 + 1])
@pytest.mark.parametrize("name", ["text", ".hidden", "folder/"])
def test_a_member_ends_with_the_block_that_it_fills(name, size, fashion_target):
    content = header(name, size=size) + block(b"x" * size)

    expected = [("text", "UnrecognisedFormat")] if name == "text" else []
    assert rows(content + A_PNG + END, fashion_target) == [*expected, "a.png"]
    for cut in (1, 512):
        with pytest.raises(UnreadableArchive, match=f"Expected a member of {size} bytes"):
            decoded(A_PNG + content[:-cut], fashion_target)


@pytest.mark.parametrize(("size", "is_read"), [(2**16, True), (2**16 + 1, False)])
def test_an_extended_header_has_at_most_64_kilobytes(size, is_read, fashion_target):
    value = b"x" * (size - 14)
    records = record(b"comment", value)
    while len(records) != size:
        value = value[: len(value) + size - len(records)].ljust(len(value) + size - len(records), b"x")
        records = record(b"comment", value)

    assert rows(pax(records) + A_PNG + A_PNG + END, fashion_target) == [
        "a.png" if is_read else ("a.png", "UnreadableMember"),
        "a.png",
    ]
    assert rows(pax(records, tarfile.XGLTYPE) + A_PNG + END, fashion_target) == ["a.png"]


def test_a_member_has_at_most_four_extended_headers(fashion_target):
    assert rows(pax(record(b"comment", b"x")) * 4 + A_PNG + END, fashion_target) == ["a.png"]
    with pytest.raises(UnreadableArchive, match="Expected at most 4 extended headers"):
        decoded(pax(record(b"comment", b"x")) * 5 + A_PNG + END, fashion_target)


def test_a_size_of_pax_has_at_most_twenty_digits(fashion_target):
    size = str(len(PNG)).encode()

    assert rows(pax(record(b"size", size.rjust(20, b"0"))) + A_PNG + END, fashion_target) == ["a.png"]
    with pytest.raises(UnreadableArchive, match="Expected a member's size"):
        decoded(pax(record(b"size", size.rjust(21, b"0"))) + A_PNG + END, fashion_target)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE])
def test_every_kind_of_plain_file_is_read(kind, fashion_target):
    assert rows(header("a.png", kind, len(PNG)) + block(PNG) + END, fashion_target) == ["a.png"]
