"""The errors of the function itself: its settings, its model, what it calls, its time, and runs over a backlog."""

from tests.errors.provoking import Provocation

ROWS: tuple[Provocation, ...] = ()
