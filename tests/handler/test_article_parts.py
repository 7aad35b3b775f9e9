"""The connected parts of masks, against a search that is slow and plain."""

import numpy as np
import PIL.Image
from hypothesis import given, settings
from hypothesis import strategies as st

from handler.article_parts import large_parts


def parts(cells):
    """The parts of `cells`, each as a set of places, by walking from cell to cell."""
    left, found = set(zip(*np.nonzero(cells), strict=True)), []
    while left:
        waiting, part = [left.pop()], set()
        while waiting:
            row, column = waiting.pop()
            part.add((row, column))
            near = {(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)} & left
            left -= near
            waiting += near
        found.append(part)
    return found


def kept(cells):
    return np.asarray(large_parts(PIL.Image.fromarray(cells.astype(np.uint8) * 255))) > 0


@settings(max_examples=200)
@given(height=st.integers(1, 40), width=st.integers(1, 40), filled=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_a_part_is_kept_if_it_is_a_tenth_of_the_largest_or_lies_next_to_one_that_is(height, width, filled, seed):
    cells = np.random.default_rng(seed).random((height, width)) < filled
    found = parts(cells)
    largest = max(map(len, found), default=0)

    result = kept(cells)
    large = [part for part in found if len(part) >= 0.1 * largest]
    assert not (result & ~cells).any()
    assert all(result[place] for part in large for place in part)
    around = {
        (row + down, column + right) for part in large for row, column in part for down in (-1, 0, 1) for right in (-1, 0, 1)
    }
    assert all(place in around for place in zip(*np.nonzero(result), strict=True))


def test_an_empty_mask_stays_empty():
    assert not kept(np.zeros((5, 7), bool)).any()


def test_lines_too_thin_to_be_told_apart_are_all_kept():
    cells = np.zeros((2000, 1500), bool)
    cells[::200] = True

    assert np.array_equal(kept(cells), cells)


def test_a_part_that_winds_through_the_whole_mask_is_one_part():
    cells = np.ones((111, 111), bool)
    cells[1::2] = False
    cells[1::4, -1] = cells[3::4, 0] = True
    lone = cells.copy()
    lone[50:53, 40:43] = False
    lone[51, 41] = True

    assert np.array_equal(kept(cells), cells)
    assert kept(lone)[0].all()
    assert len(parts(cells)) == 1
