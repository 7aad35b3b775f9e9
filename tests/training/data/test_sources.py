"""The options that name the data, and those that name the same data again."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from training.data.sources import load_source, read_classes, source_options
from training.errors import DataError


@pytest.fixture
def folder(tmp_path):
    for part, name, grey in (("train", "a", 0), ("train", "b", 90), ("test", "a", 180)):
        (tmp_path / part / name).mkdir(parents=True)
        PIL.Image.fromarray(np.full((9, 10), grey, np.uint8)).save(tmp_path / part / name / "x.png")
    return tmp_path


def test_folders_of_images_are_named_again_with_the_size_that_was_chosen(folder):
    dataset = load_source(folder, None, None, None)

    assert source_options(dataset, folder, None) == ["--images", str(folder), "--size", "10"]
    assert load_source(folder, 10, None, None).checksums == dataset.checksums


def test_idx_files_are_named_again_by_where_they_were_found(tiny_folder, tmp_path):
    classes = tmp_path / "classes.txt"
    classes.write_text("x\ny\nz\n")

    dataset = load_source(None, None, tiny_folder, classes)

    assert dataset.classes == ("x", "y", "z")
    assert source_options(dataset, None, classes) == ["--data-dir", str(tiny_folder), "--classes", str(classes)]
    assert source_options(dataset, None, None) == ["--data-dir", str(tiny_folder)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((Path("a"), None, Path("b"), None), "--images alone. Received: also --data-dir"),
        ((Path("a"), None, None, Path("c")), "--images alone. Received: also --classes"),
        ((None, 12, None, None), "--size together with --images. Received: --size 12 alone"),
    ],
)
def test_options_that_exclude_each_other_are_refused(options, expected):
    with pytest.raises(DataError, match=expected):
        load_source(*options)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "a UTF-8 text file with one class name a line"),
        (b"\xff\xfe", "a UTF-8 text file with one class name a line"),
        (b"coat\n\n", "at least two class names, all different. Received: coat"),
        (b"coat\nbag\ncoat\n", "coat more than once"),
    ],
)
def test_a_file_of_classes_must_name_some(content, expected, tmp_path):
    path = tmp_path / "classes.txt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError, match=expected):
        read_classes(path)
