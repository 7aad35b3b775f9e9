"""The places in the code that raise or build an error, and those that no user can reach."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# The areas whose provocations reach each room's places.
ROOMS: dict[str, tuple[str, ...]] = {}

# Functions that note an error which is raised later, besides the classes of errors.
BUILDERS = {"fault"}

# Where no user can cause the error, by file and function, each with the reason.
UNREACHABLE: dict[str, dict[str, str]] = {}


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
