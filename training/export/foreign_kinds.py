"""Says of each kind of model file that is no `.keras` file what it is, and how its user gets to a `.keras` file.

ONNX models are not converted here. Of five small networks (a plain, a residual and a separable one, one with squeeze-and-
excitation, and a transformer), onnx2tf 2.6.9 converted four, and wrote each of them as layers of its own, TFOpLambda, which
Keras's safe mode does not load.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_REBUILD = "Build the same model of keras.layers, copy the weights over from {source}, and model.save({{keras}})."
_TRANSPOSED = (
    "(a kernel of a convolution as w.permute(2, 3, 1, 0), of a depthwise one as w.permute(2, 3, 0, 1), of a dense layer as "
    "w.T; PyTorch flattens channels first)"
)


@dataclass(frozen=True, slots=True)
class Foreign:
    """Describes a kind of file that is not adopted: what it is, and the way from it to a `.keras` file.

    `way` is a template, in which `{path}` stands for the file, and `{stem}`, `{keras}`, `{h5}` and `{variables}` for names made
    of it.
    """

    kind: str
    way: str

    def explain(self, path: Path) -> str:
        """Returns one line that says what was expected, what `path` is, and the way to a `.keras` file."""
        stem = path.with_suffix("") if path.name not in {"", ".."} else Path("my")
        keras = stem.with_name(f"{stem.name}-converted.keras" if path.suffix == ".keras" else f"{stem.name}.keras")
        way = self.way.format(
            path=_quoted(path),
            stem=_quoted(stem),
            keras=_quoted(keras),
            h5=_quoted(stem.with_name(f"{stem.name}.h5")),
            variables=_quoted(path / "variables" / "variables"),
        )
        return f"Expected a .keras file. Received: {_quoted(path)}, {self.kind}. {way}"


EMPTY = Foreign("an empty file", "Copy or download it again.")
INCOMPLETE = Foreign("a ZIP archive that is incomplete or broken", "Copy or download it again.")
FOLDER = Foreign("a folder", "Name the .keras file itself; model.save({keras}) writes one where the model was trained.")
NO_FILE = Foreign("which does not exist or is no ordinary file", "Name the .keras file that model.save wrote.")
UNKNOWN = Foreign("a file of an unknown kind", "Write a .keras file where the model was trained, by model.save('my.keras').")
POINTER = Foreign("a pointer of Git LFS in place of the file", "Fetch the file itself by git lfs pull.")
OTHER_NAME = Foreign("a .keras file of another name", "Rename it to {keras}.")
UNPACKED = Foreign(
    "the unpacked content of a .keras file",
    "Pack it again in Python: import shutil; shutil.move(shutil.make_archive({stem}, 'zip', {path}), {keras}).",
)
HDF5 = Foreign(
    "an HDF5 file, as Keras 2 wrote them",
    "Convert it once in Python: import keras; keras.models.load_model({path}, compile=False).save({keras}). "
    "If it holds weights alone, build the model as for its training, then model.load_weights({path}) and model.save({keras}).",
)
RENAMED_HDF5 = Foreign(
    "an HDF5 file, as Keras 2 wrote them, under a name that Keras does not read as one",
    "Rename and convert it once in Python: import keras, shutil; "
    "keras.models.load_model(shutil.copy({path}, {h5}), compile=False).save({keras}).",
)
SAVED_MODEL = Foreign(
    "a SavedModel, which holds a TensorFlow graph and no layers",
    _REBUILD.format(source="tf.train.load_checkpoint({variables})")
    + " keras.layers.TFSMLayer is no way round, since it runs that graph.",
)
KERAS_2_SAVED_MODEL = Foreign(
    "a SavedModel, as Keras 2 wrote them",
    "Convert it where tf-keras is installed, if you trust it: import tf_keras; "
    "tf_keras.models.load_model({path}, compile=False).save({h5}); then, with Keras 3: "
    "keras.models.load_model({h5}, compile=False).save({keras}).",
)
GRAPH = Foreign("a TensorFlow graph, which holds no layers", _REBUILD.format(source="its constants"))
ONNX = Foreign(
    "an ONNX model, which holds a graph and no layers",
    _REBUILD.format(source="{{i.name: onnx.numpy_helper.to_array(i) for i in onnx.load({path}).graph.initializer}}"),
)
TORCH = Foreign(
    "a PyTorch file",
    _REBUILD.format(source=f"torch.load({{path}}, weights_only=True, map_location='cpu') {_TRANSPOSED}")
    + " If the file holds a whole model, save its state_dict() first, where its class is defined.",
)
TORCH_SCRIPT = Foreign(
    "a TorchScript model", _REBUILD.format(source=f"torch.jit.load({{path}}, map_location='cpu').state_dict() {_TRANSPOSED}")
)
TORCH_EXPORT = Foreign(
    "a program of torch.export", _REBUILD.format(source=f"torch.export.load({{path}}).state_dict {_TRANSPOSED}")
)
SAFETENSORS = Foreign(
    "a safetensors file, which holds weights alone", _REBUILD.format(source="safetensors.numpy.load_file({path})")
)
OBJECTS = Foreign(
    "a file of pickled Python objects, which can run any code when it is loaded",
    "Write a .keras file where the model was trained, by model.save({keras}).",
)
LITERT = Foreign(
    "a LiteRT model, of which neither a temperature nor quantised weights can be made any more",
    "Adopt the Keras model that it was converted from; model.save({keras}) writes it where it was trained.",
)


def _quoted(path: Path) -> str:
    """Returns `path` as a literal of Python, in which control characters are escaped, so that it can stand in one line."""
    return repr(str(path)).replace("  ", r" \x20")  # the command line prints errors with single spaces
