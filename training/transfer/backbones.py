"""Knows the pretrained networks that can tell the features of photos."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import keras
from keras import layers

from training.errors import TrainingError
from training.transfer import efficientnet_lite0


class Backbone(StrEnum):
    """Names the pretrained networks; the first ships with the project, and Keras downloads the others."""

    efficientnet_lite0 = "efficientnet-lite0"
    mobilenet_v2 = "mobilenet-v2"
    efficientnet_v2_b0 = "efficientnet-v2-b0"


# In pixels; one more would take 252 million multiplications. Fewer suit no photos, not even small ones: with 60 photos of each
# of ten classes of clothes, the head has 73% right at 172 pixels and 59% at 96, if the photos are scaled to 32 pixels first; of
# 64 pixels 74% and 64%, of 96 pixels 75% and 67%, of 256 pixels 79% and 67%.
SIDES = {Backbone.efficientnet_lite0: 172}
DEFAULT_SIDE = 160

# The first of the layers that are tuned. With 300 photos of clothes, from block 7 on was slower and not better.
BOUNDARIES = {
    Backbone.efficientnet_lite0: "block10-widen",
    Backbone.mobilenet_v2: "block_8_expand",
    Backbone.efficientnet_v2_b0: "block5b_expand_conv",
}


def side_of(backbone: Backbone) -> int:
    """Returns the side in pixels of the photos that a backbone is given by default."""
    return SIDES.get(backbone, DEFAULT_SIDE)


def build_backbone(backbone: Backbone, side: int) -> keras.Model:
    """Builds a pretrained network, from `(n, side, side, 3)` uint8, 0..255, to features `(n, d)` float32.

    Raises:
        TrainingError: its weights could not be downloaded.
    """
    if backbone is Backbone.efficientnet_lite0:
        return efficientnet_lite0.build_features(side, side)
    try:
        return _DOWNLOADED[backbone](side)
    except Exception as error:  # a download fails with errors of many kinds
        raise TrainingError(
            f"Expected to download the weights of {backbone.value}, since they do not ship. Received: {error}. "
            f"Use --backbone {Backbone.efficientnet_lite0.value}, which needs no download."
        ) from error


def _mobilenet_v2(side: int) -> keras.Model:
    return keras.applications.MobileNetV2(input_tensor=_scaled(side, 1 / 127.5, -1.0), include_top=False, pooling="avg")


def _efficientnet_v2_b0(side: int) -> keras.Model:
    return keras.applications.EfficientNetV2B0(input_tensor=_scaled(side, 1.0, 0.0), include_top=False, pooling="avg")


def _scaled(side: int, scale: float, offset: float) -> keras.KerasTensor:
    images = keras.Input((side, side, 3), dtype="uint8", name="images")
    return layers.Rescaling(scale, offset, dtype="float32", name="pixels")(images)


_DOWNLOADED: dict[Backbone, Callable[[int], keras.Model]] = {
    Backbone.mobilenet_v2: _mobilenet_v2,
    Backbone.efficientnet_v2_b0: _efficientnet_v2_b0,
}
