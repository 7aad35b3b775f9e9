"""The places in the code that raise or build an error, and those that no user can reach."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# The areas whose provocations reach each room's places.
ROOMS = {"handler": ("objects", "events", "service")}

# Functions that note an error which is raised later, besides the classes of errors.
BUILDERS = {"fault"}

# Where no user can cause the error, by file and function, each with the reason.
UNREACHABLE = {
    "handler": {
        "handler/app.py::_require_plain": "an error that is none of ours and whose text is not printable is a bug",
        "handler/formats/members.py::_decode_member": "a decoder that fails by another error than ours is a bug",
        "handler/formats/picture.py::_kind_of": "the function has recognised the kind before; training has not",
        "handler/formats/pictures/judged.py::loaded": "no file is known whose header a decoder reads otherwise than we do",
        "handler/marks.py::renew": "needs two threads, one of which hangs in S3 until the last moment of the invocation",
        "handler/obstore_calls.py::call": "by obstore; the message is that of boto3, which has a row",
        "handler/obstore_storage.py::again": "by obstore; the message is that of boto3, which has a row",
        "handler/obstore_storage.py::_verify": "obstore itself refuses a body that is shorter than announced",
        "handler/obstore_storage.py::open": "the function opens no object by its ETag",
        "handler/obstore_storage.py::_describe": "boto3 makes the call once more, and its error is what is seen",
        "handler/obstore_storage.py::_open": "boto3 makes the call once more, and its error is what is seen",
        "handler/obstore_client.py::connect": "no error: boto3 is used, and the log says why (boto3_used)",
        "handler/obstore_client.py::_ask": "no error: boto3 is used, and the log says why (boto3_used)",
        "handler/obstore_client.py::_require_plain": "no error: boto3 is used, and the log says why (boto3_used)",
        "handler/obstore_client.py::_proxy": "no error: boto3 is used, and the log says why (boto3_used)",
        "handler/predictions.py::predict": "a model that gives numbers for its golden batch alone takes a training to make",
        "handler/spool.py::seek": "Python's own protocol of files; nobody seeks there",
        "handler/storage.py::list": "of the listings that are read side by side, chance says which is late, and where",
        "handler/storage.py::_open_empty_part": "the function asks for no empty part of an object",
    },
}


@dataclass(frozen=True)
class Place:
    """One place that raises or builds an error: its file, the function around it, and its line."""

    file: str
    function: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}::{self.function}"


def errors_of(room: str) -> frozenset[str]:
    """The names of all classes in the files errors.py of a room and of the handler."""
    files = [*(ROOT / room).rglob("errors.py"), ROOT / "handler" / "errors.py"]
    return frozenset(node.name for file in files for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef))


def places_of(room: str) -> list[Place]:
    """Returns every place of a room that raises an error or builds one, in order."""
    names, places = errors_of(room) | BUILDERS, set()
    for file in (ROOT / room).rglob("*.py"):
        for function, node in within(ast.parse(file.read_text()), ""):
            if (isinstance(node, ast.Raise) and node.exc) or (isinstance(node, ast.Call) and called(node) in names):
                places.add(Place(str(file.relative_to(ROOT)), function, node.lineno))
    return sorted(places, key=lambda place: (place.file, place.line))


def called(call: ast.Call) -> str:
    """The name of what is called, without the object or module that it belongs to."""
    return ast.unparse(call.func).rpartition(".")[2]


def within(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """Yields every node below a node, with the name of the innermost function around it."""
    for child in ast.iter_child_nodes(node):
        yield function, child
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from within(child, child.name if named else function)
