"""Images that show none of the classes."""

import numpy as np
import pytest

from handler.contract import Conversion
from training.data.foreign import make_foreign


@pytest.mark.parametrize("shape", [(28, 28, 1), (12, 12, 3), (20, 30, 3)])
def test_they_have_the_form_of_the_training_images(shape):
    images = np.random.default_rng(0).integers(0, 256, (10, *shape), np.uint8)

    made = make_foreign(images, 60, Conversion(), np.random.default_rng(1))

    assert (made.shape, made.dtype) == ((60, *shape), np.uint8)
    assert len({image.tobytes() for image in made}) > 50  # hardly two are equal
    assert not {image.tobytes() for image in made} & {image.tobytes() for image in images}


def test_equal_seeds_give_equal_images():
    images = np.random.default_rng(0).integers(0, 256, (10, 28, 28, 1), np.uint8)
    once, again, other = (
        make_foreign(images, 20, Conversion(fit="fashion-mnist", revision=2), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )

    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_none_are_made_where_none_are_wanted():
    assert len(make_foreign(np.zeros((1, 8, 8, 1), np.uint8), 0, Conversion(), np.random.default_rng(0))) == 0
