"""A model file that is no .keras file is named for what it is, in one line, with the way to a .keras file."""

import io
import json
import os
import re
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from training.errors import ExportError
from training.export import foreign_kinds as kinds
from training.export.foreign_files import recognise, require_keras_file

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(56)
LITERT = b"\x1c\x00\x00\x00TFL3" + bytes(56)
LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
ONNX = b'\x08\x08"\x00:\xa5\xfc\x19\n\xb8\x01\n\x05image'
SAFETENSORS = (2).to_bytes(8, "little") + b"{}"
GRAPH = b"\n\x15\n\x01x\x12\x0bPlaceholder"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"


def archive(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as writer:
        for member in members:
            writer.writestr(member, b"")
    return file.getvalue()


KERAS = archive("metadata.json", "config.json", "model.weights.h5")
TORCH = archive("my/data.pkl", "my/byteorder", "my/data/0")
TORCH_SCRIPT = archive("my/data.pkl", "my/constants.pkl", "my/code/__torch__.py")
TORCH_EXPORT = archive("my/archive_format", "my/data/weights/weight_0", "my/models/model.json")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("my.keras", KERAS, None),
        ("my.h5", HDF5, kinds.HDF5),
        ("my.hdf5", HDF5, kinds.HDF5),
        ("my.keras", HDF5, kinds.RENAMED_HDF5),
        ("my.H5", HDF5, kinds.RENAMED_HDF5),  # Keras looks at the name alone, and in small letters
        ("my.h5", KERAS, kinds.OTHER_NAME),
        ("my.pt", TORCH, kinds.TORCH),
        ("my.keras", TORCH, kinds.TORCH),
        ("my.pth", LEGACY_TORCH, kinds.TORCH),
        ("my.pt", TORCH_SCRIPT, kinds.TORCH_SCRIPT),
        ("my.pt2", TORCH_EXPORT, kinds.TORCH_EXPORT),
        ("my.pt2", archive("serialized_exported_program.json", "version"), kinds.TORCH_EXPORT),
        ("my.pkl", b"\x80\x04\x95\x10", kinds.OBJECTS),
        ("my.onnx", ONNX, kinds.ONNX),
        ("my.ONNX", ONNX, kinds.ONNX),
        ("my.bin", ONNX, kinds.UNKNOWN),  # protocol buffers have no magic number
        ("my.tflite", LITERT, kinds.LITERT),
        ("my.tflite", LITERT + archive("labels.txt"), kinds.LITERT),  # as files with metadata are
        ("my.bin", SAFETENSORS, kinds.SAFETENSORS),
        ("my.pb", GRAPH, kinds.GRAPH),
        ("my.keras", b"", kinds.EMPTY),
        ("my.keras", POINTER, kinds.POINTER),
        ("my.keras", KERAS[: len(KERAS) // 2], kinds.INCOMPLETE),
        ("my.keras", b"<!DOCTYPE html>", kinds.UNKNOWN),
        ("my.zip", archive("photo.png"), kinds.UNKNOWN),
        ("my.keras", archive("config.json"), kinds.UNKNOWN),
        ("my", b"\x08", kinds.UNKNOWN),
    ],
)
def test_a_file_is_recognised_by_its_content_before_its_name(name, content, expected, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)

    assert recognise(path) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my.h5", "by its name an HDF5 file"),
        ("my.onnx", "by its name an ONNX model"),
        ("my.pt", "by its name a PyTorch file"),
        ("my.pt2", "by its name a program of torch.export"),
        ("my.safetensors", "by its name a safetensors file"),
        ("my.tflite", "by its name a LiteRT model"),
        ("my.pb", "by its name a TensorFlow graph"),
    ],
)
@pytest.mark.parametrize("content", [b"?", b"<html>", bytes(64), b"\xff" * 64], ids=["?", "html", "zeros", "ones"])
def test_a_name_that_the_content_does_not_bear_out_is_not_taken_at_its_word(name, expected, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(ExportError, match=f"{expected}.*, though its content is something else, or incomplete"):
        require_keras_file(path)


def folder_of(root, *names):
    folder = root / "my"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), kinds.FOLDER),
        (("config.json",), kinds.FOLDER),
        (("config.json", "metadata.json"), kinds.UNPACKED),
        (("saved_model.pb",), kinds.SAVED_MODEL),
        (("saved_model.pb", "keras_metadata.pb"), kinds.KERAS_2_SAVED_MODEL),
    ],
)
def test_a_folder_is_recognised_by_its_files(names, expected, tmp_path):
    assert recognise(folder_of(tmp_path, *names)) == expected


