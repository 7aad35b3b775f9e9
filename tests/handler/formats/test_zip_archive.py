"""Zip archives that lie, cost too much, or hold what nobody should unpack unseen."""

import gc
import io
import json
import stat
import struct
import zipfile
import zlib

import msgspec
import numpy as np
import pytest

from handler.errors import ObjectTooLarge, UnreadableArchive, UnrecognisedFormat
from handler.formats import decode, zip_archive
from tests.handler.formats.samples import Forwards, decoded, limited, npy, peak_bytes, png, rows, zip64, zipped

PIXELS = np.random.default_rng(1).integers(0, 256, (3, 28, 28), np.uint8)
PNG = png(PIXELS[0])
GOOD = {"a.png": PNG, "b.png": png(PIXELS[1])}


def changed(content, at, **fields):
    """`content` with fields of the directory's entry number `at` set to other values."""
    places = {"flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "packed": (20, "<I"), "unpacked": (24, "<I")}
    places |= {"offset": (42, "<I")}
    position = -1
    for _ in range(at + 1):
        position = content.index(b"PK\x01\x02", position + 1)
    result = bytearray(content)
    for field, value in fields.items():
        offset, layout = places[field]
        struct.pack_into(layout, result, position + offset, value)
    return bytes(result)


def with_mode(mode):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("link.png")
        entry.external_attr = mode << 16
        archive.writestr(entry, b"/etc/passwd")
        archive.writestr("a.png", PNG)
    return file.getvalue()


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR])
def test_links_and_special_files_are_named_and_never_followed(mode, fashion_target):
    assert rows(with_mode(mode), fashion_target) == [("link.png", "UnsafeMember"), "a.png"]


def test_an_archive_that_hides_a_member_before_its_first_one_is_refused(fashion_target):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in GOOD.items():
            archive.writestr(name, content)
        archive.filelist.pop(0)

    with pytest.raises(UnreadableArchive, match="from its first byte on"):
        decoded(file.getvalue(), fashion_target)


