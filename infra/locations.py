"""Parses the locations that commands take, folders and prefixes of S3, and makes the store that reads S3."""

from __future__ import annotations

import functools
from pathlib import Path

from handler.objects import Prefix, parse_prefix
from handler.settings import DEFAULTS
from handler.store import Store
from infra.errors import WrongUse

CONCURRENCY = DEFAULTS["S3_CONCURRENCY"]


def parse_location(text: str) -> Path | Prefix:
    """Returns the folder, as an absolute path, or the prefix of S3 that a text names.

    Raises:
        WrongUse: the text begins as an address, and is none.
    """
    if not text.startswith("s3://"):
        return Path(text).expanduser().resolve()
    prefix = parse_prefix(text)
    if prefix is None:
        raise WrongUse(f"Expected a folder, or s3://bucket/prefix/ with a slash at its end. Received: {text!r}.")
    return prefix


@functools.cache
def s3() -> Store:
    """Returns S3 as a store; it takes a quarter of a second to load, so it is loaded only where it is needed."""
    from handler.storage import S3Storage, make_client

    return S3Storage(make_client(CONCURRENCY))
