"""Names the files and folders of this checkout that more than one command uses.

A wheel holds the packages, and under `SHIPPED` copies of what the commands of users read besides. All else is in a checkout
alone, so a command that reads or runs it begins with `require_checkout`.
"""

from __future__ import annotations

from pathlib import Path

from infra.errors import InfraError

_COPIES = Path(__file__).parent / "shipped"  # `infra/wheel.py` makes it

IS_CHECKOUT = not _COPIES.is_dir()
ROOT = Path(__file__).parent.parent  # of the checkout, or the folder in which the wheel's packages lie
SHIPPED = ROOT if IS_CHECKOUT else _COPIES
EVENTS = ROOT / "events"
IMAGES = SHIPPED / "events" / "images"
TEMPLATE = SHIPPED / "template.yaml"
TIMES = SHIPPED / "docs" / "bench" / "times.json"
BUILD = ROOT / ".aws-sam" / "build"  # where `sam build` puts the package and its template
SAM = ROOT / ".venv-sam" / "bin" / "sam"


def require_checkout(command: str) -> None:
    """Does nothing in a checkout.

    Raises:
        InfraError: Coatcheck was installed from a wheel, which lacks what the command needs.
    """
    if not IS_CHECKOUT:
        raise InfraError(
            f"Expected a checkout of the repository, which `coatcheck {command}` needs. Received: an installed wheel, "
            "which does "
            "not hold it; clone the repository, and run the command there."
        )
