"""Defines the options that several commands share, with their help."""

from __future__ import annotations

from typing import Annotated

import typer

Artifact = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|s3://…|NAME",
        help="Artifact of the model, or the name of one that ships: clothes-photos.",
        show_default="the bundled one",
    ),
]
