"""Labelled images show that the classes are in the wrong order, or that the model knows nothing of them; few images do not."""

import numpy as np
import pytest

from training.export.class_order import describe_doubt, find_better_order

CLASSES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
ALPHABETICAL = tuple(sorted(CLASSES))


def answers(images, accuracy, order=CLASSES, given=CLASSES, seed=0, labelled=CLASSES):
    """The answers of a model whose outputs are in the order `order`, and the labels in the order `given`."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.resize(labelled, images))
    said = np.where(rng.random(images) < accuracy, truth, rng.choice(order, images))
    return np.array([order.index(name) for name in said]), np.array([given.index(name) for name in truth])


def swapped(a, b):
    names = list(CLASSES)
    i, j = names.index(a), names.index(b)
    names[i], names[j] = names[j], names[i]
    return tuple(names)


@pytest.mark.parametrize(
    "order",
    [ALPHABETICAL, CLASSES[::-1], CLASSES[1:] + CLASSES[:1], swapped("Coat", "Bag")],
    ids=["abc", "zyx", "turned", "two"],
)
@pytest.mark.parametrize(("images", "accuracy"), [(100, 0.95), (1000, 0.6)])
def test_the_order_of_the_outputs_is_found(order, images, accuracy):
    found = find_better_order(*answers(images, accuracy, order), CLASSES)

    assert found.classes == order
    assert found.images == images // 2
    assert found.accuracy == pytest.approx(accuracy + (1 - accuracy) / 10, abs=0.08)
    assert found.given_accuracy < found.accuracy - 0.1


@pytest.mark.parametrize("accuracy", [0.0, 0.1, 0.3, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("images", [1, 2, 5, 10, 20, 50, 200, 1000])
def test_the_right_order_is_not_doubted(accuracy, images):
    found = [find_better_order(*answers(images, accuracy, seed=seed), CLASSES) for seed in range(50)]

    assert found == [None] * 50


@pytest.mark.parametrize("images", [1, 2, 3, 5])
def test_few_images_raise_no_doubt(images):
    """Whatever the answers are, even if they are all wrong."""
    for seed in range(100):
        labels, predicted = np.random.default_rng(seed).integers(0, 10, (2, images))

        assert find_better_order(predicted, labels, CLASSES) is None


def test_a_model_that_takes_one_class_for_another_is_in_the_right_order():
    """Half of the coats are called pullovers, and all the rest is right."""
    predicted, labels = answers(400, 1.0)
    coats = np.flatnonzero(labels == CLASSES.index("Coat"))
    predicted[coats[::2]] = CLASSES.index("Pullover")

    assert describe_doubt(predicted, labels, CLASSES) is None


@pytest.mark.parametrize("answer", [0, 1])
def test_a_model_that_always_answers_the_same_is_not_in_another_order(answer):
    """With its two classes swapped, one of these models would be right more often."""
    labels = np.resize([0, 1, 1], 600)

    assert find_better_order(np.full(600, answer), labels, ("bad", "good")) is None


def test_classes_without_images_are_placed_by_the_alphabet_if_the_others_follow_it():
    labelled = ("Bag", "Sandal", "Dress", "Trouser")

    found = find_better_order(*answers(80, 0.9, ALPHABETICAL, labelled=labelled), CLASSES)

    assert found.classes == ALPHABETICAL


def test_classes_without_images_stay_where_they_are_if_they_can():
    order = swapped("Coat", "Bag")

    found = find_better_order(*answers(80, 0.9, order, labelled=("Bag", "Coat", "Dress")), CLASSES)

    assert found.classes == order


def test_an_order_is_whole_whatever_is_missing():
    order = CLASSES[::-1]

    found = find_better_order(*answers(60, 1.0, order, labelled=CLASSES[:4]), CLASSES)

    assert sorted(found.classes) == sorted(CLASSES)
    assert found.classes[-4:] == order[-4:]
    assert found.accuracy == 1


def test_the_user_is_told_the_order_that_fits():
    doubt = describe_doubt(*answers(200, 1.0, ALPHABETICAL), CLASSES)

    assert doubt.startswith("the classes seem to be in the wrong order: ")
    assert "of 100 images are right, and 100.0% would be with the order Ankle boot, Bag, Coat, Dress, " in doubt
    assert "Trouser, which is the alphabetical one of folders; if that was the order in training, correct" in doubt


def test_an_order_that_is_not_alphabetical_is_not_called_so():
    doubt = describe_doubt(*answers(200, 1.0, CLASSES[::-1]), CLASSES)

    assert "with the order Ankle boot, Bag, Sneaker, " in doubt
    assert "alphabetical" not in doubt


def test_of_many_classes_the_first_that_moved_are_named():
    classes = tuple(map(str, range(200)))  # in alphabetical order, 10 follows 1

    doubt = describe_doubt(*answers(2000, 0.9, tuple(sorted(classes)), classes, labelled=classes), classes)

    assert "would be with 10 at line 3, 100 at line 4, " in doubt
    assert doubt.count(" at line ") == 10
    assert " and 188 more, which is the alphabetical one of folders; if" in doubt


def test_more_classes_than_fit_a_table_are_tried_in_alphabetical_order(monkeypatch):
    monkeypatch.setattr("training.export.class_order.MAX_CLASSES", 9)

    assert find_better_order(*answers(200, 1.0, ALPHABETICAL), CLASSES).classes == ALPHABETICAL
    assert find_better_order(*answers(200, 1.0, swapped("Coat", "Bag")), CLASSES) is None


@pytest.mark.parametrize("accuracy", [0.3, 0.6, 0.9])
def test_a_weak_model_is_not_called_a_guess(accuracy):
    told = [describe_doubt(*answers(300, accuracy, seed=seed), CLASSES) for seed in range(50)]

    assert told == [None] * 50