@pytest.mark.parametrize("flags", [0x1, 0x41, 0x2000])
def test_an_encrypted_member_is_named(flags, fashion_target):
    content = changed(zipped(GOOD), 0, flags=flags)

    (item, _) = decoded(content, fashion_target)
    assert rows(content, fashion_target) == [("a.png", "UnsafeMember"), "b.png"]
    assert "save it without a password" in str(item.error)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_compression_is_named_and_its_decompressor_never_runs(compression, fashion_target, monkeypatch):
    content = zipped({"a.png": PNG}, compression)
    monkeypatch.setattr(zip_archive, "_read_member", pytest.fail)

    assert rows(content, fashion_target) == [("a.png", "UnreadableMember")]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wrong_checksum_is_named_and_no_image_of_the_member_counts(compression, fashion_target):
    content = zipped({"a.npy": npy(PIXELS), "b.png": PNG}, compression)

    assert rows(changed(content, 0, crc=1), fashion_target) == [("a.npy", "UnreadableMember"), "b.png"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("lie", ["unpacked to less", "unpacked to more", "packed to less", "of the other method"])
def test_a_member_that_declares_another_size_or_method_is_named(compression, lie, fashion_target):
    lies = {"unpacked to less": {"unpacked": 3}, "unpacked to more": {"unpacked": 5000}, "packed to less": {"packed": 3}}
    lies["of the other method"] = {"method": 8 - compression}
    content = changed(zipped(GOOD, compression), 0, **lies[lie])

    (bad, good) = rows(content, fashion_target)
    assert bad[0] == "a.png"
    assert bad[1] in {"UnreadableMember", "UnreadableImage"}
    assert good == "b.png"


def test_a_member_that_ends_before_its_declared_size_is_named(fashion_target):
    """Of nothing stored or deflated, the checksum is 0, and so it holds."""
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        content = changed(zipped({"a.png": b"", "b.png": PNG}, compression), 0, unpacked=9)

        assert rows(content, fashion_target) == [("a.png", "UnreadableMember"), "b.png"]


def test_a_member_larger_than_the_limit_is_named_unread(fashion_target, monkeypatch):
    content = zipped({"a.npy": npy(np.zeros((999, 28, 28), np.uint8)), "b.png": PNG})
    opened = []
    monkeypatch.setattr(zip_archive, "_read_member", lambda file, entry, meter: opened.append(entry.name) or PNG)

    (item, image) = decoded(content, limited(fashion_target, member_bytes=10_000))
    assert str(item.error) == (
        "Expected members of at most 10000 bytes (MAX_MEMBER_BYTES). Received: 783344 bytes; upload it as an object of its own."
    )
    assert image.name == "b.png"
    assert opened == ["b.png"]


def test_a_member_that_lies_about_its_size_is_read_no_further_than_that(fashion_target):
    """Ten megabytes out of ten kilobytes, declared as a thousand."""
    content = changed(zipped({"a.npy": bytes(10**7)}), 0, unpacked=1000)

    assert rows(content, fashion_target) == [("a.npy", "UnreadableMember")]
    assert peak_bytes(lambda: decoded(content, fashion_target)) < 10**6


def test_members_that_share_bytes_are_refused(fashion_target):
    content = zipped({"a.png": PNG, "b.png": PNG}, zipfile.ZIP_STORED)

    with pytest.raises(UnreadableArchive, match="share bytes"):
        decoded(changed(content, 1, offset=0), fashion_target)


def quoted_overlap(members):
    """One kernel of zeros that every member includes: each quotes the headers of those behind it as stored deflate blocks."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = kernel.compress(bytes(10**6)) + kernel.flush()
    bodies, directory, size = [], b"", 10**6
    crc = zlib.crc32(bytes(10**6))
    for number in range(members):
        name = b"%04d.npy" % (members - number)
        header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(packed), size, len(name), 0) + name
        bodies.insert(0, (name, header, len(packed), size))
        packed = struct.pack("<BHH", 0, len(header), 0xFFFF ^ len(header)) + header + packed
        size += len(header)
    content = packed[5:]
    offset = 0
    for name, header, packed_bytes, size_bytes in bodies:
        fields = (20, 20, 0, 8, 0, 0, crc, packed_bytes, size_bytes, len(name), 0, 0, 0, 0, 0, offset)
        directory += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", *fields) + name
        offset += len(header) + 5
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, members, members, len(directory), len(content), 0)
    return content + directory + end


def test_a_bomb_of_quoted_headers_is_refused(fashion_target):
    """Source: https://www.bamsoftware.com/hacks/zipbomb/, CVE-2024-0450."""
    content = quoted_overlap(50)

    with pytest.raises(UnreadableArchive, match="share bytes"):
        decoded(content, fashion_target)
    assert len(content) < 10_000


@pytest.mark.parametrize("packed", [10**6, 2**32 - 2])
def test_a_member_that_exceeds_the_archive_is_refused(packed, fashion_target):
    with pytest.raises(UnreadableArchive, match="exceed the archive"):
        decoded(changed(zipped(GOOD), 1, packed=packed), fashion_target)


def test_a_directory_of_countless_entries_is_read_no_further_than_the_limit(fashion_target):
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, *[0] * 7, 1, *[0] * 6) + b"a"
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) * 10**5, 4, 0)

    content = b"PK\x03\x04" + entry * 10**5 + end

    def refused():
        with pytest.raises(ObjectTooLarge, match="at most 100 members"):
            decoded(content, fashion_target)

    assert peak_bytes(refused) < 10**6


def test_a_directory_of_an_archive_inside_is_not_taken_for_the_archive_s(fashion_target):
    """What is left of an archive that is cut behind an archive in it ends like a whole one."""
    outer = zipped({"a.png": PNG, "inner.zip": zipped(GOOD), "b.png": PNG}, zipfile.ZIP_STORED)
    cut = outer[: outer.index(b"PK\x05\x06") + 22]

    with pytest.raises(UnreadableArchive, match="from the first byte on"):
        decoded(cut, fashion_target)


