"""The errors of training."""

from tests.errors.provoking import Provocation

ROWS: tuple[Provocation, ...] = ()
