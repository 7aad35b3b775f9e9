"""Carries out `coatcheck explain`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import typer

from handler.contract import Model
from handler.errors import BadArtifact
from handler.settings import DEFAULTS, load_limits
from infra.errors import InfraError
from infra.explain.drawing import MAX_ROWS, Sheet
from infra.explain.explanation import Explanation
from infra.explain.objects import explain_source
from infra.explain.telling import tell, to_json
from infra.locations import load_artifact, own_errors, parse_artifact
from infra.score.sources import parse_source


def run(sources: list[str], artifact: str | None, out: Path | None, *, as_json: bool) -> None:
    """Explains each object of the sources as soon as it was read, and writes the picture `out` at the end.

    Raises:
        WrongUse: a source is not there, or a limit in the environment cannot be read.
        InfraError: the artifact is broken, or not one object can be opened.
    """
    parsed = [parse_source(source) for source in sources]
    with own_errors():
        limits = load_limits(os.environ, DEFAULTS)  # the function's own, since it is the function that is explained
        model = _load(artifact)
        classes = tuple(model.manifest.classes)
        sheet, opened = Sheet(classes), 0
        for source in parsed:
            for found in explain_source(source, model, limits):
                opened += isinstance(found, Explanation)
                if as_json:
                    typer.echo(json.dumps(to_json(found, classes)))
                else:
                    typer.echo("\n".join(tell(found, classes, draws=sys.stdout.isatty() and out is None)))
                if out and isinstance(found, Explanation):
                    sheet.add(found)
    if not opened:
        raise InfraError(
            "Expected an object that can be opened. Received: none; name files, or a folder or prefix that holds some."
        )
    if out:
        sheet.save(out)
        more = f", the first {MAX_ROWS} images" if len(sheet.rows) == MAX_ROWS else ""
        sys.stderr.write(f"drawn in {out}{more}\n")


def _load(artifact: str | None) -> Model:
    try:
        return load_artifact(parse_artifact(artifact))
    except BadArtifact as error:
        raise InfraError(f"--artifact: {error}") from error
