"""Defines the settings of a training run: one frozen `Config`, and the presets that the command line offers.

full    trains a network of the size that ships: 72 epochs, two hours on one core that computes in bfloat16.
smoke   shows that everything works: 3 epochs on a small part of the images, seconds on a laptop.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Architecture:
    """States the sizes of the network: a convolution, then one stage for each item of `filters` and `blocks`."""

    filters: tuple[int, ...] = (16, 32, 64, 128)  # of each stage, at half the side of the one before; 16s fill the registers
    blocks: tuple[int, ...] = (3, 3, 2, 1)  # residual blocks in each stage


@dataclass(frozen=True, slots=True)
class Config:
    """Holds the settings of one training run; counts are in images unless their name says otherwise."""

    preset: str
    cycles: tuple[int, ...]  # epochs; the learning rate falls to 0 at the end of each, and the next one begins with a warm-up
    architecture: Architecture = field(default_factory=Architecture)
    batch: int = 128
    learning_rate: float = 0.15  # the peak, reached after the warm-up and brought to 0 along a cosine
    warm_up_epochs: float = 2.0
    momentum: float = 0.9
    weight_decay: float = 3e-3  # decoupled, on kernels only
    averaged_share: float = 1 / 64  # mean age of the averaged weights, as a fraction of all steps; these weights ship
    shift_pixels: int = 2
    flip: bool = True
    erase_probability: float = 0.5
    change_probability: float = 0.4  # that an image is turned, lit otherwise, blurred, noisy or covered
    turned_share: float = 0.5  # of "none of the classes" in what is learnt of an image that was turned by a quarter or a half
    foreign: int = 20  # images in a batch that show none of the classes, besides the `batch` that do
    foreign_pool: int = 60_000  # images that show none of the classes, made once; batches draw from them
    teacher: str | None = None  # sha256 of the model file whose probabilities are learnt in addition to the labels
    teacher_share: float = 0.7  # weight of the teacher's probabilities in what is learnt; the labels have the rest
    held_out: int = 2_500  # of the training images, a tenth at most; they set temperature and threshold, and never a weight
    train_limit: int | None = None
    precision: Literal["float32", "mixed_bfloat16"] = (
        "float32"  # the latter is faster on GPUs and CPUs with bfloat16 arithmetic
    )
    seed: int = 0

    @property
    def knows_foreign(self) -> bool:
        """Returns whether the network has an output for images that show none of the classes, and learns from such."""
        return self.foreign > 0

    @property
    def epochs(self) -> int:
        """Returns the number of epochs in all cycles."""
        return sum(self.cycles)

    def plain(self) -> Config:
        """Returns the same settings for a network that learns no changed images, and none of other things than the classes."""
        return dataclasses.replace(self, change_probability=0.0, foreign=0)


PRESETS = {
    "full": Config(preset="full", cycles=(72,)),
    "smoke": Config(
        preset="smoke",
        cycles=(3,),
        architecture=Architecture(filters=(8, 16), blocks=(0, 1)),
        warm_up_epochs=0.2,
        averaged_share=1 / 16,
        held_out=500,
        train_limit=4_000,
        foreign_pool=1_000,
    ),
}
