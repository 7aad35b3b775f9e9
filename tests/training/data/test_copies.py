"""Copies between the parts of a data set are found however they were stored; different images are not taken for copies."""

import io

import numpy as np
import PIL.Image
import pytest

from infra.paths import IMAGES
from training.data.copies import find_copies

SIZE = (120, 90)


def scenes(count, channels=3, seed=0):
    """Blots of light with a little colour, which look like nothing, but each like no other."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 200, (count, 6, 8, 1), np.uint8) + rng.integers(0, 50, (count, 6, 8, channels), np.uint8)
    return np.stack([enlarge(image, SIZE) for image in coarse])


def enlarge(image, size):
    picture = PIL.Image.fromarray(image if image.shape[-1] == 3 else image[..., 0])
    return np.asarray(picture.resize(size, PIL.Image.Resampling.BICUBIC)).reshape(size[1], size[0], -1)


def stored_again(image):
    """As JPEG of a lower quality and half of the size, and back."""
    content = io.BytesIO()
    PIL.Image.fromarray(enlarge(image, (60, 45))).save(content, "JPEG", quality=60)
    return enlarge(np.asarray(PIL.Image.open(content)), SIZE)


CHANGES = {
    "the same": lambda image: image,
    "stored again": stored_again,
    "mirrored": lambda image: image[:, ::-1],
    "a little darker": lambda image: (image * 0.8).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_copy_is_found_with_what_it_is_a_copy_of(change):
    images = scenes(20)
    tests = np.stack([change(images[13]), *scenes(3, seed=1), change(images[2])])

    assert find_copies(tests, images) == [(0, 13), (4, 2)]


def test_different_images_are_no_copies():
    assert find_copies(scenes(200, seed=1), scenes(200, seed=2)) == []


def test_none_of_the_sample_garments_is_a_copy_of_another():
    garments = np.stack([np.asarray(PIL.Image.open(path))[..., None] for path in sorted(IMAGES.glob("*.png"))])

    assert find_copies(garments[::2], garments[1::2]) == []


def test_an_empty_image_is_a_copy_of_an_empty_image_alone():
    grey = np.full((1, 28, 28, 1), 90, np.uint8)
    images = np.concatenate([scenes(3, channels=1)[:, :28, :28], grey // 2])

    assert find_copies(grey, images) == [(0, 3)]


def test_more_images_than_are_compared_at_once(monkeypatch):
    monkeypatch.setattr("training.data.copies._BLOCK", 7)
    images = scenes(40)

    assert find_copies(images, images[::-1]) == [(position, 39 - position) for position in range(40)]


@pytest.mark.parametrize(("tests", "others"), [(0, 3), (3, 0)])
def test_there_may_be_no_images(tests, others):
    assert find_copies(scenes(3)[:tests], scenes(3)[:others]) == []
