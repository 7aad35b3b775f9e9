"""Writes the files of an artifact."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from handler.contract import MANIFEST_FILE, MODEL_FILE, Manifest, Trial, render_manifest
from training.artifact import load_artifact
from training.export.card import CARD_FILE, render_card

logger = logging.getLogger(__name__)


def write_artifact(out: Path, content: bytes, manifest: Manifest) -> None:
    """Writes the three files of an artifact: the LiteRT file `content`, the model card, and last, in one step, the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST_FILE).unlink(missing_ok=True)
    (out / MODEL_FILE).write_bytes(content)
    _describe(out, manifest)
    logger.info("wrote %s", out)


def add_trial(artifact: Path, trial: Trial) -> None:
    """Writes the figures of a trial into the manifest and the card of the artifact in a folder."""
    _describe(artifact, msgspec.structs.replace(load_artifact(artifact).manifest, trial=trial))


def _describe(out: Path, manifest: Manifest) -> None:
    (out / CARD_FILE).write_text(render_card(manifest), encoding="utf-8")
    partial = out / f"{MANIFEST_FILE}.partial"
    partial.write_bytes(render_manifest(manifest))
    partial.replace(out / MANIFEST_FILE)
