"""The errors of messages and events: what asks for objects in a way that is not understood."""

from tests.errors.provoking import Provocation

ROWS: tuple[Provocation, ...] = ()
