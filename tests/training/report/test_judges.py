"""What the two judges of a label say: the images that look most alike, and a classifier that has not seen the label."""

import numpy as np
import pytest

from training.report.judges import Opinion, ask_classifier, ask_neighbours, classifier_doubts, most_common


def test_the_probabilities_are_those_of_a_classifier_that_has_not_seen_the_label():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(0, 0.2, (300, 30)).astype(np.float32), np.arange(300) % 2

    opinion = ask_classifier(rows, labels)

    assert (opinion.favoured == labels).mean() < 0.6  # one that has seen them gives nearly every label
    assert np.where(opinion.favoured == labels, opinion.own, 1 - opinion.own) == pytest.approx(opinion.support, abs=1e-6)


def test_a_class_counts_where_it_is_as_probable_as_for_its_own_images():
    labels = np.array([0, 0, 0, 2, 2, 0])
    favoured = np.array([0, 0, 2, 2, 2, 2])
    own = np.array([0.9, 0.6, 0.3, 0.9, 0.8, 0.4])  # 0.55 on average for class 0, and 0.85 for class 2

    def doubts_at(support):
        return classifier_doubts(Opinion(favoured, np.array(support), own), labels).tolist()

    assert doubts_at([0.9, 0.6, 0.7, 0.9, 0.8, 0.6]) == [False] * 6
    assert doubts_at([0.9, 0.6, 0.86, 0.9, 0.8, 0.6]) == [False, False, True, False, False, False]


def test_the_neighbours_of_an_image_are_others():
    rows = np.concatenate([np.zeros((11, 2)), np.full((11, 2), 5.0)]).astype(np.float32)
    labels = np.array([1] + [0] * 10 + [1] * 11)

    opinion = ask_neighbours(rows, labels)

    assert (opinion.favoured[0], opinion.support[0], opinion.own[0]) == (0, 1.0, 0.0)
    assert (opinion.favoured[1], opinion.support[1], opinion.own[1]) == (0, 0.9, 0.9)
    assert (opinion.favoured[11:] == 1).all()


def test_the_most_common_label_and_its_votes_are_counted():
    values, counts = most_common(np.array([[1, 2, 2], [3, 3, 3], [5, 4, 6]]))

    assert values.tolist() == [2, 3, 5]
    assert counts.tolist() == [2, 3, 1]


def test_a_classifier_that_contradicts_most_labels_doubts_none():
    labels = np.array([0, 0, 1, 1])

    def doubts_of(favoured):
        return classifier_doubts(Opinion(np.array(favoured), np.ones(4), np.full(4, 0.5)), labels).tolist()

    assert doubts_of([0, 1, 1, 0]) == [False, True, False, True]
    assert doubts_of([1, 1, 1, 0]) == [False] * 4
