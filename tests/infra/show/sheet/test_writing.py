"""What is on a sheet: which images, on which pages, and how they are counted."""

import json
import re

import pytest

from handler.predictions import Input
from infra.show.documents import BrokenDocument
from infra.show.sheet.entries import Noted, Unshowable
from infra.show.sheet.shelf import open_shelf
from infra.show.sheet.text import visible
from infra.show.sheet.writing import write_sheet
from tests.infra.show.sheet.conftest import MANIFEST, dots, predicted, rejected


def data_of(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[1])


def names(path):
    return [image["name"]["shown"] for image in data_of(path)["images"]]


def test_what_is_left_out_is_what_is_most_confident_and_the_page_says_so(write):
    rows = [predicted(f"{number}.png", confidence=number / 10) for number in range(1, 10)]
    summary = write([*rows, predicted("unsure.png", confidence=0.95, unsure=True)], page_images=4)

    assert [names(page) for page in summary.pages] == [["unsure.png", "1.png", "2.png", "3.png"]]
    assert (summary.images, summary.unsure, summary.left_out) == (10, 1, 6)
    assert "6 images of the highest confidence are left out" in summary.pages[0].read_text()


def test_nothing_doubtful_is_left_out_however_much_there_is(write):
    rows = [predicted("sure.png"), *(predicted(f"{number}.png", unsure=True) for number in range(5)), rejected("x.png")]
    summary = write([*rows, predicted("surer.png", confidence=0.99)], page_images=3)

    assert [path.name for path in summary.pages] == ["sheet.html", "sheet-2.html"]
    assert [names(page) for page in summary.pages] == [["x.png", "0.png", "1.png"], ["2.png", "3.png", "4.png"]]
    assert (summary.rejected, summary.unsure, summary.left_out) == (1, 5, 2)


def test_everything_is_shown_if_that_is_asked_for(write):
    summary = write([predicted(f"{number}.png") for number in range(5)], page_images=2, everything=True)

    assert [len(names(page)) for page in summary.pages] == [2, 2, 1]
    assert "left out" not in summary.pages[0].read_text()


def test_an_image_that_is_unsure_and_unfamiliar_is_counted_once_and_shows_both(write):
    summary = write([predicted("a.png", unsure=True, unfamiliar=True)])

    assert (summary.unfamiliar, summary.unsure) == (1, 0)
    assert {"unsure": True, "unfamiliar": True}.items() <= data_of(summary.pages[0])["images"][0].items()


def test_a_sheet_of_nothing_is_a_page(write):
    assert names(write([]).pages[0]) == []


def test_classes_are_counted_over_all_images_the_largest_first(write):
    classes = ("Bag", "Coat", "Coat", "Shirt", "Shirt", "Shirt")
    summary = write([predicted(f"{place}.png", name) for place, name in enumerate(classes)], page_images=1)

    counted = [(each["name"]["shown"], each["count"]) for each in data_of(summary.pages[0])["classes"]]
    assert counted == [("Shirt", 3), ("Coat", 2), ("Bag", 1)]


@pytest.mark.parametrize(("sha256", "count"), [(MANIFEST.model.sha256, 10), ("0" * 64, 1)])
def test_classes_of_the_model_can_be_chosen_and_none_of_another_model(write, sha256, count):
    import msgspec

    manifest = msgspec.structs.replace(MANIFEST, model=msgspec.structs.replace(MANIFEST.model, sha256=sha256))
    summary = write([predicted("a.png")], manifest=manifest)

    assert len(data_of(summary.pages[0])["classes"]) == count


def test_the_histogram_is_bounded_where_every_image_has_a_class_of_its_own(write):
    summary = write((predicted(f"{number}.png", f"class {number:04}") for number in range(3000)), page_images=10)

    assert len(data_of(summary.pages[0])["classes"]) <= 1010


def test_confidence_is_never_rounded_up_to_certainty(write):
    assert data_of(write([predicted("a.png", confidence=0.99996)]).pages[0])["images"][0]["percent"] == 99.9


def test_the_reason_is_shown_where_an_image_has_no_thumbnail(write):
    def thumbnails(source: Input, wanted):
        if source.key == "gone.png":
            raise Unshowable("The object is gone.")
        yield from ()

    images = data_of(write([predicted("gone.png"), predicted("other.png")], thumbnails).pages[0])["images"]

    assert [(image["missing"], image.get("source")) for image in images] == [
        ("The object is gone.", None),
        ("The image was not found in its object.", None),
    ]


def test_only_objects_of_images_that_are_shown_are_opened_and_each_once(write):
    asked = []

    def thumbnails(source, wanted):
        asked.append((source.key, sorted(wanted)))
        return dots(source, wanted)

    zipped = [predicted("all.zip", image=f"{number}.png", confidence=number / 10) for number in range(5)]
    write([*zipped, predicted("sure.png", confidence=0.99)], thumbnails, page_images=3)

    assert asked == [("all.zip", ["0.png", "1.png", "2.png"])]


def test_the_same_images_make_the_same_page_and_notes_are_part_of_it(write):
    first = write([predicted("a.png"), rejected("b.png")]).pages[0].read_bytes()

    assert write([predicted("a.png"), rejected("b.png")]).pages[0].read_bytes() == first
    assert write([Noted(predicted("a.png"), "was Bag"), rejected("b.png")]).pages[0].read_bytes() != first


def test_a_document_that_breaks_off_leaves_the_page_that_was_there(write):
    def rows():
        yield predicted("b.png")
        raise BrokenDocument("broken")

    page = write([predicted("a.png")]).pages[0]
    with pytest.raises(BrokenDocument, match="broken"):
        write(rows())

    assert names(page) == ["a.png"]


def test_a_title_and_a_file_that_are_no_text_make_a_page(tmp_path):
    out = tmp_path / "a \udcff#.html"
    pages = write_sheet([rejected("a.png"), rejected("b.png")], None, out, "\udcff", page_images=1).pages

    text = pages[0].read_text()
    assert "<h1><bdi>\\udcff</bdi></h1>" in text
    assert 'href="./a%20%FF%23-2.html"' in text


def test_an_object_whose_rows_are_apart_keeps_all_of_them():
    rows = [predicted("a.zip", image="1"), predicted("b.zip", image="1"), predicted("a.zip", image="2")]
    with open_shelf() as shelf:
        shelf.add(map(Noted, rows))
        shelf.choose(10)
        shelf.illustrate(dots)

        assert [(kept.object, kept.entry.image, kept.missing) for kept in shelf.take(0, 10)] == [
            ("photos/a.zip", "1", ""),
            ("photos/b.zip", "1", ""),
            ("photos/a.zip", "2", ""),
        ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain <b>.png", "plain <b>.png"),
        ("Jäger 上衣 👕", "Jäger 上衣 👕"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("\x00\x1b\x7f\u2028", "\\u0000\\u001b\\u007f\\u2028"),
        ("👨\u200d👩", "👨\u200d👩"),
        ("\U000e0041", "\\U000e0041"),
        ("x" * 1001, "x" * 999 + "…"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(text, shown):
    assert visible(text) == shown
