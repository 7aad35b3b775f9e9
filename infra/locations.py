"""Finds what commands name: folders and prefixes of S3, artifacts, documents, and the store that reads S3."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from handler.contract import MANIFEST_FILE, Manifest, Model, parse_manifest
from handler.deadline import Deadline
from handler.errors import BadSettings, ScoringError, StorageUnavailable
from handler.limits import Limits
from handler.model import BUNDLED_ARTIFACT, directory_reader, load_model, store_reader
from handler.objects import Prefix, parse_prefix
from handler.settings import DEFAULTS, load_limits
from handler.store import Store
from infra.advice import advise
from infra.errors import InfraError, WrongUse
from training.shipped import find_artifact

CONCURRENCY = DEFAULTS["S3_CONCURRENCY"]

_MANIFEST_S = 60  # in which a manifest must be read from S3
_MODEL_LOAD_S = 60  # in which a model must be read from S3

# What limits an invocation's time in Lambda limits nothing here; what limits memory, and hostile objects, stays.
_LIMITS = DEFAULTS | {
    "MAX_OBJECT_BYTES": 2**40,
    "MAX_IMAGES_PER_OBJECT": 10**9,
    "MAX_ARCHIVE_MEMBERS": 10**6,
    "MAX_UNPACKED_BYTES": 2**40,
}


def expand_home(path: Path | str) -> Path:
    """Returns a path whose beginning `~` is replaced by the home folder, which a shell may not have done."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # a Path raises an error for the home of nobody


def parse_location(text: str) -> Path | Prefix:
    """Returns the folder, as an absolute path, or the prefix of S3 that a text names.

    Raises:
        WrongUse: the text begins as an address, and is none.
    """
    if not text.startswith("s3://"):
        return expand_home(text).resolve()
    prefix = parse_prefix(text)
    if prefix is None:
        raise WrongUse(
            f"Expected a folder, or s3://bucket/prefix/ with a slash at its end. Received: {text!r}; mend this address."
        )
    return prefix


def parse_folder(text: str, what: str) -> Path | Prefix:
    """Returns the same as `parse_location`, for a folder of `what` that must be there.

    Raises:
        WrongUse: there is no such folder, or the text begins as an address, and is none.
    """
    place = parse_location(text)
    if isinstance(place, Path) and not place.is_dir():
        raise WrongUse(
            f"Expected a folder of {what}, or s3://bucket/prefix/. Received: {text!r}, which is no folder; check the path."
        )
    return place


def parse_artifact(text: str | None) -> Path | Prefix:
    """Returns where an artifact lies: the bundled one if the text is None, or one in a folder, in S3, or of those that ship."""
    if text is None:
        return BUNDLED_ARTIFACT
    return parse_location(text if text.startswith("s3://") else str(find_artifact(str(expand_home(text)))))


def read_manifest(artifact: str | None) -> Manifest:
    """Reads the manifest of an artifact, without its model.

    Raises:
        WrongUse: it is missing or broken.
    """
    place = parse_artifact(artifact)
    try:
        read = directory_reader(place) if isinstance(place, Path) else store_reader(s3(), place, Deadline.after(_MANIFEST_S))
        return parse_manifest(read(MANIFEST_FILE))
    except OSError as error:
        raise WrongUse(
            f"Expected the artifact of a model, with its {MANIFEST_FILE}. Received: {place}, which has none that can be read "
            f"({error.strerror}); name another folder, or leave --artifact out."
        ) from error
    except (ValueError, ScoringError) as error:
        raise WrongUse(
            f"Expected the artifact of a model, with its {MANIFEST_FILE}. Received: {place}, {str(error).rstrip('.')}; "
            "copy it again, or name another."
        ) from error


def load_artifact(place: Path | Prefix, store: Callable[[], Store] | None = None) -> Model:
    """Loads the model of an artifact, from S3 by `store`.

    Raises:
        BadArtifact: it is missing or broken.
        StorageUnavailable: it cannot be read from S3.
    """
    with _quiet():
        return load_model(_reader(place, store or s3))


def read_artifact(place: Path | Prefix) -> tuple[Model, dict[str, bytes]]:
    """Loads the model of an artifact, and returns it with the very files that it was loaded from, by their names.

    Raises:
        BadArtifact: it is missing or broken.
        StorageUnavailable: it cannot be read from S3.
    """
    files: dict[str, bytes] = {}
    read = _reader(place, s3)

    def keep(name: str) -> bytes:
        files[name] = read(name)
        return files[name]

    with _quiet():
        return load_model(keep), files


def read_limits() -> Limits:
    """Returns the limits on one object on this machine, which the function's own variables change.

    Raises:
        BadSettings: variables are malformed.
    """
    return load_limits(os.environ, _LIMITS)


@functools.cache
def s3() -> Store:
    """Returns S3 as a store; it takes a quarter of a second to load, so it is loaded only where it is needed."""
    from handler.storage import S3Storage, make_client

    return S3Storage(make_client(CONCURRENCY))


@contextmanager
def own_errors() -> Iterator[None]:
    """Turns the errors that the function has too into those of a command."""
    try:
        yield
    except BadSettings as error:
        raise WrongUse(str(error)) from error
    except StorageUnavailable as error:
        advice = advise(error.code, error.operation)
        raise InfraError(f"{str(error).rstrip('.')}; {advice}." if advice else str(error)) from error
    except ScoringError as error:
        raise InfraError(str(error)) from error


def _reader(place: Path | Prefix, store: Callable[[], Store]) -> Callable[[str], bytes]:
    if isinstance(place, Prefix):
        return store_reader(store(), place, Deadline.after(_MODEL_LOAD_S))
    return directory_reader(place)


@contextmanager
def _quiet() -> Iterator[None]:
    """Drops what LiteRT writes past Python when it loads a model: a line that tells nothing to a user."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
