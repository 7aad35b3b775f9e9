"""What a training run is made of: one frozen `Config`, and the presets that the command line offers.

full    makes a network of the size that ships: 72 epochs, two hours on one core that computes in bfloat16.
smoke   shows that everything works: 3 epochs on a small slice, seconds on a laptop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Architecture:
    """A convolution, then a stage for each of `filters` and `blocks`."""

    filters: tuple[int, ...] = (16, 32, 64, 128)  # of each stage, at half the side of the one before; 16s fill the registers
    blocks: tuple[int, ...] = (3, 3, 2, 1)  # residual blocks in each stage


@dataclass(frozen=True, slots=True)
class Config:
    """One training run. Counts are in images unless their name says otherwise."""

    preset: str
    cycles: tuple[int, ...]  # epochs; the learning rate falls to 0 at the end of each, and the next one begins warm
    architecture: Architecture = field(default_factory=Architecture)
    batch: int = 128
    learning_rate: float = 0.15  # the peak, reached after the warm-up and brought to 0 along a cosine
    warm_up_epochs: float = 2.0
    momentum: float = 0.9
    weight_decay: float = 3e-3  # decoupled, on kernels only
    averaged_share: float = 1 / 64  # of all steps: how far back the averaged weights look; they are the ones that ship
    shift_pixels: int = 2
    flip: bool = True
    erase_probability: float = 0.5
    teacher: str | None = None  # sha256 of the model file whose probabilities are learnt beside the labels
    teacher_share: float = 0.7  # of what is learnt, if there is one; the rest is the label
    held_out: int = 2_500  # of the training images, a tenth at most: for temperature and threshold, never for weights
    train_limit: int | None = None
    precision: Literal["float32", "mixed_bfloat16"] = (
        "float32"  # the latter is faster on GPUs and CPUs with bfloat16 arithmetic
    )
    seed: int = 0

    @property
    def epochs(self) -> int:
        """Of all cycles."""
        return sum(self.cycles)


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
    ),
}
