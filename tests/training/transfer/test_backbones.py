"""The pretrained networks: what ships is whole, and what does not ship says so."""

from pathlib import Path

import numpy as np
import pytest

from handler.model import Classifier
from training.artifact import score
from training.data.dataset import Dataset, Split
from training.errors import TrainingError
from training.export.litert import quantise
from training.network.architecture import multiplications
from training.transfer.backbones import BOUNDARIES, Backbone, build_backbone, side_of
from training.transfer.efficientnet_lite0 import FEATURES, build_features
from training.transfer.looking import compute_features, look, upper_layers


@pytest.fixture(scope="module")
def network():
    return build_features(64, 64)


def test_it_needs_at_most_a_quarter_of_a_billion_multiplications():
    side = side_of(Backbone.efficientnet_lite0)

    assert multiplications(build_features(side, side)) <= 250_000_000
    assert multiplications(build_features(side + 1, side + 1)) > 250_000_000


def test_features_are_those_of_pretrained_weights(network):
    """A half of random weights would be as large; features of pretrained ones are sparse, and differ between patterns."""
    rows, columns = np.mgrid[:64, :64]
    stripes = np.where(rows // 4 % 2, 255, 0).astype(np.uint8)
    checks = np.where((rows // 8 + columns // 8) % 2, 255, 0).astype(np.uint8)
    images = np.stack([np.repeat(pattern[..., None], 3, -1) for pattern in (stripes, stripes.T, checks)])

    features = network.predict(images, verbose=0)

    assert features.shape == (3, FEATURES)
    assert (features >= 0).all()
    assert 0.3 < (features < 0.05).mean() < 0.95
    cosine = (features @ features.T) / np.outer(*[np.linalg.norm(features, axis=1)] * 2)
    assert cosine[0, 2] < 0.8


def test_upper_layers_on_lower_ones_give_the_features_of_the_whole(network):
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    boundary = BOUNDARIES[Backbone.efficientnet_lite0]

    seen = look(network, boundary, dataset_of(images))

    features = compute_features(upper_layers(network, boundary), seen.photos[0])
    mirrored = compute_features(upper_layers(network, boundary), seen.photos[1])
    expected = network.predict(images, verbose=0)
    assert features == pytest.approx(expected, abs=0.02)
    assert mirrored == pytest.approx(network.predict(images[:, :, ::-1], verbose=0), abs=0.02)
    assert not np.allclose(features, mirrored, atol=0.02)


def test_beside_each_view_of_the_photos_other_images_of_none_of_the_classes_are_seen(network):
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)

    seen, again = (look(network, BOUNDARIES[Backbone.efficientnet_lite0], dataset_of(images)) for _ in range(2))

    assert (len(seen.photos), seen.foreign.shape[:2]) == (8, (8, 20))
    rows = np.concatenate([seen.photos.reshape(40, -1), seen.foreign.reshape(160, -1)])
    assert len(np.unique(rows, axis=0)) > 190  # hardly two are equal
    assert np.array_equal(seen.photos, again.photos)
    assert np.array_equal(seen.foreign, again.foreign)


@pytest.mark.parametrize(("channels", "is_grey"), [(1, True), (3, False)])
def test_beside_grey_photos_grey_images_of_none_of_the_classes_are_seen(channels, is_grey, network, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, channels), np.uint8)
    shown = []
    monkeypatch.setattr("training.transfer.looking.score", lambda model, images: shown.append(images) or score(model, images))

    look(network, BOUNDARIES[Backbone.efficientnet_lite0], dataset_of(np.broadcast_to(images, (5, 64, 64, 3))))

    made = np.concatenate(shown[1::2])
    assert len(made) == 160
    assert all((image == image[..., :1]).all() for image in made) is is_grey


def dataset_of(images):
    split = Split(images, np.arange(len(images)))
    return Dataset("photos", Path("photos"), tuple("abcde"), split, split, {})


def test_litert_gives_the_same_features(network):
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)

    features = Classifier(quantise(network, "none")).classify(images).probabilities

    assert features == pytest.approx(network.predict(images, verbose=0), abs=1e-3)


@pytest.mark.parametrize("backbone", [Backbone.mobilenet_v2, Backbone.efficientnet_v2_b0])
def test_weights_that_cannot_be_downloaded_are_said_to_be_missing(backbone, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", refuse)

    with pytest.raises(TrainingError, match=f"Expected to download the weights of {backbone.value}.*efficientnet-lite0"):
        build_backbone(backbone, 64)


def refuse(*_, **__):
    raise OSError("no network")
