"""Recognising formats, and what holds for all of them."""

import gzip
import io
import random

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest

from handler.errors import EmptyObject, ObjectTooLarge, RejectedInput, UnrecognisedFormat
from handler.formats import decode

PIXELS = np.arange(5 * 28 * 28, dtype=np.uint8).reshape(5, 28, 28)


def saved(save):
    file = io.BytesIO()
    save(file)
    return file.getvalue()


@pytest.fixture
def contents(pack_idx):
    """A valid object of each kind."""
    return {
        "png": saved(lambda file: PIL.Image.fromarray(PIXELS[0]).save(file, "PNG")),
        "jpeg": saved(lambda file: PIL.Image.fromarray(PIXELS[0]).save(file, "JPEG")),
        "npy": saved(lambda file: np.save(file, PIXELS)),
        "idx": pack_idx(PIXELS),
        "idx.gz": gzip.compress(pack_idx(PIXELS), mtime=0),
    }


def test_every_container_gives_the_same_pixels(contents, fashion_target):
    decoded = {
        kind: list(decode(io.BytesIO(content), "name", fashion_target)) for kind, content in contents.items() if kind != "jpeg"
    }

    assert [len(images) for images in decoded.values()] == [1, 5, 5, 5]
    assert all(np.array_equal(images[0].pixels[:, :, 0], PIXELS[0]) for images in decoded.values())
    for kind in ("npy", "idx", "idx.gz"):
        assert [image.name for image in decoded[kind]] == ["0", "1", "2", "3", "4"]
        assert np.array_equal(np.stack([image.pixels for image in decoded[kind]])[..., 0], PIXELS)


@pytest.mark.parametrize(
    "content",
    [
        b"\x00",
        b"<html>404</html>",
        b"%PDF-1.7",
        b"PK\x05\x04",
        b"RIFF\x04\0\0\0WAVE",
        b"\0" * 1024,
        gzip.compress(b"<html>", mtime=0),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n",
        b"8BPS\0\1" + bytes(100),
        b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
        b"SIMPLE  =                    T",
        saved(lambda file: PIL.Image.new("L", (28, 28)).save(file, "ICO")),
        saved(lambda file: PIL.Image.new("L", (28, 28)).save(file, "PPM")),
        saved(lambda file: PIL.Image.new("L", (28, 28)).save(file, "PCX")),
        saved(lambda file: PIL.Image.new("L", (28, 28)).save(file, "TGA")),
        saved(lambda file: PIL.Image.new("L", (28, 28)).save(file, "PDF")),
    ],
)
def test_what_is_of_no_known_format_is_refused_before_any_decoder_runs(content, fashion_target, monkeypatch):
    """Whatever its name says; Pillow's own decoders of these formats would take some of them."""
    monkeypatch.setattr(PIL.ImageFile.ImageFile, "__init__", pytest.fail)
    with pytest.raises(UnrecognisedFormat, match=r"Expected one of: .* Received: .*; "):
        list(decode(io.BytesIO(content), "photo.png", fashion_target))


def test_nothing_is_refused_as_nothing(fashion_target):
    with pytest.raises(EmptyObject):
        list(decode(io.BytesIO(b""), "photo.png", fashion_target))


def test_an_array_without_images_is_refused(fashion_target):
    with pytest.raises(EmptyObject, match="at least one image"):
        list(decode(io.BytesIO(saved(lambda file: np.save(file, PIXELS[:0]))), "x", fashion_target))


def test_more_images_than_the_limit_are_refused(pack_idx, fashion_target):
    with pytest.raises(ObjectTooLarge, match="at most 1000 images"):
        list(decode(io.BytesIO(pack_idx(np.zeros((1001, 28, 28), np.uint8))), "x", fashion_target))


def test_an_object_cut_anywhere_is_refused(contents, fashion_target):
    for kind, content in contents.items():
        closing_bytes = 12 if kind == "png" else 0  # behind the last pixel
        for length in range(len(content) - 1 - closing_bytes, 0, -max(1, len(content) // 600)):
            with pytest.raises(RejectedInput):
                list(decode(io.BytesIO(content[:length]), "x", fashion_target))


@pytest.mark.parametrize("kind", ["png", "jpeg", "npy", "idx", "idx.gz"])
def test_damaged_objects_raise_nothing_but_rejections(contents, kind, fashion_target):
    """Seeded mutations; any exception but RejectedInput fails the test. No text may hold an address of memory."""
    generator = random.Random(kind)
    for _ in range(400):
        content = bytearray(contents[kind][:2000])
        for _ in range(generator.randint(1, 6)):
            position = generator.randrange(min(len(content), 200))
            content[position : position + generator.randint(0, 3)] = generator.randbytes(generator.randint(0, 3))
        try:
            list(decode(io.BytesIO(bytes(content)), "x", fashion_target))
        except RejectedInput as error:
            assert "0x7f" not in str(error)  # noqa: PT017  # either outcome is right, but never an address