def test_a_comment_and_an_archive_written_to_a_pipe_are_no_fault(fashion_target):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.content = b""

        def writable(self):
            return True

        def write(self, data):
            self.content += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # sizes come behind the members
        for name, content in GOOD.items():
            archive.writestr(name, content)
        archive.comment = b"rack 1"

    assert rows(pipe.content, fashion_target) == ["a.png", "b.png"]


def test_a_member_without_a_name_is_named_as_such(fashion_target):
    assert rows(zipped(GOOD).replace(b"a.png", b"\0.png"), fashion_target) == [("", "UnsafeMember"), "b.png"]


def test_equal_names_are_two_images(fashion_target):
    content = zipped(GOOD).replace(b"b.png", b"a.png")

    images = decoded(content, fashion_target)
    assert [image.name for image in images] == ["a.png", "a.png"]
    assert np.array_equal(images[1].pixels[..., 0], PIXELS[1])


def test_an_archive_that_is_kept_on_disk_is_gone_afterwards(fashion_target, monkeypatch, tmp_path):
    """And holds no member's name or bytes but the archive as it is."""
    monkeypatch.setattr(zip_archive, "_SPOOL_BYTES", 10)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    images = iter(decode(Forwards(zipped(GOOD)), "x", fashion_target))
    assert next(images).name == "a.png"
    assert list(tmp_path.iterdir()) == []  # unlinked at once
    assert next(images).name == "b.png"


def test_a_member_s_error_holds_on_to_nothing(fashion_target):
    """Six megabytes of members; an error's traceback would keep each."""
    members = {f"{number}": bytes([number]) * 10**6 for number in range(1, 7)}
    content = zipped(GOOD | members, zipfile.ZIP_STORED)
    gc.disable()  # what only the collector would free is not let go of

    try:
        assert peak_bytes(lambda: decoded(content, fashion_target)) < 4 * 10**6
    finally:
        gc.enable()


def with_raw_names(*names, flags=0):
    """An archive whose members have names of the same bytes as `names`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(f"{number:0{len(name)}d}", PNG)
    content = file.getvalue()
    for number, name in enumerate(names):
        content = content.replace(b"%0*d" % (len(name), number), name)
    for at in range(len(names)):
        content = changed(content, at, flags=flags)
    return content


def test_names_in_utf_8_are_read_whether_they_say_so_or_not(fashion_target):
    """macOS writes UTF-8 without saying so."""
    for flags in (0, 0x800):
        assert rows(with_raw_names("rack/é.png".encode(), flags=flags), fashion_target) == ["rack/é.png"]


def test_names_that_are_no_utf_8_stay_different_and_can_be_written(fashion_target):
    names = [b"caf\xe9.png", b"caf\xe8.png", b"caf\x82.png", b"caf\xff.png"]

    old, lying = (rows(with_raw_names(*names, flags=flags), fashion_target) for flags in (0, 0x800))
    assert old == ["cafΘ.png", "cafΦ.png", "café.png", "caf\xa0.png"]
    assert lying == ["caf%E9.png", "caf%E8.png", "caf%82.png", "caf%FF.png"]
    assert [json.loads(msgspec.json.encode(found)) for found in (old, lying)] == [old, lying]


@pytest.mark.parametrize("folder", ["rack\\", "rack\\sub\\", "rack/"])
def test_the_folders_that_powershell_writes_are_folders(folder, fashion_target):
    assert rows(zipped({folder: b"", f"{folder}a.png": PNG}), fashion_target) == [f"{folder}a.png"]


@pytest.mark.parametrize(("rest", "name"), [(PNG, "a PNG image"), (b"text", "text that begins with b'text'")])
def test_what_follows_an_archive_is_a_row(rest, name, fashion_target):
    (*_, item) = decoded(zipped(GOOD) + bytes(9) + rest, fashion_target)

    assert rows(zipped(GOOD) + rest, fashion_target) == ["a.png", "b.png", ("(behind the archive)", "UnreadableArchive")]
    assert f"Expected nothing behind the archive. Received: {name}; upload what was appended as an object" in str(item.error)


def test_zeros_behind_an_archive_are_of_no_meaning(fashion_target):
    assert rows(zipped(GOOD) + bytes(60_000), fashion_target) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    "content",
    [
        zipped(GOOD) + zipped({"c.png": PNG}),
        zipped(GOOD) + zipped({}),
        zipped({}) + zipped(GOOD),
        zip64(GOOD) + zip64(GOOD),
        zipped(GOOD) + zip64({}),
    ],
    ids=range(5),
)
def test_a_zip_behind_a_zip_is_refused_with_what_to_do(content, fashion_target):
    with pytest.raises(
        UnreadableArchive, match=r"Expected one zip archive from the first byte on\..* upload each as an object"
    ):
        decoded(content, fashion_target)


def test_more_behind_an_archive_than_its_end_is_searched_in_is_refused(fashion_target):
    with pytest.raises(UnreadableArchive, match="one that is truncated, or that other bytes follow"):
        decoded(zipped(GOOD) + b"x" * 70_000, fashion_target)


@pytest.mark.parametrize("extra", [b"\x01", b"\x75\x70\xff\xff", b"\x0a\x00\x08\x00\x01", b"\x01\x00\x00\x00", bytes(3)])
def test_an_odd_extra_field_is_no_fault(extra, fashion_target):
    """The alignment of Android's packages is one; zipfile gives up the whole archive for it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("a.png")
        entry.extra = extra
        archive.writestr(entry, PNG)
        archive.writestr("b.png", PNG)

    assert rows(file.getvalue(), fashion_target) == ["a.png", "b.png"]


