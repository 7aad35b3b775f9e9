"""What a machine lacks for the emulator is said with what to do; `tests/emulator` runs the emulator itself."""

import pytest

from infra.cloud.runtime import find_binary, install_runtime_client
from infra.errors import InfraError


def test_a_python_that_does_not_start_is_said_to_be_missing():
    with pytest.raises(InfraError, match="Expected a Python that starts"):
        install_runtime_client("/nowhere/python3.13")


def test_a_missing_emulator_is_said_to_come_with_the_build(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("infra.cloud.runtime.ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InfraError, match="make build"):
        find_binary()


def test_there_is_no_emulator_for_other_systems(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")

    with pytest.raises(InfraError, match="make sam-local"):
        find_binary()
