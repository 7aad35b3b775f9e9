"""The command line, from data in a folder to an artifact that the handler serves."""

import csv
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import keras
import numpy as np
import PIL.Image
import pytest
import typer.main

from handler.contract import MODEL_FILE, golden_images
from handler.conversion import convert
from handler.errors import BadArtifact
from handler.model import directory_reader, load_model
from training.__main__ import app
from training.artifact import score
from training.data.folders import load_folders
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


@pytest.fixture
def here(capfd, monkeypatch):
    """Runs a command in this process, which has loaded Keras, and returns what a process of its own would end with.

    An error that such a process would end with a traceback is raised.
    """
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


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """A folder of twenty small pictures of each of three colours."""
    folder = tmp_path_factory.mktemp("colours")
    for label, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir()
        for number in range(20):
            pixels = np.random.default_rng((label, number)).integers(0, 80, (12, 16, 3), np.uint8)
            pixels[..., label] += 90
            PIL.Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_folders_of_images_end_in_an_artifact(colours, tmp_path, here):
    done = here(
        *("fit", "--preset", "smoke", "--images", colours, "--size", "12", "--learning-rate", "0.01"),
        *("--out", tmp_path / "artifact", "--work", tmp_path / "work"),
    )
    other_size = here("export", "--run", tmp_path / "work" / "smoke-0", "--images", colours, "--out", tmp_path / "again")

    assert done.returncode == 0, done.stderr
    manifest = load_model(directory_reader(tmp_path / "artifact")).manifest
    assert (manifest.name, manifest.classes) == (colours.name, ("blue", "green", "red"))
    assert manifest.input.as_tuple == (12, 12, 3)
    assert manifest.dataset == {
        "name": f"unverified: {colours.name}",
        "train_images": 46,
        "held_out_images": 5,
        "test_images": 9,
        "md5_of_content": load_folders(colours, 12).checksums,
    }
    assert "60 images of 3 classes are brought to 12x12x3" in done.stderr
    assert "rests on 5 images alone" in done.stderr
    assert other_size.returncode == 1
    assert "error: Expected images of (12, 12, 3), as in the run. Received: (16, 16, 3). Pass --size 12." in other_size.stderr


@pytest.mark.slow
def test_photos_end_in_an_artifact_that_starts_from_a_backbone(colours, tmp_path, here):
    done = here("fit", "--images", colours, "--size", "64", "--backbone", "efficientnet-lite0", "--out", tmp_path / "artifact")

    assert done.returncode == 0, done.stderr
    model = load_model(directory_reader(tmp_path / "artifact"))
    manifest = model.manifest
    assert (manifest.name, manifest.classes) == (colours.name, ("blue", "green", "red"))
    assert (manifest.input.as_tuple, manifest.model.quantisation) == ((64, 64, 3), "float16")
    assert manifest.metrics.accuracy > 0.8
    assert (manifest.training["backbone"], manifest.training["tuned_from"]) == ("efficientnet-lite0", "block10-widen")
    assert (manifest.sure.images, manifest.unsure_below) == (51, None)
    assert model.classify(golden_images(manifest)).familiarity == pytest.approx(manifest.golden.familiarity, abs=0.01)
    assert "looking at 51 photos in 8 views, about" in done.stderr
    drawn = np.zeros((1, 64, 64, 3), np.uint8)
    drawn[:, 20:44, 28:36] = 255
    assert model.classify(drawn).familiarity < min(manifest.golden.familiarity)
    assert "right where they were not learnt from" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backbone", "efficientnet-lite0", "--resume"), "Expected --backbone none with --resume"),
        (("--backbone", "efficientnet-lite0", "--epochs", "3", "--seed", "1"), "with --seed, --epochs"),
        (("--backbone", "efficientnet-lite0"), "Expected --out"),
        ((), "Expected --out"),
        (("--backbone", "none", "--frozen"), "Expected --frozen together with"),
        (("--seed", "1", "--frozen"), "Expected --frozen together with"),
        (("--backbone", "resnet"), "'resnet' is not one of"),
    ],
)
def test_options_of_a_start_that_do_not_belong_together_are_refused(options, message, colours, here):
    done = here("fit", "--images", colours, *options)

    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", "").split())


