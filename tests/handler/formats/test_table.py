"""Tables of pixels: the CSV of Kaggle and its like, a line an image, and the lines that are none."""

import gzip
import itertools

import numpy as np
import pytest

from handler.errors import EmptyObject, RejectedInput, UnreadableArray, UnrecognisedFormat, WrongShape
from handler.formats import decode, listing, table
from handler.formats.image import Image, Unreadable
from tests.handler.formats.samples import Forwards, decoded, limited, peak_bytes, rows, tarred, zipped
from tests.handler.formats.samples import table as written

PIXELS = np.random.default_rng(4).integers(0, 256, (3, 28, 28), np.uint8)
NAMES = ["label", *(f"pixel{number}" for number in range(1, 785))]


def text(*lines, separator=",", newline="\n"):
    return "".join(separator.join(map(str, line)) + newline for line in lines).encode()


def values(pixels):
    return [["7", *map(str, image.ravel())] for image in pixels]


def with_names(names, pixels=PIXELS):
    return text(names, *values(pixels))


TABLES = {
    "Kaggle's": written(PIXELS),
    "from 0": with_names(["label", *(f"pixel{number}" for number in range(784))]),
    "by rows and columns": with_names(["label", *(f"{row}x{column}" for row in range(1, 29) for column in range(1, 29))]),
    "other words": with_names(["class", *(f"px_{number}" for number in range(784))]),
    "names with spaces": with_names(["Label", *(f" pixel {number} " for number in range(784))]),
    "numbers as names": with_names(["label", *range(784)]),
    "pandas": with_names(["", *range(784)]),
    "no names": written(PIXELS, names=False),
    "no names, and labels in words": text(*(["coat.png", *row[1:]] for row in values(PIXELS))),
    "no labels": written(PIXELS, labels=False),
    "neither": written(PIXELS, names=False, labels=False),
    "CRLF": written(PIXELS, newline="\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + written(PIXELS),
    "no last line feed": written(PIXELS).rstrip(),
    "empty lines": b"\n\r\n" + written(PIXELS).replace(b"\n", b"\n\n") + b"\n",
    "quoted": text([f'"{name}"' for name in NAMES], *([f'"{value}"' for value in row] for row in values(PIXELS))),
    "spaces": written(PIXELS).replace(b",", b" , "),
    "semicolons": written(PIXELS, separator=";"),
    "tabs": written(PIXELS, separator="\t"),
    "whole floats": text(NAMES, *([f"{value}.0" for value in row] for row in values(PIXELS))),
    "label last": text([*NAMES[1:], "class"], *([*row[1:], "7"] for row in values(PIXELS))),
    "more columns": text(["id", *NAMES, "split"], *(["x", *row, "train"] for row in values(PIXELS))),
    "sorted names": text(
        ["label", *(NAMES[1:][at] for at in np.argsort(NAMES[1:]))],
        *([7, *image.ravel()[np.argsort(NAMES[1:])]] for image in PIXELS),
    ),
    "gzip": gzip.compress(written(PIXELS), mtime=0),
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_table_gives_the_same_images(kind, fashion_target):
    images = decoded(TABLES[kind], fashion_target)

    assert [image.name for image in images] == ["0", "1", "2"]
    assert np.array_equal(np.stack([image.pixels for image in images])[..., 0], PIXELS)
    assert decode(Forwards(TABLES[kind]), "x", fashion_target).kind == ("csv.gz" if kind == "gzip" else "csv")


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_in_any_pieces_gives_the_same_images(kind, fashion_target):
    images = list(decode(Forwards(TABLES[kind], 997), "x", fashion_target))

    assert np.array_equal(np.stack([image.pixels for image in images])[..., 0], PIXELS)


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (lambda row: [*row[:5], "256", *row[6:]], "'256'"),
        (lambda row: [*row[:5], "-1", *row[6:]], "'-1'"),
        (lambda row: [*row[:5], "0.5", *row[6:]], "'0.5'"),
        (lambda row: [*row[:5], "", *row[6:]], "''"),
        (lambda row: [*row[:5], "NaN", *row[6:]], "'NaN'"),
        (lambda row: [*row[:5], "9" * 5000, *row[6:]], f"'{'9' * 20}'"),
        (lambda row: [*row[:5], "0" * 9 + "300", *row[6:]], "'000000000300'"),
        (lambda row: row[:-1], "784 values where the first line has 785"),
        (lambda row: [*row, "0"], "786 values where the first line has 785"),
        (lambda row: ["nonsense"], "1 values where the first line has 785"),
    ],
)
def test_a_line_that_is_no_image_is_a_row_and_the_others_are_scored(change, received, fashion_target):
    first, second, third = values(PIXELS)

    items = decoded(text(NAMES, first, change(second), third), fashion_target)
    assert [item.name for item in items] == ["0", "1", "2"]
    assert [type(item) for item in items] == [Image, Unreadable, Image]
    assert str(items[1].error) == (f"Expected a line of whole numbers of 0 to 255. Received: {received}; mend the line.")


