"""Runs the network for the peers: by LiteRT, ONNX Runtime, OpenVINO and Keras, each on one thread, as the function does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from infra.bench.peers.loop import MODEL, ONNX, Classify


def by_litert() -> Classify:
    """Returns LiteRT's interpreter of the model file, which is sized anew when a batch has another size."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(MODEL, num_threads=1)
    (taken,) = interpreter.get_input_details()
    given = interpreter.get_signature_runner().get_output_details()["probabilities"]["index"]
    size = 0

    def classify(images: np.ndarray) -> np.ndarray:
        nonlocal size
        if len(images) != size:
            interpreter.resize_tensor_input(taken["index"], images.shape)
            interpreter.allocate_tensors()
            size = len(images)
        interpreter.set_tensor(taken["index"], images)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(given))

    return classify


def by_openvino() -> Classify:
    """Returns OpenVINO's compilation of the same model file, which it reads itself."""
    import openvino

    core = openvino.Core()
    options = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(MODEL), "CPU", options)
    given = next(output for output in compiled.outputs if len(output.partial_shape) == 2)
    request = compiled.create_infer_request()

    def classify(images: np.ndarray) -> np.ndarray:
        return np.array(request.infer({0: images})[given])  # a copy: the next call writes over it

    return classify


def by_onnx() -> Classify:
    """Returns ONNX Runtime's session of the network, which tf2onnx has made of the same model file (see the Makefile)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(ONNX, options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    given = next(output.name for output in session.get_outputs() if len(output.shape) == 2)

    def classify(images: np.ndarray) -> np.ndarray:
        return np.asarray(session.run([given], {taken.name: images})[0])

    return classify


def by_keras() -> Classify:
    """Returns `keras predict` of the same layers with random weights, since the trained ones are in no file that ships.

    How long it takes does not depend on the weights.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    from training.config import Architecture
    from training.network.architecture import averaged, build_network, split_none, with_softmax

    manifest = json.loads(Path(MODEL).with_name("manifest.json").read_bytes())
    side, classes = manifest["input"], len(manifest["classes"])
    architecture = Architecture(**manifest["training"]["config"]["architecture"])
    shape = (side["height"], side["width"], side["channels"])
    networks = [build_network(shape, classes + 1, architecture, mean=73.0, std=90.0) for _ in manifest["training"]["seeds"]]
    network = with_softmax(split_none(averaged(networks), classes), 1.0)

    def classify(images: np.ndarray) -> np.ndarray:
        return np.asarray(network.predict(images, verbose=0)["probabilities"])

    return classify
