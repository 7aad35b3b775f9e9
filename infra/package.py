"""Makes the deployable package: the handler and the libraries that it imports, without the parts that it never loads.

make build                         calls `coatcheck package` through `sam build`, for x86_64
ARCHITECTURE=arm64 make build      does the same for arm64, on any machine, because only ready-made wheels are installed
HEIC=1 make build                  adds pi-heif, with which the function reads HEIC

Beside the package, a bill of materials is written in CycloneDX's JSON: `.aws-sam/build/ScoringFunction.cdx.json`. The command
fails if a licence is not allowed (`infra.supply.licences`), or if Lambda's image, as far as is known, could not load a native
library of the package (`infra.native`).
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import typer

from infra.errors import InfraError
from infra.native import IMAGE, Version, require_loadable
from infra.paths import ROOT
from infra.platforms import PYTHON_VERSION, Architecture
from infra.supply.bill import Wheel, bill_of, read_report

LAMBDA_LIMIT_BYTES = 250 * 2**20  # unzipped, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
OUR_LIMIT_BYTES = 130 * 10**6

# Wheels for Amazon Linux 2023 (glibc 2.34), newest first.
_WHEELS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014")

# Parts of the libraries that the function never loads; `tests/infra/test_package.py` scores with a package without them.
_UNUSED = (
    "ai_edge_litert/libLiteRtWebGpuAccelerator.so",  # 19 MB, for GPUs
    "ai_edge_litert/libLiteRt.so",  # 8 MB, a second runtime, for accelerators
    "ai_edge_litert/aot",  # compiles models ahead of time for phones
    "ai_edge_litert/tools",
    "ai_edge_litert/vendors",  # accelerators of phones
    "ai_edge_litert/schema_py_generated.py",
    "aws_lambda_powertools/event_handler",
    "boto3/data",  # of resources; the clients' is botocore's
    "boto3/examples",
    "botocore/data/*/*/examples-1.json",
    "numpy/_core/_simd*.so",  # for NumPy's own tests
    "numpy/f2py",
    "PIL/ImageFont.py",  # 1 MB, a font in it
    "PIL/_imagingft*.so",
    "**/tests",
    "**/*.pyi",
    "**/__pycache__",
    "bin",
    "share",
)


# The services of AWS that the function's clients call; botocore describes 440 others, in 28 MB. STS gives the credentials of a
# role that a container or a profile names.
_SERVICES = {"s3", "sqs", "sts"}


def build(target: Path, architecture: Architecture, python_version: str = PYTHON_VERSION, *, heic: bool = False) -> int:
    """Fills the folder `target` with the package, writes its bill beside it, and returns its unzipped size in bytes.

    With `heic`, the package holds the decoder of HEIC too.

    Raises:
        InfraError: pip could not install the requirements, a licence is not allowed, or the modules could not be compiled.
        OSError: the folder cannot be written to.
    """
    target.mkdir(parents=True, exist_ok=True)
    wheels: list[Wheel] = []
    for requirements in ("handler/requirements.txt", *(["requirements/heic.txt"] if heic else [])):
        wheels += install_wheels(target, ROOT / requirements, architecture, python_version)
    shutil.copytree(ROOT / "handler", target / "handler", dirs_exist_ok=True)
    bill_path(target).write_text(bill_of(target, wheels))
    for pattern in (*_UNUSED, *_unused_services(target)):
        for path in list(target.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _trim_descriptions(target / "botocore" / "data")
    for name in ("LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, target)
    interpreter = find_interpreter(python_version)
    if interpreter:
        _compile(target, interpreter)
    return size_bytes(target)


def bill_path(target: Path) -> Path:
    """Returns the path of the bill of materials of the package in the folder `target`, which lies beside that folder."""
    return target.with_name(f"{target.name}.cdx.json")


def _trim_descriptions(data: Path) -> None:
    """Leaves out of botocore's data what a client of the services never looks up, which it would read at every cold start.

    That is the documentation of each operation, and the endpoints of all other services: 10 MB of memory.
    """
    endpoints = json.loads((data / "endpoints.json").read_text())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: its for name, its in partition["services"].items() if name in _SERVICES}
    (data / "endpoints.json").write_text(json.dumps(endpoints, separators=(",", ":")))
    for path in data.glob("*/*/service-2.json.gz"):
        described = json.loads(gzip.decompress(path.read_bytes()), object_hook=_without_documentation)
        path.write_bytes(gzip.compress(json.dumps(described, separators=(",", ":")).encode(), mtime=0))


def _without_documentation(value: dict[str, Any]) -> dict[str, Any]:
    """Empties the text, whose place botocore expects to be there."""
    return value | {"documentation": ""} if isinstance(value.get("documentation"), str) else value


def _unused_services(target: Path) -> list[str]:
    data = target / "botocore" / "data"
    return [f"botocore/data/{path.name}" for path in data.iterdir() if path.is_dir() and path.name not in _SERVICES]


def install_wheels(target: Path, requirements: Path, architecture: Architecture, python_version: str) -> list[Wheel]:
    """Installs ready-made wheels for Lambda's Linux into `target`, exactly those that the file `requirements` locks.

    Returns what was installed.

    Raises:
        InfraError: pip found no such wheel, or one with another hash.
    """
    machine = "aarch64" if architecture is Architecture.arm64 else "x86_64"
    platforms = [f"--platform={wheel}_{machine}" for wheel in _WHEELS]
    command = [
        *(sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile", "--no-deps"),
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={python_version}", *platforms),
        *("--target", str(target), "--upgrade", "--require-hashes", "-r", str(requirements)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        if subprocess.run([*command, "--report", str(report)], check=False).returncode:  # pip itself has said why
            raise InfraError(
                f"Expected pip to install {requirements} for {architecture.value}. Received: an error, which pip has "
                "printed above."
            )
        return read_report(report.read_text())


def find_interpreter(python_version: str = PYTHON_VERSION) -> str | None:
    """Returns the path of a Python of the deployed version, whose bytecode the function can use; None if there is none."""
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    on_path = shutil.which(f"python{python_version}")
    for path in (sys.executable, *([on_path] if on_path else []), *_kept_by_pyenv(python_version)):
        answer = subprocess.run([path, "-c", question], capture_output=True, text=True, check=False).stdout.strip()
        if answer == python_version:
            return path
    return None


def _kept_by_pyenv(python_version: str) -> list[str]:
    """Returns the Pythons that pyenv has installed; those that it has not activated do not start from the PATH."""
    pyenv = shutil.which("pyenv")
    if not pyenv:
        return []
    command = [pyenv, "whence", "--path", f"python{python_version}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def _compile(target: Path, interpreter: str) -> None:
    """Compiles every module ahead of time, because Lambda cannot keep what it compiles at a cold start.

    The bytecode has unchecked hashes, because the zip changes the files' times, and nobody edits the files in Lambda.
    """
    command = [interpreter, "-m", "compileall", "-q", "-j0", "--invalidation-mode=unchecked-hash", str(target)]
    if subprocess.run(command, check=False).returncode:  # compileall itself has said why
        raise InfraError(
            f"Expected {interpreter} to compile every module in {target}. Received: an error, which it has printed above."
        )


def size_bytes(directory: Path) -> int:
    """Returns the total size of all files under `directory`."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def run(target: Path, architecture: Architecture, glibcxx: str | None, *, heic: bool = False) -> None:
    """Makes the deployable package in `target`, with the decoder of HEIC if wanted, and prints its unzipped size.

    `glibcxx` is the newest version of libstdc++'s symbols in Lambda's image, if it is another one than is known of it.

    Raises:
        InfraError: pip could not install the requirements, the package is too large, or Lambda's image could not load it.
    """
    image = dict(IMAGE) | ({} if glibcxx is None else {"GLIBCXX": _parse_version(glibcxx)})
    size = build(target, architecture, heic=heic)
    require_loadable(target, architecture.value, image)
    parts = {path.name: size_bytes(path) if path.is_dir() else path.stat().st_size for path in target.iterdir()}
    for name in sorted(parts, key=parts.__getitem__, reverse=True)[:8]:
        typer.echo(f"{parts[name] / 1e6:8.1f} MB  {name}")
    typer.echo(
        f"{size / 1e6:8.1f} MB  in all, unzipped, {architecture.value}; Lambda's limit is {LAMBDA_LIMIT_BYTES / 1e6:.0f} MB"
    )
    if find_interpreter() is None:
        # This goes to the standard output, because `sam build` hides the error output.
        typer.echo(f"no Python {PYTHON_VERSION} on this machine: the package has no bytecode, and starts 0.5 s slower")
    if size > OUR_LIMIT_BYTES:
        raise InfraError(f"Expected a package of at most {OUR_LIMIT_BYTES / 1e6:.0f} MB. Received: {size / 1e6:.1f} MB.")


def _parse_version(text: str) -> Version:
    if not re.fullmatch(r"\d+(\.\d+)*", text):
        raise InfraError(f"Expected a version of libstdc++'s symbols, such as 3.4.33. Received: {text!r}.")
    return tuple(map(int, text.split(".")))
