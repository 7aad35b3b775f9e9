"""Objects packed by gzip, bzip2 or xz: every format but zip, as they arrive, within the limits, and whole."""

import bz2
import gzip
import itertools
import lzma

import numpy as np
import pytest

from handler.errors import EmptyObject, ObjectTooLarge, RejectedInput, UnreadableArchive, UnrecognisedFormat
from handler.formats import decode, packing
from handler.formats.image import Named
from tests.handler.formats.samples import Forwards, decoded, idx, limited, npy, peak_bytes, png, table, tarred, webp, zipped

PIXELS = np.random.default_rng(5).integers(0, 256, (3, 28, 28), np.uint8)
PACKS = {"gz": lambda content: gzip.compress(content, mtime=0), "bz2": bz2.compress, "xz": lzma.compress}
CONTENTS = {
    "png": png(PIXELS[0]),
    "webp": webp(PIXELS[0]),
    "npy": npy(PIXELS),
    "idx": idx(PIXELS),
    "tar": tarred({"a.png": png(PIXELS[0]), "b.npy": npy(PIXELS)}),
    "csv": table(PIXELS),
}


@pytest.mark.parametrize("suffix", PACKS)
@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("piece_bytes", [1, 7, 2**20])
def test_what_is_packed_gives_the_images_of_what_is_not(suffix, kind, piece_bytes, fashion_target):
    packed = decode(Forwards(PACKS[suffix](CONTENTS[kind]), piece_bytes), "x", fashion_target)
    images, expected = list(packed), decoded(CONTENTS[kind], fashion_target)

    assert packed.kind == f"{kind}.{suffix}"
    assert [image.name for image in images] == [image.name for image in expected]
    assert all(np.array_equal(image.pixels, other.pixels) for image, other in zip(images, expected, strict=True))


@pytest.mark.parametrize("suffix", PACKS)
def test_a_list_may_be_packed(suffix, fashion_target):
    content = PACKS[suffix](b'"bucket","rack%2Fa+b.png","","true","false","12"\n' * 2)

    assert decoded(content, fashion_target) == [Named("bucket", "rack/a b.png")] * 2


@pytest.mark.parametrize("suffix", PACKS)
@pytest.mark.parametrize("padding", [0, 4, 20_000])
def test_several_streams_are_one_object(suffix, padding, fashion_target):
    whole = CONTENTS["idx"]
    content = bytes(padding).join(PACKS[suffix](part) for part in (whole[:100], b"", whole[100:1000], whole[1000:]))

    assert len(decoded(content + bytes(padding), fashion_target)) == 3


@pytest.mark.parametrize("suffix", PACKS)
@pytest.mark.parametrize("kind", CONTENTS)
def test_a_stream_cut_at_any_byte_is_refused(suffix, kind, fashion_target):
    content = PACKS[suffix](CONTENTS[kind])
    for length in itertools.chain(range(1, 100), range(100, len(content) - 20, 101), range(len(content) - 20, len(content))):
        with pytest.raises(RejectedInput):
            decoded(content[:length], fashion_target)


@pytest.mark.parametrize("suffix", PACKS)
@pytest.mark.parametrize("kind", CONTENTS)
def test_what_follows_a_stream_is_refused_with_what_to_do(suffix, kind, fashion_target):
    with pytest.raises(
        UnreadableArchive, match=r"Expected nothing behind the \w+ stream. Received: more bytes; upload what was"
    ):
        decoded(PACKS[suffix](CONTENTS[kind]) + CONTENTS["png"], fashion_target)


@pytest.mark.parametrize("suffix", PACKS)
def test_a_corrupt_stream_is_refused_and_shows_nothing_of_the_library(suffix, fashion_target):
    content = bytearray(PACKS[suffix](CONTENTS["idx"]))
    for position in (len(content) // 2, len(content) - 6):
        damaged = bytes(content[:position]) + bytes([content[position] ^ 0xFF]) + bytes(content[position + 1 :])
        with pytest.raises(UnreadableArchive, match=r"^Expected a whole \w+ stream\. Received: .*upload it again\.$") as caught:
            decoded(damaged, fashion_target)
        assert "rror" not in str(caught.value)


@pytest.mark.parametrize("suffix", PACKS)
def test_what_unpacks_to_far_more_than_its_size_is_refused(suffix, fashion_target):
    content = PACKS[suffix](idx(np.zeros((20_000, 28, 28), np.uint8)))
    target = limited(fashion_target, images=10**6)

    def refused():
        with pytest.raises(ObjectTooLarge, match=r"at most 100 times its compressed size \(MAX_COMPRESSION_RATIO\)"):
            list(decode(Forwards(content, 2**20), "x", target))

    assert peak_bytes(refused) < 12 * 10**6  # the dictionary of xz, 8 MiB


@pytest.mark.parametrize("suffix", PACKS)
def test_more_unpacked_bytes_than_the_limit_are_refused(suffix, fashion_target):
    with pytest.raises(ObjectTooLarge, match=r"at most 1000 bytes \(MAX_UNPACKED_BYTES\). Received: more; split it"):
        decoded(PACKS[suffix](CONTENTS["idx"]), limited(fashion_target, unpacked_bytes=1000))


@pytest.mark.parametrize(("dictionary_bytes", "is_read"), [(2**26, True), (2**27, False), (3 * 2**29, False)])
def test_an_xz_stream_gets_the_memory_of_the_tool_s_highest_level_and_no_more(dictionary_bytes, is_read, fashion_target):
    preset = {"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**16}
    content = lzma.compress(CONTENTS["idx"], filters=[preset])
    size = 2 * (dictionary_bytes.bit_length() - 13) + (dictionary_bytes.bit_count() > 1)
    header = bytearray(content[12:24])  # the block's header: its length, flags, one filter and its dictionary
    header[4] = size
    header[8:12] = packing.zlib.crc32(header[:8]).to_bytes(4, "little")
    content = content[:12] + bytes(header) + content[24:]

    if is_read:
        assert len(decoded(content, fashion_target)) == 3
    else:
        with pytest.raises(UnreadableArchive, match="more memory than those of xz -9"):
            decoded(content, fashion_target)


@pytest.mark.parametrize("suffix", PACKS)
def test_a_packed_zip_and_a_stream_in_a_stream_are_called_by_name(suffix, fashion_target):
    pack = PACKS[suffix]
    with pytest.raises(UnrecognisedFormat, match=r"Received: a zip archive, packed by \w+; upload it as an object of its own"):
        decoded(pack(zipped({"a.png": CONTENTS["png"]})), fashion_target)
    with pytest.raises(UnrecognisedFormat, match=r"Received: an? \w+ stream, packed by \w+; "):
        decoded(pack(pack(CONTENTS["png"])), fashion_target)


@pytest.mark.parametrize("suffix", PACKS)
def test_a_stream_of_nothing_is_refused(suffix, fashion_target):
    with pytest.raises(EmptyObject, match=r"Received: 0 bytes, packed by \w+"):
        decoded(PACKS[suffix](b""), fashion_target)
