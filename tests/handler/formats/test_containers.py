"""What holds for every container: equal pixels whatever it is, read forwards, bounded, and refused when it is cut."""

import gzip
import io
import shutil
import struct
import subprocess
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from handler.contract import Conversion, PixelShape
from handler.errors import EmptyObject, ObjectTooLarge, RejectedInput, StorageUnavailable, UnrecognisedFormat
from handler.formats import decode, members
from handler.formats.image import Image, Target
from handler.formats.member_names import is_skipped
from handler.limits import Limits
from tests.handler.formats.samples import (
    Forwards,
    decoded,
    idx,
    limited,
    npy,
    peak_bytes,
    png,
    rows,
    saved,
    targz,
    tarred,
    webp,
    zip64,
    zipped,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
FILES = {f"rack/{number}.png": png(pixels) for number, pixels in enumerate(PIXELS)}


def npz(save, *arguments, **named):
    file = io.BytesIO()
    save(file, *arguments, **named)
    return file.getvalue()


def by_zip(folder):
    subprocess.run(["zip", "-q", "-r", "out.zip", "rack"], cwd=folder, check=True)
    return (folder / "out.zip").read_bytes()


def by_tar(*options):
    def pack(folder):
        subprocess.run(["tar", *options, "-cf", "out.tar", "--sort=name", "rack"], cwd=folder, check=True)
        return (folder / "out.tar").read_bytes()

    return pack


ARRAYS = {
    "npy": npy(PIXELS),
    "npy with channels": npy(PIXELS[..., None]),
    "npy in Fortran order": npy(np.asfortranarray(PIXELS)),
    "idx": idx(PIXELS),
    "idx.gz": gzip.compress(idx(PIXELS), mtime=0),
    "idx.gz of several streams": gzip.compress(idx(PIXELS)[:1000], mtime=0)
    + gzip.compress(idx(PIXELS)[1000:], mtime=0)
    + bytes(2**15),
}
ARCHIVES = {
    "npz": npz(np.savez, PIXELS),
    "npz, compressed": npz(np.savez_compressed, PIXELS),
    "npz of two arrays": npz(np.savez, first=PIXELS[:2], rest=np.asfortranarray(PIXELS[2:])),
    "npz of single images": npz(np.savez, *PIXELS),
    "zip": zipped(FILES),
    "zip, stored": zipped(FILES, zipfile.ZIP_STORED),
    "zip64": zip64(FILES),
    "zip of WebP": zipped({f"{number}.webp": webp(pixels) for number, pixels in enumerate(PIXELS)}),
    "zip of IDX": zipped({"t10k-images-idx3-ubyte": idx(PIXELS)}),
    "zip of anything": zipped({"a.png": png(PIXELS[0]), "b": npy(PIXELS[1:3]), "c.webp": idx(PIXELS[3:])}),
    "tar": tarred(FILES),
    "tar, ustar": tarred(FILES, tarfile.USTAR_FORMAT),
    "tar, pax": tarred(FILES, tarfile.PAX_FORMAT),
    "tar.gz": targz(FILES),
    "tar.gz of an array": targz({"packed.npy": npy(PIXELS)}),
}
OBJECTS = ARRAYS | ARCHIVES
SINGLE = {"png": png(PIXELS[0]), "webp": webp(PIXELS[0]), "npy": npy(PIXELS[0]), "npy, (h, w, c)": npy(PIXELS[0][..., None])}


@pytest.mark.parametrize("kind", OBJECTS)
def test_every_container_gives_the_same_pixels(kind, fashion_target):
    images = decoded(OBJECTS[kind], fashion_target)

    assert np.array_equal(np.stack([image.pixels for image in images])[..., 0], PIXELS)


@pytest.mark.parametrize("kind", SINGLE)
def test_every_single_image_gives_the_same_pixels(kind, fashion_target):
    (image,) = decoded(SINGLE[kind], fashion_target)

    assert np.array_equal(image.pixels[..., 0], PIXELS[0])


@pytest.mark.parametrize(
    ("tool", "pack"),
    [
        ("zip", by_zip),
        ("tar", by_tar()),
        ("tar", by_tar("--format=v7")),
        ("tar", by_tar("--format=posix")),
        ("tar", by_tar("--gzip")),
    ],
)
def test_what_the_usual_commands_pack_is_read(tool, pack, tmp_path, fashion_target):
    if not shutil.which(tool) or (tool == "tar" and b"GNU" not in subprocess.check_output(["tar", "--version"])):
        pytest.skip(f"needs {tool}")
    (tmp_path / "rack").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)

    images = decoded(pack(tmp_path), fashion_target)

    assert {image.name: image.pixels[..., 0].tobytes() for image in images} == {
        name: pixels.tobytes() for name, pixels in zip(FILES, PIXELS, strict=True)
    }


