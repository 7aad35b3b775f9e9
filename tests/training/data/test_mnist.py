"""Loading data sets in MNIST's format, and every way in which they can be broken."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from handler.contract import Conversion
from training.data.fashion_mnist import FILES
from training.data.mnist import load_dataset
from training.errors import DataError

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
    (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(images(6), mtime=0))
    (tmp_path / TRAIN_LABELS).write_bytes(labels(0, 1, 2, 0, 1, 2))
    (tmp_path / TEST_IMAGES).write_bytes(images(3, seed=1))
    (tmp_path / f"{TEST_LABELS}.gz").write_bytes(gzip.compress(labels(2, 1, 0), mtime=0))
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


def test_other_data_under_fashion_mnist_s_own_name_are_refused(folder, monkeypatch):
    monkeypatch.setattr("training.data.fashion_mnist.DEBIAN_DIR", folder)

    with pytest.raises(DataError, match="other MD5 sums"):
        load_dataset(None, environ=NOWHERE)


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        (TRAIN_LABELS, labels(0, 1), "as many labels as images"),
        (TRAIN_LABELS, images(6), "labels, which begins with 0x00000801. Received: 0x00000803"),
        (TEST_IMAGES, images(3)[:-1], "truncated"),
        (TEST_IMAGES, images(3) + b"!", "truncated, or its header is wrong"),
        (TEST_IMAGES, b"\x00\x00", "16 bytes of header"),
        (TEST_IMAGES, gzip.compress(images(3), mtime=0)[:-9], "whole gzip file"),
        (TEST_IMAGES, struct.pack(">IIII", 0x0803, 2**31, 2**31, 2**31), "Expected"),
    ],
)
def test_a_broken_file_is_an_error_with_its_name(folder, file, content, expected):
    (folder / file).write_bytes(content)

    with pytest.raises(DataError, match=expected) as raised:
        load_dataset(folder, environ=NOWHERE)
    assert file in str(raised.value)
