"""The errors of the commands."""

from tests.errors.provoking import Provocation

ROWS: tuple[Provocation, ...] = ()
