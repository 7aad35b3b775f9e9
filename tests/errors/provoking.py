"""Provocations: each causes one error that a user can cause, in a scene of its own, so that its message is the real one."""

import io
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The variables of a machine that change what is said, besides those of AWS and of proxies.
STRANGE = {"MODEL_URI", "QUEUE_URL", "RESULT_FORMAT", "S3_CLIENT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}


@dataclass(frozen=True)
class Scene:
    """What a provocation may use: a fresh folder, which is the working directory, and an environment of its own.

    `patch` changes the environment, or anything else, until the end of the scene, and `enter` enters a context until then.
    """

    folder: Path
    patch: pytest.MonkeyPatch
    enter: Callable[[AbstractContextManager[object]], object]


@dataclass(frozen=True)
class Provocation:
    """One error that a user can cause.

    Attributes:
        name: The name of the error's class, as logs and documents show it.
        cause: What the user or the world did, as a phrase.
        remedy: What to do about it, as a phrase or a sentence; the message itself may say more.
        provoke: Causes the error, and returns or raises it.
    """

    name: str
    cause: str
    remedy: str
    provoke: Callable[[Scene], Exception]


@contextmanager
def scene() -> Iterator[Scene]:
    """Sets a scene, and leaves no trace of it."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name in list(os.environ):
            if name.startswith("AWS_") or name.lower().endswith("_proxy") or name in STRANGE:
                patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.chdir(folder)
        stack.enter_context(redirect_stdout(io.StringIO()))  # metrics, which are none of the message
        yield Scene(Path(folder), patch, stack.enter_context)


def one_error(*provoke: Callable[[], object], until: str | None = None) -> Exception:
    """Causes the same error in several ways, and returns the last.

    Their messages may differ in numbers, and in what follows the text `until`.
    """
    errors = []
    for cause in provoke:
        try:
            errors.append(cause())
        except Exception as error:  # noqa: BLE001  # whichever it is, it is compared
            errors.append(error)
    shown = [str(error).partition(until)[0] if until else str(error) for error in errors]
    told = {(type(error).__name__, re.sub(r"\d+", "0", text)) for error, text in zip(errors, shown, strict=True)}
    if len(told) != 1 or not isinstance(errors[-1], Exception):
        raise AssertionError(f"expected one error; received {told}")
    return errors[-1]


def message(provocation: Provocation) -> str:
    """Provokes an error, and returns its message.

    Raises:
        AssertionError: another error came.
    """
    with scene() as here:
        try:
            error = provocation.provoke(here)
        except Exception as raised:  # noqa: BLE001  # whichever it is, it is compared with what was to come
            error = raised
        if type(error).__name__ != provocation.name:
            raise AssertionError(f"expected {provocation.name} for {provocation.cause}; received {error!r}") from error
        return (
            str(error)
            .replace(str(here.folder.resolve()), "/home/you")
            .replace(str(here.folder), "/home/you")
            .replace(str(ROOT), "/coatcheck")
        )
