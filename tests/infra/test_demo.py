"""The demo fails when something is wrong, and only then."""

import subprocess
import sys

import pytest

from infra.paths import ROOT


@pytest.fixture
def demo(tmp_path):
    """Runs the demo in an empty folder, so that its copies do not mix with the user's."""

    def demo(**environment):
        import os

        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "infra", "demo"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=kept | {"PYTHONPATH": str(ROOT)} | environment,
        )

    return demo


def test_the_demo_shows_each_image_and_leaves_a_copy_of_each_document(demo, tmp_path, truth):
    done = demo()

    assert done.returncode == 0, done.stdout + done.stderr
    copies = {path.name for path in tmp_path.rglob("*.json")}
    assert copies == {f"{name}.json" for name in [*truth, "packed-idx3-ubyte.gz"]}
    for name in truth:
        assert f" {name} " in done.stdout
        assert f".demo/predictions/uploads/{name}.json" in done.stdout


def test_the_demo_is_not_led_astray_by_the_user_s_own_settings(demo):
    done = demo(
        http_proxy="http://127.0.0.1:9",
        AWS_ENDPOINT_URL_S3="http://127.0.0.1:9",
        AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true",
        AWS_PROFILE="nosuch",
        RESULT_FORMAT="jsonl",
        MAX_OBJECT_BYTES="5",
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_demo_fails_with_a_function_that_cannot_start(demo, tmp_path):
    done = demo(MODEL_URI=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: 25 messages were not finished."
