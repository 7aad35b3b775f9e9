"""The package as `sam build` makes it; needs a package index, so it runs with `make test` where one can be reached."""

import json
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import distributions

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra.errors import InfraError
from infra.lock import LOCKS
from infra.native import IMAGE, require_loadable
from infra.package import OUR_LIMIT_BYTES, bill_path, build, find_interpreter, install_wheels, run, size_bytes
from infra.paths import ROOT
from infra.platforms import Architecture
from infra.supply.bill import normalised


@pytest.fixture(scope="module")
def build_once(tmp_path_factory):
    """Returns the package for a processor, with or without the decoder of HEIC, and the size that its build stated."""

    @cache
    def build_once(architecture, *, heic=False):
        package = tmp_path_factory.mktemp("build") / "package"
        return package, build(package, architecture, heic=heic)

    return build_once


@pytest.mark.slow
@pytest.mark.parametrize("architecture", Architecture)
def test_the_package_is_small_and_holds_nothing_that_trains(architecture, build_once):
    package, size = build_once(architecture)

    assert size == size_bytes(package) <= OUR_LIMIT_BYTES
    names = {path.name for path in package.iterdir()}
    assert {"handler", "numpy", "PIL", "boto3", "ai_edge_litert", "LICENSE", "NOTICE"} <= names
    assert not names & {"tensorflow", "keras", "training", "infra", "tests", "google", "ml_dtypes"}
    assert (package / "handler" / "artifact" / "model.tflite").is_file()
    assert not list(package.rglob("libLiteRtWebGpuAccelerator.so"))
    assert (package / "handler" / "__pycache__" / "app.cpython-313.pyc").is_file() == bool(find_interpreter())


