"""Descriptions of images: of any size and colour, near each other for images that look alike."""

import numpy as np
import pytest

from training.report.likeness import COMPONENTS, describe


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def squares(colours):
    """Images of a square in the middle, one for each colour."""
    images = np.zeros((len(colours), 28, 28, 3), np.uint8)
    images[:, 8:20, 8:20] = np.array(colours, np.uint8)[:, None, None]
    return images


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 40, 3), (8, 8, 1), (28, 28, 1), (60, 24, 3), (13, 200, 1)])
@pytest.mark.parametrize("count", [2, 90])
def test_images_of_any_size_and_colour_are_described(count, shape):
    described = describe(noise((count, *shape)))

    assert described.dtype == np.float32
    assert described.shape[0] == count
    assert 1 <= described.shape[1] <= COMPONENTS
    assert np.isfinite(described).all()


def test_images_that_look_alike_are_near_each_other():
    first = noise((40, 7, 7, 1)).repeat(4, axis=1).repeat(4, axis=2)
    second = np.clip(first.astype(int) + np.random.default_rng(1).integers(-20, 21, first.shape), 0, 255).astype(np.uint8)

    described = describe(np.concatenate([first, second]))

    distances = np.linalg.norm(described[:40, None] - described[None, 40:], axis=2)
    assert distances.argmin(axis=1).tolist() == list(range(40))


def test_colours_tell_images_of_the_same_form_apart():
    red, green = (200, 30, 30), (30, 200, 30)

    described = describe(squares([red, green, red, green]))

    assert np.linalg.norm(described[0] - described[2]) < 0.01 * np.linalg.norm(described[0] - described[1])


def test_images_that_are_equal_are_described_alike_wherever_they_are():
    images = noise((2300, 8, 8, 1))
    images[2200] = images[3]

    described = describe(images)

    assert np.abs(described[2200] - described[3]).max() < 1e-5
    assert np.abs(described[2200] - described[4]).max() > 0.1


def test_the_spread_of_descriptions_is_one_whatever_the_contrast():
    images = noise((200, 28, 28, 1))

    assert describe(images).var(axis=0).sum() == pytest.approx(1, abs=0.02)
    assert describe(images // 8).var(axis=0).sum() == pytest.approx(1, abs=0.02)


def test_images_that_are_all_equal_have_equal_descriptions():
    described = describe(np.full((30, 28, 28, 1), 7, np.uint8))

    assert np.abs(described - described[0]).max() == 0
    assert np.isfinite(described).all()