def test_a_member_whose_size_is_told_nowhere_is_named(fashion_target):
    content = changed(zipped(GOOD), 0, unpacked=2**32 - 1)

    assert rows(content, fashion_target) == [("a.png", "UnreadableMember"), "b.png"]


def test_a_version_of_the_future_is_no_fault(fashion_target):
    content = bytearray(zipped(GOOD))
    content[content.index(b"PK\x01\x02") + 6] = 255

    assert rows(bytes(content), fashion_target) == ["a.png", "b.png"]


@pytest.mark.parametrize("names", [["[Content_Types].xml", "word/media/image1.png"], ["docProps/a.xml", "[Content_Types].xml"]])
def test_a_document_of_office_is_called_by_name_and_its_pictures_are_not_taken_for_images(names, fashion_target):
    with pytest.raises(UnrecognisedFormat, match="Received: a document of Word, Excel or PowerPoint; save the pictures in it"):
        decoded(zipped(dict.fromkeys(names, PNG)), fashion_target)


@pytest.mark.parametrize("behind_bytes", [0, 1, 2**16, 2**20, 3 * 2**20])
def test_what_follows_a_member_s_deflate_stream_is_not_read(behind_bytes, fashion_target):
    """Sixty megabytes of it took seconds: zlib copies all that it was given behind the end with every further piece."""
    packed = zlib.compress(PNG, wbits=-zlib.MAX_WBITS)
    content = zipped({"a.png": PNG})
    at = content.index(packed)
    grown = content[: at + len(packed)] + bytes(behind_bytes) + content[at + len(packed) :]
    grown = changed(grown, 0, packed=len(packed) + behind_bytes)
    grown = grown[:-6] + struct.pack("<I", grown.index(b"PK\x01\x02")) + grown[-2:]
    body = CountedReads(grown)

    (image,) = decode(body, "a.zip", fashion_target)
    assert np.array_equal(image.pixels[:, :, 0], PIXELS[0])
    assert body.read_bytes < len(content) + 2**16 + 2**17


class CountedReads(io.BytesIO):
    """A body that counts the bytes that are read of it."""

    read_bytes = 0

    def read(self, size=-1, /):
        piece = super().read(size)
        self.read_bytes += len(piece)
        return piece
