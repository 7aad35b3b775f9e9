"""Thumbnails of the images in objects of every kind, and the reasons why there is none."""

import gzip
import io
import zipfile

import numpy as np
import PIL.Image
import pytest

from handler.contract import PixelShape
from handler.objects import ObjectRef, Prefix
from handler.predictions import Input
from handler.settings import DEFAULTS, load_limits
from infra.show.sheet.entries import Unshowable
from infra.show.sheet.thumbnails import EDGE, ObjectThumbnails
from infra.stores.memory import MemoryStore

LIMITS = load_limits({}, DEFAULTS)
GREY = PixelShape(28, 28, 1)


def picture(width, height, kind="PNG", mode="RGB", color="red", **options):
    file = io.BytesIO()
    PIL.Image.new(mode, (width, height), color).save(file, kind, **options)
    return file.getvalue()


def array(count):
    file = io.BytesIO()
    np.save(file, np.arange(count * 784, dtype=np.uint32).astype(np.uint8).reshape(count, 28, 28))
    return file.getvalue()


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name, content in members.items():
            written.writestr(name, content)
    return file.getvalue()


def found(key, content, wanted, *, place=None, changed=None):
    store = MemoryStore()
    store.place(ObjectRef("photos", key), content)
    etag = next(store.list(Prefix("photos", ""), "", deadline=_never())).etag
    if changed is not None:
        store.place(ObjectRef("photos", key), changed)
    source = Input("photos", key, etag, None, len(content), None)
    return dict(ObjectThumbnails(lambda: store, place, GREY, LIMITS)(source, frozenset(wanted)))


def _never():
    from handler.deadline import Deadline

    return Deadline.never()


def opened(thumbnail):
    return PIL.Image.open(io.BytesIO(thumbnail.content))


def test_a_large_picture_is_shrunk_and_keeps_its_proportions():
    thumbnail = found("a/b.jpg", picture(800, 400, "JPEG"), ["b.jpg"])["b.jpg"]

    assert (thumbnail.kind, thumbnail.is_crisp, opened(thumbnail).size) == ("webp", False, (EDGE, EDGE // 2))


def test_a_picture_is_upright():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    thumbnail = found("b.jpg", picture(800, 400, "JPEG", exif=exif), ["b.jpg"])["b.jpg"]

    assert opened(thumbnail).size == (EDGE // 2, EDGE)


def test_a_small_picture_keeps_its_pixels():
    thumbnail = found("b.png", picture(28, 20, mode="L", color=7), ["b.png"])["b.png"]

    assert (thumbnail.kind, thumbnail.is_crisp) == ("png", True)
    assert np.array_equal(np.asarray(opened(thumbnail)), np.full((20, 28), 7))


@pytest.mark.parametrize(("mode", "color"), [("RGBA", (0, 0, 0, 0)), ("LA", (0, 0))])
def test_transparent_pixels_are_white(mode, color):
    thumbnail = found("b.png", picture(8, 8, mode=mode, color=color), ["b.png"])["b.png"]

    assert np.asarray(opened(thumbnail).convert("RGB")).min() == 255


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_wanted_images_of_an_array_are_found_pixel_by_pixel(pack):
    thumbnails = found("all.npy", pack(array(5)), ["1", "4"])

    assert sorted(thumbnails) == ["1", "4"]
    assert np.array_equal(np.asarray(opened(thumbnails["4"])), np.arange(4 * 784, 5 * 784).astype(np.uint8).reshape(28, 28))


def test_pictures_and_arrays_in_one_archive_are_found():
    content = archive(**{"x/photo.png": picture(400, 200), "all.npy": array(3), "broken.png": b"\x89PNG\r\n\x1a\nno"})
    thumbnails = found("all.zip", content, ["x/photo.png", "all.npy/2", "broken.png"])

    assert sorted(thumbnails) == ["all.npy/2", "x/photo.png"]
    assert opened(thumbnails["x/photo.png"]).size == (EDGE, EDGE)
    assert opened(thumbnails["all.npy/2"]).size == (28, 28)


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", b"\x89PNG\r\n\x1a\nno", archive(a=b"x")[:-9], array(2)[:-5]],
    ids=lambda content: f"{len(content)} bytes",
)
def test_an_object_that_cannot_be_read_is_a_reason(content):
    with pytest.raises(Unshowable, match=r"The object cannot be read: "):
        found("a.png", content, ["a.png", "7"])


def test_an_object_that_is_gone_or_has_changed_is_a_reason():
    with pytest.raises(Unshowable, match=r"^The object has changed since it was scored\.$"):
        found("a.png", picture(8, 8), ["a.png"], changed=picture(9, 9))
    with pytest.raises(Unshowable, match=r"^The object is gone\.$"):
        found("a.png", picture(8, 8), ["a.png"], place=Prefix("photos", "elsewhere/"))


def test_in_another_place_an_object_of_another_size_is_not_taken_for_the_scored_one():
    with pytest.raises(Unshowable, match="changed"):
        found("a.png", picture(8, 8), ["a.png"], place=Prefix("photos", ""), changed=picture(8, 8) + b" ")

    copied = found("a.png", picture(8, 8), ["a.png"], place=Prefix("photos", ""), changed=picture(8, 8)[:-1] + b" ")
    assert list(copied) == ["a.png"]