def test_a_backbone_needs_images_and_images_no_other_source(colours, tmp_path, here):
    without = here("fit", "--backbone", "efficientnet-lite0", "--out", tmp_path)
    both = here("fit", "--images", colours, "--data-dir", tmp_path, "--out", tmp_path)

    assert (without.returncode, both.returncode) == (2, 1)
    assert "Expected --images with a backbone" in " ".join(without.stderr.replace("│", "").split())
    assert both.stderr == "error: Expected --images alone. Received: also --data-dir. Folders name their classes.\n"


def test_every_backbone_can_be_named_and_nothing_else():
    from training.options import Start
    from training.transfer.backbones import Backbone

    assert [start.value for start in Start] == ["auto", "none", *Backbone]


def picture_of(label, *seed):
    """A small picture of one of three colours."""
    pixels = np.random.default_rng((label, *seed)).integers(0, 80, (12, 16, 3), np.uint8)
    pixels[..., label] += 90
    return pixels


@pytest.mark.slow
def test_corrections_of_what_was_unsure_or_wrong_make_a_better_model(tmp_path, here):
    """Most red pictures lie among the blue ones. Whoever corrects what the model shows as unsure or wrong gets them right."""
    names, folder = ("blue", "green", "red"), tmp_path / "photos"
    colours = ((2, "blue"), (1, "green"), (0, "red"))
    truth = {}
    for label, name in colours:
        for number in range(24):
            lies_in = "blue" if name == "red" and number < 17 else name
            path = folder / lies_in / f"{name}-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(picture_of(label, number)).save(path)
            truth[path] = name
    unseen = [(name, picture_of(label, 1, number)) for label, name in colours for number in range(40)]

    def fitted_model(*options):
        out = tmp_path / f"artifact-{len(options)}"
        work, source = tmp_path / f"work-{len(options)}", ("--images", folder, "--size", "12", *options)
        fit = here("fit", "--preset", "smoke", *source, "--learning-rate", "0.02", "--epochs", "12", "--work", work)
        export = here("export", "--run", work / "smoke-0", *source, "--out", out)
        assert (fit.returncode, export.returncode) == (0, 0), fit.stderr + export.stderr
        return load_model(directory_reader(out))

    def predict(model, pixels):
        image = convert(PIL.Image.fromarray(pixels), model.manifest.input, model.manifest.conversion)
        (row,) = model.classify(image[None]).probabilities
        return names[row.argmax()], float(row.max())

    def share_right(model):
        return np.mean([predict(model, pixels)[0] == name for name, pixels in unseen])

    first = fitted_model()
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("object", "image", "class_name"))
        for path, name in truth.items():
            predicted, confidence = predict(first, np.asarray(PIL.Image.open(path)))
            if predicted != name or confidence < (first.manifest.unsure_below or 0.99):
                writer.writerow((f"photos/{path.relative_to(folder)}", path.name, name))
    second = fitted_model("--labels", tmp_path / "labels.csv")

    assert first.manifest.classes == second.manifest.classes == names
    before, after = share_right(first), share_right(second)
    assert after - before > 4 * (before * (1 - before) / len(unseen)) ** 0.5  # four standard errors


def test_any_keras_classifier_becomes_an_artifact(colours, tmp_path, here):
    images = keras.Input((8, 8, 3))
    end = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(images, end(keras.layers.GlobalAveragePooling2D()(images)))
    end.set_weights([10 * np.eye(3), np.zeros(3)])
    model.save(tmp_path / "my.keras")
    (tmp_path / "classes.txt").write_text("red\ngreen\nblue\n")

    done = here(
        *("adopt", tmp_path / "my.keras", "--classes", tmp_path / "classes.txt", "--calibrate", colours),
        *("--pixels", "-1..1", "--name", "colours", "--version", "3", "--out", tmp_path / "artifact"),
    )

    assert done.returncode == 0, done.stderr
    assert "100.00% of 30 images" in done.stdout
    assert "--pixels" not in done.stderr  # no other range would do better
    manifest = load_model(directory_reader(tmp_path / "artifact")).manifest
    assert (manifest.name, manifest.version, manifest.classes) == ("colours", "3", ("red", "green", "blue"))
    assert manifest.training["pixels"] == "-1..1"


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
