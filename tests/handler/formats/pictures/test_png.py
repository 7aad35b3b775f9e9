"""PNG: what is no pixel neither rejects a picture nor changes it; a damaged pixel does reject it."""

import re
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from handler.errors import UnreadableImage
from handler.formats.picture import picture_size, read_picture
from handler.formats.pictures import png
from tests.handler.formats.samples import chunk, peak_bytes, saved

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXELS = np.random.default_rng(5).integers(0, 256, (20, 30, 3), np.uint8)
PICTURE = PIL.Image.fromarray(PIXELS)
TURNED = b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\3\0\0\0\0\0\0"  # EXIF: rotated by 180 degrees


def parts(content):
    position = len(SIGNATURE)
    while position < len(content):
        end = position + 12 + int.from_bytes(content[position : position + 4], "big")
        yield content[position:end]
        position = end


def with_chunks(*extra, picture=PICTURE, after=False):
    head, *data, end = parts(saved(picture, "PNG"))
    return SIGNATURE + head + b"".join([*([] if after else extra), *data, *(extra if after else []), end])


def damaged(part):
    return part[:-1] + bytes([part[-1] ^ 1])


def text(size):
    return zlib.compress(np.random.default_rng(0).bytes(size).hex().encode())


ANCILLARY = {
    "eXIf without a TIFF header": chunk(b"eXIf", b"\0\0\x11\0\0\1\4\0"),
    "eXIf that is empty": chunk(b"eXIf", b""),
    "iTXt of more than 1 MiB": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + text(600_000)),
    "zTXt of more than 1 MiB": chunk(b"zTXt", b"workflow\0\0" + text(600_000)),
    "iCCP of more than 1 MiB": chunk(b"iCCP", b"icc\0\0" + text(600_000)),
    "iCCP of another compression": chunk(b"iCCP", b"icc\0\7abc"),
    "iCCP without a name": chunk(b"iCCP", b"icc"),
    "zTXt of another compression": chunk(b"zTXt", b"a\0\7abc"),
    "tEXt that is no text": chunk(b"tEXt", b"\xff" * 9),
    "gAMA that is short": chunk(b"gAMA", b"\0"),
    "cHRM that is short": chunk(b"cHRM", b"\0"),
    "sRGB that is empty": chunk(b"sRGB", b""),
    "pHYs that is short": chunk(b"pHYs", b"\0"),
    "tIME that is long": chunk(b"tIME", bytes(99)),
    "acTL that is short": chunk(b"acTL", b"\0"),
    "acTL of two frames without any": chunk(b"acTL", struct.pack(">II", 2, 0)),
    "fcTL that is short": chunk(b"fcTL", b"\0"),
    "fcTL out of order": chunk(b"fcTL", struct.pack(">IIIIIHHBB", 7, 30, 20, 0, 0, 1, 1, 0, 0)),
    "fcTL of a part of the picture": chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 2, 2, 9, 9, 1, 1, 0, 0)),
    "fcTL outside of the picture": chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 99, 99, 0, 0, 1, 1, 0, 0)),
    "fdAT that is short": chunk(b"fdAT", b"\0"),
    "unknown": chunk(b"abCd", b"?"),
    "text with a wrong checksum": damaged(chunk(b"tEXt", b"Software\0x")),
    "time with a wrong checksum": damaged(chunk(b"tIME", bytes(7))),
    "unknown with a wrong checksum": damaged(chunk(b"abCd", b"?")),
    "EXIF with a wrong checksum": damaged(chunk(b"eXIf", TURNED)),
    "texts of 100 MiB": b"".join([chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20)))] * 100),
}


@pytest.mark.parametrize("after", [False, True], ids=["before the pixels", "behind the pixels"])
@pytest.mark.parametrize("kind", ANCILLARY)
def test_what_is_no_pixel_changes_nothing(kind, after):
    content = with_chunks(ANCILLARY[kind], after=after)

    assert np.array_equal(np.asarray(read_picture(content)), PIXELS)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_bomb_in_a_picture_s_text_takes_no_memory(kind):
    head = {b"zTXt": b"Raw profile type exif\0\0", b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind]
    content = with_chunks(chunk(kind, head + zlib.compress(bytes(50 * 10**6))))

    assert len(content) < 60_000
    assert peak_bytes(lambda: read_picture(content)) < 5 * 10**6


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_png_that_lacks_nothing_but_its_end_is_whole(cut):
    assert np.array_equal(np.asarray(read_picture(with_chunks()[:-cut])), PIXELS)


