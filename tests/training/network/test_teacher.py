"""What is learnt of each training image, from its label and from a teacher."""

import dataclasses

import numpy as np
import pytest

from training.artifact import score
from training.config import PRESETS
from training.data.mnist import load_dataset
from training.errors import TrainingError
from training.network.fit import fit
from training.network.teacher import one_hot, soft_labels

CONFIG = dataclasses.replace(PRESETS["smoke"], cycles=(1,), held_out=100, train_limit=500)


def test_a_label_alone_is_one_for_its_class(labelled):
    _, dataset = labelled

    targets = one_hot(dataset.test, dataset.classes)

    assert (targets.shape, targets.dtype) == ((120, 3), np.float32)
    assert np.array_equal(targets.argmax(axis=1), dataset.test.labels)
    assert np.array_equal(np.unique(targets), [0, 1])


def test_the_teachers_probabilities_are_mixed_with_the_labels(labelled):
    teacher, dataset = labelled
    said = score(teacher, dataset.test.images).probabilities

    targets = soft_labels(dataset.test, dataset.classes, teacher, dataclasses.replace(CONFIG, flip=False, teacher_share=0.75))

    assert targets.dtype == np.float32
    assert np.allclose(targets, 0.75 * said + 0.25 * np.eye(3)[dataset.test.labels], atol=1e-6)
    assert np.allclose(targets.sum(axis=1), 1, atol=1e-6)


def test_the_teacher_says_the_same_of_an_image_and_its_mirror_image(labelled):
    teacher, dataset = labelled
    mirrored = dataclasses.replace(dataset.test, images=dataset.test.images[:, :, ::-1])
    both = [soft_labels(split, dataset.classes, teacher, CONFIG) for split in (dataset.test, mirrored)]
    neither = [
        soft_labels(split, dataset.classes, teacher, dataclasses.replace(CONFIG, flip=False))
        for split in (dataset.test, mirrored)
    ]

    assert np.array_equal(*both)
    assert not np.allclose(*neither, atol=1e-3)


def test_a_teacher_of_other_classes_or_images_is_refused(labelled, tiny_folder):
    teacher, dataset = labelled
    others = load_dataset(tiny_folder, ("above", "below", "middle"))
    larger = dataclasses.replace(dataset.test, images=np.zeros((120, 28, 28, 1), np.uint8))

    with pytest.raises(TrainingError, match=r"a teacher of the classes above, below, middle .* Received: one of <script>"):
        soft_labels(others.test, others.classes, teacher, CONFIG)
    with pytest.raises(TrainingError, match=r"(?s)images of \(28, 28, 1\).* and of \(12, 12, 1\)\. Name another .* --teacher"):
        soft_labels(larger, dataset.classes, teacher, CONFIG)


def test_a_run_remembers_its_teacher(labelled, tmp_path):
    teacher, dataset = labelled

    run = fit(CONFIG, dataset, tmp_path, teacher=teacher)

    assert run.config.teacher == teacher.manifest.model.sha256
    assert fit(CONFIG, dataset, tmp_path, teacher=teacher, resume=True) == run
    with pytest.raises(TrainingError, match=f"teacher None instead of {run.config.teacher}"):
        fit(CONFIG, dataset, tmp_path, resume=True)
