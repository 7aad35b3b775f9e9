"""Writes the package's bill of materials, in CycloneDX's JSON: each distribution in it, the model, and Coatcheck itself.

The same package gives the same bytes: no time is in it, and its serial number is made of what it says.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from infra.paths import ROOT
from infra.supply.licences import licence_of


@dataclass(frozen=True, slots=True)
class Wheel:
    """Names a distribution that pip has installed, and the digest of the file that it came in."""

    name: str
    version: str
    sha256: str


def read_report(text: str) -> list[Wheel]:
    """Returns what a report of `pip install --report` says was installed."""
    return [
        Wheel(one["metadata"]["name"], one["metadata"]["version"], one["download_info"]["archive_info"]["hashes"]["sha256"])
        for one in json.loads(text)["install"]
    ]


def bill_of(package: Path, wheels: Iterable[Wheel]) -> str:
    """Returns the bill of materials of the package in the folder `package`, into which these wheels were installed.

    Raises:
        InfraError: a distribution has a licence that is not allowed.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    coatcheck = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
        licenses=[LicenseExpression(project["license"])],
    )
    licences = {normalised(one.name): licence_of(one.metadata) for one in distributions(path=[str(package)])}
    parts = [*(_library(wheel, licences[normalised(wheel.name)]) for wheel in wheels), _model(package / "handler" / "artifact")]
    bill = Bom(components=parts, serial_number=uuid.UUID(int=0))
    bill.metadata.timestamp = None  # type: ignore[assignment]  # CycloneDX asks for no time
    bill.metadata.component = coatcheck
    bill.register_dependency(coatcheck, parts)
    bill.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, _written(bill))
    return _written(bill)


def _written(bill: Bom) -> str:
    return f"{JsonV1Dot6(bill).output_as_string(indent=2)}\n"


def normalised(name: str) -> str:
    """Returns the name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _library(wheel: Wheel, licence: str) -> Component:
    url = PackageURL("pypi", None, normalised(wheel.name), wheel.version)
    return Component(
        name=normalised(wheel.name),
        version=wheel.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(url),
        purl=url,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=wheel.sha256)],
        licenses=[LicenseExpression(licence)],
    )


def _model(artifact: Path) -> Component:
    manifest = json.loads((artifact / "manifest.json").read_text())
    return Component(
        name=manifest["name"],
        version=manifest["version"],
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{manifest['name']}@{manifest['version']}",
        hashes=[
            HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256((artifact / "model.tflite").read_bytes()).hexdigest())
        ],
    )
