"""NumPy arrays and IDX files: raw pixels behind a header."""

import gzip
import io
import pickle
import struct

import msgspec
import numpy as np
import pytest

from handler.contract import PixelShape
from handler.errors import ObjectTooLarge, UnreadableArchive, UnreadableArray, UnreadableIdx, WrongShape
from handler.formats import decode
from handler.formats.image import require_shape

PIXELS = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def npy_with_header(header, version=(1, 0), body=b""):
    text = header.encode()
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + body


def pixels_of(content, target):
    return np.stack([image.pixels for image in decode(io.BytesIO(content), "x", target)])


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_version_and_order_is_read(version, order, fashion_target):
    content = npy(np.array(PIXELS, order=order), version=version)

    assert np.array_equal(pixels_of(content, fashion_target)[..., 0], PIXELS)


def test_a_channel_axis_is_welcome(fashion_target):
    assert np.array_equal(pixels_of(npy(PIXELS[..., None]), fashion_target)[..., 0], PIXELS)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("shape", "count"), [((3, 784), 3), ((1, 784), 1), ((784,), 1), ((28, 28), 1), ((28, 28, 1), 1)])
def test_flat_arrays_and_single_images_are_read_in_both_orders(order, shape, count, fashion_target):
    """The data set's own loader gives (n, 784), and so do the files of Quick, Draw!"""
    array = np.array(PIXELS[:count].reshape(shape), order=order)

    assert np.array_equal(pixels_of(npy(array), fashion_target)[..., 0], PIXELS[:count])


def test_flat_arrays_of_colour_images_are_read():
    shape = PixelShape(height=28, width=28, channels=3)

    assert require_shape((5, 2352), shape) == 5
    assert require_shape((2352,), shape) == 1
    with pytest.raises(WrongShape, match=r"or \(n, 2352\)\. Received: \(5, 784\)\. Resize the images to 28x28, or upload"):
        require_shape((5, 784), shape)


@pytest.mark.parametrize("shape", [(3, 784), (3, 28, 28), (3, 28, 28, 1)])
def test_idx_files_of_as_many_dimensions_as_arrays_are_read(shape, fashion_target):
    content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + PIXELS.tobytes()

    assert np.array_equal(pixels_of(content, fashion_target)[..., 0], PIXELS)


@pytest.mark.parametrize("magic", [b"\0\0\x0d\3", b"\0\0\x08\5", b"\0\0\x08\xff"])
def test_idx_files_of_other_types_or_dimensions_are_refused(magic, fashion_target):
    with pytest.raises(UnreadableIdx, match=f"Received: {magic.hex()}; upload the file of the images"):
        pixels_of(magic + bytes(2000), fashion_target)


def test_an_array_behind_an_array_is_refused_with_what_to_do(fashion_target):
    for content in (npy(PIXELS) * 2, npy(PIXELS) + gzip.compress(npy(PIXELS))):
        with pytest.raises(UnreadableArray, match="more bytes; save what was appended as an object of its own"):
            pixels_of(content, fashion_target)


def test_colour_arrays_need_their_channel_axis():
    shape = PixelShape(height=28, width=28, channels=3)

    assert require_shape((5, 28, 28, 3), shape) == 5
    with pytest.raises(WrongShape, match=r"\(n, 28, 28, 3\)"):
        require_shape((5, 28, 28), shape)


@pytest.mark.parametrize(
    "shape", [(3, 28, 27), (3, 27, 28), (28, 27), (3, 28, 28, 3), (3, 28, 28, 1, 1), (2352,), (784, 3), (785,), (0,), ()]
)
def test_images_of_another_size_are_refused_and_never_broadcast(shape, fashion_target):
    with pytest.raises(WrongShape, match=r"Expected an array of shape \(n, 28, 28, 1\) or \(n, 28, 28\)"):
        pixels_of(npy(np.zeros(shape, np.uint8)), fashion_target)


@pytest.mark.parametrize("dtype", ["float32", "int64", ">u2", "int8", "bool"])
def test_another_dtype_is_refused_with_what_to_do(dtype, fashion_target):
    with pytest.raises(UnreadableArray, match=r"astype\('uint8'\)"):
        pixels_of(npy(PIXELS.astype(dtype)), fashion_target)


