"""The demo fails when something is wrong, and only then."""

import re
import shutil
import subprocess
import sys
from collections import Counter

import pytest

from handler.contract import MANIFEST_FILE, parse_manifest
from handler.model import BUNDLED_ARTIFACT
from handler.predictions import Input, ModelName, Prediction, PredictionDocument, Problem, RejectionDocument, Summary
from infra.demo import SHOWN, choose, require_scored
from infra.errors import InfraError
from infra.paths import ROOT

INPUT = Input("in", "a.png", "e", None, 5, None)
MODEL = ModelName("m", "1", "0" * 64)


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
    shown = re.findall(r"│ (\S+\.png) ", done.stdout)
    assert len(shown) == len(set(shown)) == SHOWN
    assert set(shown) <= set(truth)
    assert done.stdout.splitlines()[-3:] == [
        "documents: .demo/predictions",
        "table: .demo/predictions.csv",
        "page: .demo/predictions.html",
    ]
    assert len((tmp_path / ".demo/predictions.csv").read_text().splitlines()) == 201
    assert (tmp_path / ".demo/predictions.html").read_text().count("data:image/") == 200


def prediction(class_name, confidence, unsure):
    return Prediction(
        image="", class_index=0, class_name=class_name, confidence=confidence, unsure=unsure, probabilities=[confidence]
    )


def document(row):
    return PredictionDocument(INPUT, MODEL, Summary(1, 0, row.confidence, {}), [row], [])


def test_the_table_shows_right_wrong_and_unsure_images_of_a_run_that_has_all_of_them():
    right = {f"right-{number}": document(prediction("Coat", 1, unsure=False)) for number in range(80)}
    wrong = {f"wrong-{number}": document(prediction("Bag", 1, unsure=False)) for number in range(10)}
    unsure = {f"unsure-{number}": document(prediction("Coat", 0.5, unsure=True)) for number in range(10)}
    documents = right | wrong | unsure

    chosen = choose(documents, list(documents), dict.fromkeys(documents, "Coat"))

    assert Counter(name.partition("-")[0] for name in chosen) == {"right": 6, "wrong": 3, "unsure": 3}


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_table_of_few_images_that_are_all_wrong_shows_each_of_them_once(count):
    documents = {f"{number}.png": document(prediction("Bag", 1, unsure=False)) for number in range(count)}

    chosen = choose(documents, list(documents), dict.fromkeys(documents, "Coat"))

    assert sorted(chosen) == sorted(documents)


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


@pytest.fixture
def own_artifact(tmp_path):
    """Returns a function that copies the bundled artifact with changes of its files, and returns the copy's path."""

    def own_artifact(manifest=lambda text: text, model=lambda content: content):
        folder = tmp_path / "own [artifact]"
        shutil.copytree(BUNDLED_ARTIFACT, folder)
        (folder / "manifest.json").write_text(manifest((folder / "manifest.json").read_text()))
        (folder / "model.tflite").write_bytes(model((folder / "model.tflite").read_bytes()))
        return str(folder)

    return own_artifact


@pytest.mark.parametrize("place", ["nowhere", __file__, "s3://bucket/model/"])
def test_a_missing_artifact_is_named_in_the_only_line(demo, place):
    done = demo(MODEL_URI=place)

    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        "error: Expected the folder of an artifact in MODEL_URI. Received: '.*', which is no folder here; .*\n",
        done.stderr,
    )


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"model": lambda content: content[:-1]}, "model.tflite of"),
        ({"model": lambda content: content[::-1]}, "with sha256"),
        ({"manifest": lambda text: text.replace("artifact/1", "artifact/9")}, "Expected manifest.json of schema"),
        ({"manifest": lambda text: ""}, "Expected manifest.json of schema"),
    ],
)
def test_a_broken_artifact_is_an_error_in_the_only_line_which_tells_what_is_wrong(demo, own_artifact, changes, wrong):
    folder = own_artifact(**changes)
    done = demo(MODEL_URI=folder)

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("INFO: ")]
    assert line.startswith(f"error: MODEL_URI={folder}: ")
    assert wrong in line


def test_a_model_of_other_classes_is_shown_without_right_and_wrong(demo, own_artifact):
    done = demo(MODEL_URI=own_artifact(lambda text: text.replace('"Trouser"', '"[/red] Pants"')))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "[/red] Pants" in done.stdout
    assert "true class" not in done.stdout
    assert re.search(
        r"\n101 documents; 100 of 100 images scored, \d+ marked unsure; the model's classes are not those", done.stdout
    )


def test_a_model_of_the_same_classes_is_compared_with_the_samples_but_may_be_wrong(demo, own_artifact):
    swapped = {'"Trouser"': '"Coat"', '"Coat"': '"Trouser"'}
    done = demo(MODEL_URI=own_artifact(lambda text: re.sub("|".join(swapped), lambda match: swapped[match[0]], text)))

    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) of 100 images right", done.stdout)[1]) < 80


def test_a_model_of_another_size_is_shown_and_the_packed_images_as_rejected(demo, tiny_artifact):
    done = demo(MODEL_URI=str(tiny_artifact))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "rejected packed-idx3-ubyte.gz: WrongShape" in done.stdout
    assert re.search(r"\n101 documents; 100 of 100 images scored, \d+ marked unsure, 1 rejected; the model's", done.stdout)


def test_copies_that_cannot_be_written_are_an_error_in_one_line(demo, tmp_path):
    (tmp_path / ".demo").touch()
    done = demo()

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "INFO" not in line]
    assert line.startswith("error: Expected to read or write '.demo/predictions/uploads'. Received: Not a directory; ")


def test_a_sample_that_is_rejected_although_the_model_takes_it_fails_the_demo():
    manifest = parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes())
    rejection = RejectionDocument(INPUT, MODEL, Problem("UnreadableImage", "Expected more."))

    with pytest.raises(InfraError, match=r"a prediction for a\.png\. Received: UnreadableImage: Expected more\."):
        require_scored({"a.png": rejection}, manifest)