def test_the_graph_of_a_saved_model_stands_for_its_folder(tmp_path):
    folder = folder_of(tmp_path, "saved_model.pb")

    with pytest.raises(ExportError, match=re.escape(f"Received: {str(folder)!r}, a SavedModel")):
        require_keras_file(folder / "saved_model.pb")


def test_what_is_no_ordinary_file_is_not_read(tmp_path):
    """To open a pipe that nobody writes to would wait for ever."""
    os.mkfifo(tmp_path / "my.keras")

    assert recognise(tmp_path / "my.keras") == kinds.NO_FILE
    assert recognise(tmp_path / "missing.keras") == kinds.NO_FILE


def test_nothing_in_the_file_is_run(tmp_path):
    """The content would create a file if it were loaded."""
    path = tmp_path / "my.pkl"
    path.write_bytes(
        b"\x80\x02cos\nmkdir\nX" + len(ran := str(tmp_path / "ran").encode()).to_bytes(4, "little") + ran + b"\x85R."
    )

    with pytest.raises(ExportError, match="can run any code"):
        require_keras_file(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["a\nb.h5", "a   b  c.h5", "a\x1b[31mb.h5", "it's.h5", "{path}{0}.h5", os.fsdecode(b"a\xff.h5"), "a'); x('.h5"]
)
def test_a_hostile_name_stays_a_literal_in_one_line_of_text(name):
    message = kinds.HDF5.explain(Path(name))

    (loaded, saved, *_) = re.findall(r"""load_model\((.+?), compile=False\)\.save\((.+?)\)\. """, message)[0]
    assert message.isprintable()
    assert " ".join(message.split()) == message  # as the command line prints it
    assert eval(loaded) == name
    assert eval(saved) == str(Path(name).with_suffix(".keras"))


@pytest.mark.parametrize("path", [Path(), Path(".."), Path("/")])
def test_a_folder_without_a_name_of_its_own_is_refused_like_any_other(path):
    with pytest.raises(ExportError, match=r"a folder\. Name the \.keras file itself; model\.save\('my\.keras'\)"):
        require_keras_file(path)


@pytest.mark.parametrize("foreign", [value for value in vars(kinds).values() if isinstance(value, kinds.Foreign)])
def test_every_kind_gives_a_whole_line(foreign):
    message = foreign.explain(Path("models/my.bin"))

    assert message.startswith(f"Expected a .keras file. Received: 'models/my.bin', {foreign.kind}. ")
    assert message.endswith(".")
    assert not re.search(r"\{(path|keras|h5|stem|variables|source)\}|\n", message)


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)])


def code_of(foreign, path):
    return re.search(r"in Python: (.*?\))\.( |$)", foreign.explain(path)).group(1)


def same_outputs(path, model):
    images = np.random.default_rng(0).random((5, 8, 8, 1))
    return np.array_equal(keras.models.load_model(path).predict(images, verbose=0), model.predict(images, verbose=0))


@pytest.mark.parametrize("name", ["my.h5", "my.hdf5", "my.model"])
def test_the_way_from_hdf5_leads_to_a_model_that_is_adopted(name, model, tmp_path):
    keras.saving.save_model(model, tmp_path / "made.h5")
    path = (tmp_path / "made.h5").rename(tmp_path / name)

    exec(code_of(recognise(path), path))

    assert recognise(tmp_path / "my.keras") is None
    assert same_outputs(tmp_path / "my.keras", model)


def test_the_way_from_an_unpacked_file_leads_to_a_model_that_is_adopted(model, tmp_path):
    model.save(tmp_path / "made.keras")
    with zipfile.ZipFile(tmp_path / "made.keras") as packed:
        packed.extractall(tmp_path / "my")
    assert "class_name" in json.loads((tmp_path / "my" / "config.json").read_text())

    exec(code_of(recognise(tmp_path / "my"), tmp_path / "my"))

    assert recognise(tmp_path / "my.keras") is None
    assert same_outputs(tmp_path / "my.keras", model)
