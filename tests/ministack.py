"""The second emulator as tests use it: one for each process of tests, started when the first test asks for it."""

import pytest

from infra.cloud.ministack import reset, serve

__all__ = ["ministack", "reset"]


@pytest.fixture(scope="session")
def ministack():
    """The endpoint of ministack, which one process of tests shares; `reset(endpoint)` empties it."""
    with serve() as endpoint:
        yield endpoint