def test_images_are_named_after_their_members_and_positions(fashion_target):
    files = {"rack 1/coat é.png": png(PIXELS[0]), "b.npy": npy(PIXELS[:2]), "one.npy": npy(PIXELS[0]), "c": idx(PIXELS[:1])}
    names = ["rack 1/coat é.png", "b.npy/0", "b.npy/1", "one.npy/0", "c/0"]

    assert [rows(pack(files), fashion_target) for pack in (zipped, tarred, targz)] == [names] * 3
    assert rows(npz(np.savez, PIXELS[:1], named=PIXELS[:1]), fashion_target) == ["named.npy/0", "arr_0.npy/0"]


def test_a_name_that_lies_is_scored_by_its_content(fashion_target):
    assert rows(zipped({"photo.png": npy(PIXELS[:1]), "array.npy": png(PIXELS[0])}), fashion_target) == [
        "photo.png/0",
        "array.npy",
    ]


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_what_is_none_of_the_user_s_is_skipped(pack, fashion_target):
    image = FILES["rack/0.png"]
    hidden = [
        *("__MACOSX/a/0.png", "a/__MACOSX/0.png", "a/.DS_Store", "a/._0.png", "._0.png", ".0.png"),
        *("a/.ipynb_checkpoints/0.png", ".ipynb_checkpoints/0.png", ".Trashes/501/0.png", "a/.git/objects/0.png"),
        *("a/@eaDir/0.png/SYNOPHOTO_THUMB_M.png", "#recycle/0.png", "$RECYCLE.BIN/0.png", "System Volume Information/0.png"),
        *("a/Thumbs.db", "a/thumbs.db", "desktop.ini", "a\\Desktop.ini", "a\\.git\\0.png", "./.thumbnails/0.png"),
    ]
    files = {"a/": b"", "a\\b\\": b""} | dict.fromkeys(hidden, image) | {"./a/0.png": image, "a/b.c/Thumbs.db.png": image}

    assert rows(pack(files), fashion_target) == ["./a/0.png", "a/b.c/Thumbs.db.png"]


BAD = {
    "page.png": (b"<html>", "UnrecognisedFormat"),
    "cut.png": (FILES["rack/0.png"][:-13], "UnreadableImage"),
    "wrong.npy": (npy(np.zeros((2, 9, 9), np.uint8)), "WrongShape"),
    "float.npy": (npy(np.zeros((2, 28, 28))), "UnreadableArray"),
    "short.idx": (idx(PIXELS)[:-1], "UnreadableIdx"),
    "none.npy": (npy(PIXELS[:0]), "EmptyObject"),
    "empty.png": (b"", "EmptyObject"),
    "nested.zip": (zipped(FILES), "UnsafeMember"),
    "nested.tar": (tarred(FILES), "UnsafeMember"),
    "nested.gz": (gzip.compress(idx(PIXELS), mtime=0), "UnsafeMember"),
    "../up.png": (FILES["rack/0.png"], "UnsafeMember"),
    "a/../../up.png": (FILES["rack/0.png"], "UnsafeMember"),
    "..\\up.png": (FILES["rack/0.png"], "UnsafeMember"),
    "/etc/passwd.png": (FILES["rack/0.png"], "UnsafeMember"),
    "C:\\a.png": (FILES["rack/0.png"], "UnsafeMember"),
    "huge.png": (png(np.zeros((1001, 1000), np.uint8)), "ObjectTooLarge"),
    "heavy.bin": (bytes(20_001), "ObjectTooLarge"),
}


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_one_bad_member_is_named_and_spoils_no_other(pack, fashion_target):
    files = {"first.png": FILES["rack/0.png"]} | {name: content for name, (content, _) in BAD.items()}
    target = limited(fashion_target, member_bytes=20_000)

    expected = ["first.png", *((name, error) for name, (_, error) in BAD.items()), "last.png"]
    assert rows(pack(files | {"last.png": FILES["rack/1.png"]}), target) == expected


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_a_long_name_is_refused_and_cut_short(pack, fashion_target):
    """Each image of an array repeats its member's name."""
    (item, image) = decoded(pack({"n" * 501: npy(PIXELS), "m" * 500: png(PIXELS[0])}), fashion_target)

    assert (item.name, type(item.error).__name__) == ("n" * 500 + "…", "UnsafeMember")
    assert image.name == "m" * 500


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_an_archive_of_nothing_but_bad_images_has_a_document_of_them(pack, fashion_target):
    assert rows(pack({"a": BAD["cut.png"][0], "b": b"?"}), fashion_target) == [
        ("a", "UnreadableImage"),
        ("b", "UnrecognisedFormat"),
    ]


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_an_archive_of_other_files_alone_is_refused_with_one_reason(pack, fashion_target):
    content = pack({"empty": b"", "word/a.xml": b"<?xml version='1.0'?>", "b.pdf": b"%PDF-1.7"})

    with pytest.raises(UnrecognisedFormat, match=r"Received: one of other files alone, such as 'word/a.xml', which is XML; "):
        decoded(content, fashion_target)


