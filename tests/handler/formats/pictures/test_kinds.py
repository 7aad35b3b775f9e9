"""What holds for every kind of picture: one decoder, of bounded work, whose errors are its own picture's."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.AvifImagePlugin
import PIL.Image
import PIL.PngImagePlugin
import pytest

from handler.errors import UnreadableImage
from handler.formats.image import Image
from handler.formats.picture import picture_size, read_picture
from handler.formats.pictures import KINDS
from handler.formats.pictures.upright import reduction
from tests.handler.formats.samples import decoded, npy, rows, saved, tarred, zipped

PIXELS = np.random.default_rng(5).integers(0, 256, (28, 28), np.uint8)
PICTURE = PIL.Image.fromarray(PIXELS)
EACH = {kind: saved(PICTURE, kind.upper()) for kind in ("png", "jpeg", "webp", "gif", "bmp", "tiff", "avif")}
EACH["heic"] = (Path(__file__).parent / "heic" / "upright.heic").read_bytes()
ROOT = Path(__file__).parents[4]


def test_there_is_a_sample_of_each_kind():
    assert list(EACH) == [kind.NAME.lower() for kind in KINDS]


@pytest.mark.parametrize("kind", EACH)
def test_each_kind_is_recognised_alone_by_itself(kind):
    assert [each.NAME.lower() for each in KINDS if each.recognises(EACH[kind])] == [kind]


@pytest.mark.parametrize(
    "error", [MemoryError, RecursionError, AttributeError, SyntaxError, OSError, ZeroDivisionError, Warning]
)
def test_whatever_a_decoder_raises_is_the_error_of_its_picture(error, fashion_target, monkeypatch):
    def broken(file):
        raise error("Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK")

    files = {"a.jpg": EACH["jpeg"], "b.png": EACH["png"], "c.npy": npy(PIXELS[None])}
    monkeypatch.setattr(PIL.PngImagePlugin, "PngImageFile", broken)

    for pack in (zipped, tarred):
        assert rows(pack(files), fashion_target) == ["a.jpg", ("b.png", "UnreadableImage"), "c.npy/0"]
    with pytest.raises(UnreadableImage) as raised:
        decoded(EACH["png"], fashion_target)
    assert str(raised.value) == (
        "Expected a whole PNG picture. Received: one that is truncated or damaged; upload it again, or save it as PNG."
    )


def test_whatever_a_conversion_raises_is_the_error_of_its_picture(fashion_target, monkeypatch):
    monkeypatch.setattr(PIL.Image.Image, "convert", lambda *arguments: 1 / 0)

    assert rows(zipped({"a.png": EACH["png"], "c.npy": npy(PIXELS[None])}), fashion_target)[-1] == "c.npy/0"


@pytest.mark.parametrize("kind", EACH)
def test_only_the_decoder_of_its_kind_is_loaded(kind, tmp_path):
    (tmp_path / "picture").write_bytes(EACH[kind])
    program = (
        "import re, sys; from handler.formats.picture import read_picture; "
        "loaded = lambda: sorted(n for n in sys.modules if re.fullmatch('PIL.*ImagePlugin|PIL._(webp|avif)|_pi_heif', n)); "
        f"print(loaded()); read_picture(open({str(tmp_path / 'picture')!r}, 'rb').read()); print(loaded())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    names = {"webp": ["PIL.WebPImagePlugin", "PIL._webp"], "avif": ["PIL._avif"], "heic": ["_pi_heif"]}
    expected = names.get(kind, [f"PIL.{kind.capitalize()}ImagePlugin"])
    assert done.stdout.splitlines() == ["[]", str(expected)]


@pytest.mark.parametrize(
    ("size", "factor"), [((4096, 4096), 1), ((4097, 4096), 2), ((5712, 4284), 2), ((8192, 8192), 2), ((8193, 8192), 4)]
)
def test_a_picture_above_16_megapixels_is_read_at_a_fraction(size, factor):
    assert reduction(*size) == factor


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_large_picture_is_averaged(mode):
    """Both squares of a chessboard of 2x2 pixels, one of them transparent where there is transparency."""
    grey = np.tile(np.kron(np.eye(2, dtype=np.uint8), np.full((2, 2), 255, np.uint8)), (1100, 1100))
    picture = PIL.Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else PIL.Image.fromarray(grey).convert(mode)
    options = {"transparency": 0} if mode in {"P", "I;16"} else {}
    content = saved(picture, "PNG", compress_level=1, **options)

    assert picture_size(content) == (4400, 4400)
    found = read_picture(content)
    assert (found.size, found.mode) == (
        (2200, 2200),
        {"1": "L", "L": "L", "I;16": "RGBA", "P": "RGBA", "LA": "RGBA"}.get(mode, mode),
    )
    expected = np.tile(np.eye(2, dtype=np.uint8) * 255, (1100, 1100))
    assert np.array_equal(np.asarray(found.getchannel("A" if options else 0)), expected)


def test_every_kind_gives_an_image(fashion_target):
    for kind, content in EACH.items():
        (item,) = decoded(content, fashion_target)
        assert isinstance(item, Image), kind
