"""The artifact that ships does what its manifest says. The accuracy is measured again wherever the data set is installed."""

import gzip
import hashlib
import io
from pathlib import Path

import msgspec
import numpy as np
import pytest

from handler.contract import parse_manifest
from handler.conversion import REVISIONS
from handler.formats import decode
from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model

DATA = Path("/usr/share/datasets/fashion-mnist")
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture(scope="module")
def model():
    return load_model(directory_reader(BUNDLED_ARTIFACT))


def test_the_manifest_states_what_the_project_promises():
    manifest = parse_manifest((BUNDLED_ARTIFACT / "manifest.json").read_bytes())

    assert manifest.metrics.accuracy >= 0.953
    assert manifest.metrics.expected_calibration_error < 0.01
    assert manifest.familiar.max_marked == 0.03
    assert manifest.sure.max_wrong == 0.01
    far, changed = [kind for kind in manifest.trial.foreign if not kind.is_near], manifest.trial.changed[1:]
    assert (len(far), len(changed)) == (10, 32)
    assert min(kind.unfamiliar for kind in far) >= 0.99
    assert np.mean([kind.right for kind in changed]) >= 0.88
    assert np.mean([kind.trusted for kind in changed]) >= 0.5
    trusted = [kind for kind in changed if kind.trusted]
    assert np.average([kind.right_of_trusted for kind in trusted], weights=[kind.trusted for kind in trusted]) >= 0.985
    assert manifest.agreement_with_float > 0.997
    assert manifest.metrics.images == 10_000
    assert manifest.dataset["name"] == "fashion-mnist"
    assert manifest.training["revision"] != "unknown"
    assert not str(manifest.training["revision"]).endswith("-dirty")
    assert len(manifest.golden.probabilities) == len(manifest.classes) == 10
    assert manifest.model.size_bytes < 2 * 2**20
    assert manifest.training["parameters"] <= 1_000_000
    assert manifest.training["multiplications"] <= 60_000_000


def test_the_manifest_states_the_present_revision_of_its_conversion():
    conversion = parse_manifest((BUNDLED_ARTIFACT / "manifest.json").read_bytes()).conversion

    assert conversion.revision == REVISIONS[conversion.fit]


def test_the_samples_are_mostly_right(model, sample_pixels, truth):
    predicted = [model.manifest.classes[index] for index in model.classify(sample_pixels).probabilities.argmax(axis=1)]

    assert sum(name == label for name, label in zip(predicted, truth.values(), strict=True)) >= 90


@pytest.mark.skipif(not DATA.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_accuracy_on_the_ten_thousand_test_images_is_the_stated_one(model, fashion_target):
    images_content = (DATA / f"{TEST_IMAGES}.gz").read_bytes()
    labels = np.frombuffer(gzip.decompress((DATA / f"{TEST_LABELS}.gz").read_bytes()), np.uint8, offset=8)
    limits = msgspec.structs.replace(fashion_target.limits, images=10_000, unpacked_bytes=10**8)
    target = msgspec.structs.replace(fashion_target, limits=limits)
    pixels = np.stack([image.pixels for image in decode(io.BytesIO(images_content), "", target)])

    probabilities = np.concatenate(
        [model.classify(pixels[start : start + 64]).probabilities for start in range(0, len(pixels), 64)]
    )

    checksum = hashlib.md5(gzip.decompress(images_content), usedforsecurity=False).hexdigest()
    assert checksum == model.manifest.dataset["md5_of_content"][TEST_IMAGES]
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    assert accuracy > 0.945
    assert accuracy == pytest.approx(model.manifest.metrics.accuracy, abs=0.0005)  # 5 images, for other processors
