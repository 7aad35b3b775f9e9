"""A head on a backbone, as one network."""

import keras
import numpy as np
import pytest

from tests.training.transfer.test_head import features_of
from training.transfer.head import fit_head
from training.transfer.learning import attach


def test_the_network_tells_what_the_head_tells():
    features = features_of(120)
    head, rows = fit_head(features), np.concatenate([features.views[0], features.foreign[0]])
    images = keras.Input((20,))

    told = attach(keras.Model(images, keras.layers.Identity()(images)), head).predict(rows, verbose=0)

    judged = head.judge(rows, np.zeros(len(rows)))
    assert told["logits"] == pytest.approx(judged.logits, abs=1e-4)
    assert told["familiarity"] == pytest.approx(judged.familiarity, abs=1e-4)
    assert sorted(told) == ["familiarity", "logits"]
