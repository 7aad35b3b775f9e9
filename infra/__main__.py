"""Defines the command line `coatcheck`, which runs, measures and packages the function outside Lambda.

    coatcheck --help               lists the commands; `python -m infra --help` does the same without an installation
    coatcheck COMMAND --help       tells what one of them does and needs

The exit status is 0 if the command did its work, 1 if it could not or found something wrong, and 2 if it was used wrongly.
Each command imports what it needs when it runs, so that help appears at once and no command needs the libraries of another.
"""

from __future__ import annotations

import typer

from infra.commands import files, function
from infra.errors import InfraError

app = typer.Typer(
    help="Coatcheck scores the images that land in S3. These commands run, measure and package its function on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)
for commands in (function.commands, files.commands):
    app.add_typer(commands)


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
