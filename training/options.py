"""Defines the options that several commands share, with their help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from training.shipped import find_artifact


class Preset(StrEnum):
    """Names the presets of `training.config.PRESETS`."""

    full = "full"
    smoke = "smoke"


class Fit(StrEnum):
    """Names the conversions of `handler.contract.Conversion.fit`."""

    contain = "contain"
    fashion_mnist = "fashion-mnist"


class Precision(StrEnum):
    """Names the dtype policies that a network can be trained by; weights are float32 in both."""

    float32 = "float32"
    mixed_bfloat16 = "mixed_bfloat16"


class Start(StrEnum):
    """Names what a model of one's own images starts from."""

    auto = "auto"
    none = "none"
    efficientnet_lite0 = "efficientnet-lite0"
    mobilenet_v2 = "mobilenet-v2"
    efficientnet_v2_b0 = "efficientnet-v2-b0"


class Pixels(StrEnum):
    """Names the pixel ranges of `training.export.adoption.PIXELS`."""

    raw = "0..255"
    unit = "0..1"
    symmetric = "-1..1"


def given(context: typer.Context, *names: str) -> list[str]:
    """Returns the options among `names` that are on the command line, as they are written there."""
    sources = {name: context.get_parameter_source(name) for name in names}
    return [f"--{name.replace('_', '-')}" for name, source in sources.items() if source and source.name == "COMMANDLINE"]


def choose_start(context: typer.Context, backbone: Start) -> Start:
    """Returns what the model of `fit` starts from, as far as its options decide it.

    Without images in folders, with the quick preset, and with an option of networks that start from nothing, that is nothing;
    otherwise `auto` stays open, for the images to decide.

    Raises:
        typer.BadParameter: options exclude each other.
    """
    own = given(context, "resume", "seed", "epochs", "learning_rate", "teacher", "changed", "plain", "precision")
    images, quick = context.params["images"], context.params["preset"] is Preset.smoke
    if backbone is Start.auto and (own or quick or not images):
        backbone = Start.none
    if backbone is Start.none:
        if context.params["frozen"]:
            raise typer.BadParameter(
                "Expected --frozen together with --images and a backbone. Received: no backbone; leave --frozen out."
            )
        return backbone
    if own:
        raise typer.BadParameter(
            f"Expected --backbone none with {', '.join(own)}, since these are for a network that starts from nothing. "
            f"Received: --backbone {backbone.value}; leave one or the other out."
        )
    if not images:
        raise typer.BadParameter(
            f"Expected --images with a backbone. Received: {backbone.value}, and no images; name their folder."
        )
    if context.params["out"] is None:
        raise typer.BadParameter("Expected --out with --images. Received: no folder for the artifact; name one.")
    return backbone


_CLASSES_HELP = "Text file with one class name on each line, in index order."
PRECISION_HELP = "mixed_bfloat16 is faster on GPUs, and on CPUs with bfloat16 arithmetic."

DataDir = Annotated[Path | None, typer.Option(help="Folder with the four IDX files; by default they are searched for.")]
ClassesFile = Annotated[Path | None, typer.Option("--classes", help=_CLASSES_HELP)]
RequiredClassesFile = Annotated[Path, typer.Option("--classes", help=_CLASSES_HELP)]
Images = Annotated[
    Path | None,
    typer.Option(
        help="Folder of folders of images, named after their classes, instead of IDX files; or with such a train and a test."
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV", help="Classes of images below --images, as a sheet saves them; they count instead of the folders."
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        min=8,
        help="Side in pixels that --images are brought to; by default the backbone's, or their median longer side, 64 at most.",
    ),
]
Out = Annotated[Path, typer.Option(file_okay=False, help="Folder the artifact is written to.")]
Name = Annotated[str | None, typer.Option(help="Name of the model in documents; by default that of its data or its file.")]
Version = Annotated[str, typer.Option(help="Version of the model in documents.")]
Artifact = Annotated[
    Path,
    typer.Option(
        parser=find_artifact,
        metavar="DIR|NAME",
        help="Folder of the artifact, or the name of one that ships (clothes-photos); by default the bundled one.",
    ),
]
Pages = Annotated[Path, typer.Option(file_okay=False, help="Folder the pictures and their page, index.html, are written to.")]
