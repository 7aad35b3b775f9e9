"""Makes the pictures of README.md, out of what the commands of users show.

    python -m infra.pictures            all of them
    python -m infra.pictures demo.svg   one; after a change of what `make demo` prints

The contact sheet needs Chromium, and the data set's picture Debian's package dataset-fashion-mnist. Fonts of another machine
change the contact sheet a little; the others are the same everywhere.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from infra.paths import IMAGES, ROOT

DOCS = ROOT / "docs"
DATA_SET = Path("/usr/share/datasets/fashion-mnist")

_CHROMIUM = "/usr/bin/chromium"
_SHEET_WIDTH, _SHEET_HEIGHT = 960, 700  # five columns, in which the name of each class takes one line
_COLUMNS, _ROWS_A_CLASS = 36, 2
_SHADES = 16  # of grey, which halve the file

# Rich's own, less its font, which would come from another host.
_WEB_FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def draw_sheet() -> bytes:
    """Returns the contact sheet of the sample photos, scored by the model that knows photos."""
    from playwright.sync_api import sync_playwright  # late: it belongs to the tests' libraries

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder) / "sheet.html"
        options = ["--artifact", "clothes-photos", "--out", f"{folder}/predictions", "--page", str(page_file)]
        _run("score", str(IMAGES / "photos"), *options)
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _SHEET_WIDTH, "height": _SHEET_HEIGHT})
        page.goto(page_file.as_uri())
        page.wait_for_function("[...document.images].every(image => image.complete)")
        shot = page.screenshot(full_page=True)
        browser.close()
    with Image.open(io.BytesIO(shot)) as image:
        return _as_png(image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT))


def draw_data_set() -> bytes:
    """Returns the first training images of each class of Fashion-MNIST, class by class, dark on light."""
    labels = np.frombuffer(gzip.decompress((DATA_SET / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    pixels = np.frombuffer(gzip.decompress((DATA_SET / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    images = pixels.reshape(-1, 28, 28)
    count = _COLUMNS * _ROWS_A_CLASS
    chosen = np.concatenate([images[labels == index][:count] for index in range(10)])
    rows = chosen.reshape(-1, _COLUMNS, 28, 28).swapaxes(1, 2).reshape(-1, _COLUMNS * 28)
    return _as_png(Image.fromarray(255 - rows).quantize(_SHADES))


def draw_demo() -> bytes:
    """Returns the terminal in which `make demo` has run."""
    from rich.console import Console
    from rich.terminal_theme import MONOKAI
    from rich.text import Text

    shown = Text.from_ansi("$ make demo\n" + _run("demo"))
    width = max(len(line.rstrip()) for line in shown.plain.splitlines())
    console = Console(width=width, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(shown, no_wrap=True)
    drawing = console.export_svg(title="Coatcheck", theme=MONOKAI, unique_id="demo")
    return _WEB_FONTS.sub("", drawing).encode()


PICTURES: dict[str, Callable[[], bytes]] = {
    "sheet.png": draw_sheet,
    "fashion-mnist-sprite.png": draw_data_set,
    "demo.svg": draw_demo,
}


def main(names: Sequence[str]) -> None:
    """Writes the pictures of these names, or all, into docs/."""
    for name in names or PICTURES:
        (DOCS / name).write_bytes(PICTURES[name]())


def _run(*arguments: str) -> str:
    """Returns what a command of `coatcheck` prints on a terminal."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": "100", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "infra", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def _as_png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


if __name__ == "__main__":
    main(sys.argv[1:])
