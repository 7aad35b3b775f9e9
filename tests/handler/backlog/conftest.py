import pytest

from tests.handler.backlog.world import World
from tests.handler.conftest import LIMITS


@pytest.fixture
def world(model):
    """Makes worlds; see `World`."""

    def make(**parts):
        return World(model, LIMITS, another=model, **parts)

    return make
