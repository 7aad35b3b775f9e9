"""Compares what the native libraries of the package need with what Lambda's image of Python 3.13 has.

A library states the versions of the system's symbols that it needs, and the loader refuses it where one of them is missing; the
function would then not start. A wheel's tag does not tell: ai-edge-litert's for arm64 names glibc 2.27, and its libraries need
more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from infra.errors import InfraError

Version = tuple[int, ...]

# The newest symbols of glibc 2.34, GCC 11 and zlib 1.2.11. Lambda's Python 3.13 runs on Amazon Linux 2023, which has this glibc
# and this GCC for its whole life: https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html, and c-cplusplus.html beside it.
# Since April 2025 the distribution brings the libraries of GCC 14, but users of Lambda missed them then and half a year later
# (issue 132 of amazonlinux/container-images, change 314 of duckdb/duckdb-node-neo), and no document says what Lambda has today.
IMAGE: Mapping[str, Version] = {
    "GLIBC": (2, 34),
    "GLIBCXX": (3, 4, 29),
    "CXXABI": (1, 3, 13),
    "GCC": (11,),
    "ZLIB": (1, 2, 9),
}

# The libraries of glibc, GCC and zlib, which every image of Amazon Linux 2023 with Python holds.
_SYSTEM = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|util|pthread|resolv|gcc_s|stdc\+\+|z))\.so(\.\d+)?")

_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "arm64"}
_WEAK = 2  # VER_FLG_WEAK: the loader does without


@dataclass(frozen=True, slots=True)
class Need:
    """One version of symbols, such as GLIBC_2.34, that a library needs of another library."""

    version: str
    library: str

    def is_met(self, image: Mapping[str, Version]) -> bool:
        """Whether the image has these symbols; a version of an unknown kind is not met."""
        family, _, number = self.version.partition("_")
        if family not in image or not re.fullmatch(r"\d+(\.\d+)*", number):
            return False
        return tuple(map(int, number.split("."))) <= image[family]


def require_loadable(package: Path, architecture: str, image: Mapping[str, Version] = IMAGE) -> None:
    """Requires that Lambda's image can load every native library of `package`.

    Raises:
        InfraError: some libraries are for another processor, or need what neither the image nor the package has.
    """
    files = _native_files(package)
    packaged = {path.name for path in files}
    faults = [
        f"- {path.relative_to(package)} {fault}" for path in files for fault in _faults(path, packaged, architecture, image)
    ]
    if not faults:
        return
    has = ", ".join(f"{family}_{'.'.join(map(str, version))}" for family, version in image.items())
    lines = "\n".join(faults)
    raise InfraError(
        f"Expected native libraries for {architecture} that Lambda's image can load, which has, as far as is known, {has}. "
        f"Received:\n{lines}\nBuild for the other architecture. Or, if the image has a newer libstdc++ by now, name its newest "
        "GLIBCXX: docs/deploy.md says how to look, and GLIBCXX=3.4.33 make build would name that of GCC 14."
    )


def _native_files(package: Path) -> list[Path]:
    """Returns the ELF files of the package, whatever they are named."""

    def is_elf(path: Path) -> bool:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"

    return sorted(path for path in package.rglob("*") if path.is_file() and is_elf(path))


def _faults(path: Path, packaged: set[str], architecture: str, image: Mapping[str, Version]) -> Iterator[str]:
    """Yields each thing that keeps one library from being loaded, in words that go on after its name."""
    with path.open("rb") as file:
        machine, libraries, needs = _read(file)
    if machine != architecture:
        yield f"is for {machine}"
    for library in sorted(libraries - packaged):
        if not _SYSTEM.fullmatch(library):
            yield f"needs {library}"
    for need in sorted(needs, key=lambda need: (need.library, need.version)):
        if need.library not in packaged and not need.is_met(image):
            yield f"needs {need.version} of {need.library}"


def _read(file: BinaryIO) -> tuple[str, set[str], set[Need]]:
    """Returns the processor that a library is for, the libraries and the versions of symbols that it needs."""
    elf = ELFFile(file)
    libraries: set[str] = set()
    needs: set[Need] = set()
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            libraries |= {str(vars(tag)["needed"]) for tag in section.iter_tags("DT_NEEDED")}
        if isinstance(section, GNUVerNeedSection):
            for library, versions in section.iter_versions():
                needs |= {Need(str(each.name), str(library.name)) for each in versions if not each["vna_flags"] & _WEAK}
    machine = elf["e_machine"]
    return _MACHINES.get(machine, machine), libraries, needs
