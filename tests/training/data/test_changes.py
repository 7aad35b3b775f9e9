"""Changed images: what is changed, and that nothing else is."""

import numpy as np
import pytest

from training.data.changes import change, sample

IMAGES = np.random.default_rng(0).integers(0, 256, (400, 28, 28, 1), np.uint8)


@pytest.mark.parametrize("shape", [(28, 28, 1), (12, 12, 3), (16, 24, 3), (9, 40, 1)])
def test_every_image_is_changed_and_keeps_its_shape(shape):
    images = np.random.default_rng(1).integers(0, 256, (200, *shape), np.uint8)
    before = images.copy()

    changed = change(images, np.random.default_rng(2))

    assert (changed.images.shape, changed.images.dtype) == (images.shape, np.uint8)
    assert np.array_equal(images, before)
    same = [np.array_equal(new, old) for new, old in zip(changed.images, images, strict=True)]
    assert np.mean(same) < 0.05  # a warp that neither turns, scales, shears nor shifts is possible


def test_equal_seeds_give_equal_changes():
    once, again = (change(IMAGES, np.random.default_rng(3)) for _ in range(2))

    assert np.array_equal(once.images, again.images)
    assert np.array_equal(once.turned, again.turned)
    assert 0.08 < once.turned.mean() < 0.22


def test_a_place_between_pixels_is_read_between_their_values():
    images = np.array([[[0.0], [10.0]], [[20.0], [30.0]]], np.float32)[None]
    places = np.array([[[[0.5, 0.5], [0.0, 1.0]], [[-0.5, 0.0], [5.0, 5.0]]]], np.float32)

    # Half a pixel above the image, half of the ground is read.
    assert sample(images, places)[0, ..., 0] == pytest.approx(np.array([[15.0, 10.0], [0.0, 0.0]]), abs=1e-3)


def test_no_image_at_all_is_changed_into_none():
    assert change(IMAGES[:0], np.random.default_rng(0)).images.shape == (0, 28, 28, 1)