def test_a_table_of_nothing_but_bad_lines_is_refused_with_one_reason(fashion_target):
    with pytest.raises(
        UnreadableArray, match=r"Received: 2 lines without one. The first, 0: Expected .* Received: '0.1'; mend"
    ):
        decoded(text(NAMES, [7, *["0.1"] * 784], [7, *["0.2"] * 784]), fashion_target)


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (text(["label", *(f"pixel{number}" for number in range(100))], range(101)), "100 columns of pixels"),
        (text(["a1", "a2", "a3", "a4"]), "4 columns of pixels"),
        (text([1, 2, 3, 4]), "4 columns"),
        (text([1] * 786), "786 columns"),
    ],
)
def test_a_table_of_other_images_is_refused_with_what_to_do(content, received, fashion_target):
    with pytest.raises(
        WrongShape, match=f"784 columns of pixels, and one of labels or none. Received: {received}; save images"
    ):
        decoded(content, fashion_target)


@pytest.mark.parametrize(
    "names", [[f"a{'9' * 5000}{number}" for number in range(4)], ["9" * 5000] * 4, ["a", *["9" * 5000] * 4], ["a1"] * 4]
)
def test_names_with_numbers_of_any_length_are_refused(names, fashion_target):
    with pytest.raises(RejectedInput, match="Expected"):
        decoded(text(names, [1, 2, 3, 4]), fashion_target)


def test_a_table_of_names_alone_is_refused(fashion_target):
    with pytest.raises(EmptyObject, match="at least one image"):
        decoded(text(NAMES), fashion_target)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(fashion_target):
    content = b"1,2,3,4," + b"5" * 10**7

    def refused():
        with pytest.raises(UnreadableArray, match="save one image a line"):
            list(decode(Forwards(content, 2**16), "x", fashion_target))

    assert peak_bytes(refused) < 10**6


def test_a_table_is_never_in_memory_whole(fashion_target):
    """Sixteen megabytes of lines, as they arrive."""
    line = text([7, *PIXELS[0].ravel()])

    class Lines:
        def __init__(self):
            self._lines = itertools.chain([text(NAMES)], itertools.repeat(line, 6_000))
            self._rest = b""

        def read(self, size, /):
            self._rest = self._rest or next(self._lines, b"")
            part, self._rest = self._rest[:size], self._rest[size:]
            return part

    target = limited(fashion_target, images=10**6)

    assert peak_bytes(lambda: sum(1 for _ in decode(Lines(), "x", target))) < 10**6


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_table_in_an_archive_is_read(pack, fashion_target):
    """As Kaggle's archive of the data set holds it."""
    assert rows(pack({"test.csv": written(PIXELS[:2]), "labels.csv": b"a,b\n"}), fashion_target) == [
        "test.csv/0",
        "test.csv/1",
        ("labels.csv", "UnrecognisedFormat"),
    ]


@pytest.mark.parametrize(
    "head",
    [
        b"bucket,a.png\n",
        b'"bucket","rack%2Fa.png","null","true","false","1234","2026-01-01T00:00:00.000Z"\n',
        b"bucket,img1.png,img2,3\n",
        b"image,label\n",
        b"1,2,3\n",
        b"",
        b"\n",
        b"<html>",
        b'{"key": "a"}',
        b"\x00\x01,2,3,4",
    ],
)
def test_what_is_no_table_is_not_taken_for_one(head):
    assert not table.recognises(head)


def test_a_table_is_not_taken_for_a_list(fashion_target):
    """The name of its first column looks like a bucket, and that of the second like a key."""
    assert listing.recognises(written(PIXELS))
    assert len(decoded(written(PIXELS), fashion_target)) == 3


def test_text_that_is_neither_says_what_a_list_is(fashion_target):
    with pytest.raises(UnrecognisedFormat, match="a list of objects as JSON Lines with key"):
        decoded(b"name;colour\nshirt;red\n", fashion_target)
