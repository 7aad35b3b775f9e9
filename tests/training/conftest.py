"""What the tests of training share. Coverage is of the handler, and does not watch them, which would take a third more time."""

from contextlib import contextmanager
from pathlib import Path

import coverage
import pytest

HERE = Path(__file__).parent
LONGEST = ("test_fashion_mnist.py", "test_command.py", "test_adoption.py", "test_clothes_photos.py", "test_trying.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Puts the files whose tests take longest first, so that processes which share the files end together."""
    ours = [place for place, item in enumerate(items) if HERE in item.path.parents]
    by_length = sorted((items[place] for place in ours), key=lambda item: item.path.name not in LONGEST)
    for place, item in zip(ours, by_length, strict=True):
        items[place] = item


@contextmanager
def unwatched(path):
    """Stops coverage meanwhile, if `path` is of these tests; pytest calls the hooks below for all others too."""
    watching = coverage.Coverage.current() if HERE in path.parents else None
    if watching:
        watching.stop()
    yield
    if watching:
        watching.start()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    with unwatched(collector.path):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    with unwatched(item.path):
        return (yield)


@pytest.fixture(scope="session")
def labelled(tiny_artifact, tiny_folder):
    """The model in `tiny_artifact` and its data set."""
    from training.data.sources import load_labelled

    return load_labelled(tiny_artifact, None, tiny_folder)
