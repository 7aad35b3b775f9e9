"""Names what the deployable package is made for: the version of Python and the architectures of processors that Lambda has."""

from __future__ import annotations

from enum import StrEnum

PYTHON_VERSION = "3.13"


class Architecture(StrEnum):
    """Names the architectures of processors as Lambda does."""

    x86_64 = "x86_64"
    arm64 = "arm64"
