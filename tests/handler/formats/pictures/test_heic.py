"""HEIC, with its decoder and without it.

The samples were written by pillow-heif, which has an encoder. They are of 128x64 pixels, light above and dark below, with a red
corner at the top left.
"""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from handler.errors import ObjectTooLarge, UnreadableImage
from handler.formats.picture import kind, read_picture, readable_kinds
from handler.formats.pictures import heic

SAMPLES = {path.stem: path.read_bytes() for path in sorted((Path(__file__).parent / "heic").glob("*.heic"))}


@pytest.fixture
def without_decoder(monkeypatch):
    monkeypatch.setitem(sys.modules, "_pi_heif", None)


@pytest.mark.usefixtures("without_decoder")
@pytest.mark.parametrize("name", SAMPLES)
def test_without_its_decoder_it_is_refused_by_its_name_with_what_to_do(name):
    assert kind(SAMPLES[name]) == "heic"
    with pytest.raises(UnreadableImage, match=r"Received: HEIC; save it as JPEG .* or build the function with HEIC=1"):
        read_picture(SAMPLES[name])


@pytest.mark.usefixtures("without_decoder")
def test_without_its_decoder_it_is_none_of_the_readable_kinds():
    assert "heic" not in readable_kinds()
    assert {"png", "jpeg", "webp", "gif", "bmp", "tiff", "avif"} <= set(readable_kinds())


def test_with_its_decoder_it_is_one_of_the_readable_kinds():
    assert "heic" in readable_kinds()


def test_its_decoder_is_looked_for_without_being_loaded(monkeypatch):
    monkeypatch.delitem(sys.modules, "_pi_heif", raising=False)

    assert heic.is_installed()
    assert "_pi_heif" not in sys.modules


def test_it_is_the_picture_it_was_made_of():
    pixels = np.asarray(read_picture(SAMPLES["upright"])).astype(int)

    assert pixels.shape == (64, 128, 3)
    assert np.abs(pixels[4:28, 16:] - 230).max() < 20
    assert np.abs(pixels[36:] - 30).max() < 20
    assert np.abs(pixels[2, 2] - (200, 20, 20)).max() < 20


def test_it_is_turned_upright():
    assert (
        np.abs(
            np.asarray(read_picture(SAMPLES["turned"])).astype(int)[:, ::-1].transpose(1, 0, 2)
            - np.asarray(read_picture(SAMPLES["upright"]))
        ).mean()
        < 5
    )


@pytest.mark.parametrize("damage", [bytes(26), b"?" * 26, b"\xff" * 26])
def test_damaged_metadata_change_nothing(damage):
    at = SAMPLES["turned"].index(b"MM\0*") - 10
    content = SAMPLES["turned"][:at] + damage + SAMPLES["turned"][at + len(damage) :]

    assert np.array_equal(np.asarray(read_picture(content)), np.asarray(read_picture(SAMPLES["turned"])))


def test_an_alpha_channel_is_transparency():
    found = read_picture(SAMPLES["alpha"])

    assert found.mode == "RGBA"
    assert np.array_equal(np.asarray(found)[[4, 60], 64, 3], [255, 0])


def test_a_header_of_more_pixels_than_the_limit_is_refused():
    with pytest.raises(ObjectTooLarge, match="Received: 128x64"):
        read_picture(SAMPLES["upright"], 1000)


def test_data_of_more_pixels_than_the_header_states_are_refused():
    content = SAMPLES["upright"]
    at = content.index(b"ispe") + 8
    with pytest.raises(UnreadableImage):
        read_picture(content[:at] + struct.pack(">II", 16, 16) + content[at + 8 :])


@pytest.mark.parametrize("cut", [40, 200, 500, -1])
def test_a_heic_that_is_cut_is_refused(cut):
    with pytest.raises(UnreadableImage):
        read_picture(SAMPLES["upright"][:cut])
