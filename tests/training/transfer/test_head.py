"""Heads on features of which the classes are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp

from training.export.metrics import fit_temperature
from training.transfer.head import Features, cross_validate, divide, find_prototypes, fit_head


def features_of(images, classes=3, views=2, spread=1.0, seed=0):
    """Features around a centre for each class, views of them that differ a little, and features around a centre of none."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    centres = 6 * np.abs(np.random.default_rng(7).normal(size=(classes, 20)))
    rows = np.abs(centres[labels] + spread * rng.normal(size=(images, 20)))
    noise = 0.1 * rng.normal(size=(views, images, 20))
    none = 6 * np.abs(np.random.default_rng(8).normal(size=20)) + rng.normal(size=(views, max(4, images // 5), 20))
    return Features((rows + noise).astype(np.float32), labels, classes, np.abs(none).astype(np.float32))


def test_a_head_tells_classes_apart_that_it_has_not_seen_the_images_of():
    head = fit_head(features_of(120))
    others = features_of(300, seed=1)

    judged = head.judge(others.views[0], others.labels)

    assert judged.accuracy > 0.97
    assert (judged.logits.shape, judged.familiarity.shape) == ((300, 3), (300,))


def test_an_image_of_none_of_the_classes_is_a_class_of_its_own_which_is_not_told():
    features = features_of(120)
    head = fit_head(features)

    others = features_of(300, seed=1)
    none = others.foreign[0]
    known, foreign = head.judge(others.views[0], others.labels), head.judge(none, np.zeros(len(none)))

    assert ((none @ head.weights + head.bias).argmax(axis=1) == 3).all()
    assert foreign.logits.shape == (len(none), 3)
    assert foreign.familiarity.max() < known.familiarity.min()


def test_familiarity_is_a_cosine_and_a_little_of_the_odds():
    head, others = fit_head(features_of(120)), features_of(300, seed=1)
    rows = np.concatenate([others.views[0], others.foreign[0]])

    logits = rows @ head.weights + head.bias
    odds = logsumexp(logits[:, :3], axis=1) - logits[:, 3]
    cosine = head.judge(rows, np.zeros(len(rows))).familiarity - 0.08 * odds

    assert -1.0001 <= cosine.min() < cosine.max() <= 1.0001


def test_heads_are_equally_sure_whatever_number_of_views_they_learn_from():
    """Temperature and thresholds of the head that ships come from heads that learnt from few views."""
    features = features_of(300, classes=10, views=8, spread=5.0)
    others = features_of(3_000, classes=10, views=1, spread=5.0, seed=1)

    judged, new = cross_validate(features), fit_head(features).judge(others.views[0], others.labels)

    assert 0.4 < new.accuracy < 0.95
    assert fit_temperature(judged.logits, judged.labels) == pytest.approx(fit_temperature(new.logits, new.labels), rel=0.25)


def test_what_is_far_from_every_class_is_less_familiar():
    head = fit_head(features_of(120))
    known = features_of(300, seed=1)
    foreign = np.abs(np.random.default_rng(9).normal(size=(300, 20))).astype(np.float32) * 6

    near, far = head.judge(known.views[0], known.labels).familiarity, head.judge(foreign, known.labels).familiarity

    assert (far < np.quantile(near, 0.03)).mean() > 0.95


@pytest.mark.parametrize("classes", [2, 3])
def test_cross_validation_judges_each_image_by_a_head_that_was_fitted_without_it(classes):
    """Of random labels nothing can be learnt, which a head that had seen them would hide."""
    features = features_of(200, classes)
    shuffled = replace(features, labels=np.random.default_rng(3).permutation(features.labels))

    assert cross_validate(features).accuracy > 0.95
    assert cross_validate(shuffled).accuracy < 1 / classes + 0.15
    assert fit_head(shuffled).judge(shuffled.views[0], shuffled.labels).accuracy > cross_validate(shuffled).accuracy


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_a_class_of_one_image_keeps_no_other_from_being_judged():
    features = features_of(60, 2)
    one = np.concatenate([np.flatnonzero(features.labels == 0), [1]])

    judged = cross_validate(features.take(one))

    assert len(judged.labels) == 30  # a head that has not seen the class cannot judge it
    assert judged.accuracy == 1


def test_a_small_class_takes_nothing_from_what_judges_the_others():
    labels = np.repeat([0, 1, 2], [40, 40, 2])

    parts = list(divide(labels, 5))

    assert [len(train) for train, _ in parts] == pytest.approx([66] * 5, abs=1)
    assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(range(82))


def test_a_class_without_images_is_never_predicted():
    features = features_of(60, 2)
    head = fit_head(replace(features, labels=2 * features.labels, classes=3))

    judged = head.judge(features.views[0], 2 * features.labels)

    assert judged.accuracy > 0.95
    assert 1 not in judged.logits.argmax(axis=1)


def test_prototypes_are_few_and_of_length_one():
    prototypes = find_prototypes(features_of(2_000).views[0])

    assert len(prototypes) == 128
    assert len(find_prototypes(features_of(9).views[0])) == 2
    assert np.linalg.norm(prototypes, axis=1) == pytest.approx(np.ones(128), abs=1e-5)