@pytest.mark.parametrize("content", [zipped({}), zipped({"folder/": b""}), tarred({".hidden": b"?"}), targz({"a/": b""})])
def test_an_archive_without_images_is_refused(content, fashion_target):
    with pytest.raises(EmptyObject, match="at least one image"):
        decoded(content, fashion_target)


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_what_cannot_be_read_counts_towards_the_images(pack, fashion_target):
    with pytest.raises(ObjectTooLarge, match=r"at most 3 images in an object \(MAX_IMAGES_PER_OBJECT\). Received: more; split"):
        decoded(pack({"a": npy(PIXELS[:2]), "b": b"?", "c": png(PIXELS[0])}), limited(fashion_target, images=3))


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_an_array_of_countless_images_in_an_archive_stops_at_the_limit(pack):
    limits = Limits(
        object_bytes=10**9,
        list_objects=1,
        image_pixels=9,
        images=10,
        archive_members=9,
        member_bytes=10**6,
        unpacked_bytes=10**7,
        compression_ratio=10**6,
    )
    target = Target(PixelShape(height=1, width=1, channels=1), Conversion(), limits)
    content = pack({"a.npy": npy(np.zeros((900_000, 1, 1), np.uint8))})

    def refused():
        with pytest.raises(ObjectTooLarge, match="at most 10 images"):
            decoded(content, target)

    assert peak_bytes(refused) < 6 * 10**6


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_more_members_than_the_limit_are_refused(pack, fashion_target):
    files = {f"{number}/": b"" for number in range(101)}

    with pytest.raises(
        ObjectTooLarge, match=r"at most 100 members in an archive \(MAX_ARCHIVE_MEMBERS\). Received: more; split it"
    ):
        decoded(pack(files | {"a.png": png(PIXELS[0])}), fashion_target)


@pytest.mark.parametrize("pack", [zipped, tarred, targz])
def test_more_unpacked_bytes_than_the_limit_are_refused(pack, fashion_target):
    content = pack({f"{number}.npy": npy(PIXELS) for number in range(3)})

    with pytest.raises(ObjectTooLarge, match=r"at most 10000 bytes \(MAX_UNPACKED_BYTES\). Received: more; split it"):
        decoded(content, limited(fashion_target, unpacked_bytes=10_000))


@pytest.mark.parametrize("pack", [zipped, targz, lambda files: gzip.compress(idx(np.zeros((2000, 28, 28), np.uint8)), mtime=0)])
def test_what_unpacks_to_far_more_than_its_size_is_refused(pack, fashion_target):
    content = pack({"a.npy": npy(np.zeros((2000, 28, 28), np.uint8))})
    target = limited(fashion_target, images=10_000)

    with pytest.raises(ObjectTooLarge, match=r"at most 100 times its compressed size \(MAX_COMPRESSION_RATIO\)"):
        decoded(content, target)
    assert len(content) < 10_000
    assert len(decoded(content, limited(target, compression_ratio=2000))) == 2000


@pytest.mark.parametrize("pack", [zipped, targz])
def test_small_blank_images_compress_well_and_are_no_bomb(pack, fashion_target):
    content = pack({"a.npy": npy(np.zeros((1000, 28, 28), np.uint8))})

    assert len(decoded(content, fashion_target)) == 1000


@pytest.mark.parametrize("pack", [zipped, targz])
def test_a_bomb_of_many_members_takes_no_memory(pack, fashion_target):
    content = pack({f"{number}.npy": bytes(900_000) for number in range(12)})

    def refused():
        with pytest.raises(ObjectTooLarge, match="MAX_COMPRESSION_RATIO"):
            decoded(content, fashion_target)

    assert peak_bytes(refused) < 4 * 10**6


