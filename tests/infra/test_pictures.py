"""The pictures of README.md: each is there, small enough to load at once, and asks nothing of other hosts."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from infra.pictures import DATA_SET, DOCS, PICTURES, draw_data_set, main


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_the_script_makes_is_among_the_pages_and_under_200_kb(name):
    assert 0 < (DOCS / name).stat().st_size < 200_000


def test_pictures_are_as_wide_as_a_page():
    for name in PICTURES:
        if name.endswith(".png"):
            with Image.open(DOCS / name) as image:
                assert 900 <= image.width <= 1010


def test_a_picture_is_written_by_its_name_and_no_other_is(tmp_path, monkeypatch):
    monkeypatch.setattr("infra.pictures.DOCS", tmp_path)
    monkeypatch.setattr("infra.pictures.PICTURES", {"a.png": lambda: b"a", "b.png": lambda: b"b"})

    main(["b.png"])
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]
    main([])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": b"a", "b.png": b"b"}


@pytest.mark.skipif(not DATA_SET.exists(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_picture_of_the_data_set_is_what_the_script_draws():
    with Image.open(DOCS / "fashion-mnist-sprite.png") as kept, Image.open(io.BytesIO(draw_data_set())) as drawn:
        assert np.array_equal(kept.convert("L"), drawn.convert("L"))


def test_the_terminal_asks_for_no_font_of_another_host_and_shows_what_the_demo_prints():
    drawing = (DOCS / "demo.svg").read_text()
    text = re.sub(r"<[^>]+>", "", drawing).replace("&#160;", " ")

    assert "@font-face" not in drawing
    assert "url(http" not in drawing
    for words in ("$ make demo", "uploaded 101 objects", "true class", "images right", "page: .demo/predictions.html"):
        assert words in text
