"""Prints the figures of a trial."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from handler.contract import Trial
from training.export.trial_tables import CHANGED_HEAD, FOREIGN_HEAD, Rows, changed_rows, foreign_rows


def print_trial(trial: Trial) -> None:
    """Prints a table of the changed kinds, and one of the kinds that show none of the classes."""
    console = Console(width=max(100, Console().width))
    console.print(_lay_out(CHANGED_HEAD, changed_rows(trial.changed)))
    console.print(_lay_out(FOREIGN_HEAD, foreign_rows(trial.foreign)))


def _lay_out(head: tuple[str, ...], rows: Rows) -> Table:
    table = Table(*head)
    for row in rows[:-1]:
        table.add_row(*map(_harmless, row))
    table.add_section()
    table.add_row(*map(_harmless, rows[-1]))
    return table


def _harmless(cell: str) -> Text:
    """Returns text without markup, in which nothing moves the cursor of a terminal."""
    return Text("".join(character if character.isprintable() else "�" for character in cell))
