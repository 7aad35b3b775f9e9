"""The classifier: a small residual network that takes raw uint8 pixels and returns logits.

Convolutions, batch normalisation, ReLU and max-pooling only: what the converter folds and XNNPACK runs fast.
Residual blocks: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385.
"""

from __future__ import annotations

import keras
from keras import layers


def build_network(
    shape: tuple[int, int, int], classes: int, *, filters: tuple[int, ...], blocks: tuple[int, ...], mean: float, std: float
) -> keras.Model:
    """Builds the network under the current dtype policy.

    Args:
        shape: `(height, width, channels)` of an image.
        classes: how many logits come out.
        filters: width of each stage; each but the first begins by halving the image's side.
        blocks: residual blocks in each stage.
        mean: of the training pixels, on the scale 0..255.
        std: of the training pixels, on the same scale.

    Input shape:
        `(n, height, width, channels)` uint8, 0..255.

    Output shape:
        `(n, classes)` float32 logits.
    """
    images = keras.Input(shape, dtype="uint8", name="images")
    x = layers.Rescaling(1 / std, offset=-mean / std, name="pixels")(images)
    x = _convolve(x, filters[0])
    x = layers.ReLU()(x)
    for stage, (width, depth) in enumerate(zip(filters, blocks, strict=True)):
        if stage:
            x = layers.MaxPooling2D()(x)
        for _ in range(depth):
            x = _residual_block(x, width)
    x = layers.GlobalAveragePooling2D()(x)
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="coatcheck")


def with_softmax(network: keras.Model, temperature: float) -> keras.Model:
    """Puts the calibrated softmax behind the logits: probabilities are `softmax(logits / temperature)`, float32.

    Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
    """
    scaled = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(network.output)
    return keras.Model(network.input, layers.Softmax(dtype="float32", name="probabilities")(scaled))


def _residual_block(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
    shortcut = x if x.shape[-1] == width else _convolve(x, width, side=1)
    x = layers.ReLU()(_convolve(x, width))
    return layers.ReLU()(layers.Add()([shortcut, _convolve(x, width)]))


def _convolve(x: keras.KerasTensor, width: int, side: int = 3) -> keras.KerasTensor:
    x = layers.Conv2D(width, side, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
