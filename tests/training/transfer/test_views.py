"""The views of photos that a head learns from."""

import numpy as np

from training.transfer.views import make_views

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 20, 30, 3), np.uint8)


def test_the_first_views_are_the_photos_and_their_mirror_images():
    first, second, *crops = make_views(IMAGES, 4, np.random.default_rng(1))

    assert np.array_equal(first, IMAGES)
    assert np.array_equal(second, IMAGES[:, :, ::-1])
    assert len(crops) == 2
    for crop in crops:
        assert (crop.shape, crop.dtype) == (IMAGES.shape, np.uint8)
        assert not np.array_equal(crop, IMAGES)


def test_a_photo_of_one_colour_stays_so_in_each_view():
    plain = np.full((2, 9, 9, 1), 77, np.uint8)

    assert all((view == 77).all() for view in make_views(plain, 6, np.random.default_rng(2)))