class Canary:
    """Pickled into an array; unpickling it would raise where the test sees it."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_a_pickle_is_never_executed(fashion_target):
    content = npy_with_header("{'descr': '|O', 'fortran_order': False, 'shape': (1, 28, 28), }\n", body=pickle.dumps(Canary()))

    with pytest.raises(UnreadableArray, match="dtype uint8"):
        pixels_of(content, fashion_target)


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY",
        b"\x93NUMPY\x01",
        b"\x93NUMPY\x01\x00\x76",
        b"\x93NUMPY\x09\x00\x76\x00",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",  # a header of 4 GiB is declared
        npy_with_header("{'descr': '|u1'"),
        npy_with_header("{'descr': '|u1', 'fortran_order': False, 'shape': " + "(" * 5000),
        npy_with_header("{'descr': '|u1', 'fortran_order': False, 'shape': 'no', }"),
        npy_with_header("{'descr': 'x9', 'fortran_order': False, 'shape': (1, 28, 28), }"),
        npy_with_header("{'descr': 'a', 'fortran_order': False, 'shape': (1, 28, 28), }"),
        npy_with_header("{'descr': (), 'fortran_order': False, 'shape': (1, 28, 28), }"),
        npy_with_header("{'descr': '|u1', 'fortran_order': True, 'shape': (True, 28, 28), }"),
    ],
)
def test_a_broken_header_is_refused(content, fashion_target):
    with pytest.raises(UnreadableArray):
        pixels_of(content, fashion_target)


def test_a_header_that_is_too_long_is_not_read(fashion_target):
    """NumPy checks its length too, but only after reading all of it."""
    body = io.BytesIO(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(8 * 2**20))

    with pytest.raises(UnreadableArray, match="at most 10000 bytes"):
        list(decode(body, "x", fashion_target))
    assert body.tell() < 2**20


def test_a_header_of_python_2_is_read(fashion_target):
    content = npy_with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1L, 28L, 28L), }\n", body=bytes(784))

    assert pixels_of(content, fashion_target).shape == (1, 28, 28, 1)


def test_an_array_in_fortran_order_of_more_than_may_be_in_memory_is_refused(fashion_target):
    limited = msgspec.structs.replace(fashion_target, limits=msgspec.structs.replace(fashion_target.limits, member_bytes=2351))

    with pytest.raises(ObjectTooLarge, match=r"an array in Fortran order of at most 2351 bytes \(MAX_MEMBER_BYTES\)"):
        pixels_of(npy(np.asfortranarray(PIXELS)), limited)
    assert len(pixels_of(npy(PIXELS), limited)) == 3


@pytest.mark.parametrize("order", [False, True])
def test_a_header_that_declares_more_than_there_is_allocates_nothing(order, fashion_target):
    header = f"{{'descr': '|u1', 'fortran_order': {order}, 'shape': ({2**50}, 28, 28), }}\n"

    with pytest.raises(UnreadableArray):
        pixels_of(npy_with_header(header, body=bytes(784)), fashion_target)


def test_a_negative_size_is_refused(fashion_target):
    with pytest.raises(WrongShape):
        pixels_of(npy_with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 28, 28), }\n"), fashion_target)


def test_bytes_behind_an_array_are_refused(fashion_target):
    with pytest.raises(UnreadableArray, match="more bytes"):
        pixels_of(npy(PIXELS) + b"!", fashion_target)


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress])
def test_idx_files_are_read_gzipped_or_not(pack, pack_idx, fashion_target):
    assert np.array_equal(pixels_of(pack(pack_idx(PIXELS)), fashion_target)[..., 0], PIXELS)


def test_a_gzip_stream_with_large_code_tables_is_recognised(sample_pixels, pack_idx, fashion_target):
    """Real images need dynamic Huffman tables of hundreds of bytes before the first byte comes out."""
    content = gzip.compress(pack_idx(sample_pixels[..., 0]), mtime=0)

    assert np.array_equal(pixels_of(content, fashion_target), sample_pixels)


def test_labels_are_refused_as_no_images(fashion_target):
    with pytest.raises(UnreadableIdx, match="a file of labels"):
        pixels_of(struct.pack(">II", 0x0801, 3) + b"\x01\x02\x03", fashion_target)


def test_an_idx_file_of_another_size_is_refused(pack_idx, fashion_target):
    with pytest.raises(WrongShape):
        pixels_of(pack_idx(np.zeros((2, 32, 32), np.uint8)), fashion_target)


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"!"])
@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress])
def test_too_few_or_too_many_bytes_are_refused(change, pack, pack_idx, fashion_target):
    with pytest.raises(UnreadableIdx):
        pixels_of(pack(change(pack_idx(PIXELS))), fashion_target)


def test_a_corrupt_gzip_stream_is_refused(pack_idx, fashion_target):
    content = bytearray(gzip.compress(pack_idx(PIXELS), mtime=0))
    content[-6] ^= 1  # its checksum

    with pytest.raises(UnreadableArchive, match="gzip"):
        pixels_of(bytes(content), fashion_target)


def test_a_gzip_bomb_is_stopped_by_the_limit_on_images(pack_idx, fashion_target):
    content = gzip.compress(struct.pack(">IIII", 0x0803, 2**32 - 1, 28, 28) + bytes(784 * 3000), mtime=0)
    limited = msgspec.structs.replace(fashion_target, limits=msgspec.structs.replace(fashion_target.limits, images=2))
    read = []

    with pytest.raises(Exception, match="at most 2 images"):
        read.extend(decode(io.BytesIO(content), "x", limited))
    assert len(content) < 10_000
    assert len(read) == 2
