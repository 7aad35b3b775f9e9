"""The pictures of a trial: changed in every way that is named, foreign in every way that is named, and the same each time."""

import numpy as np
import pytest

from training.trial.changed import CHANGES, change_images
from training.trial.foreign import draw_foreign

SAME_ON_A_SYMMETRIC_IMAGE = {"c-flip sides"}


@pytest.fixture
def garments(sample_pixels):
    return sample_pixels[:20]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_kind_changes_every_image_and_keeps_its_size(channels, garments):
    images = np.repeat(garments, channels, axis=3)

    kinds = dict(change_images(images))

    assert list(kinds) == list(CHANGES)
    for name, changed in kinds.items():
        assert (changed.shape, changed.dtype) == (images.shape, np.uint8), name
        unchanged = (changed == images).all(axis=(1, 2, 3)).sum()
        assert unchanged <= (1 if name not in SAME_ON_A_SYMMETRIC_IMAGE else 3), name


def test_the_images_themselves_stay_as_they_are(garments):
    before = garments.copy()

    list(change_images(garments))

    assert (garments == before).all()


def test_the_same_seed_gives_the_same_pictures(garments):
    first, second, other = (list(change_images(garments, seed)) for seed in (1, 1, 2))

    assert all((a == b).all() for (_, a), (_, b) in zip(first, second, strict=True))
    assert any((a != b).any() for (_, a), (_, b) in zip(first, other, strict=True))


def test_the_published_kinds_are_among_them_and_no_kind_is_another(garments):
    assert len([name for name in CHANGES if name.startswith("c-")]) == 15
    assert len({images.tobytes() for _, images in change_images(garments)}) == len(CHANGES)


def test_images_may_be_changed_in_blocks(garments, monkeypatch):
    whole = dict(change_images(garments))
    monkeypatch.setattr("training.trial.changed.BLOCK", 7)

    blocks = dict(change_images(garments))

    without_chance = {"darker", "blurred", "smaller", "c-contrast", "c-turn left"}
    assert all((blocks[name] == whole[name]).all() for name in without_chance)
    assert {images.shape for images in blocks.values()} == {garments.shape}


def test_what_is_no_square_is_not_turned_by_a_quarter(garments):
    kinds = dict(change_images(garments[:, :20]))

    assert set(CHANGES) - set(kinds) == {"c-turn right", "c-turn left"}


@pytest.mark.parametrize("channels", [1, 3])
def test_every_other_foreign_picture_has_the_size_of_the_images(channels, garments):
    kinds = dict(draw_foreign(np.repeat(garments, channels, axis=3), 9))

    assert len(kinds) == 10
    for name, pictures in kinds.items():
        assert len(pictures) == 9, name
        assert {picture.size for picture in pictures[::2]} == {(28, 28)}, name
        assert (28, 28) not in {picture.size for picture in pictures[1::2]}, name


def test_foreign_pictures_differ_from_each_other_and_are_the_same_each_time(garments):
    for (name, first), (_, second) in zip(draw_foreign(garments, 12), draw_foreign(garments, 12), strict=True):
        contents = [picture.tobytes() for picture in first]
        assert contents == [picture.tobytes() for picture in second], name
        assert len(set(contents)) >= 8, name
