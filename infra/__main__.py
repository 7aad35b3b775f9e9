"""Defines the command line `coatcheck`, which runs, measures and packages the function outside Lambda.

    coatcheck --help               lists the commands; `python -m infra --help` does the same without an installation
    coatcheck COMMAND --help       tells what one of them does and needs

The exit status is 0 if the command did its work, 1 if it could not or found something wrong, and 2 if it was used wrongly.
Each command imports what it needs when it runs, so that help appears at once and no command needs the libraries of another.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from infra.commands import backlog, cloud, cost, doctor, explain, files, function, judging, redrive, scoring, sheet, tables
from infra.errors import InfraError, WrongUse
from infra.paths import IS_CHECKOUT

app = typer.Typer(
    help="Coatcheck scores the images that land in S3. These commands run, measure and package its function on this machine.",
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)
for commands in (
    scoring.commands,
    backlog.commands,
    tables.commands,
    sheet.commands,
    judging.commands,
    explain.commands,
    function.commands,
    files.commands,
    cloud.commands,
    doctor.commands,
    redrive.commands,
    cost.commands,
):
    app.add_typer(commands)


def main() -> None:
    """Runs the command that the arguments name; an error that the user can mend ends it with one line."""
    try:
        status = app(sys.argv[1:] or ["--help"], prog_name="coatcheck", standalone_mode=False)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except TyperException as error:  # a name or a value that the command line does not have
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "coatcheck"
        said = error.format_message().removesuffix(".")
        _end(f"{said}{'' if said.endswith('?') else '.'} `{path} --help` shows what is possible.", 2)
    except WrongUse as error:
        _end(str(error), 2)
    except InfraError as error:
        _end(str(error), 1)
    except OSError as error:
        _end(_told(error), 1)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(("handler", "infra")):
            raise  # a mistake in this checkout, not a library that was never installed
        remedy = (
            "`make test` installs what every command needs" if IS_CHECKOUT else "docs/install.md names the extras that bring it"
        )
        _end(f"Expected the library {error.name}. {remedy}.", 1)
    raise SystemExit(status)


def _told(error: OSError) -> str:
    """Returns what the system said of a file or folder, with what to do; errors of something else tell it themselves."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"Expected to read or write {error.filename!r}. Received: {error.strerror}; mend that, or name another place."


def _end(message: str, status: int) -> NoReturn:
    from infra.printable import as_line  # late, since it loads the handler, which the help does without

    sys.stderr.write(f"error: {as_line(message)}\n")
    raise SystemExit(status)


if __name__ == "__main__":
    main()
