"""Reading data sets: where they are looked for, and every way in which they can be broken."""

import gzip
import hashlib
import re
import struct

import numpy as np
import pytest

from handler.contract import Conversion
from training.data.mnist import (
    CLASSES,
    DEBIAN_DIR,
    FASHION_MNIST,
    FILES,
    DataError,
    Split,
    find_directory,
    hold_out,
    load_dataset,
    read_images,
    read_labels,
)

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = FILES
NOWHERE = {"KERAS_HOME": "/nonexistent"}


def images(count, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 4, 5), np.uint8)
    return struct.pack(">IIII", 0x0803, *pixels.shape) + pixels.tobytes()


def labels(*values):
    return struct.pack(">II", 0x0801, len(values)) + bytes(values)


@pytest.fixture
def folder(tmp_path):
    """A small relative of MNIST, in part gzipped."""
    (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(images(6)))
    (tmp_path / TRAIN_LABELS).write_bytes(labels(0, 1, 2, 0, 1, 2))
    (tmp_path / TEST_IMAGES).write_bytes(images(3, seed=1))
    (tmp_path / f"{TEST_LABELS}.gz").write_bytes(gzip.compress(labels(2, 1, 0)))
    return tmp_path


def test_a_relative_of_mnist_is_read_from_a_folder_and_named_by_its_checksums(folder):
    dataset = load_dataset(folder, environ=NOWHERE)

    assert (len(dataset.train), len(dataset.test)) == (6, 3)
    assert dataset.train.images.shape == (6, 4, 5, 1)
    assert dataset.test.labels.tolist() == [2, 1, 0]
    assert dataset.classes == ("0", "1", "2")
    assert dataset.name == f"unverified: {folder.name}"
    assert dataset.conversion == Conversion(fit="contain")
    assert dataset.checksums[TRAIN_LABELS] == hashlib.md5(labels(0, 1, 2, 0, 1, 2)).hexdigest()


def test_classes_can_be_named(folder):
    assert load_dataset(folder, ("a", "b", "c"), NOWHERE).classes == ("a", "b", "c")


def test_labels_beyond_the_classes_are_refused(folder):
    with pytest.raises(DataError, match=rf"labels from 0 to 1, .* Received: label=2 in .*{TRAIN_LABELS}.* --classes"):
        load_dataset(folder, ("a", "b"), NOWHERE)


@pytest.mark.parametrize("file", [TRAIN_LABELS, TEST_LABELS])
def test_a_stray_label_is_refused_with_its_file(folder, file):
    (folder / f"{file}.gz").unlink(missing_ok=True)
    (folder / file).write_bytes(labels(0, 1, 2, 0, 1, 200) if file == TRAIN_LABELS else labels(2, 1, 200))

    with pytest.raises(DataError, match=f"label=200 in .*{file}"):
        load_dataset(folder, environ=NOWHERE)


