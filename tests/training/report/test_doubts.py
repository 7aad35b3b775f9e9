"""Doubtful labels: labels that were changed on purpose are found, and those that cannot be judged are left alone."""

import numpy as np
import pytest

from training.report import doubts, judges
from training.report.doubts import MIN_CLASS_IMAGES, MOSTLY, find_doubts
from training.report.likeness import describe


def clouds(counts, apart=1.0, seed=0):
    """Points around a place for each class, `counts` of them, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    return (apart * np.eye(len(counts))[labels] + rng.normal(0, 0.1, (len(labels), len(counts)))).astype(np.float32), labels


def changed(labels, positions, classes):
    others = labels.copy()
    others[positions] = (labels[positions] + 1) % classes
    return others


def test_labels_that_were_changed_are_found_and_no_others():
    rows, labels = clouds([60, 60, 60])
    positions = [3, 70, 130, 150]

    found = find_doubts(rows, changed(labels, positions, 3)).found

    assert sorted(doubt.position for doubt in found) == positions
    assert all(doubt.looks_like == labels[doubt.position] for doubt in found)
    assert all(doubt.label == (labels[doubt.position] + 1) % 3 for doubt in found)
    assert all(doubt.by_neighbours and doubt.by_probabilities for doubt in found)
    assert all(doubt.votes >= MOSTLY and doubt.strength > 0.7 for doubt in found)


def test_changed_labels_of_images_are_at_the_top_of_the_list(labelled):
    train = labelled[1].train
    positions = np.random.default_rng(0).permutation(1500)[:45]

    found = find_doubts(describe(train.images[:1500]), changed(train.labels[:1500].astype(int), positions, 3)).found

    assert {doubt.position for doubt in found[:45]} == set(positions.tolist())
    assert [doubt.strength for doubt in found] == sorted((doubt.strength for doubt in found), reverse=True)


def test_the_same_images_give_the_same_doubts():
    rows, labels = clouds([40, 40, 40], apart=0.2)

    assert find_doubts(rows, labels).found == find_doubts(rows, labels).found != ()


def test_either_judge_suffices():
    rows, labels = clouds([300, 300], apart=0.12)
    found = find_doubts(rows, labels).found

    assert {(doubt.by_neighbours, doubt.by_probabilities) for doubt in found} == {(True, True), (True, False), (False, True)}
    assert all(doubt.looks_like == (doubt.likely if doubt.by_probabilities else doubt.nearby) for doubt in found)
    assert all(doubt.looks_like != doubt.label for doubt in found)


def test_classes_of_a_few_images_are_not_judged_and_doubt_nothing():
    rows, labels = clouds([40, 3, 40, MIN_CLASS_IMAGES, MIN_CLASS_IMAGES - 1])
    judgement = find_doubts(rows, labels)

    assert judgement.judged.tolist() == [bool(label in {0, 2, 3}) for label in labels]
    assert not judgement.marked()[~judgement.judged].any()
    assert {doubt.looks_like for doubt in judgement.found} <= {0, 2, 3}


@pytest.mark.parametrize("counts", [[0], [5, 5], [40], [40, 3], [0, 0, 30]])
def test_without_two_classes_of_enough_images_nothing_is_judged(counts):
    rows, labels = clouds(counts)
    judgement = find_doubts(rows, labels)

    assert judgement.found == ()
    assert judgement.judged.tolist() == [False] * sum(counts)
    assert judgement.marked().tolist() == [False] * sum(counts)


def test_a_class_without_images_is_no_class_that_an_image_looks_like():
    rows, labels = clouds([30, 0, 30])
    found = find_doubts(rows, np.where(np.arange(60) == 4, 2, labels)).found

    assert [(doubt.position, doubt.looks_like) for doubt in found] == [(4, 0)]


def test_of_images_that_are_all_equal_no_label_is_much_more_doubtful_than_another():
    judgement = find_doubts(describe(np.full((60, 28, 28, 1), 9, np.uint8)), np.arange(60) % 2)

    assert judgement.judged.all()
    assert max((abs(doubt.strength) for doubt in judgement.found), default=0) < 0.6


def test_of_more_images_than_are_judged_some_are_drawn(monkeypatch):
    monkeypatch.setattr(doubts, "MAX_IMAGES", 100)
    rows, labels = clouds([80, 80])
    judgement = find_doubts(rows, changed(labels, np.arange(8), 2))

    assert judgement.judged.sum() == 100
    assert {doubt.position for doubt in judgement.found} == set(np.flatnonzero(judgement.judged[:8]).tolist())


def test_of_many_classes_the_classifier_learns_from_fewer_images(monkeypatch):
    rows, labels = clouds([20] * 30)
    monkeypatch.setattr(judges, "_MAX_FITTED", 30 * 200)
    monkeypatch.setattr(judges, "_MIN_FITTED", 100)
    positions = [5, 200, 590]

    judgement = find_doubts(rows, changed(labels, positions, 30))

    assert sorted(doubt.position for doubt in judgement.found if doubt.by_neighbours) == positions
    assert 0.9 < judgement.agreement < 1


def test_labels_at_random_are_doubted_by_neighbours_alone():
    rng = np.random.default_rng(0)
    judgement = find_doubts(rng.normal(0, 0.2, (400, 20)).astype(np.float32), rng.integers(0, 4, 400))

    assert judgement.agreement < 0.5
    assert not any(doubt.by_probabilities for doubt in judgement.found)
    assert len(judgement.found) < 20