def test_a_text_behind_the_pixels_may_be_cut():
    content = with_chunks(chunk(b"tEXt", b"Software\0x" * 9), after=True)

    assert np.array_equal(np.asarray(read_picture(content[:-40])), PIXELS)


def test_a_png_of_many_blocks_that_lacks_one_is_refused():
    head, data, end = parts(saved(PICTURE, "PNG"))
    blocks = [chunk(b"IDAT", data[8:-4][at : at + 400]) for at in range(0, len(data), 400)]

    assert np.array_equal(np.asarray(read_picture(SIGNATURE + head + b"".join(blocks) + end)), PIXELS)
    for missing in range(len(blocks)):
        with pytest.raises(UnreadableImage):
            read_picture(SIGNATURE + head + b"".join(blocks[:missing] + blocks[missing + 1 :]) + end)
    with pytest.raises(UnreadableImage):
        read_picture(SIGNATURE + head + blocks[0] + chunk(b"tIME", bytes(7)) + b"".join(blocks[1:]) + end)


SMALL = {
    "RGB with texts": with_chunks(ANCILLARY["unknown"], chunk(b"tEXt", b"a\0b"), picture=PICTURE.crop((0, 0, 6, 5))),
    "palette with transparency": saved(PICTURE.crop((0, 0, 6, 5)).quantize(8), "PNG", transparency=bytes(range(0, 240, 30))),
    "16 bits": saved(PIL.Image.fromarray(PIXELS[:5, :6, 0].astype(np.uint16) * 200), "PNG", transparency=400),
}


@pytest.mark.parametrize("kind", SMALL)
def test_any_changed_bit_leaves_the_same_pixels_or_is_refused(kind):
    """Pillow alone decodes some of these to other pixels: it does not ask for the checksum of the pixels."""
    content = SMALL[kind]
    expected = np.asarray(read_picture(content).convert("RGBA"))
    refused = 0
    for position in range(len(SIGNATURE), len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            try:
                found = read_picture(bytes(changed))
            except UnreadableImage:
                refused += 1
            else:
                assert np.array_equal(np.asarray(found.convert("RGBA")), expected), (position, bit)
    assert refused > 8 * len(content) // 2


def test_the_header_is_the_first_chunk():
    head, data, end = parts(saved(PICTURE, "PNG"))

    for chunks in ([chunk(b"tIME", bytes(7)), head, data, end], [head, head, data, end], [data, end]):
        with pytest.raises(UnreadableImage):
            read_picture(SIGNATURE + b"".join(chunks))


def test_a_palette_picture_without_its_palette_is_refused():
    head, palette, data, end = parts(saved(PICTURE.quantize(256), "PNG"))

    read_picture(SIGNATURE + head + palette + data + end)
    with pytest.raises(UnreadableImage, match="palette"):
        read_picture(SIGNATURE + head + data + end)


@pytest.mark.parametrize(
    "block",
    [
        chunk(b"eXIf", TURNED),
        chunk(b"tEXt", b"Raw profile type exif\0\nexif\n      26\n" + TURNED.hex().encode() + b"\n"),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n      26\n" + TURNED.hex().encode() + b"\n")),
        chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="3"/>'),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<tiff:Orientation>3</tiff:Orientation>")),
    ],
    ids=["eXIf", "tEXt", "zTXt", "iTXt", "iTXt, compressed"],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_picture_is_turned_upright_by_each_of_its_tags(block, after):
    assert np.array_equal(np.asarray(read_picture(with_chunks(block, after=after))), PIXELS[::-1, ::-1])


def test_what_is_no_pixel_is_left_out():
    head, data, end = parts(saved(PICTURE, "PNG"))
    other = chunk(b"abCd", b"?")
    kept = [head, chunk(b"PLTE", b"abc"), chunk(b"tRNS", b"abcdef"), data]

    for content in ([*kept, end], [*kept], [head, other, *kept[1:3], damaged(other), data, other, end, head], [*kept, other]):
        assert png.judge(SIGNATURE + b"".join(content), 600).content == SIGNATURE + b"".join([*kept, end])


@pytest.mark.parametrize("kind", [b"ABCD", b"IEnd", b"IDAt", b"A1cd", b"ab d", b"PLT\0"])
def test_a_kind_of_chunk_that_must_be_understood_and_is_not_is_refused_with_its_place(kind):
    with pytest.raises(UnreadableImage, match=re.escape(f"Received: {kind!r} at byte 33;")):
        picture_size(with_chunks(chunk(kind, b"?")))


def test_blocks_of_pixels_follow_one_another():
    head, data, end = parts(saved(PICTURE, "PNG"))
    for between in (chunk(b"tEXt", b""), chunk(b"tRNS", b"")):
        with pytest.raises(UnreadableImage, match=f"Received: b'IDAT' at byte {33 + len(data) + len(between)};"):
            picture_size(SIGNATURE + head + data + between + data + end)
    assert picture_size(SIGNATURE + head + chunk(b"tEXt", b"") + data + data + end) == (30, 20)


def test_a_wrong_checksum_of_pixels_is_refused_with_its_place():
    head, data, end = parts(saved(PICTURE, "PNG"))
    inside = chunk(b"tEXt", b"x" + data[4:])  # as if the length were damaged, so that it covers the pixels
    renamed = data[:4] + b"iDAT" + data[8:]
    for part in (damaged(data), damaged(inside), renamed):
        with pytest.raises(UnreadableImage, match=r"Received: a wrong one at byte 33;"):
            picture_size(SIGNATURE + head + part + data + end)


@pytest.mark.parametrize("colours", range(7))
def test_a_picture_needs_its_palette_if_its_colours_are_in_one(colours):
    _, data, end = parts(saved(PICTURE, "PNG"))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 7, 5, 8, colours, 0, 0, 0))

    assert picture_size(SIGNATURE + head + chunk(b"PLTE", b"abc") + data + end) == (7, 5)
    if colours == 3:
        with pytest.raises(UnreadableImage, match="missing or repeated"):
            picture_size(SIGNATURE + head + data + end)
    else:
        assert picture_size(SIGNATURE + head + data + end) == (7, 5)


