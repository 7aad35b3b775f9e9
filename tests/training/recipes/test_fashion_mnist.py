"""The recipe of the model that ships: its commands, and all of its steps on a data set that is learnt in seconds."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handler.model import directory_reader, load_model
from training.config import PRESETS
from training.recipes.fashion_mnist import plan, run

ROOT = Path(__file__).parents[3]


def test_two_networks_learn_from_labels_and_teach_two_more_that_teach_the_two_that_ship():
    steps = plan("mixed_bfloat16", "full", Path(".training"), Path("handler/artifact"))

    fit = "fit --preset full --precision mixed_bfloat16 --work .training --resume"
    taught, again = "--plain --teacher .training/teacher-1.4.0", "--teacher .training/teacher-1.5.0"
    assert [[" ".join(command) for command in step] for step in steps] == [
        [f"{fit} --seed 0 --plain", f"{fit} --seed 1 --plain"],
        ["export --run .training/full-0 --run .training/full-1 --out .training/teacher-1.4.0 --version 1.4.0"],
        [f"{fit} --seed 2 {taught}", f"{fit} --seed 3 {taught}"],
        ["export --run .training/full-2 --run .training/full-3 --out .training/teacher-1.5.0 --version 1.5.0"],
        [f"{fit} --seed 5 {again} --changed 0.4", f"{fit} --seed 6 {again} --changed 0.1"],
        ["export --run .training/full-5 --run .training/full-6 --out handler/artifact --version 2.0.0"],
    ]


def test_a_step_fails_if_one_of_its_commands_does(capfd):
    with pytest.raises(SystemExit) as raised:
        run([["fit", "--preset", "huge"], ["samples", "--help"]])

    output = capfd.readouterr()
    assert raised.value.code == 1
    assert "'huge' is not one of" in output.err
    assert "Writes the sample images" in output.out  # the other command came to its end


@pytest.mark.slow
def test_a_recipe_that_was_stopped_goes_on_and_ends_in_an_artifact(tiny_folder, tmp_path):
    work, epochs = tmp_path / "work", PRESETS["smoke"].epochs
    command = [sys.executable, "-m", "training.recipes.fashion_mnist", "--preset", "smoke", "--precision", "float32"]
    command += ["--work", str(work), "--out", str(tmp_path / "artifact")]
    environment = {**os.environ, "FASHION_MNIST_DIR": str(tiny_folder)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as stopped:
        while stopped.poll() is None and not (work / "smoke-0" / "checkpoint.weights.h5").exists():
            time.sleep(0.005)
        stopped.send_signal(signal.SIGTERM)
        stopped.communicate(timeout=60)  # ends when no command is left that could write
    done = len(json.loads((work / "smoke-0" / "run.json").read_text())["history"])

    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert (stopped.returncode, 1 <= done < epochs) == (1, True)
    assert again.returncode == 0, again.stderr
    assert f"{done} of {epochs} epochs are done" in again.stderr
    folders = (work / "teacher-1.4.0", work / "teacher-1.5.0", tmp_path / "artifact")
    first, second, shipped = (load_model(directory_reader(folder)).manifest for folder in folders)
    assert (first.training["seeds"], first.training["config"]["teacher"]) == ([0, 1], None)
    assert (second.training["seeds"], second.training["config"]["teacher"]) == ([2, 3], first.model.sha256)
    assert (shipped.training["seeds"], shipped.training["config"]["teacher"]) == ([5, 6], second.model.sha256)
    assert (first.version, second.version, shipped.version) == ("1.4.0", "1.5.0", "2.0.0")
    assert [manifest.golden.familiarity is None for manifest in (first, second, shipped)] == [True, True, False]
    assert shipped.metrics.accuracy > 0.9
