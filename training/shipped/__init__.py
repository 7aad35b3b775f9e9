"""Holds the artifacts that ship beside the bundled one, a folder for each, and finds artifacts by name.

Commands outside of training use it too, so nothing here needs a library of training's.
"""

from __future__ import annotations

from pathlib import Path

from handler.contract import MANIFEST_FILE
from handler.model import BUNDLED_ARTIFACT


def shipped_artifacts() -> dict[str, Path]:
    """Returns the folders of the artifacts that ship, by name; the first is the bundled one, which is the default."""
    others = sorted(path.parent for path in Path(__file__).parent.glob(f"*/{MANIFEST_FILE}"))
    return {"fashion-mnist": BUNDLED_ARTIFACT} | {folder.name: folder for folder in others}


def find_artifact(name: str) -> Path:
    """Returns the folder of the artifact of that name that ships, unless the name is the path of an artifact.

    What is neither is returned as it is, for the error of whoever opens it.
    """
    shipped = shipped_artifacts().get(name)
    return Path(name) if shipped is None or (Path(name) / MANIFEST_FILE).is_file() else shipped
