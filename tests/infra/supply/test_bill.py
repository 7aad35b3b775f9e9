"""What is packaged comes in wheels whose digests are locked, under licences that are allowed, and a bill names all of it."""

import hashlib
import json
import shutil
import tarfile
import zipfile
from importlib.metadata import distribution

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from handler.model import BUNDLED_ARTIFACT
from infra.errors import InfraError
from infra.lock import read_groups
from infra.package import install_wheels
from infra.paths import ROOT
from infra.platforms import Architecture
from infra.supply.bill import Wheel, bill_of
from infra.supply.licences import ALLOWED, licence_of

METADATA = "Metadata-Version: 2.1\nName: rack\nVersion: 1.0\nLicense: MIT\n"
PAGE = ROOT / "docs" / "supply-chain.md"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A folder that pip takes for the only index; it has the wheel of `rack` 1.0 and the source of `shelf` 1.0."""
    folder = tmp_path_factory.mktemp("index")
    with zipfile.ZipFile(folder / "rack-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in {
            "rack.py": "",
            "rack-1.0.dist-info/METADATA": METADATA,
            "rack-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "rack-1.0.dist-info/RECORD": "rack.py,,\nrack-1.0.dist-info/METADATA,,\nrack-1.0.dist-info/WHEEL,,\n",
        }.items():
            wheel.writestr(zipfile.ZipInfo(name), text)
    (folder / "setup.py").write_text("from setuptools import setup\nsetup(name='shelf', version='1.0')\n")
    with tarfile.open(folder / "shelf-1.0.tar.gz", "w:gz") as source:
        source.add(folder / "setup.py", "shelf-1.0/setup.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        yield folder


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(index, target, line):
    (index / "lock.txt").write_text(line)
    return install_wheels(target, index / "lock.txt", Architecture.arm64, "3.13")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rack==1.0 --hash=sha256:" + "0" * 64, "DO NOT MATCH THE HASHES"),
        ("rack==1.0", "Hashes are required"),
        ("shelf==1.0 --hash=sha256:{shelf}", "No matching distribution found"),
    ],
    ids=["another digest", "no digest", "no wheel"],
)
def test_what_has_another_digest_or_none_or_no_wheel_is_not_installed(line, reason, index, tmp_path, capfd):
    with pytest.raises(InfraError, match=r"lock\.txt for arm64"):
        install(index, tmp_path / "package", line.format(shelf=digest_of(index / "shelf-1.0.tar.gz")))

    assert reason in capfd.readouterr().err
    assert not list(tmp_path.glob("package/*"))


@pytest.fixture(scope="module")
def make(index, tmp_path_factory):
    """Makes a package of one wheel and the bundled artifact, and returns it with what pip tells of the wheel."""

    def make():
        target = tmp_path_factory.mktemp("package")
        wheels = install(index, target, f"rack==1.0 --hash=sha256:{digest_of(index / 'rack-1.0-py3-none-any.whl')}")
        (target / "handler").mkdir()
        (target / "handler" / "artifact").symlink_to(BUNDLED_ARTIFACT)
        return target, wheels

    return make


@pytest.fixture(scope="module")
def package(make):
    return make()


@pytest.fixture
def changed(package, tmp_path):
    """Returns the package with another line for its wheel's licence."""

    def changed(line):
        target = shutil.copytree(package[0], tmp_path / "changed", symlinks=True)
        (target / "rack-1.0.dist-info" / "METADATA").write_text(METADATA.replace("License: MIT", line))
        return target, package[1]

    return changed


def test_what_the_lock_names_is_installed_and_told(package, index):
    target, wheels = package

    assert (target / "rack.py").exists()
    assert wheels == [Wheel("rack", "1.0", digest_of(index / "rack-1.0-py3-none-any.whl"))]


def test_a_bill_names_each_wheel_and_the_model(package):
    bill = json.loads(bill_of(*package))

    rack, model = sorted(bill["components"], key=lambda one: one["type"])
    assert (rack["purl"], rack["licenses"]) == ("pkg:pypi/rack@1.0", [{"expression": "MIT"}])
    assert rack["hashes"] == [{"alg": "SHA-256", "content": package[1][0].sha256}]
    manifest = json.loads((BUNDLED_ARTIFACT / "manifest.json").read_text())
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "fashion-mnist", manifest["version"])
    assert model["hashes"] == [{"alg": "SHA-256", "content": manifest["model"]["sha256"]}]
    assert bill["metadata"]["component"]["name"] == "coatcheck"


def test_a_bill_keeps_to_the_schema_of_cyclonedx_and_a_broken_one_does_not(package):
    bill = bill_of(*package)
    validator = JsonStrictValidator(SchemaVersion.V1_6)

    assert validator.validate_str(bill) is None
    assert validator.validate_str(bill.replace('"machine-learning-model"', '"model"')) is not None


def test_the_same_package_gives_the_same_bill_and_another_one_another_serial_number(package, make, changed):
    bill = bill_of(*package)

    assert bill_of(*make()) == bill
    assert "timestamp" not in bill
    other = json.loads(bill_of(*changed("License: Apache-2.0")))
    assert other["serialNumber"] != json.loads(bill)["serialNumber"]


@pytest.mark.parametrize("stated", ["License: GPL-3.0", "License-Expression: MIT AND AGPL-3.0-only", "Summary: none"])
def test_a_licence_that_is_not_allowed_and_a_missing_one_end_the_build(stated, changed):
    with pytest.raises(InfraError, match=r"Expected a licence that infra/supply/licences\.py allows\. Received: .* of rack\."):
        bill_of(*changed(stated))


def packaged():
    """The names of all distributions that are ever packaged."""
    groups = read_groups()
    return [line.split("==")[0] for group in ("function", "heic") for line in groups[group]]


def test_the_page_lists_the_licence_of_each_packaged_distribution():
    licences = {name: licence_of(distribution(name).metadata) for name in packaged()}

    rows = "".join(f"| {name} | {licences[name]} |\n" for name in sorted(licences, key=str.lower))
    assert rows in PAGE.read_text(), f"the table of {PAGE} should be:\n{rows}"


def test_no_allowed_licence_is_without_use():
    used = " ".join(licence_of(distribution(name).metadata) for name in packaged())

    assert set(used.replace(" AND ", " ").replace(" OR ", " ").split()) == ALLOWED


def test_the_text_of_each_licence_is_in_the_package():
    """A distribution brings its text, or NOTICE holds it, which is packaged too."""
    without = [name for name in packaged() if not any(is_licence(path) for path in distribution(name).files)]

    assert without == ["obstore"]
    assert "obstore" in (ROOT / "NOTICE").read_text()


def is_licence(path):
    return path.name.upper().startswith(("LICEN", "COPYING"))