def test_the_folder_is_chosen_by_argument_then_environment(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")

    assert find_directory(None, {"FASHION_MNIST_DIR": str(folder)}) == folder
    assert find_directory(folder, {"FASHION_MNIST_DIR": str(other)}) == folder
    with pytest.raises(DataError, match=re.escape(str(other))):
        find_directory(other, {"FASHION_MNIST_DIR": str(folder)})


def test_keras_s_cache_is_looked_into(folder, monkeypatch, tmp_path_factory):
    home = tmp_path_factory.mktemp("keras")
    (home / "datasets").mkdir()
    (home / "datasets" / "fashion-mnist").symlink_to(folder)
    monkeypatch.setattr("training.data.mnist.DEBIAN_DIR", home / "nothing here")

    assert find_directory(None, {"KERAS_HOME": str(home)}) == home / "datasets" / "fashion-mnist"


def test_if_nothing_is_found_every_place_and_the_command_are_listed(monkeypatch, tmp_path):
    monkeypatch.setattr("training.data.mnist.DEBIAN_DIR", tmp_path / "debian")
    monkeypatch.setattr("training.data.mnist._download", lambda environ: None)

    with pytest.raises(DataError) as raised:
        load_dataset(None, environ={"KERAS_HOME": str(tmp_path / "keras")})

    message = str(raised.value)
    assert str(tmp_path / "debian") in message
    assert str(tmp_path / "keras" / "datasets" / "fashion-mnist") in message
    assert "a download by keras.datasets.fashion_mnist" in message
    assert "apt-get install dataset-fashion-mnist" in message


def test_other_data_under_fashion_mnist_s_own_name_are_refused(folder, monkeypatch):
    monkeypatch.setattr("training.data.mnist.DEBIAN_DIR", folder)

    with pytest.raises(DataError, match="other MD5 sums"):
        load_dataset(None, environ=NOWHERE)


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        (TRAIN_LABELS, labels(0, 1), "as many labels as images"),
        (TRAIN_LABELS, images(6), "magic number 0x00000801. Received: 0x00000803"),
        (TEST_IMAGES, images(3)[:-1], "truncated"),
        (TEST_IMAGES, images(3) + b"!", "truncated or not what it says"),
        (TEST_IMAGES, b"\x00\x00", "header of 16 bytes"),
        (TEST_IMAGES, gzip.compress(images(3))[:-9], "whole gzip file"),
        (TEST_IMAGES, struct.pack(">IIII", 0x0803, 2**31, 2**31, 2**31), "Expected"),
    ],
)
def test_a_broken_file_is_an_error_with_its_name(folder, file, content, expected):
    (folder / file).write_bytes(content)

    with pytest.raises(DataError, match=expected) as raised:
        load_dataset(folder, environ=NOWHERE)
    assert file in str(raised.value)


def test_the_parsers_give_pixels_and_labels():
    assert read_labels(labels(3, 1), "x").tolist() == [3, 1]
    assert read_images(images(2), "x").shape == (2, 4, 5, 1)


def test_a_held_out_slice_has_every_class_s_share_and_is_always_the_same():
    labels = np.repeat(np.arange(4, dtype=np.uint8), (10, 20, 30, 40))
    split = Split(np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1), labels)

    rest, held = hold_out(split, 20, seed=1)
    again = hold_out(split, 20, seed=1)[1]

    assert np.bincount(held.labels).tolist() == [2, 4, 6, 8]
    assert sorted([*rest.images.ravel(), *held.images.ravel()]) == list(range(100))
    assert np.array_equal(held.images, again.images)
    assert not np.array_equal(held.images, hold_out(split, 20, seed=2)[1].images)


installed = pytest.mark.skipif(not DEBIAN_DIR.is_dir(), reason="needs Debian's package dataset-fashion-mnist")


@installed
def test_debian_s_files_are_fashion_mnist():
    dataset = load_dataset(DEBIAN_DIR, environ=NOWHERE)

    assert dataset.name == "fashion-mnist"
    assert dataset.conversion == Conversion(fit="fashion-mnist")
    assert dataset.classes == CLASSES
    assert np.bincount(dataset.train.labels).tolist() == [6000] * 10
    assert np.bincount(dataset.test.labels).tolist() == [1000] * 10


@installed
@pytest.mark.parametrize("file", FILES)
def test_the_content_sums_belong_to_the_published_ones(file):
    """Debian's files lack the publisher's gzip header (name, time); with it put back, the published MD5 comes out."""
    published_s = 1504176606 if file.startswith("train") else 1504176627  # 2017-08-31 10:50:06 and :27 UTC
    header = b"\x1f\x8b\x08\x08" + struct.pack("<I", published_s) + b"\x00\x03" + file.encode() + b"\0"
    debian = (DEBIAN_DIR / f"{file}.gz").read_bytes()

    assert hashlib.md5(header + debian[10:]).hexdigest() == FASHION_MNIST[file].published
    assert hashlib.md5(gzip.decompress(debian)).hexdigest() == FASHION_MNIST[file].content


@installed
def test_the_samples_are_the_first_ten_test_images_of_each_class(sample_pixels, truth):
    test = load_dataset(DEBIAN_DIR, environ=NOWHERE).test
    first = np.concatenate([np.flatnonzero(test.labels == index)[:10] for index in range(10)])

    assert np.array_equal(sample_pixels, test.images[first])
    assert list(truth.values()) == [CLASSES[label] for label in test.labels[first]]
