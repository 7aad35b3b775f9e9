"""The network together with how it learns: loss, learning rate, optimiser. Keras 3 only, on whichever backend.

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
    """Builds the network (see `build_network`) ready to be fitted, or to have the weights of a run loaded into them."""
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
        jit_compile=False,  # on two cores a step takes half as long again by XLA's kernels as by oneDNN's
    )
    return network


def averaging_decay(config: Config, steps_per_epoch: int) -> float:
    """The decay a step of the averaged weights (EMA), 0..1, whose mean age is `config.averaged_share` of all steps.

    A fixed one would leave a short run, or one on few images, with much of the weights that it began with.
    """
    return 1 - 1 / max(1.0, config.averaged_share * config.epochs * steps_per_epoch)


class WarmRestarts(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras ships no types
    """The learning rate at a step: in each cycle of `config` up from 0 along a line, then down to 0 along a cosine."""

    def __init__(self, config: Config, steps_per_epoch: int) -> None:
        super().__init__()
        self._peak = config.learning_rate
        self._warm_up = max(1, round(config.warm_up_epochs * steps_per_epoch))
        self._lengths = [epochs * steps_per_epoch for epochs in config.cycles]

    def __call__(self, step: Any) -> Any:
        """The learning rate of `step`, which counts from 0; 0 after the last cycle."""
        step = ops.cast(step, "float32")
        rate, start = ops.zeros_like(step), 0
        for length in self._lengths:
            done = step - start
            cosine = 0.5 * (1 + ops.cos(math.pi * (done - self._warm_up) / max(1, length - self._warm_up)))
            rate = ops.where((done >= 0) & (done < length), ops.where(done < self._warm_up, done / self._warm_up, cosine), rate)
            start += length
        return self._peak * rate
