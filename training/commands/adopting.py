"""Defines the command that makes an artifact of a model that was trained elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training import options
from training.data.sources import read_classes
from training.export.summary import print_summary
from training.startup import load_keras

commands = typer.Typer()


@commands.command("adopt")
def adopt_command(
    model: Annotated[Path, typer.Argument(help="Any Keras image classifier, as a .keras file.")],
    classes: options.RequiredClassesFile,
    out: options.Out,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Folder of folders of images named after the classes, for temperature and figures."),
    ] = None,
    pixels: Annotated[
        options.Pixels, typer.Option(help="Range in which the model expects pixels; 0..255 if it scales them itself.")
    ] = options.Pixels.raw,
    name: options.Name = None,
    version: options.Version = "1.0.0",
) -> None:
    """Makes an artifact of a Keras image classifier that was trained elsewhere.

    The file is loaded in Keras's safe mode, which runs no code from it. For a file of another kind (HDF5, SavedModel, ONNX,
    PyTorch, LiteRT), the way to a .keras file is printed. With images to calibrate on, a wrong order of the classes and a wrong
    range of the pixels are pointed out.

    Example: python -m training adopt my.keras --classes classes.txt --calibrate photos --out artifact
    """
    from training.export.foreign_files import require_keras_file

    require_keras_file(model)  # before Keras is loaded, which takes seconds
    load_keras()
    from training.export.adoption import adopt

    served = adopt(model, read_classes(classes), calibrate, out, pixels=pixels.value, name=name, version=version)
    print_summary(served.manifest, out)
