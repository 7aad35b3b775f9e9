"""How the network learns: the learning rate over the cycles, and how far back its averaged weights look."""

import pytest

from training.config import PRESETS, Config
from training.network.optimizer import WarmRestarts, averaging_decay

CONFIG = Config(preset="test", cycles=(10, 20), learning_rate=0.4, warm_up_epochs=2)


def test_the_learning_rate_rises_and_falls_once_in_each_cycle():
    rate = WarmRestarts(CONFIG, steps_per_epoch=100)

    rates = [round(float(rate(step)), 4) for step in (0, 100, 200, 600, 999, 1000, 1100, 1200, 2100, 2999, 3000)]

    assert rates == [0, 0.2, 0.4, 0.2, 0, 0, 0.2, 0.4, 0.2, 0, 0]


def test_averaged_weights_look_back_over_the_same_share_of_a_run_of_any_length():
    assert averaging_decay(PRESETS["full"], steps_per_epoch=450) == pytest.approx(0.998, abs=1e-4)
    assert averaging_decay(CONFIG, steps_per_epoch=64) == pytest.approx(1 - 1 / 30)
    assert averaging_decay(CONFIG, steps_per_epoch=1) == 0  # of 30 steps, the last one alone
