"""How the network learns: the learning rate over the cycles."""

from training.config import Config
from training.recipe import WarmRestarts

CONFIG = Config(preset="test", cycles=(10, 20), learning_rate=0.4, warm_up_epochs=2)


def test_the_learning_rate_rises_and_falls_once_in_each_cycle():
    rate = WarmRestarts(CONFIG, steps_per_epoch=100)

    rates = [round(float(rate(step)), 4) for step in (0, 100, 200, 600, 999, 1000, 1100, 1200, 2100, 2999, 3000)]

    assert rates == [0, 0.2, 0.4, 0.2, 0, 0, 0.2, 0.4, 0.2, 0, 0]
