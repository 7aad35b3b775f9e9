"""`coatcheck explain` on real files and on S3: predictions are the function's own, and each rejection comes with advice."""

import inspect
import io
import json
import os
import subprocess
import sys
import zipfile

import msgspec
import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from handler import errors
from handler.contract import MANIFEST_FILE, MODEL_FILE, parse_manifest, render_manifest
from handler.model import BUNDLED_ARTIFACT
from infra.__main__ import app
from infra.errors import InfraError, WrongUse
from infra.explain.advice import ADVICE
from infra.explain.drawing import MAX_ROWS
from infra.explain.telling import drawn
from infra.paths import IMAGES, ROOT


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def explain(*arguments):
    done = CliRunner().invoke(app, ["explain", *map(str, arguments)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def loaded(path):
    with PIL.Image.open(path) as image:
        return image.copy()


def explained(*arguments):
    return [json.loads(line) for line in explain(*arguments, "--json").stdout.splitlines()]


def test_each_class_of_rejection_has_advice_and_nothing_else_has():
    rejections = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, errors.RejectedInput)
    }

    assert set(ADVICE) == rejections


def test_a_picture_is_explained_with_its_classes_and_the_threshold():
    done = explain(IMAGES / "coat-4.png")

    assert done.exit_code == 0
    first, said, best, *_ = done.stdout.splitlines()
    assert first == f"{IMAGES}/coat-4.png: png, 1 image"
    assert said == "  Pullover 0.830 (unsure, since it is below 0.976)"
    assert best.split() == ["Pullover", "█" * 17, "0.830"]


def test_json_says_the_same():
    (found,) = explained(IMAGES / "coat-4.png")

    assert (found["format"], found["images"], found["rejected"], found["error"]) == ("png", 1, 0, None)
    (first,) = found["first"]
    assert (first["class_name"], first["marks"], len(first["top"])) == ("Pullover", ["unsure"], 3)


def test_a_class_that_is_never_sure_is_said_to_be_so(tmp_path):
    manifest = parse_manifest((BUNDLED_ARTIFACT / MANIFEST_FILE).read_bytes())
    never = msgspec.structs.replace(manifest, unsure_below=(0.5, 0.5, None, *[0.5] * 7))  # of the class Pullover
    (tmp_path / MODEL_FILE).write_bytes((BUNDLED_ARTIFACT / MODEL_FILE).read_bytes())
    (tmp_path / MANIFEST_FILE).write_bytes(render_manifest(never))

    _, said, *_ = explain(IMAGES / "coat-4.png", "--artifact", tmp_path).stdout.splitlines()
    (found,) = explained(IMAGES / "coat-4.png", "--artifact", tmp_path)

    assert said == "  Pullover 0.830 (unsure, as every Pullover of this model is)"
    assert (found["first"][0]["marks"], found["first"][0]["unsure_below"]) == (["unsure"], None)


def test_one_bad_file_among_many_is_a_row_of_its_own(folder):
    (folder / "a.png").write_bytes((IMAGES / "bag-0.png").read_bytes())
    (folder / "b.png").write_bytes((IMAGES / "bag-0.png").read_bytes()[:200])
    (folder / "c.bin").write_bytes(b"")
    done = explain(folder)

    assert done.exit_code == 0
    assert f"{folder}/a.png: png, 1 image" in done.stdout
    assert f"{folder}/b.png: png, rejected" in done.stdout
    assert f"{folder}/c.bin: of no known format, rejected" in done.stdout
    assert f"    what to do: {ADVICE['UnreadableImage']}" in done.stdout
    assert f"    what to do: {ADVICE['EmptyObject']}" in done.stdout


def test_an_archive_shows_its_first_members_and_how_many_there_are(folder):
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for number in range(9):
            archive.writestr(f"{number}.png", (IMAGES / "bag-0.png").read_bytes())
        archive.writestr("broken.png", (IMAGES / "bag-0.png").read_bytes()[:200])
    done = explain(folder / "a.zip")

    assert "a.zip: zip, 9 images, 1 rejected" in done.stdout
    assert "  5.png: Bag 1.000" in done.stdout
    assert "  6.png" not in done.stdout
    assert "  … and 3 more images" in done.stdout
    assert "  broken.png: rejected" in done.stdout


def test_a_list_is_explained_and_what_it_names_is_not_read(folder):
    (folder / "list.jsonl").write_text('{"key": "uploads/a.png"}\n{"key": "uploads/b.png"}\n')
    (found,) = explained(folder / "list.jsonl")

    assert (found["format"], found["named"], found["images"]) == ("list", 2, 0)


