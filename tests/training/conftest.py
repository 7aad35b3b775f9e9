import pytest


@pytest.fixture(scope="session")
def labelled(tiny_artifact, tiny_folder):
    """The model in `tiny_artifact` and its data set."""
    from training.data.sources import load_labelled

    return load_labelled(tiny_artifact, None, tiny_folder)
