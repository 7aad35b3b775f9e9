"""Prepares a network for training, on any backend of Keras 3: loss, optimiser, learning-rate schedule, averaged weights.

Cosine decay with warm restarts: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017,
arXiv:1608.03983. Weight decay decoupled from the gradient: the same authors, ICLR 2019, arXiv:1711.05101.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from training.config import Config
from training.network.architecture import build_network


def compile_network(
    config: Config, shape: tuple[int, int, int], classes: int, *, mean: float, std: float, steps_per_epoch: int, precision: str
) -> keras.Model:
    """Builds a network, ready to be fitted, or for the weights of a run to be loaded.

    Args:
        config: the settings of the run.
        shape: `(height, width, channels)` of an image.
        classes: the number of logits.
        mean: the mean of the training pixels, on the scale 0..255.
        std: the standard deviation of the training pixels, on the same scale.
        steps_per_epoch: the number of batches in an epoch.
        precision: the dtype policy of Keras that the network computes in.
    """
    keras.config.set_dtype_policy(precision)
    try:
        network = build_network(shape, classes, config.architecture, mean=mean, std=std)
    finally:
        keras.config.set_dtype_policy("float32")
    optimizer = keras.optimizers.SGD(
        WarmRestarts(config, steps_per_epoch),
        momentum=config.momentum,
        nesterov=True,
        weight_decay=config.weight_decay,
        use_ema=True,
        ema_momentum=averaging_decay(config, steps_per_epoch),
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    optimizer.build(network.trainable_variables)
    network.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # on two cores, a step takes 1.5 times as long with XLA's kernels as with oneDNN's
    )
    return network


def averaging_decay(config: Config, steps_per_epoch: int) -> float:
    """Returns the decay per step, 0..1, of averaged weights (EMA) whose mean age is `config.averaged_share` of all steps.

    With a fixed decay, the averaged weights of a short run, or of one on few images, would contain much of the initial weights.
    """
    return 1 - 1 / max(1.0, config.averaged_share * config.epochs * steps_per_epoch)


class WarmRestarts(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras ships no types
    """Computes a learning rate that rises from 0 along a line in each cycle, and falls to 0 along a cosine."""

    def __init__(self, config: Config, steps_per_epoch: int) -> None:
        super().__init__()
        self._peak = config.learning_rate
        self._warm_up = max(1, round(config.warm_up_epochs * steps_per_epoch))
        self._lengths = [epochs * steps_per_epoch for epochs in config.cycles]

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of `step`, which counts from 0; after the last cycle it is 0."""
        step = ops.cast(step, "float32")
        rate, start = ops.zeros_like(step), 0
        for length in self._lengths:
            done = step - start
            cosine = 0.5 * (1 + ops.cos(math.pi * (done - self._warm_up) / max(1, length - self._warm_up)))
            rate = ops.where((done >= 0) & (done < length), ops.where(done < self._warm_up, done / self._warm_up, cosine), rate)
            start += length
        return self._peak * rate
