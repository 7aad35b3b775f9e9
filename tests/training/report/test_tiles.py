"""Many images side by side, each under its text."""

from itertools import pairwise

import numpy as np
import pytest

from training.report.figures import new_figure
from training.report.tiles import COLUMNS, draw_tiles


def drawn(count, caption, shape=(28, 28, 1)):
    figure = draw_tiles("tiles", np.zeros((count, *shape), np.uint8), [caption] * count)
    figure.canvas.draw()
    return figure


def boxes(figure):
    return [axes.title.get_window_extent() for axes in figure.axes if axes.images]


@pytest.mark.parametrize("caption", ["short", "W" * 40, "two\nlines", "\u5bbf" * 60])
@pytest.mark.filterwarnings("ignore:Glyph")  # fonts differ between machines
def test_no_text_reaches_into_that_of_its_neighbour(caption):
    figure = drawn(COLUMNS + 1, caption)
    found = boxes(figure)

    assert all(left.x1 <= right.x0 for left, right in pairwise(found[:COLUMNS]))
    assert found[0].x0 >= 0
    assert found[COLUMNS - 1].x1 <= figure.bbox.width


def test_a_text_that_fits_keeps_its_size():
    sizes = [axes.title.get_fontsize() for axes in drawn(2, "short").axes if axes.images]

    assert sizes == [8, 8]


@pytest.mark.parametrize("shape", [(28, 28, 1), (60, 24, 3), (16, 64, 1)])
def test_an_image_is_nearer_to_its_own_text_than_to_the_next(shape):
    figure = drawn(2 * COLUMNS, "one\ntwo\nthree", shape)
    upper, lower = ([axes for axes in figure.axes if axes.images][index] for index in (0, COLUMNS))

    own = lower.title.get_window_extent().y0 - lower.get_window_extent().y1
    other = upper.get_window_extent().y0 - lower.title.get_window_extent().y1
    assert 0 < own < other


def test_no_image_leaves_a_title_alone():
    figure = drawn(0, "")

    assert (figure.axes, figure.get_suptitle()) == ([], "tiles")
    assert figure.get_figheight() < new_figure(1, 1).get_figheight()
