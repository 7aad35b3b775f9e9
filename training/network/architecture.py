"""Builds the classifier, from raw uint8 pixels to logits: a small residual network, or an ensemble of a few.

The members of an ensemble are trained independently: each learns the same task from a seed of its own, and their logits are
averaged at the end. Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
NeurIPS 2017, arXiv:1612.01474.

The layers are convolutions, batch normalisation, ReLU, pooling and small dense layers only, because the converter folds those
and XNNPACK runs them fast. Residual blocks: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016,
arXiv:1512.03385. Each block weighs its channels by their means over the whole image: Hu et al., "Squeeze-and-Excitation
Networks", CVPR 2018, arXiv:1709.01507.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from training.config import Architecture

SQUEEZE = 4  # channels for each unit between the two dense layers that weigh channels


def build_network(
    shape: tuple[int, int, int], outputs: int, architecture: Architecture, *, mean: float, std: float
) -> keras.Model:
    """Builds one network under the current dtype policy.

    Args:
        shape: `(height, width, channels)` of an image.
        outputs: the number of logits.
        architecture: the sizes of the network.
        mean: the mean of the training pixels, on the scale 0..255.
        std: the standard deviation of the training pixels, on the same scale.

    Input shape:
        `(n, height, width, channels)` uint8, 0..255.

    Output shape:
        `(n, outputs)` float32 logits.
    """
    images = keras.Input(shape, dtype="uint8", name="images")
    x = layers.Rescaling(1 / std, offset=-mean / std, name="pixels")(images)
    x = layers.ReLU()(_convolve(x, architecture.filters[0]))
    for stage, (width, depth) in enumerate(zip(architecture.filters, architecture.blocks, strict=True)):
        x = layers.MaxPooling2D()(x) if stage else x
        for _ in range(depth):
            x = _residual_block(x, width)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(outputs, dtype="float32", name="logits")(x))


def averaged(networks: Sequence[keras.Model]) -> keras.Model:
    """Joins `networks`, which take equal images, into one that returns the mean of their logits, `(n, outputs)` float32."""
    images = keras.Input(networks[0].input_shape[1:], dtype="uint8", name="images")
    logits = [network(images) for network in networks]
    mean = layers.Average(dtype="float32", name="logits")(logits) if len(logits) > 1 else logits[0]
    return keras.Model(images, mean, name="coatcheck")


def split_none(network: keras.Model, classes: int) -> keras.Model:
    """Names the outputs of a network whose logits are those of the classes and, maybe, one more of none of them.

    Output shape:
        `logits`, `(n, classes)` float32, and, if there is that one logit more, `familiarity`, `(n,)` float32: the logarithm of
        the odds that an image shows one of the classes.
    """
    logits = network.output
    outputs = {"logits": logits[:, :classes]}
    if logits.shape[1] > classes:
        outputs["familiarity"] = ops.logsumexp(logits[:, :classes], axis=1) - logits[:, classes]
    return keras.Model(network.input, outputs)


def with_softmax(network: keras.Model, temperature: float) -> keras.Model:
    """Replaces the output `logits` by `probabilities`, the calibrated softmax: `softmax(logits / temperature)`.

    Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.

    Output shape:
        `probabilities`, `(n, classes)` float32, and the other outputs as they are.
    """
    outputs = dict(network.output)
    scaled = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(outputs.pop("logits"))
    return keras.Model(
        network.input, {"probabilities": layers.Softmax(dtype="float32", name="probabilities")(scaled)} | outputs
    )


def multiplications(network: keras.Model) -> int:
    """Counts the multiplications that the convolutions and dense layers of `network` need for one image."""
    return sum(
        math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in network.layers
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense)
    )


class FusedBatchNormalization(layers.BatchNormalization):  # type: ignore[misc]  # Keras ships no types
    """Batch normalisation that uses TensorFlow's fused kernel in training, if TensorFlow is the backend.

    Keras computes the same numbers by a dozen operations, each of which reads and writes the whole batch; with the fused
    kernel, a training step takes a quarter less time on a CPU.
    """

    def call(self, x: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalises `(n, height, width, channels)` by the batch's statistics in training, and by the moving ones otherwise."""
        if not training or keras.backend.backend() != "tensorflow":
            return super().call(x, training=training, mask=mask)
        import tensorflow as tf

        normal, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x, self.gamma.value, self.beta.value, epsilon=self.epsilon, is_training=True
        )
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return normal


def _residual_block(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
    shortcut = x if x.shape[-1] == width else _convolve(x, width, side=1)
    x = layers.ReLU()(_convolve(x, width))
    return layers.ReLU()(layers.Add()([shortcut, _weigh_channels(_convolve(x, width))]))


def _weigh_channels(x: keras.KerasTensor) -> keras.KerasTensor:
    """Scales each channel by a factor from 0 to 1 that depends on the means of all channels (squeeze and excitation)."""
    width = x.shape[-1]
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Dense(width // SQUEEZE, activation="relu")(weights)
    return layers.Multiply()([x, layers.Dense(width, activation="sigmoid")(weights)])


def _convolve(x: keras.KerasTensor, width: int, side: int = 3) -> keras.KerasTensor:
    x = layers.Conv2D(width, side, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return FusedBatchNormalization(momentum=0.9, epsilon=1e-5)(x)
