"""The package as `sam build` makes it; needs a package index, so it runs with `make test` where one can be reached."""

import platform
import subprocess
from pathlib import Path

import pytest

from infra.package import OUR_LIMIT_BYTES, Architecture, build, find_interpreter, size_bytes

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("architecture", Architecture)
def test_the_package_is_small_and_holds_nothing_that_trains(architecture, tmp_path):
    size = build(tmp_path, architecture)

    assert size == size_bytes(tmp_path) <= OUR_LIMIT_BYTES
    names = {path.name for path in tmp_path.iterdir()}
    assert {"handler", "numpy", "PIL", "boto3", "ai_edge_litert", "LICENSE", "NOTICE"} <= names
    assert not names & {"tensorflow", "keras", "training", "infra", "tests", "google", "ml_dtypes"}
    assert (tmp_path / "handler" / "artifact" / "model.tflite").is_file()
    assert not list(tmp_path.rglob("libLiteRtWebGpuAccelerator.so"))
    assert (tmp_path / "handler" / "__pycache__" / "app.cpython-313.pyc").is_file() == bool(find_interpreter())


@pytest.mark.slow
@pytest.mark.skipif(find_interpreter() is None or platform.machine() != "x86_64", reason="needs Python 3.13 on x86-64")
def test_the_function_starts_out_of_the_package_alone(tmp_path):
    build(tmp_path, Architecture.x86_64)
    program = "from handler.app import build_scorer; print(build_scorer().manifest.name)"

    done = subprocess.run(
        [find_interpreter(), "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={
            "AWS_DEFAULT_REGION": "us-east-1",
            "OUTPUT_URI": "s3://out-bucket/",
            "INPUT_URIS": "s3://in-bucket/",
        },
    )

    assert done.stdout.strip() == "fashion-mnist", done.stderr
