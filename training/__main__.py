"""Runs the commands of training.

    python -m training fit --preset full --seed 0                    trains a network of the size that ships (two hours)
    python -m training fit --preset full --seed 2 --teacher DIR      the same, but taught by an artifact
    python -m training fit --preset smoke --out /tmp/artifact        shows that everything works (seconds)
    python -m training fit --images DIR --out DIR                    learns photos in folders named after classes (minutes)
    python -m training export --run .training/full-0 --run .training/full-1 --out DIR
                                                                     exports finished runs, several as their mean
    python -m training adopt my.keras --classes classes.txt --calibrate DIR --out DIR
                                                                     makes an artifact of any Keras image classifier
    python -m training explore --out DIR                             shows the data in pictures (a minute or two)
    python -m training report --artifact handler/artifact --out DIR  shows the model in pictures (seconds)
    python -m training trial --artifact DIR --images DIR --out DIR   tries the model on changed and on foreign pictures
    python -m training samples                                       writes the sample images under events/
    python -m training convert photo.jpg DIR --out DIR               shows pictures as the model sees them

`python -m training.recipes.fashion_mnist` trains the model that ships, by these commands.

Keras's backend is chosen as everywhere, by KERAS_BACKEND; the export itself needs TensorFlow.
"""

from __future__ import annotations

import logging

import typer

from training.command_line import Commands
from training.commands import adopting, making, showing, trying

app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
for commands in (making.commands, adopting.commands, showing.commands, trying.commands):
    app.add_typer(commands)


@app.callback()
def main() -> None:
    """Makes the artifact that the handler serves."""


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    app()
