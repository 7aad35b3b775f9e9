"""The command line, from a data set in four files to an artifact that the handler serves; photos are in test_own_images.py."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from handler.contract import MODEL_FILE, golden_images
from handler.errors import BadArtifact
from handler.model import directory_reader, load_model
from training.artifact import score
from training.data.mnist import load_dataset
from training.export.metrics import measure

ROOT = Path(__file__).parent.parent.parent


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def fitted(tiny_folder, tmp_path_factory):
    """The folder of an artifact that `fit --preset smoke` made, and the process that did."""
    folder = tmp_path_factory.mktemp("fitted")
    (folder / "classes.txt").write_text("above\nbelow\nmiddle\n")
    done = command(
        *("fit", "--preset", "smoke", "--data-dir", tiny_folder, "--classes", folder / "classes.txt"),
        *("--out", folder / "artifact", "--work", folder / "work", "--version", "0.1.0"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done


def test_a_run_ends_in_an_artifact_that_the_handler_serves(fitted, tiny_folder):
    folder, done = fitted
    model = load_model(directory_reader(folder / "artifact"))
    test = load_dataset(tiny_folder).test

    assert (model.manifest.name, model.manifest.version) == (
        tiny_folder.name,
        "0.1.0",
    )  # the data set's name, not Fashion-MNIST's
    assert model.manifest.classes == ("above", "below", "middle")
    assert model.manifest.input.as_tuple == (12, 12, 1)
    assert model.manifest.metrics == measure(score(model, test.images).probabilities, test.labels)
    assert model.manifest.metrics.accuracy > 0.9
    assert f"{model.manifest.metrics.accuracy:.2%} of 120 images" in done.stdout


def test_a_command_prints_its_own_lines_alone(fitted):
    """The whole of standard error, of training and of the export after it, without a message of TensorFlow or LiteRT."""
    expected = (
        *(r".* is not Fashion-MNIST \(.*", r"training on 3150 images, .*", *[r"seed 0, epoch . of 3: .*"] * 3),
        *(r".* is not Fashion-MNIST \(.*", r"wrote .*"),
    )
    lines = fitted[1].stderr.splitlines()

    assert len(lines) == len(expected), fitted[1].stderr
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)
    assert fitted[1].stdout.splitlines()[0].strip().endswith("through the LiteRT file")


def test_pictures_of_a_model_are_shown_without_tensorflow_and_its_messages(tiny_artifact, tiny_folder, tmp_path):
    modules = "training.report.explore, training.report.preview, training.report.report"
    program = f"import sys, {modules}; print(sorted({{'tensorflow', 'keras'}} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)

    done = command("report", "--artifact", tiny_artifact, "--data-dir", tiny_folder, "--out", tmp_path)

    assert (loaded.returncode, loaded.stdout.strip()) == (0, "[]"), loaded.stderr
    assert re.fullmatch(r".* is not Fashion-MNIST \(.*\n", done.stderr)
    assert done.stdout.splitlines()[-1] == str(tmp_path / "index.html")


def test_the_manifest_says_how_the_model_came_to_be(fitted, tiny_folder):
    manifest = load_model(directory_reader(fitted[0] / "artifact")).manifest

    assert manifest.dataset == {
        "name": f"unverified: {tiny_folder.name}",
        "train_images": 3150,
        "held_out_images": 350,
        "test_images": 120,
        "md5_of_content": load_dataset(tiny_folder).checksums,
    }
    assert manifest.training["config"]["seed"] == 0
    assert manifest.training["backend"] == "tensorflow"
    assert set(manifest.training["versions"]) >= {"python", "keras", "numpy", "ai-edge-litert"}
    assert golden_images(manifest).shape == (3, 12, 12, 1)
    assert np.argmax(manifest.golden.probabilities, axis=1).tolist() == [0, 1, 2]


def test_a_finished_run_can_be_exported_again(fitted, tiny_folder):
    folder, _ = fitted

    done = command(
        *("export", "--run", folder / "work" / "smoke-0", "--data-dir", tiny_folder, "--out", folder / "again"),
        *("--classes", folder / "classes.txt", "--version", "0.1.0"),
    )

    assert done.returncode == 0, done.stderr
    assert (folder / "again" / MODEL_FILE).read_bytes() == (folder / "artifact" / MODEL_FILE).read_bytes()
    first, second = (json.loads((folder / place / "manifest.json").read_text()) for place in ("artifact", "again"))
    assert first == second


def test_an_export_with_other_data_is_refused(fitted, tiny_folder, tmp_path, here):
    for path in tiny_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + bytes([(labels.read_bytes()[-1] + 1) % 3]))

    done = here("export", "--run", fitted[0] / "work" / "smoke-0", "--data-dir", tmp_path, "--out", tmp_path / "artifact")

    assert done.returncode == 1
    assert "error: Expected the data the run was made with" in done.stderr
    with pytest.raises(BadArtifact):
        load_model(directory_reader(tmp_path / "artifact"))


def test_a_killed_run_goes_on_and_ends_in_the_same_place(fitted, tiny_folder, tmp_path, here):
    """`fitted` was made by the same command without interruption."""
    arguments = ("fit", "--preset", "smoke", "--data-dir", tiny_folder, "--classes", fitted[0] / "classes.txt")
    arguments += ("--out", tmp_path / "artifact", "--work", tmp_path / "work", "--version", "0.1.0")
    with subprocess.Popen([sys.executable, "-m", "training", *map(str, arguments)], cwd=ROOT, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None and not (tmp_path / "work" / "smoke-0" / "checkpoint.weights.h5").exists():
            time.sleep(0.005)
        run.kill()
    epochs = len(json.loads((tmp_path / "work" / "smoke-0" / "run.json").read_text())["history"])

    afresh = here(*arguments)
    otherwise = here(*arguments, "--resume", "--learning-rate", "0.01")
    resumed = command(*arguments, "--resume")

    assert (run.returncode, 1 <= epochs < 3) == (-signal.SIGKILL, True)
    assert f"holds a run of {epochs} of 3 epochs, which would be lost. Go on with it by --resume" in afresh.stderr
    assert "Received: learning_rate 0.01 instead of 0.15" in otherwise.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert f"{epochs} of 3 epochs are done" in resumed.stderr
    for file in ("work/smoke-0/checkpoint.weights.h5", "artifact/model.tflite"):
        assert (tmp_path / file).read_bytes() == (fitted[0] / file).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("export", "--out", "x"), "Missing option '--run'"),
        (("export", "--run", "a", "--calibrate", "b", "--out", "x"), "No such option"),
        (("adopt", "b.keras", "--out", "x"), "Missing option '--classes'"),
        (("adopt", "b.keras", "--classes", "README.md", "--out", "x"), "error: Expected a"),
        (
            ("adopt", "events", "--classes", "README.md", "--out", "x"),
            "Received: 'events', a folder. Name the .keras file itself",
        ),
        (("fit", "--preset", "smoke", "--out", "x", "--data-dir", "/nonexistent"), "apt-get install dataset-fashion-mnist"),
        (("export", "--run", "/nonexistent", "--out", "x"), "error: "),
        (("report", "--artifact", "/nonexistent", "--out", "x"), "name an artifact's folder"),
        (("fit", "--preset", "smoke", "--teacher", "/nonexistent"), "name an artifact's folder"),
        (("explore", "--out", "x", "--data-dir", "/nonexistent"), "apt-get install dataset-fashion-mnist"),
        (("fit", "--preset", "huge", "--out", "x"), "smoke"),
        (("fit", "--preset", "smoke", "--out", "x", "--classes", "/nonexistent"), "error: Expected a UTF-8 text file"),
        (("fit", "--preset", "smoke", "--out", "README.md"), "is a file"),
        *(
            (("fit", "--preset", "smoke", "--learning-rate", rate), "finite --learning-rate")
            for rate in ("0", "inf", "nan", "-1")
        ),
        *((("fit", "--preset", "smoke", "--changed", share), "--changed from 0 to 1") for share in ("-0.1", "1.1", "nan")),
        (("fit", "--preset", "smoke", "--plain", "--changed", "0"), "without --plain"),
        (("fit", "--preset", "smoke", "--seed", "-1"), "--seed"),
        (("fit", "--preset", "smoke", "--seed", "4294967296"), "--seed"),
        (("samples", "--out", "/dev/null/x"), "Received: Not a directory; mend that, or name another place."),
        (("convert", "--garments", "--out", "/dev/null/x"), "Received: Not a directory; mend that, or name another place."),
        (("convert", "/nonexistent", "--out", "/dev/null/x"), "Received: Not a directory; mend that, or name another place."),
        (("convert", "--out", "x"), "Expected at least one picture"),
    ],
)
def test_a_mistake_on_the_command_line_is_an_error_without_a_traceback(arguments, expected, here):
    done = here(*arguments)

    assert done.returncode != 0
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("backend", ["nonsense", "jax"])
def test_a_backend_that_cannot_be_loaded_is_named_in_one_line(backend):
    done = command("export", "--run", "x", "--out", "x", KERAS_BACKEND=backend)

    assert done.returncode == 1
    assert re.fullmatch(f"error: Expected an installed backend in KERAS_BACKEND. Received: {backend} .*\n", done.stderr)


def test_an_interrupted_command_ends_without_a_traceback(tiny_folder, tmp_path):
    command = ("fit", "--preset", "full", "--data-dir", tiny_folder, "--work", tmp_path)
    # Python leaves interrupts alone if its parent ignores them, as a shell does for what it runs in the background.
    program = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('training', run_name='__main__', alter_sys=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, command)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as run:
        line = next(line for line in run.stderr if line.startswith("training on"))
        rest = ""
        while run.poll() is None:  # Python drops an interrupt that comes while an object is deleted, so people press again
            run.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                rest += run.communicate(timeout=10)[1]

    assert line
    assert (run.returncode, "Traceback" in rest) == (130, False)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *((name, "--data-dir") for name in ("fit", "export", "explore", "report", "samples")),
        *(("adopt", "--calibrate"), ("convert", "--garments")),
    ],
)
def test_every_command_explains_itself(name, option, here, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")

    done = here(name, "--help")

    assert done.returncode == 0
    assert option in done.stdout
