"""The wheel, in an environment that has its libraries and not this checkout: it holds all that the command of a user reads."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.lock import LOCKS
from infra.paths import ROOT
from infra.wheel import FILES

SAMPLES = ("coat-0.png", "bag-3.png", "packed-idx3-ubyte.gz")
ROOMS = ("handler", "training", "infra")
NOT_IN_A_WHEEL = [["package", "target"], ["schemas"], ["sam-local"], ["bench"], ["rehearse"], ["cloud", "--sam"]]


def tracked(*rooms):
    done = subprocess.run(["git", "ls-files", *rooms], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built from copies of the files that are tracked and named by its definition, and of no other."""
    folder = tmp_path_factory.mktemp("source")
    others = [str(path.relative_to(ROOT)) for pattern in FILES for path in ROOT.glob(pattern) if path.is_file()]
    for name in [*tracked(*ROOMS), *others, "pyproject.toml", "LICENSE", "NOTICE"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=folder, capture_output=True, check=True)
    (built,) = (folder / "dist").iterdir()
    return built


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """The folder that the wheel alone was installed into."""
    folder = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", "--quiet", "--target", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True)
    return folder


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    """A folder that holds what the wheel depends on, as requirements/score.txt has locked it, and no other library of .venv."""
    folder = tmp_path_factory.mktemp("libraries")
    for name in re.findall(r"^([\w.-]+)==", LOCKS["score"].read_text(), re.MULTILINE):
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:  # of another system or another Python
            continue
        for top in {path.parts[0] for path in distribution.files} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(distribution.locate_file(top))
    return folder


@pytest.fixture
def run(installed, libraries, tmp_path):
    """Runs Python in a folder of its own, with `code` and the libraries of the wheel alone, without site-packages."""

    def run(*arguments, code=installed):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, (code, libraries)))}
        command = [sys.executable, "-S", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def documents(folder):
    """What was scored, without the marks of the folder itself."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}
    return {name: content for name, content in found.items() if not name.startswith((".", "_"))}


def test_it_holds_every_file_of_the_three_packages_and_copies_of_the_files_that_they_read(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/") and ".dist-info/" not in name}
    copies = {f"infra/shipped/{path.relative_to(ROOT)}" for it in FILES for path in ROOT.glob(it) if path.is_file()}

    assert names == {*tracked(*ROOMS), *copies}


def test_it_names_the_command_and_the_licence(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    folder = metadata.rpartition("/")[0]

    assert "coatcheck = infra.__main__:main" in archive.read(f"{folder}/entry_points.txt").decode()
    assert {f"{folder}/licenses/{name}" for name in ("LICENSE", "NOTICE")} <= set(archive.namelist())


def test_it_scores_a_folder_into_the_documents_of_the_checkout(run, installed, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in SAMPLES:
        shutil.copy(ROOT / "events" / "images" / name, photos)
    told = run("-c", "import handler, infra, training; print([it.__file__ for it in (handler, infra, training)])")
    ours = run(
        "-m", "infra", "score", "photos", "--processes", "1", "--out", "ours", "--table", "ours.csv", "--page", "ours.html"
    )
    theirs = run("-m", "infra", "score", "photos", "--processes", "1", "--out", "theirs", code=ROOT)

    assert told.stdout.strip() == str([str(installed / room / "__init__.py") for room in ("handler", "infra", "training")])
    assert (ours.returncode, theirs.returncode) == (0, 0), ours.stderr + theirs.stderr
    assert len(documents(tmp_path / "ours")) == len(SAMPLES)
    assert documents(tmp_path / "ours") == documents(tmp_path / "theirs")
    assert (tmp_path / "ours.csv").stat().st_size
    assert (tmp_path / "ours.html").stat().st_size


def test_its_commands_find_the_copies_of_the_template_of_the_measured_times_and_of_the_sample_images(run, installed):
    program = """
from infra.cost.times import load_times
from infra.paths import IMAGES, TEMPLATE
from infra.template import read_template
print(bool(load_times()), bool(read_template(TEMPLATE.read_text())), len(list(IMAGES.glob("*.png"))), TEMPLATE)
"""
    done = run("-c", program)

    samples = len(list((ROOT / "events" / "images").glob("*.png")))
    assert done.stdout.split() == ["True", "True", str(samples), str(installed / "infra/shipped/template.yaml")], done.stderr


def test_a_command_that_needs_the_checkout_says_so_in_one_line(run):
    program = """
import sys
from infra.__main__ import main
for arguments in {commands}:
    sys.argv = ["coatcheck", *arguments]
    try:
        main()
    except SystemExit as end:
        print(end.code)
"""
    done = run("-c", program.format(commands=NOT_IN_A_WHEEL))

    assert done.stdout.split() == ["1"] * len(NOT_IN_A_WHEEL), done.stderr
    said = [line.split("`")[1].removeprefix("coatcheck ") for line in done.stderr.splitlines()]
    assert said == [" ".join(it for it in command if it != "target") for command in NOT_IN_A_WHEEL]


def test_the_library_of_an_extra_is_named_with_the_page_that_says_which_extra_brings_it(run, tmp_path):
    done = run("-m", "infra", "demo")

    assert done.returncode == 1
    assert re.fullmatch(r"error: Expected the library \w+. docs/install.md names the extras that bring it.\n", done.stderr)
    assert not list(Path(tmp_path).iterdir())
