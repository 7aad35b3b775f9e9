"""The page docs/errors.md: what becomes of each error, and a row for each, with the message as it was provoked."""

import re
from collections.abc import Mapping, Sequence
from importlib import import_module

from tests.errors import effects
from tests.errors.provoking import Provocation

# The areas in the page's order, each a module of rows, with its title and what is said above its table.
AREAS = {
    "objects": (
        "Objects",
        "They stand in the object's document, under `error`, or under `rejected` if they are of a part of it, and in the log.",
    ),
    "events": ("Messages and events", "They stand in the log, and in the answer to an event whose sender waits for one."),
    "service": ("The function", "They stand in the log. Those of settings and of the model come before anything is read."),
    "commands": (
        "Commands",
        "They stand on the terminal, after `error: `. The status is 2 if the command was used wrongly, and 1 otherwise.",
    ),
    "training": ("Training", "They stand on the terminal, after `error: `."),
}

HEAD = """\
# Errors

Every error that a user can cause, and what to do about it. To find one, search this page for some words of its message: names,
numbers and addresses are examples here. A message says what was expected, what was received and, where it can, what to do.

This page is made by `python -m tests.errors`, which causes each error and notes what is said.

"""

MARKUP = str.maketrans({character: f"&#{ord(character)};" for character in "&<>|`*[]\\~$"} | {"\n": "<br>"})


def rows_of(area: str) -> Sequence[Provocation]:
    return import_module(f"tests.errors.{area}").ROWS


def escaped(text: str) -> str:
    """Returns a text as a cell of a table, in which nothing is markup."""
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", "&#95;", text.translate(MARKUP))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def render(messages: Mapping[str, Sequence[str]]) -> str:
    """Returns the page, given the message of each row by its area."""
    parts = [HEAD, effects.render(table)]
    for area, (title, place) in AREAS.items():
        rows = [
            (f"`{row.name}`", *map(escaped, (message, row.cause, row.remedy)))
            for row, message in zip(rows_of(area), messages[area], strict=True)
        ]
        if rows:
            parts.append(f"\n## {title}\n\n{place}\n\n{table(('error', 'message', 'why', 'what to do'), rows)}")
    return "".join(parts)
