"""Builds EfficientNet-Lite0 without its last layer, with the weights that it learnt on ImageNet.

It is made for runtimes such as LiteRT: it has ReLU6 as its only activation, and weighs no channels. Tan and Le, "EfficientNet:
Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, arXiv:1905.11946; the variants "Lite" are of 2020, by
the TensorFlow authors, whose weights (Apache-2.0) `training/recipes/efficientnet_lite0.py` converted into
`efficientnet-lite0.npz`.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

WEIGHTS_FILE = Path(__file__).with_name("efficientnet-lite0.npz")

# For each stage: how much wider its blocks are inside, its width, the number of blocks, the first one's stride, and the side of
# the kernels.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
FEATURES = 1280

_EPSILON = 1e-3  # of batch normalisation, as trained


def build_features(height: int, width: int) -> keras.Model:
    """Builds the network for images of a size in pixels.

    Input shape:
        `(n, height, width, 3)` uint8, 0..255.

    Output shape:
        `(n, FEATURES)` float32, at least 0.
    """
    network = build_network(height, width)
    with np.load(WEIGHTS_FILE) as weights:
        for layer in network.layers:
            if layer.weights:
                layer.set_weights([weights[f"{layer.name}.{number}"] for number in range(len(layer.weights))])
    return network


def build_network(height: int, width: int) -> keras.Model:
    """Builds the network with random weights; each layer's name says its place, as in `efficientnet-lite0.npz`."""
    images = keras.Input((height, width, 3), dtype="uint8", name="images")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="pixels")(images)
    x = _convolve(x, 32, side=3, stride=2, name="stem")
    number = 0
    for widening, filters, depth, stride, side_of_kernels in STAGES:
        for position in range(depth):
            name = f"block{number}"
            x = _block(x, widening, filters, 1 if position else stride, side_of_kernels, name)
            number += 1
    x = _convolve(x, FEATURES, side=1, stride=1, name="top")
    return keras.Model(images, layers.GlobalAveragePooling2D(name="features")(x), name="efficientnet-lite0")


def _block(x: keras.KerasTensor, widening: int, width: int, stride: int, side: int, name: str) -> keras.KerasTensor:
    y = x if widening == 1 else _convolve(x, x.shape[-1] * widening, side=1, stride=1, name=f"{name}-widen")
    y = layers.DepthwiseConv2D(side, stride, padding="same", use_bias=False, name=f"{name}-depthwise")(y)
    y = layers.ReLU(6.0)(layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}-depthwise-norm")(y))
    y = layers.Conv2D(width, 1, use_bias=False, name=f"{name}-narrow")(y)
    y = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}-narrow-norm")(y)
    return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == width else y


def _convolve(x: keras.KerasTensor, width: int, *, side: int, stride: int, name: str) -> keras.KerasTensor:
    x = layers.Conv2D(width, side, stride, padding="same", use_bias=False, name=name)(x)
    return layers.ReLU(6.0)(layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}-norm")(x))