@pytest.mark.slow
@pytest.mark.parametrize("heic", [False, True])
@pytest.mark.parametrize("architecture", Architecture)
def test_the_bill_names_each_locked_distribution_and_every_file_is_of_one_or_ours(architecture, heic, build_once):
    package, _ = build_once(architecture, heic=heic)
    bill = bill_path(package).read_text()
    libraries = [part for part in json.loads(bill)["components"] if part["type"] == "library"]

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    locks = "".join(LOCKS[name].read_text() for name in ("function", *(["heic"] if heic else [])))
    assert sorted(f"{part['name']}=={part['version']}" for part in libraries) == sorted(
        line.replace("_", "-") for line in re.findall(r"^[\w.-]+==[\w.]+", locks, re.MULTILINE)
    )
    for part in libraries:
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"
        assert f"--hash=sha256:{part['hashes'][0]['content']}" in locks
        assert part["licenses"]
    theirs = {f"{one.locate_file(path)}" for one in distributions(path=[str(package)]) for path in one.files}
    ours = ("handler", "LICENSE", "NOTICE")
    files = {path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    strangers = {path for path in files if f"{path}" not in theirs and path.relative_to(package).parts[0] not in ours}
    assert {path for path in strangers if path.name not in {"REQUESTED", "INSTALLER"}} == set()  # pip's own notes
    assert {normalised(one.name) for one in distributions(path=[str(package)])} == {part["name"] for part in libraries}


@pytest.mark.slow
def test_lambda_can_load_the_package_for_x86_64(build_once):
    package, _ = build_once(Architecture.x86_64)

    require_loadable(package, "x86_64")


@pytest.mark.slow
def test_the_package_for_arm64_is_refused_unless_the_image_is_said_to_have_a_newer_libstdcxx(build_once):
    """If this fails, the libraries need less than they did: say so in docs/deploy.md, and drop this test."""
    package, _ = build_once(Architecture.arm64)

    with pytest.raises(InfraError, match=r"libpywrap_litert_common\.so needs GLIBCXX_3\.4\.30 of libstdc\+\+\.so\.6"):
        require_loadable(package, "arm64")
    require_loadable(package, "arm64", {**IMAGE, "GLIBCXX": (3, 4, 30)})


@pytest.mark.parametrize("text", ["GLIBCXX_3.4.30", "3.4.", "", "new"])
def test_a_version_of_libstdcxx_that_is_none_is_refused_before_anything_is_installed(text, tmp_path):
    with pytest.raises(InfraError, match="Expected a version"):
        run(tmp_path / "package", Architecture.arm64, text)

    assert not (tmp_path / "package").exists()


@pytest.mark.slow
@pytest.mark.skipif(find_interpreter() is None or platform.machine() != "x86_64", reason="needs Python 3.13 on x86-64")
def test_the_function_runs_out_of_the_package_alone(build_once):
    """Every library that scoring touches, but for S3 itself, from the package and nowhere else."""
    package, _ = build_once(Architecture.x86_64)
    program = f"""
import json, pathlib, sys
sys.path.insert(0, {str(package)!r})
import io, msgspec
from handler.app import build_parts, lambda_handler
from handler.deadline import TimeBudget
from handler.jobs import Asked
from handler.objects import ObjectRef
from handler.store import OpenObject, StoredObject, WriteResult

class Context:
    aws_request_id = function_name = invoked_function_arn = "x"
    memory_limit_in_mb = 1769
    get_remaining_time_in_millis = lambda self: 60_000

class OneObject:
    def open(self, ref, **options):
        return OpenObject(StoredObject(ref, "e", None, len(content)), io.BytesIO(content))
    def put(self, ref, document, **options):
        written.append(document.read())
        return WriteResult.WRITTEN

events = pathlib.Path({str(ROOT / "events")!r})
assert lambda_handler(json.loads((events / "s3-test-event.json").read_text()), Context())["objects"] == []
content = (events / "images" / "coat-0.png").read_bytes()
written = []
scorer = build_parts().scorer
documents = msgspec.structs.replace(scorer.documents, store=OneObject(), marks=None)
inputs = msgspec.structs.replace(scorer.inputs, store=OneObject(), documents=documents)
scorer = msgspec.structs.replace(scorer, inputs=inputs, documents=documents)
scorer.score([Asked(ObjectRef("in-bucket", "coat-0.png"))], TimeBudget.of(60, 10, 1), lambda named, report: None)
print(json.loads(written[0])["predictions"][0]["class_name"])
"""

    done = subprocess.run(
        [find_interpreter(), "-I", "-S", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=package,
        env={"AWS_DEFAULT_REGION": "us-east-1", "OUTPUT_URI": "s3://out-bucket/", "INPUT_URIS": "s3://in-bucket/"},
    )

    assert done.stdout.splitlines()[-1:] == ["Coat"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("architecture", Architecture)
def test_the_decoder_of_heic_is_added_if_wanted(architecture, build_once):
    """AVIF needs no such choice: its decoder is in Pillow's wheels for both processors."""
    for package, count in ((build_once(architecture, heic=True)[0], 1), (build_once(architecture)[0], 0)):
        assert len(list(package.glob("_pi_heif*.so"))) == len(list(package.glob("pi_heif.libs/libde265*"))) == count
        assert not list(package.rglob("*x265*"))
        assert len(list(package.glob("PIL/_avif*.so"))) == len(list(package.glob("pillow.libs/libavif*"))) == 1


@pytest.mark.slow
@pytest.mark.skipif(find_interpreter() is None or platform.machine() != "x86_64", reason="needs Python 3.13 on x86-64")
def test_a_heic_is_read_out_of_the_package_that_was_built_for_it(build_once):
    sample = ROOT / "tests" / "handler" / "formats" / "pictures" / "heic" / "upright.heic"
    program = f"""
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from handler.formats.picture import readable_kinds
from handler.formats.picture import read_picture
print("heic" in readable_kinds(), end=" ")
print(read_picture(pathlib.Path({str(sample)!r}).read_bytes()).size)
"""
    with_it, without_it = (
        subprocess.run([find_interpreter(), "-I", "-S", "-c", program, package], capture_output=True, text=True, check=False)
        for package in (build_once(Architecture.x86_64, heic=True)[0], build_once(Architecture.x86_64)[0])
    )

    assert with_it.stdout == "True (128, 64)\n", with_it.stderr
    assert without_it.stdout == "False "
    assert "Received: HEIC; save it as JPEG" in without_it.stderr


def test_requirements_that_cannot_be_installed_are_named(tmp_path):
    with pytest.raises(InfraError, match=r"nowhere\.txt for arm64"):
        install_wheels(tmp_path, tmp_path / "nowhere.txt", Architecture.arm64, "3.13")


def test_a_python_that_pyenv_has_but_does_not_activate_is_found(tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    for name, script in {
        "python3.99": "echo 'pyenv: python3.99: command not found' >&2; exit 127",
        "pyenv": f'[ "$*" = "whence --path python3.99" ] && echo {kept}',
        "kept": "echo 3.99",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert find_interpreter("3.99") == str(kept)


def test_no_interpreter_is_found_where_neither_the_path_nor_pyenv_has_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_interpreter("3.99") is None
