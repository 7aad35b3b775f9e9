"""Ends every command that cannot go on in the same way."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from training.errors import TrainingError


class Commands(TyperGroup):
    """Ends a command with one line and status 1 after an error that the user can mend; other errors show a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that the command line names."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader of the output has ended, as `head` does; Typer exits quietly
            raise
        except MemoryError as error:
            raise SystemExit(
                f"error: Expected more memory, or less data at once. Received: {str(error) or 'no memory'}."
            ) from error
        except TrainingError as error:
            raise SystemExit(f"error: {' '.join(str(error).split())}") from error
        except OSError as error:
            raise SystemExit(f"error: {_told(error)}") from error


def _told(error: OSError) -> str:
    """Returns what the system said of a file or folder, with what to do; errors of something else tell it themselves."""
    if error.filename is None or error.strerror is None:
        return " ".join(str(error).split())
    return f"Expected to read or write {error.filename!r}. Received: {error.strerror}; mend that, or name another place."
