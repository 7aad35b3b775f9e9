"""The list of doubtful labels: what is in it, that hostile names do no harm, and that it can be given back as labels."""

import csv
import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from training.data.dataset import Dataset, Split
from training.data.folders import load_folders
from training.data.labels import Vocabulary, read_csv
from training.report.doubt_list import describe_doubts, doubt_dataset, draw_doubts, render_csv
from training.report.doubts import Doubt, Doubts
from training.report.figures import render_png

CLASSES = ("cat", "dog", "=HYPERLINK(1)")
FIRST = Doubt(1, 0, 1, 10, 1, 0.98765, by_neighbours=True, by_probabilities=True, strength=0.9)
SECOND = Doubt(4, 1, 0, 8, 2, 0.4, by_neighbours=True, by_probabilities=False, strength=0.25)
THIRD = Doubt(0, 1, 1, 5, 2, 0.75, by_neighbours=False, by_probabilities=True, strength=0.125)


def dataset(files=((), ())):
    def split(count, names):
        images = np.random.default_rng(0).integers(0, 256, (count, 12, 8, 3), np.uint8)
        return Split(images, np.arange(count) % 3, tuple(names))

    return Dataset("pets", Path("pets"), CLASSES, split(3, files[0]), split(4, files[1]), {})


def judged(*found, unjudged=(), agreement=0.9):
    mask = np.ones(7, bool)
    mask[list(unjudged)] = False
    return Doubts(found, mask, agreement)


def rows(content):
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_line_tells_where_the_image_is_and_what_each_judge_says():
    content = render_csv(judged(FIRST, SECOND), dataset((["a", "b", "c"], ["x", "dog/y.png", "z", "w"])))

    assert content.decode("utf-8-sig").split("\r\n") == [
        "part,position,file,label,looks_like,doubted_by,strength,neighbours_class,neighbours,probable_class,probability",
        "train,1,b,cat,dog,neighbours and probabilities,0.900,dog,10,dog,0.988",
        "test,1,dog/y.png,dog,cat,neighbours,0.250,cat,8,'=HYPERLINK(1),0.400",
        "",
    ]


def test_images_from_idx_files_are_named_by_their_position():
    assert [(line["position"], line["file"]) for line in rows(render_csv(judged(FIRST, SECOND), dataset()))] == [
        ("1", ""),
        ("1", ""),
    ]


def test_without_doubts_the_list_has_names_of_columns_alone():
    content = render_csv(judged(), dataset())

    assert rows(content) == []
    assert content.decode("utf-8-sig").startswith("part,position,file,label,")


@pytest.mark.parametrize("name", ["=1+1.png", "'=x", "@a", '"a",\nb', "-\t", "plain.png", "a;=b", "ünï"])
def test_no_name_begins_a_formula_and_labels_read_it_as_it_was(name):
    content = render_csv(judged(THIRD), dataset(([name, "b", "c"], ["", "", "", ""])))

    (line,) = rows(content)
    assert line["file"][:1] not in {"=", "+", "-", "@"}
    assert line["looks_like"] == "'=HYPERLINK(1)"
    (label,) = read_csv(content.decode(), Vocabulary(CLASSES))
    assert (label.name, label.class_name) == (name, "dog")


def test_a_name_that_is_no_text_is_written_with_escapes():
    (line,) = rows(render_csv(judged(THIRD), dataset((["caf\udce9.png", "b", "c"], ["", "", "", ""]))))

    assert line["file"] == r"caf\udce9.png"


def test_a_corrected_list_is_taken_as_labels(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 30), ("test", 4)):
        for name, place in (("low", slice(8, 16)), ("top", slice(0, 8))):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 40, (16, 16), np.uint8)
                pixels[slice(0, 8) if (part, name, index) == ("train", "low", 7) else place] += 150
                PIL.Image.fromarray(pixels).save(tmp_path / "images" / part / name / f"{index:02}.png")
    folders = load_folders(tmp_path / "images")
    content = render_csv(doubt_dataset(folders), folders)

    assert [(line["file"], line["label"], line["looks_like"]) for line in rows(content)] == [("train/low/07.png", "low", "top")]

    (tmp_path / "corrected.csv").write_bytes(content.replace(b"low/07.png,low,", b"low/07.png,top,"))
    corrected = load_folders(tmp_path / "images", labels=tmp_path / "corrected.csv")
    assert (np.bincount(folders.train.labels).tolist(), np.bincount(corrected.train.labels).tolist()) == ([30, 30], [29, 31])
    assert doubt_dataset(corrected).found == ()


def test_the_picture_says_what_speaks_for_each_class():
    figure = draw_doubts(judged(FIRST, SECOND, THIRD), dataset())

    assert [axes.get_title() for axes in figure.axes if axes.images] == [
        "labelled cat\nlooks like dog\n10 of 10 alike, probability 0.988\ntrain 1",
        "labelled dog\nlooks like cat\n8 of 10 alike\ntest 1",
        "labelled dog\nlooks like =HYPERLINK(1)\nprobability 0.750\ntrain 0",
    ]
    assert render_png(figure).startswith(b"\x89PNG")


def test_the_sentences_count_doubts_and_the_mistakes_among_them():
    # The predictions of test images 1 (doubtful) and 3 are wrong.
    sentences = describe_doubts(judged(FIRST, SECOND, THIRD), dataset(), np.array([0, 0, 2, 1]))

    assert sentences == [
        (
            "2 of the 3 training labels (66.7%) and 1 of the 4 test labels (25.0%) are doubtful: the images that look most "
            "alike doubt 2 of them, cross-validated probabilities 2, and both 1."
        ),
        (
            "Of the model's 2 mistakes on the test images, 50.0% fall on doubtful test images, which are 25.0% of the test "
            "images."
        ),
    ]


def test_the_sentences_say_what_was_not_judged():
    everything = describe_doubts(judged(unjudged=range(7)), dataset(), np.zeros(4, int))
    some = describe_doubts(judged(unjudged=[2, 6]), dataset(), np.array([0, 1, 2, 1]))

    assert everything == ["No label was judged: there are no two classes of at least 11 images."]
    assert describe_doubts(judged(agreement=0.4567), dataset(), np.array([0, 1, 2, 0]))[2:] == [
        "The classifier agrees with 45.7% of the labels only, so its doubts do not count."
    ]
    assert some[1] == "The model makes no mistake on the test images whose labels were judged."
    assert some[2].startswith("2 labels were not judged, because their classes have fewer than 11 images")
    assert "0 of the 2 training labels (0.0%) and 0 of the 3 test labels (0.0%)" in some[0]
