"""Needs of native libraries against what Lambda's image has. The libraries are those that Linux and its wheels bring here."""

import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from infra.errors import InfraError
from infra.native import IMAGE, Need, require_loadable

HERE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "other")
NATIVE = next(iter(Path(np.__file__).parent.glob("_core/_multiarray_umath*.so")), None)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs libraries of Linux")


@pytest.fixture
def package(tmp_path):
    """A package of one native library, under a name that does not tell what it is, with all that it needs beside it."""
    (tmp_path / "handler").mkdir()
    (tmp_path / "handler" / "app.py").write_text("import numpy")
    (tmp_path / "native.bin").write_bytes(NATIVE.read_bytes())
    for name in bundled():
        (tmp_path / name).write_bytes(NATIVE.read_bytes())
    return tmp_path


def bundled():
    """The libraries that numpy's wheel brings along, which its native library needs."""
    return [path.name for path in (Path(np.__file__).parent.parent / "numpy.libs").glob("*.so*")]


def test_a_package_that_the_image_can_load_passes(package):
    require_loadable(package, HERE)


def test_an_older_image_is_told_apart_by_what_each_library_needs(package):
    with pytest.raises(InfraError) as caught:
        require_loadable(package, HERE, {**IMAGE, "GLIBC": (2, 2)})

    message = str(caught.value)
    assert f"Expected native libraries for {HERE} that Lambda's image can load" in message
    assert "GLIBC_2.2, GLIBCXX_3.4.29" in message
    assert "\n- native.bin needs GLIBC_2." in message
    assert "GLIBCXX=3.4.33 make build" in message


def test_a_library_for_another_processor_is_refused(package):
    other = {"x86_64": "arm64", "arm64": "x86_64"}[HERE]

    with pytest.raises(InfraError, match=rf"native\.bin is for {HERE}"):
        require_loadable(package, other)


def test_a_library_that_neither_the_image_nor_the_package_has_is_refused(package):
    for name in bundled():
        (package / name).unlink()

    with pytest.raises(InfraError, match=rf"native\.bin needs {bundled()[0].split('-')[0]}"):
        require_loadable(package, HERE)


def test_files_that_are_no_libraries_are_passed_over(tmp_path):
    (tmp_path / "notes.so").write_text("no library")
    (tmp_path / "empty.so").touch()

    require_loadable(tmp_path, HERE)


@pytest.mark.parametrize(
    ("version", "is_met"),
    [
        ("GLIBC_2.34", True),
        ("GLIBC_2.35", False),
        ("GLIBC_2.4", True),  # as numbers, not as text
        ("GLIBCXX_3.4", True),
        ("GLIBCXX_3.4.29", True),
        ("GLIBCXX_3.4.30", False),
        ("CXXABI_1.3.13", True),
        ("GCC_3.0", True),
        ("GLIBC_ABI_DT_RELR", False),  # of glibc 2.36
        ("GLIBC_PRIVATE", False),
        ("LIBFOO_1.0", False),
    ],
)
def test_versions_are_compared_as_numbers_and_an_unknown_one_is_not_met(version, is_met):
    assert Need(version, "lib.so").is_met(IMAGE) is is_met


def test_a_newer_image_that_was_named_is_believed():
    assert Need("GLIBCXX_3.4.30", "libstdc++.so.6").is_met({**IMAGE, "GLIBCXX": (3, 4, 33)})
