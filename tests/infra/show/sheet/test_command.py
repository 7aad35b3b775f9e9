"""The command `coatcheck sheet`, as a user calls it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "infra", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=ENVIRONMENT,
    )


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sheet")
    (folder / "photos").mkdir()
    for name in ("coat-0.png", "bag-0.png", "packed-idx3-ubyte.gz"):
        shutil.copy(ROOT / "events" / "images" / name, folder / "photos")
    (folder / "photos" / "broken.png").write_bytes(b"broken")
    done = run("score", "photos", "--out", "predictions", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_sheet_of_a_folder_shows_its_images(scored):
    done = run("sheet", "predictions", "--images", "photos", "--out", "out/page.html", cwd=scored)

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"103 images: 1 rejected, 2 unfamiliar, \d+ unsure\nout/page\.html\n", done.stdout)
    assert (scored / "out/page.html").read_text().count("data:image/png;base64,") == 102


def test_a_sheet_without_images_is_still_a_sheet(scored):
    done = run("sheet", "predictions", "--out", "bare.html", cwd=scored)

    assert done.returncode == 0, done.stderr
    assert "base64" not in (scored / "bare.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nowhere"], 2, "which is no folder"),
        (["s3://Bucket"], 2, "with a slash at its end"),
        (["predictions", "--images", "nowhere"], 2, "which is no folder"),
        (["predictions", "--artifact", "photos"], 2, "Expected the artifact of a model"),
        (["predictions", "--page-images", "0"], 2, "--help"),
        (["photos"], 1, "`coatcheck score` writes them"),
    ],
)
def test_a_wrong_use_says_in_one_line_what_to_do(scored, arguments, status, says):
    done = run("sheet", *arguments, "--out", "wrong.html", cwd=scored)

    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (scored / "wrong.html").exists()