@pytest.mark.parametrize("kind", [*OBJECTS, *SINGLE])
def test_a_body_that_can_only_be_read_forwards_gives_the_same(kind, fashion_target):
    content = (OBJECTS | SINGLE)[kind]

    images = list(decode(Forwards(content), "x", fashion_target))

    expected = decoded(content, fashion_target)
    assert [image.name for image in images] == [image.name for image in expected]
    assert all(np.array_equal(image.pixels, other.pixels) for image, other in zip(images, expected, strict=True))


@pytest.mark.parametrize(
    ("content", "bound"),
    [
        (npy(np.zeros((20_000, 28, 28), np.uint8)), 10**6),
        (idx(np.zeros((20_000, 28, 28), np.uint8)), 10**6),
        (gzip.compress(idx(np.zeros((20_000, 28, 28), np.uint8)), 1, mtime=0), 10**6),
        (tarred({f"{number}.npy": npy(np.zeros((1000, 28, 28), np.uint8)) for number in range(20)}), 5 * 10**6),
        (targz({f"{number}.npy": npy(np.zeros((1000, 28, 28), np.uint8)) for number in range(20)}), 5 * 10**6),
        (zipped({f"{number}.npy": npy(np.zeros((1000, 28, 28), np.uint8)) for number in range(20)}), 5 * 10**6),
    ],
)
def test_an_object_is_never_in_memory_whole(content, bound, fashion_target):
    """15.7 MB of pixels; of an archive one member of 784 kB."""
    target = limited(fashion_target, images=10**6, compression_ratio=10**6, unpacked_bytes=10**8)
    body = Forwards(content, 2**20)

    assert peak_bytes(lambda: sum(1 for _ in decode(body, "x", target))) < bound
    assert body.most_bytes <= 2**20


