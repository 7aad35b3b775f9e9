"""What is said of a model whose figures are worth less than they look."""

import logging

import msgspec
import pytest

from handler.contract import MANIFEST_FILE, ClassMetrics, Metrics, parse_manifest
from handler.model import BUNDLED_ARTIFACT
from training.export.metrics import MAX_TEMPERATURE, MIN_TEMPERATURE
from training.export.warnings import find_warnings, is_no_better_than_chance, warn_of


@pytest.fixture(scope="module")
def manifest():
    """The manifest of the model that ships, a good one."""
    return parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes())


def measured(manifest, right, by_class):
    """The manifest of a model that has `right` test images right, of so many of each class."""
    images = sum(by_class)
    return msgspec.structs.replace(
        manifest,
        metrics=Metrics(right / images, 1.0, 0.1, images),
        metrics_by_class=tuple(ClassMetrics(0.5, 0.5, count) for count in by_class),
    )


def test_a_good_model_has_no_warning(manifest):
    assert find_warnings(manifest) == []


@pytest.mark.parametrize(("right", "by_class"), [(10, (10, 10, 10)), (900, (900, 50, 50)), (99, (110, 90, 100))])
def test_a_model_that_guesses_is_loudly_told_so(right, by_class, manifest, caplog):
    with caplog.at_level(logging.WARNING):
        warn_of(measured(manifest, right, by_class))

    (text,) = caplog.messages
    assert text.startswith("WARNING: the model is no better than chance: ")
    assert f"{right} of {sum(by_class)} test images are right" in text
    assert f"{max(by_class) / sum(by_class):.0%} right" in text


@pytest.mark.parametrize(
    ("right", "images", "share"),
    [(0, 1, 0.5), (2, 3, 1 / 3), (0, 3, 1 / 3), (95, 100, 1.0), (40, 40, 0.5), (30, 60, 1 / 3)],
    ids=["one", "three", "three wrong", "one class", "all right", "half right"],
)
def test_chance_is_not_blamed_without_proof(right, images, share):
    assert not is_no_better_than_chance(right, images, share)


@pytest.mark.parametrize(("temperature", "why"), [(MIN_TEMPERATURE, "hardly prefers"), (MAX_TEMPERATURE, "say nothing")])
def test_a_temperature_at_its_bound_is_pointed_out(temperature, why, manifest):
    (line,) = find_warnings(msgspec.structs.replace(manifest, temperature=temperature))

    assert "temperature is at its bound" in line
    assert why in line


def test_classes_of_which_nothing_is_right_are_named(manifest):
    first, _, *others = manifest.metrics_by_class
    lost = msgspec.structs.replace(manifest, metrics_by_class=(first, ClassMetrics(0.0, 0.0, 1000), *others))

    assert find_warnings(lost) == [f"not one test image of {manifest.classes[1]} is right; look at these images."]


def test_a_model_without_figures_has_no_warning(manifest):
    assert find_warnings(msgspec.structs.replace(manifest, metrics=None, metrics_by_class=())) == []
