"""Folders of images as a data set: what is read, how it is divided, and every way in which it can be unusable."""

import logging
import os

import numpy as np
import PIL.Image
import pytest

from handler.contract import MANIFEST_FILE, Conversion, PixelShape, parse_manifest
from handler.conversion import convert
from handler.formats.picture import read_picture
from handler.model import BUNDLED_ARTIFACT
from tests.training.samples import png_bomb
from training.data.folders import load_calibration, load_folders
from training.errors import DataError

RED, GREY = (200, 30, 30), (90, 90, 90)


def write(path, colour=RED, size=(20, 10), seed=None, mode="RGB", **options):
    """Writes a picture of one colour, or with a `seed` one like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0], 3), colour, np.uint8)
    if seed is not None:
        pixels = pixels + np.random.default_rng(seed).integers(0, 50, (size[1], size[0], 1), np.uint8)
    PIL.Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


@pytest.fixture
def animals(tmp_path):
    """Twelve pictures of cats and eighteen of dogs."""
    for name, count in (("dog", 18), ("cat", 12)):
        for number in range(count):
            write(tmp_path / "animals" / name / f"{number:02}.png", seed=(ord(name[0]), number))
    return tmp_path / "animals"


def test_classes_are_the_folders_in_sorted_order_and_a_sixth_of_each_is_set_aside(animals):
    dataset = load_folders(animals)

    assert dataset.name == "unverified: animals"
    assert dataset.classes == ("cat", "dog")
    assert np.bincount(dataset.train.labels).tolist() == [10, 15]
    assert np.bincount(dataset.test.labels).tolist() == [2, 3]
    assert dataset.conversion == Conversion()


def test_each_image_is_named_by_its_path_below_the_folder(animals):
    dataset = load_folders(animals)

    named = [
        *zip(dataset.train.files, dataset.train.labels, strict=True),
        *zip(dataset.test.files, dataset.test.labels, strict=True),
    ]
    assert sorted(file for file, _ in named) == [
        *(f"cat/{n:02}.png" for n in range(12)),
        *(f"dog/{n:02}.png" for n in range(18)),
    ]
    assert all(file.startswith(dataset.classes[label]) for file, label in named)


def test_no_image_is_in_both_parts_and_the_parts_are_always_the_same(animals):
    dataset, again = load_folders(animals), load_folders(animals)

    assert len({image.tobytes() for image in (*dataset.train.images, *dataset.test.images)}) == 30
    assert np.array_equal(dataset.test.images, again.test.images)
    assert dataset.checksums == again.checksums


def test_what_is_set_aside_of_a_class_does_not_depend_on_the_others(animals):
    before = load_folders(animals).test
    for number in range(6):
        write(animals / "ant" / f"{number}.png", seed=number)

    after = load_folders(animals).test

    assert np.array_equal(before.images, after.images[after.labels > 0])


def test_folders_train_and_test_are_the_two_parts(tmp_path):
    for part, name, count in (("train", "a", 3), ("train", "b", 2), ("test", "b", 1)):
        for number in range(count):
            write(tmp_path / part / name / f"{number}.png", seed=(ord(part[1]), ord(name), number))

    dataset = load_folders(tmp_path)

    assert dataset.classes == ("a", "b")
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert dataset.test.labels.tolist() == [1]


def test_every_image_is_converted_as_the_function_does_it(tmp_path):
    sideways = PIL.Image.Exif()
    sideways[0x0112] = 6
    paths = [
        write(tmp_path / "train" / "a" / "photo.jpg", size=(40, 25), seed=1, exif=sideways),
        write(tmp_path / "train" / "a" / "small.webp", size=(5, 9), seed=2, lossless=True),
        write(tmp_path / "train" / "b" / "palette.png", size=(16, 16), seed=3, mode="P"),
        write(tmp_path / "test" / "b" / "grey.png", size=(16, 16), seed=4, mode="L"),
    ]

    dataset = load_folders(tmp_path, 16)

    expected = [convert(read_picture(path.read_bytes()), PixelShape(16, 16, 3), Conversion()) for path in paths]
    assert np.array_equal(np.concatenate([dataset.train.images, dataset.test.images]), expected)


@pytest.mark.parametrize(
    ("sizes", "expected"), [([(20, 10), (12, 24), (40, 40)], 24), ([(3, 2)] * 3, 8), ([(900, 600)] * 3, 64)]
)
def test_the_side_is_the_median_of_the_longer_sides_within_bounds(tmp_path, sizes, expected):
    for number, size in enumerate(sizes):
        write(tmp_path / "train" / "ab"[number % 2] / f"{number}.png", size=size, seed=number)
    write(tmp_path / "test" / "a" / "x.png", size=sizes[1])

    assert load_folders(tmp_path).train.images.shape == (3, expected, expected, 3)


def test_grey_images_stay_grey_even_if_they_are_stored_in_colour(tmp_path):
    for number in range(12):
        write(tmp_path / "ab"[number % 2] / f"{number}.png", GREY, seed=number, mode=("RGB", "L", "LA")[number % 3])

    assert load_folders(tmp_path, 10).train.images.shape == (10, 10, 10, 1)


def test_hidden_files_and_folders_are_passed_over(animals):
    (animals / ".DS_Store").write_bytes(b"x")
    (animals / "cat" / "._00.png").write_bytes(b"x")
    (animals / ".cache").mkdir()

    assert load_folders(animals).classes == ("cat", "dog")


def test_more_classes_than_a_byte_counts(tmp_path):
    for number in range(257):
        write(tmp_path / "train" / f"{number:03}" / "x.png", size=(2, 2), seed=number)
    write(tmp_path / "test" / "256" / "y.png", size=(2, 2))

    dataset = load_folders(tmp_path, 8)

    assert dataset.train.labels.tolist() == list(range(257))
    assert dataset.test.labels.tolist() == [256]


def test_other_bytes_or_names_have_other_checksums(animals):
    before = load_folders(animals).checksums
    (animals / "cat" / "00.png").rename(animals / "cat" / "00a.png")
    renamed = load_folders(animals).checksums
    write(animals / "cat" / "00a.png", seed=5)

    changed = load_folders(animals).checksums

    assert len({tuple(sums.values()) for sums in (before, renamed, changed)}) == 3


def test_copies_of_training_images_among_the_test_images_are_counted(animals, caplog):
    for number in range(18):
        write(animals / "dog" / f"{number:02}.png", seed=number % 2)

    load_folders(animals)

    assert [record.levelno for record in caplog.records if record.levelno >= logging.WARNING] == [logging.WARNING]
    assert "3 test images are copies of training images, or nearly" in caplog.text
    assert "dog/02.png (of dog/00.png), dog/03.png (of dog/01.png), dog/10.png (of dog/00.png)" in caplog.text


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda folder: (folder / "readme.txt").write_text("x"),
            r"nothing in .* but folders of images.* Received: .*readme.txt",
        ),
        (lambda folder: (folder / "cat" / "notes.txt").write_text("x"), r"PNG, JPEG, .* or AVIF pictures.*cat/notes.txt"),
        (lambda folder: (folder / "cat" / "more").mkdir(), r"PNG, JPEG, .* or AVIF pictures.*cat/more"),
        (lambda folder: write(folder / "cat" / "old.ico"), r"old.ico.*convert images of other formats"),
        (lambda folder: (folder / "cat" / "bomb.png").write_bytes(png_bomb()), r"bomb.png.*at most 89478485 pixels"),
        (lambda folder: (folder / "bird").mkdir(), r"at least one image in each folder.* Received: .*bird"),
        (lambda folder: write(folder / "bird" / "x.png"), r"at least 6 images of each class.* Received: .*bird"),
    ],
)
def test_what_does_not_belong_is_refused_by_name(animals, spoil, expected):
    spoil(animals)

    with pytest.raises(DataError, match=expected):
        load_folders(animals)


def test_a_file_may_have_a_name_that_is_not_utf_8_and_a_class_may_not(animals):
    write(animals / "cat" / os.fsdecode(b"caf\xe9.png"), seed=99)

    assert len(load_folders(animals).train) == 26

    write(animals / os.fsdecode(b"caf\xe9") / "one.png")
    with pytest.raises(
        DataError, match=r"Expected folders whose names are UTF-8\. Received: .*caf.*, whose name is not; rename it"
    ):
        load_folders(animals)


@pytest.mark.parametrize("parts", [("",), ("train", "test")])
def test_a_data_set_has_a_name_that_is_utf_8(tmp_path, parts):
    root = tmp_path / os.fsdecode(b"caf\xe9")
    for number, part in enumerate(parts):
        for name in ("cat", "dog"):
            for picture in range(6):
                write(root / part / name / f"{picture}.png", seed=(number, ord(name[0]), picture))

    with pytest.raises(
        DataError, match=r"Expected folders whose names are UTF-8\. Received: .*caf.*, whose name is not; rename it"
    ):
        load_folders(root)


def test_a_truncated_image_is_refused_by_name(animals):
    path = animals / "dog" / "07.png"
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(DataError, match=r"Received: .*07.png"):
        load_folders(animals)


def test_unreadable_files_are_all_counted_and_a_few_are_named(animals):
    for number in range(7):
        (animals / "cat" / f"x{number}.txt").write_text("x")

    with pytest.raises(DataError, match=r"x0\.txt, .*x4\.txt and 2 more"):
        load_folders(animals)


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(DataError, match="a folder of images for each class"):
        load_folders(tmp_path)
    with pytest.raises(DataError, match="a folder with a folder of images for each class"):
        load_folders(tmp_path / "missing")
    for number in range(6):
        write(tmp_path / "only" / f"{number}.png", seed=number)
    with pytest.raises(DataError, match=r"at least two classes. Received: only in .* Add a folder"):
        load_folders(tmp_path)


def test_a_test_class_that_is_not_trained_on_is_refused(tmp_path):
    for part, name in (("train", "a"), ("train", "b"), ("test", "c")):
        write(tmp_path / part / name / "x.png")

    with pytest.raises(DataError, match=r"test: Expected one of the classes a, b. Received: 'c'"):
        load_folders(tmp_path)


def test_calibration_images_are_halved_by_class_and_labelled_in_the_order_of_the_classes(animals):
    dataset = load_calibration(animals, ("dog", "cat"), PixelShape(4, 6, 1))

    assert dataset.train.images.shape == (15, 4, 6, 1)
    assert np.bincount(dataset.train.labels).tolist() == [9, 6]
    assert np.bincount(dataset.test.labels).tolist() == [9, 6]


def test_calibration_needs_the_classes_of_the_model(animals, caplog):
    with pytest.raises(DataError, match=r"animals: Expected one of the classes cat, bird. Received: 'dog'"):
        load_calibration(animals, ("cat", "bird"), PixelShape(4, 6, 1))
    load_calibration(animals, ("cat", "dog", "bird"), PixelShape(4, 6, 1))

    assert "has no images of bird" in caplog.text


@pytest.fixture
def manifest():
    return parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes())


def test_folders_for_a_model_are_named_loosely_after_some_of_its_classes_and_come_in_its_size(tmp_path, manifest):
    for number, name in enumerate(("t-shirts", "Dresses")):
        for other in range(6):
            write(tmp_path / name / f"{other}.jpg", size=(40, 30), seed=(number, other))

    dataset = load_folders(tmp_path, manifest=manifest)

    assert dataset.classes == manifest.classes
    assert dataset.train.images.shape[1:] == manifest.input.as_tuple
    assert set(dataset.train.labels.tolist()) == {0, 3}
    assert dataset.conversion == manifest.conversion


def labels_of(path, *lines):
    path.write_text("object,image,class_name\r\n" + "".join(f"{line}\r\n" for line in lines))
    return path


def test_labels_count_instead_of_folders_and_what_is_none_of_the_classes_is_left_out(animals, tmp_path):
    write(animals / "loose.png", seed=99)
    lines = ("animals/dog/00.png,00.png,Cats", "animals/dog/01.png,01.png,", "animals/loose.png,loose.png,dog")

    dataset = load_folders(animals, labels=labels_of(tmp_path / "labels.csv", *lines))

    counts = np.bincount([*dataset.train.labels, *dataset.test.labels]).tolist()
    assert (dataset.classes, counts) == (("cat", "dog"), [13, 17])


def test_labels_alone_make_the_classes_where_there_are_no_folders(tmp_path):
    lines = []
    for number in range(12):
        write(tmp_path / "flat" / f"{number}.png", seed=number)
        lines.append(f"{number}.png,,{'ab'[number % 2]}")

    dataset = load_folders(tmp_path / "flat", labels=labels_of(tmp_path / "labels.csv", *lines))

    assert dataset.classes == ("a", "b")
    assert len(dataset.train.labels) + len(dataset.test.labels) == 12


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("animals/dog/00.png,00.png,bird",), r"Expected one of the classes cat, dog\. Received: 'bird'"),
        (("animals/dog/00.png,00.png,cat",), r"Expected a label for each image in .*animals itself\. Received: .*loose\.png"),
    ],
)
def test_labels_that_do_not_fit_the_images_are_refused(animals, tmp_path, lines, told):
    write(animals / "loose.png", seed=99)

    with pytest.raises(DataError, match=told):
        load_folders(animals, labels=labels_of(tmp_path / "labels.csv", *lines))


def test_labels_that_cannot_be_read_are_an_error(animals, tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe")

    for path in (tmp_path / "labels.csv", tmp_path / "gone.csv"):
        with pytest.raises(DataError, match="Expected a CSV of labels"):
            load_folders(animals, labels=path)


def test_of_many_images_the_same_share_of_each_class_is_drawn(tmp_path):
    for name, count in (("a", 60), ("b", 30), ("c", 2)):
        for number in range(count):
            write(tmp_path / "train" / name / f"{number}.png", seed=(ord(name[0]), number))
        write(tmp_path / "test" / name / "0.png", seed=(ord(name[0]), 999))

    drawn, everything = load_folders(tmp_path, 8, at_most=30), load_folders(tmp_path, 8, at_most=92)

    assert np.bincount(drawn.train.labels).tolist() == [20, 10, 1]
    assert np.bincount(drawn.test.labels).tolist() == [1, 1, 1]
    assert np.bincount(everything.train.labels).tolist() == [60, 30, 2]


def test_uneven_and_rare_classes_are_pointed_out_where_they_are_learnt(tmp_path, caplog):
    for name, count in (("many", 120), ("rare", 9)):
        for number in range(count):
            write(tmp_path / "train" / name / f"{number}.png", seed=(ord(name[0]), number))
        write(tmp_path / "test" / name / "0.png", seed=(ord(name[0]), 999))

    load_folders(tmp_path, 8)

    assert "WARNING: there are too few images to learn rare (9); 10 are the least, 30 a good start." in caplog.text
    assert "WARNING: there are 120 images of many and 9 of rare: the rarer is found less often." in caplog.text