@pytest.mark.parametrize("kind", [*OBJECTS, *SINGLE])
def test_what_the_body_itself_raises_passes_through(kind, fashion_target):
    """S3 may break off anywhere; that must never become a rejection, which is for good."""

    class Broken(Forwards):
        def read(self, size, /):
            raise_now = self._content.tell() >= self.breaks_at
            if raise_now:
                raise StorageUnavailable("S3 broke off.")
            return super().read(size)

    content = (OBJECTS | SINGLE)[kind]
    for breaks_at in range(0, len(content), max(1, len(content) // 20)):
        body = Broken(content, 100)
        body.breaks_at = breaks_at
        with pytest.raises(StorageUnavailable):
            list(decode(body, "x", fashion_target))


CUT = {
    "png": FILES["rack/0.png"],
    "webp": webp(PIXELS[0]),
    "webp, lossy": webp(PIXELS[0], lossless=False),
    "npz": npz(np.savez_compressed, PIXELS[:1]),
    "zip": zipped(dict(list(FILES.items())[:2])),
    "zip in zip": zipped({"a.zip": zipped({"b.png": png(PIXELS[1])}), "a.png": png(PIXELS[0])}, zipfile.ZIP_STORED),
    "tar.gz": targz(dict(list(FILES.items())[:2])),
}


CLOSING_BYTES = {"png": 12}  # behind the last pixel, where nothing that matters can be missing


@pytest.mark.parametrize("kind", CUT)
def test_an_object_cut_at_any_byte_is_refused(kind, fashion_target):
    for length in range(len(CUT[kind]) - CLOSING_BYTES.get(kind, 0)):
        with pytest.raises(RejectedInput):
            decoded(CUT[kind][:length], fashion_target)


def test_a_tar_cut_before_its_closing_zeros_is_refused_and_after_them_whole(fashion_target):
    content = tarred(dict(list(FILES.items())[:2]))
    closing = content.rindex(b"IEND") // 512 * 512 + 512  # the block after that of the last byte of the last member
    expected = decoded(content, fashion_target)

    for length in [*range(0, closing, 7), *range(closing - 600, closing + 512)]:
        with pytest.raises(RejectedInput):
            decoded(content[:length], fashion_target)
    for length in range(closing + 512, len(content), 100):
        images = decoded(content[:length], fashion_target)
        assert all(np.array_equal(image.pixels, other.pixels) for image, other in zip(images, expected, strict=True))


@given(
    pixels=arrays.arrays(np.uint8, st.tuples(st.integers(1, 4), st.just(2), st.just(3))),
    pack=st.sampled_from(
        [npy, idx, lambda p: gzip.compress(idx(p), mtime=0), lambda p: zipped({"a": npy(p)}), lambda p: targz({"a": idx(p)})]
    ),
    piece_bytes=st.integers(1, 600),
)
@settings(max_examples=150)
def test_any_pixels_survive_any_container_and_any_pieces(pixels, pack, piece_bytes):
    limits = Limits(
        object_bytes=10**9,
        list_objects=1,
        image_pixels=6,
        images=4,
        archive_members=1,
        member_bytes=10**4,
        unpacked_bytes=10**6,
        compression_ratio=100,
    )
    target = Target(PixelShape(height=2, width=3, channels=1), Conversion(), limits)

    images = list(decode(Forwards(pack(pixels), piece_bytes), "x", target))

    assert np.array_equal(np.stack([image.pixels for image in images])[..., 0], pixels)


name_parts = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=20).filter(
    lambda part: not is_skipped(part) and part not in {".", ".."} and part[1:2] != ":"
)


@given(names=st.lists(st.lists(name_parts, min_size=1, max_size=4).map("/".join), min_size=1, max_size=5, unique=True))
@settings(max_examples=100)
def test_any_name_is_kept_as_it_is(names):
    limits = Limits(
        object_bytes=10**9,
        list_objects=1,
        image_pixels=6,
        images=9,
        archive_members=9,
        member_bytes=10**4,
        unpacked_bytes=10**6,
        compression_ratio=100,
    )
    target = Target(PixelShape(height=2, width=3, channels=1), Conversion(), limits)
    files = dict.fromkeys(names, png(np.zeros((2, 3), np.uint8)))

    assert [rows(pack(files), target) for pack in (zipped, tarred, targz)] == [names] * 3


@pytest.mark.parametrize("overlap", [-2, -1, 0, 1, 2])
def test_the_magic_number_of_a_following_gzip_stream_may_be_split_between_two_reads(fashion_target, overlap):
    """Compressed bytes are read in pieces of 16,384: here the second stream begins around the end of the first piece."""
    pixels = np.random.default_rng(7).integers(0, 256, (30, 28, 28)).astype(np.uint8)  # noise, which does not compress
    whole = idx(pixels)
    lengths = {len(gzip.compress(whole[:cut], mtime=0)): cut for cut in range(16_300, 16_400)}
    cut = lengths[2**14 + overlap]

    images = decoded(gzip.compress(whole[:cut], mtime=0) + gzip.compress(whole[cut:], mtime=0), fashion_target)

    assert np.array_equal(np.stack([image.pixels for image in images])[..., 0], pixels)


@given(
    content=st.binary(max_size=300), magic=st.sampled_from([b"", *(content[:20] for content in (OBJECTS | SINGLE).values())])
)
@settings(max_examples=300)
def test_any_bytes_are_images_or_a_rejection(content, magic):
    limits = Limits(
        object_bytes=10**9,
        list_objects=1,
        image_pixels=100,
        images=9,
        archive_members=9,
        member_bytes=10**4,
        unpacked_bytes=10**6,
        compression_ratio=100,
    )
    target = Target(PixelShape(height=2, width=3, channels=1), Conversion(), limits)
    try:
        items = decoded(magic + content, target)
    except RejectedInput:
        return

    assert all(item.pixels.shape == (2, 3, 1) for item in items if isinstance(item, Image))


def test_a_colour_picture_in_an_archive_is_converted_as_one_outside(fashion_target):
    content = saved(PIL.Image.new("RGB", (60, 40), (200, 10, 99)), "JPEG")

    (outside,), (inside,) = decoded(content, fashion_target), decoded(zipped({"a.jpg": content}), fashion_target)
    assert np.array_equal(outside.pixels, inside.pixels)


@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
def test_whatever_the_decoder_of_a_member_raises_costs_that_member_alone(pack, fashion_target, monkeypatch):
    """As a bug in it would: the format here is one of ours in all respects but that its decoder fails."""

    def decode(body, target):
        raise struct.error(f"{len(body.read(100))} bytes of {target.shape}")

    failing = SimpleNamespace(
        NAME="failing", recognises=lambda head: head.startswith(b"FAIL"), kind=lambda head: "failing", decode=decode
    )
    monkeypatch.setattr(members, "_FORMATS", (failing, *members._FORMATS))

    items = decoded(pack({"a.png": png(PIXELS[0]), "b": b"FAIL", "c.png": png(PIXELS[0])}), fashion_target)

    assert [item.name for item in items] == ["a.png", "b", "c.png"]
    assert str(items[1].error).endswith("Received: one at which its decoder failed (error); save it again.")
