"""Where Fashion-MNIST is searched for, and whether Debian's copy is the published data set."""

import gzip
import hashlib
import re
import struct

import numpy as np
import pytest

from handler.contract import Conversion
from handler.conversion import REVISIONS
from training.data.fashion_mnist import CLASSES, DEBIAN_DIR, FASHION_MNIST, FILES, find_directory
from training.data.mnist import load_dataset
from training.errors import DataError

NOWHERE = {"KERAS_HOME": "/nonexistent"}


@pytest.fixture
def folder(tmp_path):
    """A folder with files of the right names, which are not opened here."""
    for number, file in enumerate(FILES):
        (tmp_path / (file if number % 2 else f"{file}.gz")).touch()
    return tmp_path


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
    monkeypatch.setattr("training.data.fashion_mnist.DEBIAN_DIR", home / "nothing here")

    assert find_directory(None, {"KERAS_HOME": str(home)}) == home / "datasets" / "fashion-mnist"


def test_if_nothing_is_found_every_place_and_the_command_are_listed(monkeypatch, tmp_path):
    monkeypatch.setattr("training.data.fashion_mnist.DEBIAN_DIR", tmp_path / "debian")
    monkeypatch.setattr("training.data.fashion_mnist._download", lambda environ: None)

    with pytest.raises(DataError) as raised:
        find_directory(None, {"KERAS_HOME": str(tmp_path / "keras")})

    message = str(raised.value)
    assert str(tmp_path / "debian") in message
    assert str(tmp_path / "keras" / "datasets" / "fashion-mnist") in message
    assert "a download by keras.datasets.fashion_mnist" in message
    assert "apt-get install dataset-fashion-mnist" in message


installed = pytest.mark.skipif(not DEBIAN_DIR.is_dir(), reason="needs Debian's package dataset-fashion-mnist")


@installed
def test_debian_s_files_are_fashion_mnist():
    dataset = load_dataset(DEBIAN_DIR, environ=NOWHERE)

    assert dataset.name == "fashion-mnist"
    assert dataset.conversion == Conversion(fit="fashion-mnist", revision=REVISIONS["fashion-mnist"])
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
