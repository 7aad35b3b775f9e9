"""Defines the command line `coatcheck`, which runs, measures and packages the function outside Lambda.

    coatcheck --help               lists the commands; `python -m infra --help` does the same without an installation
    coatcheck COMMAND --help       tells what one of them does and needs

The exit status is 0 if the command did its work, 1 if it could not or found something wrong, and 2 if it was used wrongly.
Each command imports what it needs when it runs, so that help appears at once and no command needs the libraries of another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.errors import InfraError
from infra.package import Architecture
from infra.paths import SAM

_RUN = "Run the function here"
_MAKE = "Make files"

app = typer.Typer(
    help="Coatcheck scores the images that land in S3. These commands run, measure and package its function on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)


@app.command(rich_help_panel=_RUN)
def demo() -> None:
    """Uploads the sample images to an embedded cloud and shows the predictions.

    S3 and SQS run on 127.0.0.1; an upload reaches the function by the bucket's notification and the queue, as it does on AWS.
    Copies of all documents are left under `.demo`. The demo takes about 6 s. It fails if a message is not finished, or a
    document is missing or broken. `MODEL_URI=DIR` in the environment shows another artifact than the bundled one, of any size
    and classes; only for the classes of the samples it tells how many predictions are right.
    """
    from infra.demo import run

    run()


@app.command(rich_help_panel=_RUN)
def sam_local(
    sam: Annotated[Path, typer.Option(help="Path of the SAM CLI.", show_default=".venv-sam/bin/sam")] = SAM,
    architecture: Annotated[
        Architecture, typer.Option(help="Architecture that the package was built for.")
    ] = Architecture.x86_64,
) -> None:
    """Invokes the built package with every event in Lambda's container image.

    Each file of `events` goes through `sam local invoke`, on an embedded cloud; the command fails if an answer or a document is
    not the expected one. It needs Docker, and a package that `make build` has made; it takes about two minutes.
    """
    from infra.cloud.expectations import EXPECTED
    from infra.cloud.sam_local import run

    failed = run(sam, architecture)
    typer.echo(f"{len(EXPECTED) - len(failed)} of {len(EXPECTED)} events as expected")
    raise typer.Exit(1 if failed else 0)


@app.command(rich_help_panel=_RUN)
def bench() -> None:
    """Measures cold start, speed and memory, and prints one table.

    This takes a quarter of an hour, most of it to score a million images; run it on an otherwise idle machine. It needs Linux
    for the memory figures, and TensorFlow for one comparison.
    """
    from infra.bench.report import run

    run()


@app.command(rich_help_panel=_MAKE)
def package(
    target: Annotated[Path, typer.Argument(help="Folder that the package is written to.", file_okay=False)],
    architecture: Annotated[Architecture, typer.Option(help="Architecture of the function's processor.")] = Architecture.x86_64,
    glibcxx: Annotated[
        str | None,
        typer.Option(
            help="Newest version of libstdc++'s symbols in Lambda's image, if it is newer than is known.", show_default="3.4.29"
        ),
    ] = None,
    *,
    heic: Annotated[bool, typer.Option("--heic", help="Add pi-heif, with which the function reads HEIC.")] = False,
) -> None:
    """Makes the deployable package and prints its unzipped size.

    `make build` calls this through `sam build`. The package holds the handler and ready-made wheels of its libraries, for
    either architecture on any machine. Where Python 3.13 is installed, it also holds bytecode, which saves half a second of
    each cold start. The command fails if the package is larger than the project allows, or if Lambda's image, as far as is
    known, could not load one of its native libraries.
    """
    from infra.package import run

    run(target, architecture, glibcxx, heic=heic)


@app.command(rich_help_panel=_MAKE)
def schemas() -> None:
    """Writes the JSON Schemas of `handler/schemas`.

    They are made from the types that write the documents. Run this after a change of one of these types; a test fails as long
    as the files are out of date.
    """
    from infra.schemas import write_schemas

    for path in write_schemas():
        typer.echo(path)


def main() -> None:
    """Runs the command that the arguments name; an error that the user can mend ends it with one line and exit status 1."""
    try:
        app()
    except (InfraError, OSError) as error:
        raise SystemExit(f"error: {' '.join(str(error).split())}") from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(("handler", "infra")):
            raise  # a mistake in this checkout, not a library that was never installed
        raise SystemExit(f"error: Expected the library {error.name}. `make test` installs what every command needs.") from error


if __name__ == "__main__":
    main()