def test_an_object_beyond_a_limit_of_the_environment_is_rejected_unread(folder, monkeypatch):
    (folder / "a.png").write_bytes((IMAGES / "bag-0.png").read_bytes())
    monkeypatch.setenv("MAX_OBJECT_BYTES", "10")
    (found,) = explained(folder / "a.png")

    assert found["error"]["error"] == "ObjectTooLarge"


def test_a_hostile_name_and_content_cannot_move_the_cursor(folder):
    (folder / "\x1b[2J.txt").write_bytes(b"\x1b[31m hello")
    done = explain(folder)

    assert "\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_does_not_stop_the_others(folder):
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes((IMAGES / "bag-0.png").read_bytes())
    (folder / "a.png").chmod(0)
    done = explain(folder)

    assert f"{folder}/a.png: cannot be opened: Permission denied" in done.stdout
    assert f"{folder}/b.png: png, 1 image" in done.stdout


def test_nothing_that_can_be_opened_is_an_error(folder):
    with pytest.raises(InfraError, match="Expected an object that can be opened"):
        explain(folder)


def test_a_source_that_is_not_there_is_a_wrong_use(folder):
    with pytest.raises(WrongUse, match="which is not there; check the path"):
        explain(folder / "nosuch.png")


def test_a_broken_artifact_is_named(folder):
    with pytest.raises(InfraError, match=r"--artifact: Expected an artifact with model\.tflite"):
        explain(IMAGES / "coat-0.png", "--artifact", folder)


def test_another_artifact_is_used(tiny_artifact):
    (found,) = explained(IMAGES / "coat-0.png", "--artifact", tiny_artifact)

    assert len(found["first"]) == 1
    assert found["first"][0]["class_name"] != "Coat"


def test_the_picture_shows_the_image_as_it_is_beside_what_the_model_sees(folder, tmp_path):
    red = PIL.Image.new("RGB", (200, 100), (200, 0, 0))
    red.save(folder / "red.png")
    done = explain(folder, "--out", tmp_path / "sheet.png")

    assert done.exit_code == 0
    sheet = loaded(tmp_path / "sheet.png")
    assert sheet.getpixel((96, 96)) == (200, 0, 0)
    assert len(set(sheet.getpixel((276, 96)))) == 1


def test_the_pixels_of_the_model_are_sharp_squares_in_the_picture(tmp_path):
    explain(IMAGES / "coat-0.png", "--out", tmp_path / "sheet.png")
    sheet = np.asarray(loaded(tmp_path / "sheet.png"))[12:180, 192:360, 0]

    assert np.array_equal(sheet[::6, ::6], np.asarray(loaded(IMAGES / "coat-0.png")))
    assert np.array_equal(sheet, sheet[::6, ::6].repeat(6, axis=0).repeat(6, axis=1))


def test_the_picture_of_many_images_is_bounded(folder, tmp_path):
    for number in range(MAX_ROWS + 5):
        (folder / f"{number}.txt").write_text("no picture")
    explain(folder, "--out", tmp_path / "sheet.png")

    assert loaded(tmp_path / "sheet.png").height == MAX_ROWS * 192


def test_an_image_is_drawn_in_characters_of_its_proportions():
    image = np.zeros((28, 28, 1), np.uint8)
    image[:, 14:] = 255

    assert drawn(image) == [" " * 14 + "@" * 14] * 14


def test_a_large_image_in_colours_is_thinned_out_to_characters():
    rows = drawn(np.full((224, 224, 3), 255, np.uint8))

    assert set(rows) == {"@" * 56}


def test_objects_in_s3_are_explained_and_none_is_written(cloud):
    cloud.s3.upload_file(str(IMAGES / "bag-0.png"), cloud.input_bucket, "uploads/a.png")
    cloud.s3.put_object(Bucket=cloud.input_bucket, Key="uploads/b.txt", Body=b"no picture")
    program = f"""
import sys
from infra.__main__ import main
sys.argv = ["coatcheck", "explain", "--json", "s3://{cloud.input_bucket}/uploads/", "s3://{cloud.input_bucket}/nosuch"]
main()
"""
    environment = {"PATH": os.environ["PATH"], **cloud.environment}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )

    first, second, third = map(json.loads, io.StringIO(done.stdout))
    assert done.returncode == 0
    assert (first["object"], first["first"][0]["class_name"]) == (f"s3://{cloud.input_bucket}/uploads/a.png", "Bag")
    assert second["error"]["error"] == "UnrecognisedFormat"
    assert third["unopened"] == "there is no such object"
    assert cloud.s3.list_objects_v2(Bucket=cloud.output_bucket)["KeyCount"] == 0
