"""Names the files and folders of this checkout that more than one command uses."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
EVENTS = ROOT / "events"
IMAGES = EVENTS / "images"
TEMPLATE = ROOT / "template.yaml"
BUILD = ROOT / ".aws-sam" / "build"  # where `sam build` puts the package and its template
SAM = ROOT / ".venv-sam" / "bin" / "sam"
