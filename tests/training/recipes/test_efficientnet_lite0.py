"""The reader of weights takes tensors and runs nothing."""

import io
import pickle
import struct

import numpy as np
import pytest

from training.recipes.efficientnet_lite0 import WeightsReader, convert, read_weights
from training.transfer.efficientnet_lite0 import WEIGHTS_FILE, build_network

PARTS = ("weight", "bias", "running_mean", "running_var")
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


def test_a_name_that_is_no_part_of_a_tensor_is_refused():
    content = b"cos\nsystem\n(S'exit 1'\ntR."

    with pytest.raises(pickle.UnpicklingError, match=r"Expected tensors alone\. Received: os\.system"):
        WeightsReader(io.BytesIO(content), {}).load()


def test_a_tensor_is_read_with_its_shape_and_strides(tmp_path):
    """The file of before PyTorch 1.6: three pickles of the format, the tensors, the storages' names, and their numbers."""
    tensor = (
        b"\x80\x02ccollections\nOrderedDict\n)R(X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n"
        b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00aX\x03\x00\x00\x00cpuK\x06NtQK\x00K\x02K\x03\x86K\x01K\x02\x86\x89NtRu."
    )
    numbers = np.arange(6, dtype="<f4")
    parts = [pickle.dumps(MAGIC, 2), pickle.dumps(VERSION, 2), pickle.dumps({}, 2), tensor, pickle.dumps(["a"], 2)]
    path = tmp_path / "weights.pth"
    path.write_bytes(b"".join(parts) + struct.pack("<q", 6) + numbers.tobytes())

    (weights,) = read_weights(path).values()

    assert weights.tolist() == [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]


def test_what_ships_has_a_weight_for_each_layer():
    with np.load(WEIGHTS_FILE) as weights:
        for layer in build_network(64, 64).layers:
            shapes = [tuple(weight.shape) for weight in layer.weights]
            assert [weights[f"{layer.name}.{number}"].shape for number in range(len(shapes))] == shapes
        assert all(np.isfinite(weights[name]).all() for name in weights)


def test_kernels_are_turned_to_the_order_of_keras():
    block = {
        "_blocks.0._depthwise_conv.weight": np.zeros((32, 1, 3, 3)),
        "_blocks.0._project_conv.weight": np.zeros((16, 32, 1, 1)),
    }
    ends = {"_conv_stem.weight": np.zeros((32, 3, 3, 3)), "_conv_head.weight": np.zeros((1280, 320, 1, 1))}
    norms = [f"{name}.{part}" for name in ("_bn0", "_bn1", "_blocks.0._bn1", "_blocks.0._bn2") for part in PARTS]

    arrays = convert(block | ends | dict.fromkeys(norms, np.zeros(1)))

    assert arrays["block0-depthwise.0"].shape == (3, 3, 32, 1)
    assert arrays["block0-narrow.0"].shape == (1, 1, 32, 16)
    assert arrays["stem.0"].shape == (3, 3, 3, 32)
    assert arrays["stem.0"].dtype == np.float16