def test_twenty_thousand_chunks_are_read_and_one_more_is_refused():
    head, data, end = parts(saved(PICTURE, "PNG"))
    empty = chunk(b"teXt", b"")

    assert picture_size(SIGNATURE + head + data + empty * 19_998 + end) == (30, 20)
    with pytest.raises(UnreadableImage, match="at most 20000 chunks"):
        picture_size(SIGNATURE + head + data + empty * 19_999 + end)


@pytest.mark.parametrize("tail", [chunk(b"tEXt", b"?" * 9), chunk(b"tEXt", b"")])
def test_what_is_cut_behind_the_pixels_is_left_out_unless_it_may_be_pixels(tail):
    head, data, _ = parts(saved(PICTURE, "PNG"))
    for length in range(len(tail)):
        assert picture_size(SIGNATURE + head + data + tail[:length]) == (30, 20)
        with pytest.raises(UnreadableImage, match="one that is truncated"):
            picture_size(SIGNATURE + head + tail[:length])
    for cut in (data[:-1], data[:8], chunk(b"tEXt", b"??IDAT?")[:-1]):
        with pytest.raises(UnreadableImage, match="one that is truncated"):
            picture_size(SIGNATURE + head + data + cut)


RAW = b"\nexif\n      26\n" + TURNED.hex().encode() + b"\n"
OTHER = TURNED.replace(b"\0\3\0\0\0\0", b"\0\6\0\0\0\0")


@pytest.mark.parametrize(
    ("blocks", "orientation"),
    [
        ([chunk(b"tEXt", b"Raw profile type exif\0" + RAW), chunk(b"eXIf", OTHER)], 6),
        ([chunk(b"eXIf", b""), chunk(b"tEXt", b"Raw profile type exif\0" + RAW)], 1),
        ([chunk(b"tEXt", b"Raw profile type exif\0" + RAW[:-2] + b"?\n"), chunk(b"tEXt", b"Raw profile type exif\0" + RAW)], 1),
        ([chunk(b"tEXt", b"Raw profile type xmp\0" + RAW)], 1),
        ([chunk(b"tEXt", b"a\0b"), chunk(b"tEXt", b"Raw profile type exif\0" + RAW.replace(b"2a", b"2a\n"))], 3),
        ([chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(RAW)[:-1])], 3),
        ([chunk(b"zTXt", b"Raw profile type exif\0\0" + RAW)], 1),
        ([chunk(b"tEXt", b'XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation="3"')], 1),
        ([chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0en\0Titel\0tiff:Orientation="3"')], 3),
        ([chunk(b"iTXt", b"a\0\0\0\0\0b"), chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation="3"')], 3),
        ([chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + b'tiff:Orientation="3"')], 1),
        ([chunk(b"iTXt", b"XML:com.adobe.xmp\0")], 1),
        ([chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation="3"'), chunk(b"eXIf", OTHER)], 6),
    ],
)
def test_the_first_block_that_is_whole_says_how_the_picture_is_turned(blocks, orientation):
    assert png.judge(with_chunks(*blocks), 600).orientation == orientation
