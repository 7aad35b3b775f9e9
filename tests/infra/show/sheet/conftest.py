"""Rows, thumbnails, and a look at pages in a browser."""

import pytest

from handler.contract import parse_manifest
from handler.model import BUNDLED_ARTIFACT
from handler.predictions import Input, ModelName, Prediction, RejectedImage
from infra.show.documents import Row
from infra.show.sheet.entries import Thumbnail
from infra.show.sheet.writing import write_sheet

MANIFEST = parse_manifest((BUNDLED_ARTIFACT / "manifest.json").read_bytes())
MODEL = ModelName(MANIFEST.name, MANIFEST.version, MANIFEST.model.sha256)
DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c6360606000000004000127340a"
    "330000000049454e44ae426082"
)


def source_of(key):
    return Input("photos", key, "e0", None, 7, "png")


def predicted(key, class_name="Coat", confidence=0.9, *, image=None, **marks):
    name = key.rsplit("/", 1)[-1] if image is None else image
    index = MANIFEST.classes.index(class_name) if class_name in MANIFEST.classes else 0
    result = Prediction(
        image=name, class_index=index, class_name=class_name, confidence=confidence, probabilities=[0.1] * 10, **marks
    )
    return Row(source_of(key), MODEL, result)


def rejected(key):
    error = RejectedImage(key.rsplit("/", 1)[-1], "UnreadableImage", "Expected a whole one.")
    return Row(source_of(key), MODEL, error, is_object=True)


def dots(source, wanted):
    for name in sorted(wanted):
        yield name, Thumbnail("png", DOT, is_crisp=True)


@pytest.fixture
def write(tmp_path):
    """Writes a sheet, and returns what `write_sheet` does."""

    def write(rows, thumbnails=dots, **options):
        return write_sheet(rows, thumbnails, tmp_path / "sheet.html", options.pop("title", "photos"), **options)

    return write


@pytest.fixture
def look(browser):
    """Opens a page; the test fails if the page complains, or asks for anything but itself."""
    contexts, complaints, requests = [], [], []

    def look(path, *, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(path.as_uri())
        return page

    yield look
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
