"""Recognises model files that are no `.keras` file, so that their users are told the way to one.

A file is recognised by its first bytes, by the names of the members of a ZIP archive, and only then by its own name. Nothing of
it is loaded or run, and no more is read than the first bytes and the list of members.
"""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

from training.errors import ExportError
from training.export import foreign_kinds as kinds
from training.export.foreign_kinds import Foreign

_HEAD_BYTES = 64
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAGIC = (
    (0, b"version https://git-lfs", kinds.POINTER),
    (0, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", kinds.TORCH),  # as torch.save wrote it before PyTorch 1.6
    *((0, bytes((0x80, protocol)), kinds.OBJECTS) for protocol in range(2, 6)),
    (4, b"TFL3", kinds.LITERT),
)
_VERSION, _NODE = 0x08, 0x0A  # how field 1 of a protocol buffer begins that is a number, or a message
_MAX_VERSION = 30  # of ONNX's format, which was at 13 in 2026
_SAVED_MODEL_FILE = "saved_model.pb"
_KERAS_MEMBERS = {"config.json", "metadata.json"}
_BY_SUFFIX = {
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), kinds.HDF5),
    **dict.fromkeys((".pt", ".pth", ".ckpt"), kinds.TORCH),
    **dict.fromkeys((".pkl", ".joblib"), kinds.OBJECTS),
    ".onnx": kinds.ONNX,
    ".pb": kinds.GRAPH,
    ".pt2": kinds.TORCH_EXPORT,
    ".safetensors": kinds.SAFETENSORS,
    ".tflite": kinds.LITERT,
}


def require_keras_file(path: Path) -> None:
    """Checks that `path` is a `.keras` file by its name and by its content, as far as this can be told without Keras.

    Raises:
        ExportError: it is something else; the message says what it is, and the way to a `.keras` file.
    """
    foreign = recognise(path)
    if foreign:
        raise ExportError(foreign.explain(path.parent if path.name == _SAVED_MODEL_FILE else path))


def recognise(path: Path) -> Foreign | None:
    """Tells what kind of file or folder `path` is; None if it is a `.keras` file.

    Raises:
        OSError: it cannot be read.
    """
    if path.name == _SAVED_MODEL_FILE and path.is_file():
        path = path.parent
    if path.is_dir():
        return _recognise_folder(path)
    if not path.is_file():
        return kinds.NO_FILE
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    # The end of a file does not make it an archive: a LiteRT file with metadata has a ZIP archive appended to it.
    return _recognise_archive(path) if head.startswith(b"PK") else _recognise_head(head, path)


def _recognise_folder(folder: Path) -> Foreign:
    if (folder / _SAVED_MODEL_FILE).is_file():
        return kinds.KERAS_2_SAVED_MODEL if (folder / "keras_metadata.pb").is_file() else kinds.SAVED_MODEL
    return kinds.UNPACKED if all((folder / name).is_file() for name in _KERAS_MEMBERS) else kinds.FOLDER


def _recognise_archive(path: Path) -> Foreign | None:
    """Tells the kind of a ZIP archive by the names of its members; None if it is a `.keras` file."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError):
        return kinds.INCOMPLETE
    if members >= _KERAS_MEMBERS:
        return None if path.suffix == ".keras" else kinds.OTHER_NAME
    names = {member.rpartition("/")[2] for member in members}
    if names & {"archive_format", "serialized_exported_program.json"}:
        return kinds.TORCH_EXPORT
    if "constants.pkl" in names:
        return kinds.TORCH_SCRIPT
    return kinds.TORCH if "data.pkl" in names else _by_suffix(path)


def _recognise_head(head: bytes, path: Path) -> Foreign:
    """Tells the kind of a file that is no ZIP archive by its first bytes."""
    if not head:
        return kinds.EMPTY
    if head.startswith(_HDF5):
        return kinds.HDF5 if path.suffix in {".h5", ".hdf5"} else kinds.RENAMED_HDF5
    for offset, magic, kind in _MAGIC:
        if head.startswith(magic, offset):
            return kind
    header_bytes = int.from_bytes(head[:8], "little")
    if head.startswith(b"{", 8) and header_bytes <= path.stat().st_size - 8:
        return kinds.SAFETENSORS
    return _by_suffix(path, plausible=path.suffix.lower() in {".onnx", ".pb"} and _starts_as_graph(head))


def _starts_as_graph(head: bytes) -> bool:
    """Returns whether `head` may begin an ONNX model or a TensorFlow graph.

    Both are protocol buffers, which have no magic number: an ONNX model and a SavedModel begin with a small version number as
    field 1, and a GraphDef with a node as field 1.
    """
    return len(head) > 1 and (head[0] == _NODE or (head[0] == _VERSION and 1 <= head[1] <= _MAX_VERSION))


def _by_suffix(path: Path, *, plausible: bool = False) -> Foreign:
    """Tells the kind of a file by its name alone, and says so unless its content is `plausible`."""
    foreign = _BY_SUFFIX.get(path.suffix.lower(), kinds.UNKNOWN)
    if plausible or foreign is kinds.UNKNOWN:
        return foreign
    return dataclasses.replace(foreign, kind=f"by its name {foreign.kind}, though its content is something else, or incomplete")
