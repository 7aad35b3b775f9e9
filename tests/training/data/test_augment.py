import numpy as np

from training.data.augment import augment, erase, shift

IMAGES = np.random.default_rng(0).integers(1, 256, (200, 9, 7, 2), np.uint8)  # no pixel is background


def test_views_keep_shape_and_dtype_and_leave_the_images_alone():
    before = IMAGES.copy()

    views = augment(IMAGES, np.random.default_rng(1), shift_pixels=2, flip=True, erase_probability=1.0)

    assert (views.shape, views.dtype) == (IMAGES.shape, np.uint8)
    assert np.array_equal(IMAGES, before)


def test_the_same_seed_gives_the_same_views():
    def views(seed):
        return augment(IMAGES, np.random.default_rng(seed), shift_pixels=2, flip=True, erase_probability=0.5)

    assert np.array_equal(views(3), views(3))
    assert not np.array_equal(views(3), views(4))


def test_a_shift_moves_each_image_by_up_to_so_many_pixels_and_fills_with_background():
    moved = shift(IMAGES, np.random.default_rng(2), 2)

    offsets = set()
    for before, after in zip(IMAGES, moved, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
        found = [
            (down, right)
            for down in range(5)
            for right in range(5)
            if np.array_equal(padded[down : down + 9, right : right + 7], after)
        ]
        assert len(found) == 1
        offsets.update(found)
    assert len(offsets) == 25  # every one of the 5 x 5 places is taken by some of 200 images


def test_no_augmentation_changes_nothing():
    views = augment(IMAGES, np.random.default_rng(1), shift_pixels=0, flip=False, erase_probability=0.0)

    assert np.array_equal(views, IMAGES)


def test_a_flip_mirrors_about_half_of_the_images():
    views = augment(IMAGES, np.random.default_rng(1), shift_pixels=0, flip=True, erase_probability=0.0)
    mirrored = [np.array_equal(view, image[:, ::-1]) for view, image in zip(views, IMAGES, strict=True)]
    same = [np.array_equal(view, image) for view, image in zip(views, IMAGES, strict=True)]

    assert all(a or b for a, b in zip(mirrored, same, strict=True))
    assert 60 < sum(mirrored) < 140


def test_an_erased_area_is_one_rectangle_of_noise_within_its_bounds():
    blank = np.zeros((500, 28, 28, 1), np.uint8)

    views = erase(blank, np.random.default_rng(4), 1.0)

    shares = []
    for view in views[..., 0]:
        rows, columns = np.flatnonzero(view.any(axis=1)), np.flatnonzero(view.any(axis=0))
        if len(rows):
            outside = view.copy()
            outside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = 0
            assert not outside.any()
            shares.append(len(rows) * len(columns) / 784)
    assert len(shares) > 480  # noise may be all zeros in the smallest ones
    assert 0.3 < max(shares) <= 0.41
    assert erase(blank, np.random.default_rng(4), 0.0).any() == np.False_
