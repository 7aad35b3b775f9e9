"""What the tests of training share: a model with its data set, and commands in this process."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def labelled(tiny_artifact, tiny_folder):
    """The model in `tiny_artifact` and its data set."""
    from training.data.sources import load_labelled

    return load_labelled(tiny_artifact, None, tiny_folder)


@pytest.fixture
def here(capfd, monkeypatch):
    """Runs a command in this process, which has loaded Keras, and returns what a process of its own would end with.

    An error that such a process would end with a traceback is raised.
    """
    import typer.main

    from training.__main__ import app

    monkeypatch.chdir(ROOT)

    def run(*arguments):
        capfd.readouterr()
        log, level = logging.StreamHandler(sys.stderr), logging.root.level
        logging.root.addHandler(log)
        logging.root.setLevel(logging.INFO)
        status = 0
        try:
            typer.main.get_command(app).main([*map(str, arguments)], prog_name="python -m training")
        except SystemExit as end:
            if isinstance(end.code, str):
                sys.stderr.write(f"{end.code}\n")
            status = 1 if isinstance(end.code, str) else end.code or 0
        finally:
            logging.root.removeHandler(log)
            logging.root.setLevel(level)
        return subprocess.CompletedProcess(arguments, status, *capfd.readouterr())

    return run
